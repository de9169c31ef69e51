#!/usr/bin/env python3
"""The life of a repository in each kind of store, with a real server on loopback and the real program.

Create, snapshot, change, snapshot again, connect as another client, verify every byte, restore both and compare. A
server that is not there, a wrong secret and a place without a repository each give an error with the right words, and
nothing is made by them. --store picks one; a server that the machine does not have skips the test and says so.
"""

import base64
import hmac
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import e2e
from e2e import Cairn, Failed, change_tree, digest, make_tree, restored_digest

NOT_INITIALIZED = "error connecting to repository: repository not initialized in the provided storage"
SBIN = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"


class Missing(Exception):
    """The machine lacks what the text says."""


def program(name):
    path = shutil.which(name, path=SBIN)
    if not path:
        raise Missing(f"{name} is not installed")
    return path


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """A server in the foreground; ends with `stop()`."""

    def __init__(self, port, *argv, env=None, log=os.devnull):
        self.port = port
        with open(log, "wb") as out:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
                                            env={**os.environ, **(env or {})})
        for _ in range(1500):
            if self.process.poll() is not None:
                raise Failed(f"{argv[0]} ended with {self.process.returncode}")
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise Failed(f"{argv[0]} does not answer")

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Store:
    """What a test needs of a store: flags of the repository, of a wrong secret, of a place with nothing in it."""

    word = ""
    secret_is_checked = True
    servers = ()

    def __init__(self, directory):
        self.directory = directory

    def flags(self, place="repo", wrong=False):
        raise NotImplementedError

    def refused_flags(self):
        """Flags that lead to a port where nobody listens."""
        return [f.replace(str(self.servers[0].port), str(free_port())) for f in self.flags()]

    def through(self, port):
        """From now on flags() lead to that port: of a proxy in front of the server."""
        self.port = port

    def causes(self):
        """What can be wrong with a connection: (name, flags, words of the message, environment)."""
        return []

    def places(self):
        """Names of what exists where repositories are made."""
        return sorted(os.listdir(os.path.join(self.directory, "served")))

    def stop(self):
        for server in self.servers:
            server.stop()


class Sftp(Store):
    word = "sftp"

    def __init__(self, directory):
        super().__init__(directory)
        sshd, keygen = program("sshd"), program("ssh-keygen")
        os.makedirs("/run/sshd", exist_ok=True)
        os.makedirs(os.path.join(directory, "served"))
        for name in ("host", "client", "other"):
            subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", self.path(name)], check=True)
        self.port = free_port()
        with open(self.path("host.pub"), encoding="utf-8") as f:
            public = f.read()
        with open(self.path("known"), "w", encoding="utf-8") as f:
            f.write(f"[127.0.0.1]:{self.port} {public}")
        with open(self.path("config"), "w", encoding="utf-8") as f:
            f.write(f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self.path('host')}\nPidFile none\nUsePAM no\n"
                    f"AuthorizedKeysFile {self.path('client.pub')}\nStrictModes no\nPermitRootLogin yes\nMaxStartups 100\n"
                    "PasswordAuthentication no\nSubsystem sftp internal-sftp\n")
        self.servers = [Server(self.port, sshd, "-D", "-e", "-f", self.path("config"))]
        self.user = subprocess.run(["id", "-un"], check=True, capture_output=True, text=True).stdout.strip()

    def path(self, name):
        return os.path.join(self.directory, name)

    def flags(self, place="repo", wrong=False):
        key = self.path("other" if wrong else "client")
        return [f"--path={self.path('served')}/{place}", "--host=127.0.0.1", f"--port={self.port}", f"--username={self.user}",
                f"--keyfile={key}", f"--known-hosts={self.path('known')}"]


class SftpExternal(Sftp):
    def flags(self, place="repo", wrong=False):
        key = self.path("other" if wrong else "client")
        return [f"--path={self.path('served')}/{place}", "--host=127.0.0.1", f"--username={self.user}", "--external",
                f"--ssh-args=-F none -o BatchMode=yes -o IdentityAgent=none -p {self.port} -i {key} "
                f"-o UserKnownHostsFile={self.path('known')}"]


