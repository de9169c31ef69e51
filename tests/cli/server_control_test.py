#!/usr/bin/env python3
"""Commands that ask a running server: their requests and what they say, against a server of the test's own that answers
as the real one was seen to.

    server_control_test.py BINARY

Standard library only; openssl makes the certificate.
"""
import base64
import hashlib
import http.server
import json
import os
import shutil
import socket
import socketserver
import ssl
import subprocess
import sys
import tempfile
import threading
import urllib.parse

SOURCES = [("lab", "alice", "/data", "IDLE"), ("lab", "alice", "/a b&c", "UPLOADING"), ("box", "bob", "/data", "REMOTE")]


class Server(http.server.ThreadingHTTPServer):
    def __init__(self, certificate=None, socket_file=None):
        self.address_family = socket.AF_UNIX if socket_file else socket.AF_INET
        super().__init__(socket_file or ("127.0.0.1", 0), Handler)
        self.requests, self.limits = [], {}
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def server_bind(self):
        if self.address_family == socket.AF_INET:
            return super().server_bind()
        self.server_name, self.server_port = "localhost", 0
        return socketserver.TCPServer.server_bind(self)

    def handle_error(self, *_):  # refused handshakes are part of the test
        pass


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def address_string(self):
        return "client"

    def answer(self, status, body):
        data = json.dumps(body).encode() if body is not None else b""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def handle_call(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        url = urllib.parse.urlsplit(self.path)
        self.server.requests.append((self.command, self.path, body))
        user = base64.b64decode(self.headers.get("Authorization", "Basic Og==").split(" ")[1]).decode()
        if user == "kopia:uipw":
            return self.answer(403, {"code": "ACCESS_DENIED", "error": "access is denied"})
        if user != "server-control:ctlpw":
            return self.answer(401, None)
        what = url.path.removeprefix("/api/v1/control/")
        if (self.command, what) == ("GET", "sources"):
            return self.answer(200, {"localUsername": "alice", "localHost": "lab", "multiUser": True, "sources": [
                {"source": {"host": h, "userName": u, "path": p}, "status": s} for h, u, p, s in SOURCES]})
        if what == "throttle":
            if self.command == "PUT":
                self.server.limits = json.loads(body)
                return self.answer(200, {})
            return self.answer(200, self.server.limits)
        if self.command == "POST" and what in ("refresh", "flush", "shutdown"):
            return self.answer(200, {})
        if self.command == "POST" and what in ("trigger-snapshot", "cancel-snapshot", "pause-source", "resume-source"):
            wanted = urllib.parse.parse_qs(url.query).get("path", [None])[0]
            found = {"%s@%s:%s" % (u, h, p): {"success": p != "/a b&c" or what != "cancel-snapshot"}
                     for h, u, p, s in SOURCES if s != "REMOTE" and wanted in (None, p)}
            if not found:
                return self.answer(404, {"code": "NOT_FOUND", "error": "no source matching the provided filters"})
            return self.answer(200, {"sources": found})
        return self.answer(500, {"code": "INTERNAL", "error": "strange request"})

    do_GET = do_POST = do_PUT = handle_call


def main():
    binary = os.path.abspath(sys.argv[1])
    root = tempfile.mkdtemp(prefix="cairn-control-")
    base_env = {"PATH": os.environ["PATH"], "HOME": root}

    def run(*words, env=None):
        done = subprocess.run([binary, "server", *words], env={**base_env, **(env or {})}, capture_output=True, text=True,
                              cwd="/", check=False, timeout=60)
        return done.returncode, done.stdout, done.stderr

    def expect(actual, *wanted):
        if actual not in wanted:
            raise AssertionError("%r is not %r" % (actual, wanted[0]))

    server = Server()
    url = "http://127.0.0.1:%d" % server.server_port
    ctl = ["--address=" + url, "--server-control-password=ctlpw"]

    local = "IDLE: alice@lab:/data\nUPLOADING: alice@lab:/a b&c\n"
    expect(run("status", *ctl), (0, local, ""))
    expect(run("status", "--remote", *ctl), (0, local + "REMOTE: bob@box:/data\n", ""))
    expect(run("status", env={"KOPIA_SERVER_ADDRESS": url, "KOPIA_SERVER_PASSWORD": "ctlpw"}), (0, local, ""))
    for words, error in [([ctl[0], "--server-control-password=bad"], "401 Unauthorized"), ([ctl[0]], "401 Unauthorized"),
                         ([ctl[0], "--server-username=kopia", "--server-password=uipw"], "403 Forbidden: access is denied"),
                         (["--address=nonsense"], 'error running http request: Get "nonsense/api/v1/control/sources": '
                                                  'unsupported protocol scheme ""'),
                         (["--address=http://127.0.0.1:1"],
                          'error running http request: Get "http://127.0.0.1:1/api/v1/control/sources": dial tcp '
                          "127.0.0.1:1: connect: connection refused")]:
        expect(run("status", *words), (1, "", "unable to list sources: %s\n" % error))

    for word in ("refresh", "flush", "shutdown"):
        server.requests.clear()
        expect(run(word, *ctl), (0, "", ""))
        expect(server.requests, [("POST", "/api/v1/control/" + word, "{}")])
    expect(run("refresh", ctl[0])[0], 1)

    for words, call in [(["snapshot"], "trigger-snapshot"), (["upload"], "trigger-snapshot"), (["pause"], "pause-source"),
                        (["resume"], "resume-source"), (["unpause"], "resume-source"), (["cancel"], "cancel-snapshot")]:
        server.requests.clear()
        expect(run(*words, "/data", *ctl), (0, "", "Success alice@lab:/data\n"))
        expect(urllib.parse.unquote(server.requests[0][1]), "/api/v1/control/%s?path=/data" % call)
        expect(run(*words, *ctl), (1, "", "must specify source or --all\n"))
        second = "Failed" if call == "cancel-snapshot" else "Success"
        expect(run(*words, "--all", *ctl), (0, "", "Success alice@lab:/data\n%s alice@lab:/a b&c\n" % second))
        expect(server.requests[1][1], "/api/v1/control/" + call)
        gone = (1, "", "server returned error: 404 Not Found: no source matching the provided filters\n")
        expect(run(*words, "/nope", *ctl), gone)
        expect(run(*words, "bob@box:/data", *ctl), gone)  # always a path of this machine
    expect(run("snapshot", "/a b&c/", *ctl), (0, "", "Success alice@lab:/a b&c\n"))
    expect(run("snapshot", "data", *ctl), (0, "", "Success alice@lab:/data\n"))

    shown = run("throttle", "get", *ctl)
    expect(shown[1].splitlines()[0], "Max Download Speed:            (unlimited)")
    expect(len(shown[1].splitlines()), 7)
    expect(run("throttle", "set", "--concurrent-reads=5", *ctl), (0, "", "Setting concurrent reads to 5.\n"))
    expect(run("throttle", "set", "--upload-bytes-per-second=1000000", *ctl),
           (0, "", "Setting max upload speed to 1 MB/s.\n"))
    expect(server.limits, {"maxUploadSpeedBytesPerSecond": 1000000, "concurrentReads": 5})
    expect(json.loads(run("throttle", "get", "--json", *ctl)[1]), server.limits)
    server.requests.clear()
    expect(run("throttle", "set", *ctl), (0, "", "No changes made.\n"))
    expect([r[0] for r in server.requests], ["GET"])

    behind_file = root + "/control.sock"
    Server(socket_file=behind_file)
    over_file = ["--address=unix+http://" + behind_file, ctl[1]]
    expect(run("status", *over_file), (0, local, ""))
    expect(run("snapshot", "/data", *over_file), (0, "", "Success alice@lab:/data\n"))
    expect(run("status", "--address=unix+http://%s/none" % root),
           (1, "", 'unable to list sources: error running http request: Get "http://localhost/api/v1/control/sources": '
                   "dial unix %s/none: connect: no such file or directory\n" % root))
    expect(run("status", "--address=unix+http:///" + "x" * 200)[0], 1)

    if shutil.which("openssl"):
        key, certificate = root + "/key", root + "/cert"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate,
                        "-days", "2", "-subj", "/O=Kopia"], check=True, capture_output=True)
        with open(certificate, encoding="utf-8") as f:
            print_of = hashlib.sha256(ssl.PEM_cert_to_DER_cert(f.read())).hexdigest()
        safe = Server((certificate, key))
        ctl = ["--address=https://127.0.0.1:%d" % safe.server_port, "--server-control-password=ctlpw"]
        expect(run("status", *ctl, "--server-cert-fingerprint=" + print_of), (0, local, ""))
        expect(run("status", *ctl, "--server-cert-fingerprint=" + print_of.upper()), (0, local, ""))
        Server((certificate, key), socket_file=root + "/safe.sock")
        expect(run("status", "--address=unix+https://%s/safe.sock" % root, ctl[1], "--server-cert-fingerprint=" + print_of),
               (0, local, ""))
        safe.requests.clear()
        for words in ([], ["--server-cert-fingerprint=" + "0" * 64]):
            code, out, err = run("status", *ctl, *words)
            expect((code, out), (1, ""))
            expect("unable to list sources: error running http request: Get " in err and "certificate" in err, True)
        expect(safe.requests, [])  # the password went nowhere
    found = subprocess.run(["grep", "-rl", "ctlpw", root], capture_output=True, text=True, check=False).stdout
    expect(found, "")
    shutil.rmtree(root)


if __name__ == "__main__":
    main()
