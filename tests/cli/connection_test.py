#!/usr/bin/env python3
"""Where the password of a connection is kept (file, key ring), what a restore without target may mean, index lists.

    connection_test.py BINARY

Standard library only. The key ring is a stand-in for secret-tool with the same words.
"""
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile

REPOSITORIES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "repos")
SECRET_TOOL = """#!/usr/bin/env python3
import json, os, sys
ring = os.environ["RING"]
if os.path.exists(ring + ".locked"):
    sys.exit(1)
kept = json.load(open(ring)) if os.path.exists(ring) else {}
words = [w for w in sys.argv[2:] if not w.startswith("--")]
key = " ".join(words)
open(ring + ".log", "a").write(" ".join(sys.argv[1:]) + "\\n")
if sys.argv[1] == "store":
    kept[key] = sys.stdin.read()
elif sys.argv[1] == "lookup":
    if key not in kept:
        sys.exit(1)
    sys.stdout.write(kept[key])
elif sys.argv[1] == "clear":
    kept.pop(key, None)
json.dump(kept, open(ring, "w"))
"""


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


class Client:
    def __init__(self, binary, root):
        self.binary, self.root = binary, root
        self.env = {"PATH": os.environ["PATH"], "HOME": root, "TZ": "UTC", "KOPIA_CHECK_FOR_UPDATES": "false"}

    def run(self, *words, fails=False, cwd=None, **env):
        done = subprocess.run([self.binary, *words], env={**self.env, **env}, capture_output=True, text=True, cwd=cwd,
                              stdin=subprocess.DEVNULL, timeout=60, check=False)
        if (done.returncode != 0) != fails:
            raise AssertionError("%s: exit %d\n%s%s" % (" ".join(words), done.returncode, done.stdout, done.stderr))
        return done.stdout + done.stderr


def key_ring(client):
    programs, ring = client.root + "/programs", client.root + "/ring"
    os.mkdir(programs)
    with open(programs + "/secret-tool", "w", encoding="utf-8") as f:
        f.write(SECRET_TOOL)
    os.chmod(programs + "/secret-tool", 0o755)
    file = client.root + "/.config/kopia/repository.config.kopia-password"
    with_ring = {"PATH": programs + ":" + os.environ["PATH"], "RING": ring}
    connect = ["repository", "connect", "filesystem", "--path=%s/repo" % client.root, "--password=first-secret"]

    client.run(*connect)
    expect(os.path.exists(file), "without a key ring the password is in a file")
    client.run(*connect, "--use-keyring", **with_ring)
    expect(not os.path.exists(file), "the file is gone once the key ring has the password")
    with open(ring, encoding="utf-8") as f:
        expect(list(json.load(f).values()) == ["first-secret"], "the key ring has it")
    with open(ring + ".log", encoding="utf-8") as f:
        expect("first-secret" not in f.read(), "never as an argument")
    client.run("repository", "status", "--use-keyring", **with_ring)
    client.run("repository", "status", KOPIA_USE_KEYRING="true", **with_ring)
    expect("password prompt error" in client.run("repository", "status", fails=True, **with_ring), "it is nowhere else")
    client.run("repository", "change-password", "--new-password=second-secret", "--use-keyring", **with_ring)
    client.run("repository", "status", "--use-keyring", **with_ring)

    open(ring + ".locked", "w", encoding="utf-8").close()
    connect[-1] = "--password=second-secret"
    text = client.run(*connect, "--use-keyring", **with_ring)
    expect("the key ring cannot be used, the password is kept in a file" in text and os.path.exists(file), text)
    client.run("repository", "status", "--use-keyring", **with_ring)  # the file is what is left
    os.remove(ring + ".locked")
    text = client.run(*connect, "--use-keyring", PATH="/nonexistent")
    expect("the password is kept in a file" in text and "second-secret" not in text, text)
    client.run("repository", "disconnect", "--use-keyring", **with_ring)
    with open(ring, encoding="utf-8") as f:
        expect(json.load(f) == {}, "nothing stays in the key ring")
    expect(not os.path.exists(file), "nor in the file")


def restore_in_place(client):
    source, elsewhere = client.root + "/source", client.root + "/elsewhere"
    os.makedirs(source)
    os.makedirs(elsewhere)
    with open(source + "/a", "w", encoding="utf-8") as f:
        f.write("alpha\n")
    client.run("repository", "connect", "filesystem", "--path=%s/repo" % client.root, "--password=second-secret",
               "--override-username=alice", "--override-hostname=lab")
    client.run("snapshot", "create", source)
    client.run("snapshot", "create", source, "--override-source=bob@box:" + source)
    os.remove(source + "/a")
    client.run("restore", source)
    expect(os.path.exists(source + "/a"), "a path alone is restored where it was")
    for somebody in ("bob@box:" + source, "alice@lab:" + source):
        text = client.run("restore", somebody, fails=True, cwd=elsewhere)
        expect("restore requires a source and targetpath or placeholders" in text, text)
        expect(os.listdir(elsewhere) == [], "nothing is written")
        client.run("restore", somebody, client.root + "/out-" + somebody.split("@")[0])
    expect(os.listdir(client.root + "/out-bob") == ["a"], "with a target it is")


def index_lists(client):
    for i in range(3):
        client.run("policy", "set", "--global", "--keep-latest=%d" % (i + 5), "--no-auto-maintenance")
    rows = lambda *words: [r["id"] for r in json.loads(client.run("index", "list", "--json", *words))]
    before = rows()
    expect(len(before) > 3 and rows("--superseded") == before, "nothing is superseded yet")
    with tarfile.open(os.path.join(REPOSITORIES, "epochs-mid.tar.gz")) as archive:
        archive.extractall(client.root)
    client.run("repository", "connect", "filesystem", "--path=%s/epochs-mid" % client.root,
               "--password=fixture-password")
    in_force, all_of_them = rows(), rows("--superseded")
    stored = [b["id"] for p in ("xn", "xs", "xr") for b in json.loads(client.run("blob", "list", "--json", "--prefix=" + p))]
    expect(set(in_force) < set(all_of_them) and sorted(all_of_them) == sorted(stored), (in_force, all_of_them))
    text = client.run("index", "list", "--superseded", "--summary")
    expect(text.endswith("total %d indexes\n" % len(stored)), text)


def main():
    root = tempfile.mkdtemp(prefix="cairn-connection-")
    client = Client(os.path.abspath(sys.argv[1]), root)
    client.run("repository", "create", "filesystem", "--path=%s/repo" % root, "--password=first-secret",
               "--override-username=alice", "--override-hostname=lab")
    for test in (key_ring, restore_in_place, index_lists):
        test(client)
        print("ok", test.__name__, flush=True)
    shutil.rmtree(root)


if __name__ == "__main__":
    main()
