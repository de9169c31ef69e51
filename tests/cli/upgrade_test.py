#!/usr/bin/env python3
"""`repository repair` and `repository upgrade` on repositories that the real program made.

    upgrade_test.py BINARY

Standard library only.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time

REPOSITORIES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "repos")
DANGEROUS = "--dangerous-commands=enabled"
QUICK = ["--io-drain-timeout=1s", "--max-permitted-clock-drift=0s", "--status-poll-interval=100ms",
         "--allow-unsafe-upgrade"]
POISON = "n00000000000000000000000000000000-repository_unreadable_by_this_kopia_version_upgrade_required"


class Repository:
    def __init__(self, binary, name, scratch):
        self.binary, self.root = binary, tempfile.mkdtemp(prefix=name + "-", dir=scratch)
        self.path = os.path.join(self.root, name)
        with tarfile.open(os.path.join(REPOSITORIES, name + ".tar.gz")) as archive:
            archive.extractall(self.root)
        with open(os.path.join(REPOSITORIES, name + ".expected.json"), encoding="utf-8") as f:
            self.expected = json.load(f)
        self.environment = {"PATH": os.environ["PATH"], "HOME": self.root, "TZ": "UTC",
                            "KOPIA_PASSWORD": "fixture-password", "KOPIA_CHECK_FOR_UPDATES": "false",
                            "KOPIA_UPGRADE_LOCK_ENABLED": "1"}

    def command(self, words):
        return [self.binary, *words]

    def run(self, *words, fails=False, **environment):
        done = subprocess.run(self.command(words), env={**self.environment, **environment}, capture_output=True,
                              text=True, timeout=120, check=False)
        if (done.returncode != 0) != fails:
            raise AssertionError("%s: exit %d\n%s%s" % (" ".join(words), done.returncode, done.stdout, done.stderr))
        return done.stdout + done.stderr

    def connect(self, name="alice"):
        # A client that caches the format may go on for a quarter of an hour, which is what the drain time is for.
        self.run("repository", "connect", "filesystem", "--path=" + self.path, "--override-username=" + name,
                 "--override-hostname=lab", "--disable-repository-format-cache",
                 "--config-file=%s/%s.config" % (self.root, name))
        self.environment["KOPIA_CONFIG_PATH"] = "%s/%s.config" % (self.root, name)

    def as_client(self, name):
        return {"KOPIA_CONFIG_PATH": "%s/%s.config" % (self.root, name)}

    def blobs(self, prefix=""):
        whole = {os.path.relpath(os.path.join(d, f), self.path).replace("/", "")[:-2]
                 for d, _, files in os.walk(self.path) for f in files if f.endswith(".f")}
        return sorted(b for b in whole if b.startswith(prefix) and not b.startswith("_log"))

    def blob_file(self, blob):
        for directory, _, files in os.walk(self.path):
            for f in files:
                path = os.path.join(directory, f)
                if os.path.relpath(path, self.path).replace("/", "") == blob + ".f":
                    return path
        raise AssertionError("no blob " + blob)

    def status(self):
        return self.run("repository", "status")

    def snapshots(self):
        return [s["id"] for s in json.loads(self.run("snapshot", "list", "--json", "--all"))]

    def repair(self, *words, fails=False):
        return self.run("repository", "repair", "filesystem", "--path=" + self.path, DANGEROUS, *words, fails=fails)

    def upgrade(self, what, *words, fails=False, **environment):
        return self.run("repository", "upgrade", what, *words, fails=fails, **environment)

    def verify(self):
        self.run("snapshot", "verify", "--verify-files-percent=100")
        self.run("content", "verify", "--full")


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def a_lost_format_blob_is_recovered(make):
    repo = make("damage-format1-missing-format")
    said = repo.expected["kopia"]["repair"]["stderr"]
    text = repo.run("repository", "repair", "filesystem", "--path=" + repo.path, fails=True)
    expect("set --dangerous-commands=enabled" in text and not repo.blobs("kopia.repository"), text)
    before = repo.blobs()
    lines = repo.repair("-n").splitlines()
    expect(lines[0] == said[0] and lines[-1].startswith("would recover replica block from "), lines)
    expect(repo.blobs() == before, "a dry run writes nothing")
    lines = repo.repair().splitlines()
    pack = lines[-1].removeprefix("recovered replica block from ")
    expect(lines[0] == said[0] and pack in before and lines[-2] == "looking for replica of format blob in %s..." % pack,
           lines)
    repo.connect()
    repo.verify()
    expect(repo.expected["restored_snapshot"] in repo.snapshots(), "the snapshot is there")
    good = read(repo.blob_file("kopia.repository"))
    text = repo.repair()
    expect("nothing is recovered" in text and "looking for replica" not in text, text)
    for damaged in (b"", good[:100], b"{}", good.replace(b'"keyAlgo"', b'"keyAlga"')):
        with open(repo.blob_file("kopia.repository"), "wb") as f:
            f.write(damaged)
        text = repo.repair("--recover-format=no")
        expect(read(repo.blob_file("kopia.repository")) == damaged, text)
        text = repo.repair()
        expect("the format blob is damaged" in text and read(repo.blob_file("kopia.repository")) == good, text)
    expect("recovered replica block" in repo.repair("--recover-format=yes"), "yes recovers always")
    text = repo.repair("--recover-format=yes", "--recover-format-block-prefixes=x", fails=True)
    expect("could not find a replica of a format blob" in text, text)
    expect(read(repo.blob_file("kopia.repository")) == good, "what is there stays")


def without_copies_nothing_is_recovered(make):
    repo = make("damage-missing-format")
    lines = repo.repair(fails=True).splitlines()
    said = repo.expected["kopia"]["repair"]["stderr"]
    expect(sorted(lines) == sorted(said), lines)
    expect(not repo.blobs("kopia.repository"), "nothing is written")


def the_newest_copy_is_taken(make):
    repo = make("damage-base-format1")
    repo.connect()
    repo.run("repository", "set-parameters", "--upgrade")
    source = os.path.join(repo.root, "source")
    os.mkdir(source)
    with open(source + "/new", "wb") as f:
        f.write(os.urandom(5000))
    repo.run("snapshot", "create", source, "--no-auto-maintenance")
    now = read(repo.blob_file("kopia.repository"))
    os.remove(repo.blob_file("kopia.repository"))
    repo.repair()
    expect(read(repo.blob_file("kopia.repository")) == now, "an older copy would hide the new index")
    repo.verify()


def an_upgrade_says_what_the_real_one_said(make):
    repo = make("format-1")
    repo.connect()
    with open(os.path.join(REPOSITORIES, "format-1-upgraded.expected.json"), encoding="utf-8") as f:
        upgraded = json.load(f)
    words = [c for c in upgraded["commands"] if "upgrade begin" in c][0].split()[1:]
    without_times = lambda text: [re.sub("deleting .*/", "deleting ", line) for line in text.splitlines()
                                  if not line.startswith("Waiting for ")]
    text = repo.run(*words)
    expect(without_times(text) == without_times(upgraded["upgrade_stderr"]), text)
    expect("\nWaiting for 3s to allow all other kopia clients to drain ...\n" in text, text)
    done = json.loads(repo.run("repository", "status", "--json"))
    expect(done["contentFormat"] == upgraded["format"]["contentFormat"], done)
    theirs = [b["id"] for b in upgraded["blobs"] if b["id"].startswith("n00000000")]
    expect(repo.blobs("n00000000") == theirs == [POISON], "the same blob keeps old programs out")


def the_real_upgrade_is_understood(make):
    repo = make("format-1-upgraded")
    repo.connect()
    expect(repo.upgrade("validate") == "index validation succeeded\n", "the indexes are equal")
    expect("already upgraded" in repo.upgrade("begin"), "there is nothing to do")
    text = repo.upgrade("rollback", "--force", fails=True)
    expect("no upgrade of this repository is in progress" in text, "the backup that was left is too old")
    repo.verify()


def an_upgrade_keeps_everything(make):
    repo = make("damage-base-format1")
    repo.connect("bob")
    repo.connect("alice")
    before, snapshots = read(repo.blob_file("kopia.repository")), repo.snapshots()
    text = repo.upgrade("begin", fails=True, KOPIA_UPGRADE_LOCK_ENABLED="")
    expect("KOPIA_UPGRADE_LOCK_ENABLED" in text, text)
    text = repo.upgrade("begin", "--io-drain-timeout=1m", fails=True)
    expect("--io-drain-timeout must be at least 15m0s" in text, text)
    expect("no upgrade of this repository is in progress" in repo.upgrade("rollback", fails=True), "nothing to undo")
    expect("were not upgraded yet" in repo.upgrade("validate", fails=True), "nothing to validate")
    expect(read(repo.blob_file("kopia.repository")) == before, "refusals write nothing")

    repo.upgrade("begin", "--lock-only", *QUICK)
    expect(read(repo.blob_file("kopia.repository.backup.alice@lab")) == before, "the former format is kept")
    for words in (["snapshot", "list"], ["maintenance", "info"], ["repository", "upgrade", "begin"],
                  ["repository", "upgrade", "rollback"]):
        text = repo.run(*words, "--upgrade-no-block", fails=True, **repo.as_client("bob"))
        expect("repository upgrade in progress" in text, text)
    text = repo.run("repository", "status", "--upgrade-owner-id=alice@lab")
    expect("Ongoing upgrade:     Upgrading from format version 1 -> 3\n" in text and
           "Upgrade Owner:       alice@lab\n" in text and "Upgrade lock:        Locked\n" in text, text)
    text = repo.upgrade("begin", *QUICK)
    expect("migrating current indices to epoch format" in text and "successfully upgraded" in text, text)
    text = repo.status()
    expect("Format version:      3\n" in text and "Epoch Manager:       enabled\n" in text and "Ongoing" not in text, text)
    expect(POISON in repo.blobs("n") and not repo.blobs("kopia.repository.backup"), repo.blobs())
    expect(repo.upgrade("validate") == "index validation succeeded\n", "the indexes are equal")
    repo.run("index", "inspect", "--all")
    for client in ("alice", "bob"):
        repo.environment.update(repo.as_client(client))
        expect(repo.snapshots() == snapshots, "all snapshots are there")
        repo.verify()
    expect("already upgraded" in repo.upgrade("begin"), "a second time there is nothing to do")
    source = os.path.join(repo.root, "source")
    os.mkdir(source)
    with open(source + "/new", "wb") as f:
        f.write(os.urandom(5000))
    repo.run("snapshot", "create", source)
    repo.run("maintenance", "run", "--full", "--safety=none", "--force")
    repo.verify()


def an_upgrade_is_rolled_back(make):
    repo = make("damage-base-format1")
    repo.connect("bob")
    repo.connect("alice")
    before, blobs = read(repo.blob_file("kopia.repository")), repo.blobs()
    repo.upgrade("begin", "--lock-only", *QUICK)
    text = repo.upgrade("rollback")
    expect("former format is in force again" in text, text)
    expect(read(repo.blob_file("kopia.repository")) == before and repo.blobs() == blobs, repo.blobs())
    repo.verify()
    # Somebody else's upgrade is undone only when that is asked for.
    repo.upgrade("begin", "--lock-only", *QUICK, **repo.as_client("bob"))
    text = repo.upgrade("rollback", "--upgrade-no-block", fails=True)
    expect("upgrade in progress" in text, text)
    repo.upgrade("rollback", "--force")
    expect(read(repo.blob_file("kopia.repository")) == before and repo.blobs() == blobs, repo.blobs())
    repo.verify()


def the_time_moves_only_later(make):
    repo = make("damage-base-format1")
    repo.connect()
    late = ["--lock-only", "--allow-unsafe-upgrade", "--max-permitted-clock-drift=0s"]
    repo.upgrade("begin", *late, "--io-drain-timeout=1h")
    text = repo.upgrade("begin", *late, "--io-drain-timeout=30m", fails=True)
    expect("can only be moved later" in text, text)
    repo.upgrade("begin", *late, "--io-drain-timeout=2h")
    text = repo.upgrade("begin", *late, "--io-drain-timeout=1h", fails=True)
    expect("can only be moved later" in text, text)
    repo.upgrade("rollback")


def an_announced_upgrade_locks_nobody_yet(make):
    repo = make("damage-base-format1")
    repo.connect("bob")
    repo.connect("alice")
    repo.upgrade("begin", "--lock-only", "--advance-notice=1h", *QUICK)
    for client in ("alice", "bob"):
        text = repo.run("repository", "status", "--upgrade-no-block", **repo.as_client(client))
        expect("Upgrade lock:        Unlocked\n" in text and "Lock status:         Draining\n" in text, text)
    with subprocess.Popen(repo.command(["repository", "upgrade", "begin", "--advance-notice=1h", *QUICK]),
                          env=repo.environment, stderr=subprocess.PIPE, text=True) as process:
        line = process.stderr.readline()
        while not line.startswith("Waiting for "):
            line = process.stderr.readline()
        expect(line.startswith("Waiting for 59m") or line.startswith("Waiting for 1h0m0s"), line)
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        expect(process.wait() == 1 and "The upgrade lock stays" in rest and "cancelled while waiting" in rest, rest)
    repo.upgrade("rollback")


def a_backup_that_was_left_is_removed(make):
    repo = make("damage-base-format1")
    repo.connect()
    repo.upgrade("begin", "--lock-only", *QUICK)
    file = repo.blob_file("kopia.repository.backup.alice@lab")
    backup = read(file)
    repo.upgrade("begin", *QUICK)
    with open(file, "wb") as f:  # as if the command had been killed before its last step
        f.write(backup)
    expect(repo.blobs("kopia.repository.backup"), "it is seen")
    expect("already upgraded" in repo.upgrade("begin"), "nothing else is to do")
    expect(not repo.blobs("kopia.repository.backup"), "nothing is left")
    repo.verify()


def a_killed_upgrade_goes_on(make):
    """Killed at many moments; then the same command ends it, or the way back is open."""
    for round_number in range(12):
        repo = make("damage-base-format1")
        repo.connect()
        snapshots, before = repo.snapshots(), read(repo.blob_file("kopia.repository"))
        words = ["repository", "upgrade", "begin", "--io-drain-timeout=100ms", *QUICK[1:]]
        with subprocess.Popen(repo.command(words), env=repo.environment, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as process:
            time.sleep(0.15 + 0.06 * round_number)
            process.send_signal(signal.SIGKILL)
        locked = bool(repo.blobs("kopia.repository.backup")) and read(repo.blob_file("kopia.repository")) != before
        if round_number % 2 == 0:
            repo.upgrade("begin", "--io-drain-timeout=100ms", *QUICK[1:])
            expect("Format version:      3\n" in repo.status(), "upgraded")
            expect(not repo.blobs("kopia.repository.backup"), "nothing is left")
        elif locked:
            done = subprocess.run(repo.command(["repository", "upgrade", "rollback"]), env=repo.environment,
                                  capture_output=True, text=True, check=False)
            text = done.stdout + done.stderr
            expect(done.returncode == 0 or "no upgrade of this repository is in progress" in text, text)
            if done.returncode == 0:
                expect(read(repo.blob_file("kopia.repository")) == before and not repo.blobs("x"), repo.blobs())
        expect(repo.snapshots() == snapshots, "all snapshots are there")
        repo.verify()


def main():
    binary = os.path.abspath(sys.argv[1])
    scratch = tempfile.mkdtemp(prefix="cairn-upgrade-")
    try:
        for test in (a_lost_format_blob_is_recovered, without_copies_nothing_is_recovered, the_newest_copy_is_taken,
                     an_upgrade_says_what_the_real_one_said, the_real_upgrade_is_understood,
                     an_upgrade_keeps_everything, an_upgrade_is_rolled_back, the_time_moves_only_later,
                     an_announced_upgrade_locks_nobody_yet,
                     a_backup_that_was_left_is_removed, a_killed_upgrade_goes_on):
            test(lambda name: Repository(binary, name, scratch))
            print("ok", test.__name__, flush=True)
    finally:
        shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
