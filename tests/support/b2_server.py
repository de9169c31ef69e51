"""B2's native interface over HTTP on loopback, in memory: b2_server.py PORT.

What the service does is decided by the simulator that Backblaze ships with its own SDK (b2sdk.raw_simulator): keys and
what they may, tokens that expire, versions, hidden files, digests, upload addresses that serve one upload at a time.
This file only carries requests to it and its errors back, and is strict where the simulator is lenient. The account is
`test`, its key `testsecret`, its bucket `box`.

For tests: POST /test/NAME with JSON. expire {}: all tokens given out so far have run out. fail_uploads {"count": n}: the
next uploads are refused with 503. key {"capabilities", "bucket", "prefix"}: a new key, answered with its id and secret.
bucket {"name"}: one more bucket. names {}: of all files ever uploaded.
"""

import base64
import http.server
import io
import itertools
import json
import re
import sys
import threading
import time
import urllib.parse

from b2sdk._internal import exception as b2_exception
from b2sdk._internal.raw_simulator import RawSimulator

ALL = ["listBuckets", "listFiles", "readFiles", "writeFiles", "deleteFiles"]


class Refused(Exception):
    def __init__(self, status, code, message=""):
        super().__init__(code)
        self.status, self.code, self.message = status, code, message or code


class Account:
    def __init__(self):
        self.sim, self.lock = RawSimulator(), threading.RLock()
        self.account, master = self.sim.create_account()
        key = self.sim.key_id_to_key.pop(self.account)
        self.account = key.account_id
        key.application_key_id, key.key = "test", "testsecret"
        self.sim.key_id_to_key["test"] = key
        del master
        self.upload_urls, self.expired, self.numbers, self.refuse_uploads = {}, set(), itertools.count(), 0
        self.make_bucket("box")

    def token(self):
        return self.sim.authorize_account(None, "test", "testsecret")["authorizationToken"]

    def make_bucket(self, name):
        if name in self.sim.bucket_name_to_bucket:
            return
        self.sim.create_bucket(self.sim.API_URL, self.token(), self.account, name, "allPrivate")
        bucket = self.sim.bucket_name_to_bucket[name]
        last = [0]

        def now():
            last[0] = max(int(time.time() * 1000), last[0])
            return last[0]
        bucket.upload_timestamp_counter = iter(now, None)
        bucket.upload_url_counter = itertools.count()
        bucket.file_id_counter = itertools.count(10**12 - 1, -1)

    def allow(self, token, capability, bucket_id=None, name=None):
        if token not in self.sim.auth_token_to_key:
            raise Refused(401, "bad_auth_token")
        self.sim._assert_account_auth(self.sim.API_URL, token, self.account, capability, bucket_id, name)

    # Calls of the interface: (token, arguments, address of this server as the client sees it) → answer.

    def list_buckets(self, token, args, _):
        return self.sim.list_buckets(self.sim.API_URL, token, args["accountId"], args.get("bucketId"), args.get("bucketName"))

    def list_file_names(self, token, args, _):
        start, prefix = args.get("startFileName"), args.get("prefix", "")
        if start and not start.startswith(prefix):
            raise Refused(400, "bad_request", "startFileName")
        # The simulator ends at the first name without the prefix, also when that comes before those that have it.
        return self.sim.list_file_names(self.sim.API_URL, token, args["bucketId"], start or prefix, args.get("maxFileCount"), prefix)

    def get_upload_url(self, token, args, url):
        # The simulator's own check forgets which bucket is meant, and would refuse keys of one bucket.
        self.allow(token, "writeFiles", args["bucketId"])
        made = self.sim.bucket_id_to_bucket[args["bucketId"]].get_upload_url(token)
        path = f"/b2api/v3/b2_upload_file/{args['bucketId']}/{next(self.numbers)}"
        self.upload_urls[path] = made["uploadUrl"]
        return {**made, "uploadUrl": url + path}

    def hide_file(self, token, args, _):
        self.allow(token, "writeFiles", args["bucketId"], args["fileName"])
        bucket = self.sim.bucket_id_to_bucket[args["bucketId"]]
        versions = sorted(key for key in bucket.file_name_and_id_to_file if key[0] == args["fileName"])
        if not versions:
            raise Refused(400, "no_such_file")
        if not bucket.file_name_and_id_to_file[versions[0]].is_visible():
            raise Refused(400, "already_hidden")
        return bucket.hide_file(token, args["fileName"])

    def authorize(self, key_id, key, url):
        answer = self.sim.authorize_account(None, key_id, key)
        api = answer["apiInfo"]["storageApi"]
        only = (api.pop("allowed").get("buckets") or [{}])[0]
        api.update(apiUrl=url, downloadUrl=url, bucketId=only.get("id"), bucketName=only.get("name"))
        return answer

    def download(self, token, bucket_name, file_name):
        if bucket_name not in self.sim.bucket_name_to_bucket:
            raise Refused(404, "not_found", "bucket")
        self.allow(token, "readFiles", self.sim.bucket_name_to_bucket[bucket_name].bucket_id, file_name)
        url = f"{self.sim.DOWNLOAD_URL}/file/{bucket_name}/{urllib.parse.quote(file_name)}"
        with self.sim.download_file_from_url(token, url) as response:
            return response.data_bytes, dict(response.headers)

    def upload(self, path, headers, body):
        sim_url = self.upload_urls.get(path)
        if sim_url is None or headers.get("Authorization") != sim_url:
            raise Refused(401, "bad_auth_token")
        if path in self.expired:
            raise Refused(401, "expired_auth_token")
        if self.refuse_uploads > 0:
            self.refuse_uploads -= 1
            raise Refused(503, "service_unavailable", "no tomes available")
        sha1 = headers.get("X-Bz-Content-Sha1", "")
        if not re.fullmatch("[0-9a-f]{40}", sha1) or not headers.get("Content-Type") or "Content-Length" not in headers:
            raise Refused(400, "bad_request", "headers")
        info = {name[len("x-bz-info-"):].lower(): urllib.parse.unquote(value) for name, value in headers.items()
                if name.lower().startswith("x-bz-info-")}
        name = urllib.parse.unquote(headers["X-Bz-File-Name"])
        return self.sim.upload_file(sim_url, sim_url, name, len(body), headers["Content-Type"], sha1, info, io.BytesIO(body))

    # For tests.

    def test(self, name, args):
        if name == "expire":
            for token in list(self.sim.auth_token_to_key):
                self.sim.expire_auth_token(token)
            self.expired.update(self.upload_urls)
        elif name == "fail_uploads":
            self.refuse_uploads = args["count"]
        elif name == "bucket":
            self.make_bucket(args["name"])
        elif name == "names":
            return sorted(key[0] for bucket in self.sim.bucket_name_to_bucket.values() for key in bucket.file_name_and_id_to_file)
        elif name == "key":
            bucket = args.get("bucket")
            ids = [self.sim.bucket_name_to_bucket[bucket].bucket_id] if bucket else None
            return self.sim.create_key(self.sim.API_URL, self.token(), self.account, args.get("capabilities", ALL), "key",
                                       None, ids, args.get("prefix"))
        return {}


