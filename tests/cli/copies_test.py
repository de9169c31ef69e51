#!/usr/bin/env python3
"""`repository replicate` and `status --all`, from repository to repository.

    copies_test.py BINARY

Standard library only.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile


class Lab:
    def __init__(self, binary, root):
        self.binary, self.root = binary, root
        self.environment = {"PATH": os.environ["PATH"], "HOME": root, "TZ": "UTC", "KOPIA_CHECK_FOR_UPDATES": "false"}

    def path(self, name):
        return os.path.join(self.root, name)

    def run(self, config, *words, fails=False, password=None, **more):
        environment = dict(self.environment, **more)
        if password:
            environment["KOPIA_PASSWORD"] = password
        done = subprocess.run([self.binary, "--config-file=" + self.path(config), *words], env=environment,
                              capture_output=True, text=True, timeout=120, check=False)
        if (done.returncode != 0) != fails:
            raise AssertionError("%s: exit %d\n%s%s" % (" ".join(words), done.returncode, done.stdout, done.stderr))
        return done

    def create(self, name):
        self.run(name + ".config", "repository", "create", "filesystem", "--path=" + self.path(name),
                 password="secret of " + name)


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def test(binary, root):
    lab = Lab(binary, root)
    lab.create("main")
    lab.create("copy")
    main, copy = lab.path("main.config"), lab.path("copy.config")
    data = lab.path("data")
    os.mkdir(data)
    write(os.path.join(data, "constant"), "constant" * 1000)
    for n in range(2):
        write(os.path.join(data, "file"), "version %d" % n)
        lab.run("main.config", "snapshot", "create", data)

    done = lab.run("main.config", "status", "--all", main, copy, "--max-age=1h", "--json", fails=True)
    assert sorted(row["state"] for row in json.loads(done.stdout)) == ["fresh", "no copy"], done.stdout

    dry = lab.run("main.config", "repository", "replicate", "--to-config=" + copy, "--dry-run", "--json")
    assert json.loads(dry.stdout)["copied"] == 2, dry.stdout
    assert json.loads(lab.run("copy.config", "snapshot", "list", "--all", "--json").stdout) == []

    done = lab.run("main.config", "repository", "replicate", "--to-config=" + copy, "--verify", "--json")
    assert json.loads(done.stdout) == {"copied": 2, "present": 0, "notKept": 0, "expired": 0, "verified": 2}, done.stdout
    done = lab.run("main.config", "repository", "replicate", "--to-config=" + copy, "--json")
    assert json.loads(done.stdout)["copied"] == 0, done.stdout

    done = lab.run("main.config", "status", "--all", main, copy, "--max-age=1h")
    assert done.stdout.count("fresh") == 2, done.stdout
    lab.run("main.config", "status", "--all", main, copy, "--max-age=0s", fails=True)
    lab.run("main.config", "status", "--all", fails=True)

    # Gone at the source, there at the copy; the copy restores.
    for row in json.loads(lab.run("main.config", "snapshot", "list", "--all", "--json").stdout):
        lab.run("main.config", "snapshot", "delete", row["id"], "--delete")
    lab.run("main.config", "repository", "replicate", "--to-config=" + copy, "--expire")
    rows = json.loads(lab.run("copy.config", "snapshot", "list", "--all", "--json").stdout)
    assert len(rows) == 2, rows
    for n, row in enumerate(sorted(rows, key=lambda r: r["startTime"])):
        lab.run("copy.config", "restore", row["id"], lab.path("restored%d" % n))
        with open(lab.path("restored%d/file" % n), encoding="utf-8") as file:
            assert file.read() == "version %d" % n

    # Into itself, into what sync-to made of it, with a password that is wrong: refused.
    done = lab.run("main.config", "repository", "replicate", "--to-config=" + main, fails=True)
    assert "same repository" in done.stderr, done.stderr
    os.unlink(copy + ".kopia-password")
    done = lab.run("main.config", "repository", "replicate", "--to-config=" + copy, fails=True,
                   CAIRN_TO_PASSWORD="wrong")
    assert "destination repository" in done.stderr, done.stderr
    lab.run("main.config", "repository", "replicate", "--to-config=" + copy, CAIRN_TO_PASSWORD="secret of copy")

    # A copy that cannot be read is a failure, and the others are shown all the same.
    lab.run("copy.config", "snapshot", "create", data, password="secret of copy")
    shutil.rmtree(lab.path("main"))
    done = lab.run("main.config", "status", "--all", main, copy, password="secret of copy", fails=True)
    assert "unreadable" in done.stdout and "fresh" in done.stdout, done.stdout + done.stderr


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="cairn-copies-test-") as scratch:
        test(os.path.abspath(sys.argv[1]), scratch)
    print("ok")
