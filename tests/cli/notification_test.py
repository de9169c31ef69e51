#!/usr/bin/env python3
"""Sends notifications of every method to servers of its own and looks at what arrives.

    notification_test.py BINARY

Standard library only.
"""
import base64
import email
import email.header
import http.server
import json
import os
import shutil
import socketserver
import subprocess
import sys
import tempfile
import threading


class WebServer(http.server.ThreadingHTTPServer):
    """Keeps the requests; answers with `status`."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), WebHandler)
        self.requests, self.status = [], 200
        threading.Thread(target=self.serve_forever, daemon=True).start()


class WebHandler(http.server.BaseHTTPRequestHandler):
    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self.server.requests.append((self.command, self.path, dict(self.headers), body))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_PUT = answer

    def log_message(self, *_):
        pass


class MailServer(socketserver.ThreadingTCPServer):
    """Keeps the mails; with `login` it wants AUTH PLAIN with it."""

    allow_reuse_address = True

    def __init__(self, login=None):
        super().__init__(("127.0.0.1", 0), MailHandler)
        self.mails, self.login, self.refuse = [], login, False
        threading.Thread(target=self.serve_forever, daemon=True).start()


class MailHandler(socketserver.StreamRequestHandler):
    def say(self, line):
        self.wfile.write(line.encode() + b"\r\n")

    def handle(self):
        self.say("220 test")
        mail = {"to": [], "login": None}
        while line := self.rfile.readline().decode().strip():
            word = line.split(" ")[0].upper()
            if word in ("EHLO", "HELO"):
                mail["helo"] = line.split(" ")[1]
                self.say("250-test")
                self.say("250 AUTH PLAIN")
            elif word == "AUTH":
                text = line.split(" ")[2] if len(line.split(" ")) > 2 else None
                if text is None:
                    self.say("334 ")
                    text = self.rfile.readline().decode().strip()
                mail["login"] = tuple(base64.b64decode(text).decode().split("\0")[1:])
                self.say("235 ok" if mail["login"] == self.server.login else "535 no")
            elif word == "MAIL":
                mail["from"] = line.split("<")[1].split(">")[0]
                self.say("250 ok")
            elif word == "RCPT":
                mail["to"].append(line.split("<")[1].split(">")[0])
                self.say("550 unknown" if self.server.refuse else "250 ok")
            elif word == "DATA":
                self.say("354 go on")
                text = b""
                while (part := self.rfile.readline()) != b".\r\n":
                    text += part[1:] if part.startswith(b"..") else part
                mail["text"] = text
                self.server.mails.append(mail)
                self.say("250 ok")
            elif word == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 ok")


class Client:
    def __init__(self, binary, scratch):
        self.binary, self.process = binary, {}
        if os.geteuid() == 0:  # as an ordinary user: to root nothing is unreadable
            self.binary = shutil.copy(binary, os.path.join(scratch, "cairn"))
            self.process = {"user": 65534, "group": 65534, "extra_groups": [], "cwd": "/"}
            os.chown(scratch, 65534, 65534)
        self.environment = {"PATH": os.environ["PATH"], "HOME": scratch, "TZ": "UTC", "KOPIA_PASSWORD": "top-secret",
                            "KOPIA_CHECK_FOR_UPDATES": "false"}
        self.run("repository", "create", "filesystem", "--path=" + os.path.join(scratch, "repo"),
                 "--override-username=alice", "--override-hostname=lab")

    def run(self, *words, fails=False, stdin=""):
        done = subprocess.run([self.binary, *words], env=self.environment, input=stdin, capture_output=True, text=True,
                              timeout=60, check=False, **self.process)
        if (done.returncode != 0) != fails:
            raise AssertionError("%s: exit %d\n%s%s" % (" ".join(words), done.returncode, done.stdout, done.stderr))
        return done.stdout + done.stderr

    def configure(self, method, name, *words):
        return self.run("notification", "profile", "configure", method, "--profile-name=" + name, *words)

    def test(self, name, fails=False):
        return self.run("notification", "profile", "test", "--profile-name=" + name, "--error-notifications=never",
                        fails=fails)

    def fail(self, *words):
        """A command that opens the repository and then fails."""
        return self.run("manifest", "show", "0" * 32, *words, fails=True)


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def webhook(client):
    server = WebServer()
    url = "http://127.0.0.1:%d/hook/secret-path" % server.server_port
    client.configure("webhook", "hook", "--endpoint=" + url, "--http-header=X-A: one", "--http-header=X-B:two")
    client.test("hook")
    method, path, headers, body = server.requests.pop()
    expect((method, path) == ("POST", "/hook/secret-path"), path)
    expect(headers["X-A"] == "one" and headers["X-B"] == "two", headers)
    expect(headers["Subject"] == "Test notification from lab", headers)
    expect(body.startswith("This is a test notification"), body)
    client.configure("webhook", "hook", "--method=PUT", "--format=html")
    client.test("hook")
    method, path, headers, body = server.requests.pop()
    expect(method == "PUT" and headers["Content-Type"].startswith("text/html") and "<html>" in body, body)
    server.status = 500
    text = client.test("hook", fails=True)
    expect("error sending webhook notification: unexpected status 500" in text, text)
    server.status = 200
    return server


def failures_are_reported(client, server):
    server.requests.clear()
    client.configure("webhook", "hook", "--format=txt")
    client.fail()
    expect(len(server.requests) == 1, server.requests)
    _, _, headers, body = server.requests.pop()
    expect(headers["Subject"] == "Error: manifest show failed on lab", headers)
    expect('error getting metadata for "%s"' % ("0" * 32) in body and "Operation: manifest show" in body, body)
    client.fail("--error-notifications=never")
    client.run("manifest", "show", "--no-such-flag", fails=True)  # not a failure of a command
    client.run("manifest", "list")
    expect(not server.requests, server.requests)
    server.status = 404
    text = client.fail()
    expect('unable to send notification\t{"err":"unable to send notification message: error sending webhook' in text, text)
    expect("secret-path" not in text, text)
    server.status = 200


def templates(client, server):
    server.requests.clear()
    client.run("notification", "template", "set", "generic-error.txt", "--from-stdin",
               stdin="Subject: {{ .EventArgs.Operation | printf \"%q broke\" }}\nX-Extra: yes\n\n"
                     "{{ range $i, $x := .EventArgs }}{{ if eq $i \"Error\" }}[{{ $x }}]{{ end }}{{ end }}\n")
    client.fail()
    _, _, headers, body = server.requests.pop()
    expect(headers["Subject"] == '"manifest show" broke' and headers["X-Extra"] == "yes", headers)
    expect(body.startswith("[error getting metadata") and body.endswith("]\n"), body)
    client.run("notification", "template", "set", "hook.generic-error.txt", "--from-stdin", stdin="mine")
    client.fail()
    expect(server.requests.pop()[3] == "mine", "the template of the profile wins")
    client.run("notification", "template", "remove", "hook.generic-error.txt")
    client.run("notification", "template", "set", "generic-error.txt", "--from-stdin", stdin="{{ broken")
    text = client.fail()
    expect("unable to send notification" in text and "unclosed action" in text, text)
    expect(not server.requests, server.requests)
    client.run("notification", "template", "remove", "generic-error.txt")
    client.configure("webhook", "hook", "--min-severity=error")
    client.fail()
    expect(len(server.requests) == 1, "errors are severe enough")


def pushover(client):
    server = WebServer()
    client.configure("pushover", "push", "--app-token=tok", "--user-key=key")
    manifest = json.loads(client.run("notification", "profile", "show", "--profile-name=push", "--raw", "--json"))
    expect(manifest["method"]["config"] == {"appToken": "tok", "format": "txt", "userKey": "key"}, manifest)
    url = "http://127.0.0.1:%d/1/messages.json?secret" % server.server_port
    client.configure("pushover", "push", "--endpoint=" + url)
    client.test("push")
    method, path, headers, body = server.requests.pop()
    expect((method, path) == ("POST", "/1/messages.json?secret"), path)
    expect(headers["Content-Type"] == "application/json", headers)
    message = json.loads(body)
    expect((message["token"], message["user"]) == ("tok", "key") and "html" not in message, message)
    expect(message["title"] == "Test notification from lab", message)
    expect(message["message"].startswith("This is a test notification"), message)
    client.configure("pushover", "push", "--format=html")
    client.test("push")
    message = json.loads(server.requests.pop()[3])
    expect(message["html"] == "1" and "<html>" in message["message"], message)
    for status in (400, 429, 500):
        server.status = status
        text = client.test("push", fails=True)
        expect("error sending pushover notification" in text and str(status) in text, text)
        expect("tok" not in text.split("error sending")[1] and "secret" not in text, text)
    client.run("notification", "profile", "delete", "--profile-name=push")
    server.shutdown()


def snapshot_reports(client, scratch):
    """One report a command, by the worst of its sources; profiles take what is severe enough for them."""
    server = WebServer()
    url = "http://127.0.0.1:%d/" % server.server_port
    client.configure("webhook", "all", "--endpoint=%sall" % url)
    client.configure("webhook", "bad", "--endpoint=%sbad" % url, "--min-severity=warning")
    client.configure("webhook", "worst", "--endpoint=%sworst" % url, "--min-severity=error")

    def create(*words, fails=False):
        server.requests.clear()
        client.run("snapshot", "create", *words, "--no-auto-maintenance", fails=fails)
        reports = [r for r in server.requests if r[2]["Subject"].startswith("Snapshots on lab: ")]
        return sorted(r[1] for r in reports), reports[0][2]["Subject"] if reports else "", reports[0][3] if reports else ""

    good, gone = os.path.join(scratch, "good"), os.path.join(scratch, "gone")
    os.mkdir(good)
    with open(os.path.join(good, "a"), "w", encoding="utf-8") as f:
        f.write("alpha\n")
    who, subject, body = create(good)
    expect((who, subject) == (["/all"], "Snapshots on lab: success"), (who, subject))
    expect("alice@lab:%s\n" % good in body and "Files: 1, size: 6 B\n" in body and "Result: success\n" in body, body)
    expect(create(good, "--no-send-snapshot-report") == ([], "", ""), "the report is not wanted")

    who, subject, body = create(good, gone, fails=True)
    expect((who, subject) == (["/all", "/bad", "/worst"], "Snapshots on lab: error"), (who, subject))
    expect("Result: success\n" in body and "no such file or directory" in body, body)

    strange = os.path.join(scratch, "strange")
    os.mkdir(strange)
    with open(os.path.join(strange, "closed"), "w", encoding="utf-8") as f:
        f.write("secret\n")
    os.chmod(os.path.join(strange, "closed"), 0)
    client.run("policy", "set", strange, "--ignore-file-errors=true", "--no-auto-maintenance")
    who, subject, body = create(strange)
    expect((who, subject) == (["/all", "/bad"], "Snapshots on lab: warning"), (who, subject, body))
    expect("1 error(s) ignored" in body, body)
    client.run("policy", "set", strange, "--ignore-file-errors=false", "--no-auto-maintenance")
    who, subject, body = create(strange, fails=True)
    expect((who, subject) == (["/all", "/bad", "/worst"], "Snapshots on lab: error"), (who, subject))
    expect("1 fatal error(s)" in body, body)

    client.run("notification", "template", "set", "snapshot-report.txt", "--from-stdin",
               stdin="Subject: Snapshots on lab: mine\n\n{{ range .EventArgs.Snapshots }}{{ .Files }} {{ end }}")
    expect(create(good)[1:] == ("Snapshots on lab: mine", "1 "), "the customized template is used")
    server.status = 500
    server.requests.clear()
    text = client.run("snapshot", "create", good, "--no-auto-maintenance")  # the snapshot stands all the same
    expect('unable to send notification\t{"err":' in text and "Created snapshot" in text, text)
    client.run("notification", "template", "remove", "snapshot-report.txt")
    for name in ("all", "bad", "worst"):
        client.run("notification", "profile", "delete", "--profile-name=" + name)
    server.shutdown()


def mail(client):
    server = MailServer(login=("user", "pass-word"))
    client.configure("email", "mail", "--smtp-server=127.0.0.1", "--smtp-port=%d" % server.server_address[1],
                     "--mail-from=Backup <backup@example.com>", "--mail-to=a@example.com, b@example.com",
                     "--mail-cc=c@example.com", "--smtp-username=user", "--smtp-password=pass-word",
                     "--smtp-identity=me.example.com")
    client.test("mail")
    got = server.mails.pop()
    expect(got["login"] == ("user", "pass-word") and got["helo"] == "me.example.com", got)
    expect(got["from"] == "backup@example.com", got)
    expect(got["to"] == ["a@example.com", "b@example.com", "c@example.com"], got)
    expect(b"\n" not in got["text"].replace(b"\r\n", b""), "line ends are CR LF")
    message = email.message_from_bytes(got["text"])
    expect(message["Subject"] == "Test notification from lab" and message["Cc"] == "c@example.com", message)
    expect(message.get_content_type() == "text/html" and "<html>" in message.get_payload(), message)
    client.configure("email", "mail", "--smtp-password=wrong")
    text = client.test("mail", fails=True)
    expect("refused user name or password" in text and "wrong" not in text, text)
    client.configure("email", "mail", "--smtp-password=pass-word", "--format=txt")
    server.refuse = True
    client.test("mail", fails=True)
    server.refuse = False
    client.run("notification", "template", "set", "test-notification.txt", "--from-stdin",
               stdin="Subject: Größe\n\n.dot\nü\n")
    client.test("mail")
    message = email.message_from_bytes(server.mails.pop()["text"])
    expect(str(email.header.make_header(email.header.decode_header(message["Subject"]))) == "Größe", message)
    expect(message.get_payload(decode=True).decode() == ".dot\r\nü\r\n", message.get_payload())
    client.configure("email", "away", "--smtp-server=127.0.0.1", "--smtp-port=1", "--mail-from=a@b", "--mail-to=c@d")
    expect("dial 127.0.0.1:1: connection refused" in client.test("away", fails=True), "refused")


def main():
    binary = os.path.abspath(sys.argv[1])
    scratch = tempfile.mkdtemp(prefix="cairn-notification-")
    try:
        client = Client(binary, scratch)
        server = webhook(client)
        failures_are_reported(client, server)
        templates(client, server)
        client.run("notification", "profile", "delete", "--profile-name=hook")
        pushover(client)
        snapshot_reports(client, scratch)
        mail(client)
        log = subprocess.run(["grep", "-rl", "pass-word", scratch], capture_output=True, text=True, check=False).stdout
        expect(log == "", "a password stands in " + log)
    finally:
        shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