NGINX = """
load_module /usr/lib/nginx/modules/ngx_http_dav_ext_module.so;
daemon off; {user} pid {dir}/nginx.pid; error_log {dir}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off; client_max_body_size 0; client_body_temp_path {dir}/body;
  proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      root {dir}/served; auth_basic x; auth_basic_user_file {dir}/users;
      dav_methods PUT DELETE MKCOL COPY MOVE; dav_ext_methods PROPFIND OPTIONS;
    }}
  }}
}}
"""


class Webdav(Store):
    word = "webdav"

    def __init__(self, directory):
        super().__init__(directory)
        nginx = program("nginx")
        if not os.path.exists("/usr/lib/nginx/modules/ngx_http_dav_ext_module.so"):
            raise Missing("libnginx-mod-http-dav-ext is not installed")
        os.makedirs(os.path.join(directory, "served"))
        self.port = free_port()
        with open(os.path.join(directory, "users"), "w", encoding="utf-8") as f:
            f.write("test:{PLAIN}testsecret\n")
        config = os.path.join(directory, "nginx.conf")
        with open(config, "w", encoding="utf-8") as f:
            f.write(NGINX.format(dir=directory, port=self.port, user="user root;" if os.geteuid() == 0 else ""))
        self.servers = [Server(self.port, nginx, "-c", config, "-e", os.path.join(directory, "error.log"))]

    def flags(self, place="repo", wrong=False, host="http://127.0.0.1"):
        return [f"--url={host}:{self.port}/{place}", "--webdav-username=test",
                f"--webdav-password={'wrongsecret' if wrong else 'testsecret'}"]

    def causes(self):
        return [("DNS", self.flags(host="http://no-such-host.invalid"), "lookup no-such-host.invalid: no such host", {}),
                ("refused", self.refused_flags(), "connect: connection refused", {}),
                ("TLS", self.flags(host="https://127.0.0.1"), "tls: ", {}),
                ("secret", self.flags(wrong=True), "HTTP 401 Unauthorized", {}),
                ("folder", self.flags("no/such/folder"), "cannot access storage path", {})]


class Rclone(Store):
    word = "rclone"
    secret_is_checked = False

    def __init__(self, directory):
        super().__init__(directory)
        program("rclone")
        os.makedirs(os.path.join(directory, "served"))

    def flags(self, place="repo", wrong=False):
        return [f"--remote-path={self.directory}/served/{place}"]

    def refused_flags(self):
        return ["--remote-path=no-such-remote:x", "--rclone-env=RCLONE_CONFIG=/dev/null"]