def refusal(e):
    """What the service says where the SDK raises."""
    for kind, status, code in ((b2_exception.InvalidAuthToken, 401, "unauthorized"), (b2_exception.Unauthorized, 401, "unauthorized"),
                               (b2_exception.FileNotPresent, 404, "not_found"), (b2_exception.NonExistentBucket, 400, "bad_bucket_id"),
                               (b2_exception.FileSha1Mismatch, 400, "bad_request"), (KeyError, 400, "bad_request"),
                               (b2_exception.UploadTokenUsedConcurrently, 400, "bad_request")):
        if isinstance(e, kind):
            expired = isinstance(e, b2_exception.InvalidAuthToken) and "expired" in str(e)
            return Refused(status, "expired_auth_token" if expired else code, str(e))
    return Refused(500, "internal_error", f"{type(e).__name__}: {e}")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    account = None

    def answer(self, status, body, headers=()):
        self.send_response_only(status)
        self.send_header("Date", self.date_time_string())
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def serve(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            self.answer(*self.handle_request(urllib.parse.urlsplit(self.path).path, body))
        except Exception as e:  # every failure of the simulator becomes an answer
            refused = e if isinstance(e, Refused) else refusal(e)
            text = {"status": refused.status, "code": refused.code, "message": refused.message}
            self.answer(refused.status, json.dumps(text).encode(), [("Content-Type", "application/json")])

    do_GET = do_HEAD = do_POST = serve

    def handle_request(self, path, body):
        account, token = self.account, self.headers.get("Authorization", "")
        url = f"http://{self.headers['Host']}"
        as_json = [("Content-Type", "application/json;charset=utf-8")]
        if path.startswith("/b2api/v3/b2_upload_file/"):
            # Not under the lock: the simulator refuses two uploads at one address at a time.
            return 200, json.dumps(account.upload(path, self.headers, body), default=sorted).encode(), as_json
        with account.lock:
            if path == "/b2api/v3/b2_authorize_account":
                key_id, _, key = base64.b64decode(token.removeprefix("Basic ")).decode().partition(":")
                return 200, json.dumps(account.authorize(key_id, key, url)).encode(), as_json
            if path.startswith("/b2api/v3/b2_"):
                call = path.removeprefix("/b2api/v3/b2_")
                if call not in ("list_buckets", "list_file_names", "get_upload_url", "hide_file"):
                    raise Refused(400, "bad_request", call)
                if token not in account.sim.auth_token_to_key:
                    raise Refused(401, "bad_auth_token")
                return 200, json.dumps(getattr(account, call)(token, json.loads(body), url), default=sorted).encode(), as_json
            if path.startswith("/file/"):
                _, _, bucket, name = path.split("/", 3)
                return self.part(*account.download(token, urllib.parse.unquote(bucket), urllib.parse.unquote(name)))
            if path.startswith("/test/"):
                return 200, json.dumps(account.test(path.removeprefix("/test/"), json.loads(body or b"{}"))).encode(), as_json
        raise Refused(404, "not_found")

    def part(self, data, headers):
        headers = [(name, value) for name, value in headers.items() if name.lower() != "content-length"]
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if not wanted:
            return 200, data, headers
        first, last = int(wanted[1]), min(int(wanted[2] or len(data)), len(data) - 1)
        if first >= len(data):
            raise Refused(416, "range_not_satisfiable")
        return 206, data[first:last + 1], headers + [("Content-Range", f"bytes {first}-{last}/{len(data)}")]

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    Handler.account = Account()
    Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