def built_server(name, version):
    """A server that scripts/test-servers.sh makes."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.environ.get("HOME", ""), ".cache")
    cache = os.environ.get("CAIRN_TEST_SERVERS") or os.path.join(base, "cairn-test-servers")
    path = os.path.join(cache, f"{name}-{version}", name)
    if not os.access(path, os.X_OK):
        raise Missing(f"{name} is not built: run scripts/test-servers.sh")
    return path


class Azure(Store):
    """Through tokens, since no flag of the command line turns TLS off."""

    word = "from-config"
    KEY = base64.b64encode(b"testsecret of the azure store").decode()

    def __init__(self, directory):
        super().__init__(directory)
        self.port = free_port()
        self.servers = [Server(self.port, built_server("azurite", "3.35.0"), "--blobHost", "127.0.0.1", "--blobPort",
                               str(self.port), "--inMemoryPersistence", "--skipApiVersionCheck", "--silent",
                               "--disableTelemetry", env={"AZURITE_ACCOUNTS": f"127:{self.KEY}"})]
        self.call("PUT", "restype=container")

    def call(self, method, query):
        """A request about the container, signed."""
        when = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
        text = (f"{method}" + "\n" * 12 + f"x-ms-date:{when}\nx-ms-version:2021-12-02\n/127/127/box" +
                "".join("\n" + pair.replace("=", ":") for pair in sorted(query.split("&"))))
        signature = base64.b64encode(hmac.digest(base64.b64decode(self.KEY), text.encode(), "sha256")).decode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/127/box?{query}", method=method, headers={
            "x-ms-date": when, "x-ms-version": "2021-12-02", "Authorization": f"SharedKey 127:{signature}"})
        return urllib.request.urlopen(request).read().decode()

    def places(self):
        return self.call("GET", "comp=list&restype=container")

    def token(self, name, **changes):
        config = {"container": "box", "storageAccount": "127", "storageKey": self.KEY,
                  "storageDomain": f"0.0.1:{self.port}/127", "doNotUseTLS": True, **changes}
        path = os.path.join(self.directory, name)
        token = {"version": "1", "storage": {"type": "azureBlob", "config": config}}
        with open(path, "w", encoding="utf-8") as f:
            f.write(base64.urlsafe_b64encode(json.dumps(token).encode()).decode().rstrip("="))
        return [f"--token-file={path}"]

    def flags(self, place="repo", wrong=False):
        key = base64.b64encode(b"wrongsecret").decode() if wrong else self.KEY
        return self.token(f"token-{place}-{wrong}", prefix=place + "/", storageKey=key)

    def refused_flags(self):
        return self.token("token-refused", storageDomain=f"0.0.1:{free_port()}/127")

    def causes(self):
        return [("DNS", self.token("token-dns", storageDomain="no-such-host.invalid"), "lookup 127.no-such-host.invalid: no such host", {}),
                ("refused", self.refused_flags(), "connect: connection refused", {}),
                ("TLS", self.token("token-tls", doNotUseTLS=False), "tls: ", {}),
                ("secret", self.flags(wrong=True), "HTTP 403 Forbidden (AuthorizationFailure)", {}),
                ("container", self.token("token-container", container="no-such-box"), 'container "no-such-box" does not exist', {}),
                ("nothing there", self.flags("nothing-here"), NOT_INITIALIZED, {})]


class Gcs(Store):
    word = "gcs"
    secret_is_checked = False

    def __init__(self, directory):
        super().__init__(directory)
        self.port = free_port()
        address = f"127.0.0.1:{self.port}"
        self.url = f"http://{address}/storage/v1/b"
        self.servers = [Server(self.port, built_server("fake-gcs-server", "v1.56.1"), "-scheme", "http", "-host", "127.0.0.1",
                               "-port", str(self.port), "-backend", "memory", "-public-host", address,
                               "-external-url", f"http://{address}")]
        os.environ["STORAGE_EMULATOR_HOST"] = address
        urllib.request.urlopen(urllib.request.Request(self.url + "?project=p", b'{"name":"box"}',
                                                      {"Content-Type": "application/json"})).read()

    def places(self):
        listed = json.load(urllib.request.urlopen(self.url + "/box/o"))
        return sorted(item["name"] for item in listed.get("items", []))

    def flags(self, place="repo", wrong=False):
        return ["--bucket=box", f"--prefix={place}/"]

    def refused_flags(self):
        return ["--bucket=no-such-bucket"]

    def through(self, port):
        os.environ["STORAGE_EMULATOR_HOST"] = f"127.0.0.1:{port}"

    def account(self, token_port):
        """Flags with a service account whose tokens come from that port."""
        path = os.path.join(self.directory, f"account-{token_port}")
        key = subprocess.run([program("openssl"), "genrsa", "2048"], check=True, capture_output=True, text=True).stdout
        with open(path, "w", encoding="utf-8") as f:
            json.dump({"type": "service_account", "client_email": "a@b", "private_key_id": "1", "private_key": key,
                       "token_uri": f"http://127.0.0.1:{token_port}/"}, f)
        return [*self.flags(), f"--credentials-file={path}"]

    def causes(self):
        at, real = "STORAGE_EMULATOR_HOST", {"STORAGE_EMULATOR_HOST": ""}
        return [("DNS", self.flags(), "lookup no-such-host.invalid: no such host", {at: "no-such-host.invalid"}),
                ("refused", self.flags(), "connect: connection refused", {at: f"127.0.0.1:{free_port()}"}),
                ("TLS", self.flags(), "tls: ", {at: f"https://127.0.0.1:{self.port}"}),
                ("no account", self.flags(), "credentials must be provided", real),
                ("token refused", self.account(free_port()), "connect: connection refused", real),
                ("secret", self.account(self.port), "fetching an access token", real),
                ("bucket", ["--bucket=no-such-bucket"], 'bucket "no-such-bucket" does not exist', {}),
                ("nothing there", self.flags("nothing-here"), NOT_INITIALIZED, {})]


class B2(Store):
    """The simulator of Backblaze's SDK: no server of B2 can be had."""

    word = "b2"

    def __init__(self, directory):
        super().__init__(directory)
        self.port = free_port()
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support", "b2_server.py")
        self.servers = [Server(self.port, built_server("b2sdk", "2.13.2"), "-B", script, str(self.port))]
        self.through(self.port)

    def through(self, port):
        os.environ["B2_ENVIRONMENT"] = f"http://127.0.0.1:{port}"

    def control(self, call, **arguments):
        """What b2_server.py offers to tests."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/test/{call}", json.dumps(arguments).encode())
        return json.load(urllib.request.urlopen(request))

    def places(self):
        return self.control("names")

    def flags(self, place="repo", wrong=False, **changes):
        values = {"bucket": "box", "key-id": "test", "key": "wrongsecret" if wrong else "testsecret", "prefix": f"{place}/"}
        values.update({name.replace("_", "-"): value for name, value in changes.items()})
        return [f"--{name}={value}" for name, value in values.items()]

    def refused_flags(self):
        return self.flags(bucket="no-such-bucket")

    def causes(self):
        at = "B2_ENVIRONMENT"
        self.control("bucket", name="other")
        elsewhere = self.control("key", bucket="other")
        narrow = self.control("key", bucket="box", prefix="narrow/")
        blind = self.control("key", capabilities=["listBuckets", "readFiles"])

        def with_key(key):
            return self.flags(key_id=key["applicationKeyId"], key=key["applicationKey"])
        return [("DNS", self.flags(), "lookup no-such-host.invalid: no such host", {at: "http://no-such-host.invalid"}),
                ("refused", self.flags(), "connect: connection refused", {at: f"http://127.0.0.1:{free_port()}"}),
                ("TLS", self.flags(), "tls: ", {at: f"https://127.0.0.1:{self.port}"}),
                ("secret", self.flags(wrong=True), "HTTP 401: unauthorized", {}),
                ("key of another bucket", with_key(elsewhere), "the key is restricted to bucket other", {}),
                ("key of another prefix", with_key(narrow), 'restricted to names that start with "narrow/"', {}),
                ("key that may not list", with_key(blind), "HTTP 401: unauthorized", {}),
                ("bucket", self.refused_flags(), "bucket no-such-bucket does not exist", {}),
                ("nothing there", self.flags("nothing-here"), NOT_INITIALIZED, {})]


STORES = {"azure": Azure, "b2": B2, "gcs": Gcs, "sftp": Sftp, "sftp-external": SftpExternal, "webdav": Webdav, "rclone": Rclone}


def expect_refusal(client, store, verb, flags, words):
    before = store.places()
    code, out, err = client.run("repository", verb, store.word, *flags)
    if code == 0 or not any(word in err for word in words):
        raise Failed(f"{verb} {flags}: exit {code}, wanted one of {words}\n{out}{err}")
    if any(secret in err for secret in ("wrongsecret", "testsecret")):
        raise Failed(f"a secret is in the message:\n{err}")
    if store.places() != before:
        raise Failed(f"{verb} {flags} made something: {store.places()}")


def life(options, directory, store):
    rng = random.Random(options.seed)
    first = Cairn(options.program, os.path.join(directory, "first"))
    expect_refusal(first, store, "connect", store.flags("nothing-here"),
                   ["not initialized", "no such file", "cannot access storage path", "not found", "does not exist"])
    expect_refusal(first, store, "connect", store.refused_flags(), ["connection refused", "exit status 255", "didn't find section",
                    'bucket "no-such-bucket" does not exist', "bucket no-such-bucket does not exist"])
    if store.secret_is_checked:
        for verb in ("connect", "create"):
            expect_refusal(first, store, verb, store.flags(wrong=True),
                           ["unable to authenticate", "exit status 255", "Unauthorized", "Forbidden", "AuthenticationFailed",
                            "authentication", "HTTP 401: unauthorized"])
    first.ok("repository", "create", store.word, *store.flags(), "--override-hostname=one", "--override-username=tester")
    expect_refusal(first, store, "create", store.flags(), ["found existing data in storage location"])
    source = os.path.join(directory, "source")
    make_tree(source, rng, files=120, big=12_000_000)
    saved = {first.snapshot(source): digest(source)}
    change_tree(source, rng, 3_000_000)
    saved[first.snapshot(source)] = digest(source)
    second = Cairn(options.program, os.path.join(directory, "second"))
    second.ok("repository", "connect", store.word, *store.flags(), "--override-hostname=one", "--override-username=tester")
    status = second.ok("repository", "status", "--json")
    if any(secret in status for secret in ("testsecret", "PRIVATE KEY")):
        raise Failed(f"a secret is in the status:\n{status}")
    if second.complete_snapshots() != list(saved):
        raise Failed(f"listed {second.complete_snapshots()}, saved {list(saved)}")
    second.verify()
    for snapshot, wanted in saved.items():
        if restored_digest(second, snapshot, directory) != wanted:
            raise Failed(f"snapshot {snapshot} restored differently")
    print(f"{options.store}: {len(saved)} snapshots verified and restored")
    old_repository(options, directory, store)


def old_repository(options, directory, store):
    """A repository of format 1 that loses its format blob gets it back from a pack, and is upgraded."""
    client = Cairn(options.program, os.path.join(directory, "old"))
    client.ok("repository", "create", store.word, *store.flags("old"), "--format-version=1")
    source = os.path.join(directory, "source")
    snapshot, wanted = client.snapshot(source), digest(source)
    client.ok("blob", "delete", "kopia.repository", "--dangerous-commands=enabled")
    client.ok("repository", "disconnect")
    expect_refusal(client, store, "connect", store.flags("old"), [NOT_INITIALIZED])
    client.ok("repository", "repair", store.word, *store.flags("old"), "--dangerous-commands=enabled")
    client.ok("repository", "connect", store.word, *store.flags("old"))
    client.env["KOPIA_UPGRADE_LOCK_ENABLED"] = "true"
    client.ok("repository", "upgrade", "begin", "--upgrade-owner-id=tester", "--allow-unsafe-upgrade",
              "--io-drain-timeout=1s", "--status-poll-interval=1s", "--max-permitted-clock-drift=1s")
    del client.env["KOPIA_UPGRADE_LOCK_ENABLED"]
    status = json.loads(client.ok("repository", "status", "--json"))
    if status["contentFormat"]["version"] != 3:
        raise Failed(f"not upgraded: {status}")
    client.verify()
    if restored_digest(client, snapshot, directory) != wanted:
        raise Failed(f"snapshot {snapshot} restored differently after repair and upgrade")
    print(f"{options.store}: repaired and upgraded")


def run(options, directory):
    os.makedirs(os.path.join(directory, "store"))
    try:
        store = STORES[options.store](os.path.join(directory, "store"))
    except Missing as missing:
        print(f"skipped: {missing}")
        sys.exit(e2e.SKIPPED)
    try:
        life(options, directory, store)
    finally:
        store.stop()


def main():
    import argparse
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True, help="the cairn to test")
    parser.add_argument("--store", required=True, choices=sorted(STORES))
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    options = parser.parse_args()
    print(f"seed {options.seed}; repeat with --seed={options.seed}", flush=True)
    e2e.main(run, options)


if __name__ == "__main__":
    main()
