#!/usr/bin/env python3
"""What the low-level commands do to repositories that are damaged, and commands whose effect no transcript shows.

    low_level_test.py BINARY

Works on copies of the golden repositories. Standard library only.
"""
import json
import os
import subprocess
import sys
import tarfile
import tempfile

REPOSITORIES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "repos")
DANGEROUS = "--dangerous-commands=enabled"


class Repository:
    def __init__(self, binary, name, scratch):
        self.binary, self.root = binary, os.path.join(scratch, name)
        self.path = os.path.join(self.root, name)
        with tarfile.open(os.path.join(REPOSITORIES, name + ".tar.gz")) as archive:
            archive.extractall(self.root)
        self.environment = {"PATH": os.environ["PATH"], "HOME": self.root, "TZ": "UTC",
                            "KOPIA_PASSWORD": "fixture-password", "KOPIA_CHECK_FOR_UPDATES": "false"}

    def run(self, *words, fails=False):
        done = subprocess.run([self.binary, *words], env=self.environment, capture_output=True, text=True, timeout=120,
                              check=False)
        if (done.returncode != 0) != fails:
            raise AssertionError("%s: exit %d\n%s%s" % (" ".join(words), done.returncode, done.stdout, done.stderr))
        return done.stdout + done.stderr

    def connect(self):
        self.run("repository", "connect", "filesystem", "--path=" + self.path)

    def blobs(self, prefix=""):
        return [row["id"] for row in json.loads(self.run("blob", "list", "--json", "--prefix=" + prefix))]


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def damaged_data_is_found(make):
    repo = make("damage-flipped-data")
    repo.connect()
    repo.run("content", "verify")
    text = repo.run("content", "verify", "--full", fails=True)
    expect('"unreadableContents":1' in text and "encountered 1 errors" in text, text)
    repo = make("damage-missing-data-pack")
    repo.connect()
    text = repo.run("content", "verify", fails=True)
    expect('"missingPacks":1' in text and "missing pack blobs with index-referenced content" in text, text)


def index_is_recovered(make):
    repo = make("damage-base")
    repo.connect()
    before = sorted(repo.run("content", "list").split())
    for blob in repo.blobs("x"):
        if not blob.startswith(("xe", "xw")):
            repo.run("blob", "delete", blob, DANGEROUS)
    expect(repo.run("content", "list") == "", "the index should be gone")
    expect("not committed" in repo.run("index", "recover", DANGEROUS), "nothing may be written without --commit")
    expect(repo.run("content", "list") == "", "nothing may be written without --commit")
    expect("Recovered" in repo.run("index", "recover", "--commit", DANGEROUS), "recover")
    expect(sorted(repo.run("content", "list").split()) == before, "all contents are back")
    repo.run("content", "verify", "--full")
    repo.run("snapshot", "verify", "--verify-files-percent=100")


def damaged_index_is_replaced(make):
    repo = make("damage-base")
    repo.connect()
    before = sorted(repo.run("content", "list").split())
    name = repo.blobs("x")[0]
    for directory, _, files in os.walk(repo.path):
        for file in files:
            if file.endswith(".f") and name.endswith(file[:-2]) and os.path.getsize(os.path.join(directory, file)):
                with open(os.path.join(directory, file), "r+b") as blob:
                    blob.seek(40)
                    blob.write(b"damaged")
    repo.run("cache", "clear")
    repo.run("content", "list", fails=True)
    repo.run("index", "recover", "--commit", "--delete-indexes", DANGEROUS)
    expect(sorted(repo.run("content", "list").split()) == before, "all contents are back")
    repo.run("snapshot", "verify", "--verify-files-percent=100")


def contents_are_rewritten_and_deleted(make):
    repo = make("damage-base")
    repo.connect()
    rows = json.loads(repo.run("content", "list", "--json"))
    old = {row["contentID"]: row["packFile"] for row in rows}
    first = rows[0]["contentID"]
    repo.run("content", "rewrite", first, DANGEROUS)
    new = {row["contentID"]: row["packFile"] for row in json.loads(repo.run("content", "list", "--json"))}
    expect(new[first] != old[first], "the content lies in a new pack")
    expect({k: v for k, v in new.items() if k != first} == {k: v for k, v in old.items() if k != first}, "no other")
    repo.run("content", "verify", "--full")
    repo.run("content", "delete", first, DANGEROUS)
    expect(first not in repo.run("content", "list").split(), "deleted")
    expect(repo.run("content", "list", "--deleted-only").split() == [first], "and listed as such")
    repo.run("content", "show", first)
    repo.run("index", "optimize", DANGEROUS)
    repo.run("content", "verify", "--full", "--include-deleted")


def orphans_are_deleted_only_when_allowed(make):
    repo = make("damage-base")
    repo.connect()
    orphan = "p" + "0" * 32 + "-s0123456789abcdef124"
    path = os.path.join(repo.path, orphan[0], orphan[1:4], orphan[4:] + ".f")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(b"nothing refers to this")
    repo.run("blob", "gc", "--delete=yes", DANGEROUS)
    expect(os.path.exists(path), "a young pack stays")
    expect("Pass --delete=yes" in repo.run("blob", "gc", "--safety=none", DANGEROUS), "only said")
    expect(os.path.exists(path), "only said")
    repo.run("blob", "gc", "--delete=yes", "--safety=none", DANGEROUS)
    expect(not os.path.exists(path), "deleted")
    repo.run("content", "verify", "--full")


def layout_is_changed(make):
    repo = make("damage-base")
    repo.connect()
    before = sorted(repo.blobs())
    repo.run("blob", "shards", "modify", "--path=" + repo.path, "--default-shards=2,2", fails=True)
    repo.run("blob", "shards", "modify", "--path=" + repo.path, "--default-shards=2,2", "--override=q=",
             "--i-am-sure-kopia-is-not-running")
    with open(os.path.join(repo.path, ".shards"), encoding="utf-8") as file:
        expect(json.load(file) == {"default": [2, 2], "maxNonShardedLength": 20,
                                   "overrides": [{"prefix": "q", "shards": []}]}, ".shards")
    expect(sorted(repo.blobs()) == before, "the same blobs")
    repo.run("content", "verify", "--full")


def logs_are_kept_unless_told_otherwise(make):
    repo = make("damage-base")
    repo.connect()
    count = len(repo.blobs("_log_"))
    repo.run("policy", "set", "--global", "--keep-latest=5", "--disable-repository-log")
    expect(len(repo.blobs("_log_")) == count, "no log was wanted")
    repo.run("policy", "set", "--global", "--keep-latest=6")
    expect(len(repo.blobs("_log_")) == count + 1, "one log")
    shown = repo.run("logs", "show")
    expect("policy set opened for writing" in shown, shown)
    expect("fixture-password" not in shown, "no secrets in logs")
    newest = sorted(set(repo.blobs("_log_")))[-1]
    expect('"msg":' in repo.run("blob", "show", "--decrypt", newest), "readable as a blob too")


def two_files_are_compared(make):
    repo = make("damage-base")
    repo.connect()
    source = os.path.join(repo.root, "source")
    os.mkdir(source)
    for text in ("one\ntwo\n", "one\nthree\n"):
        with open(os.path.join(source, "a"), "w", encoding="ascii") as f:
            f.write(text)
        repo.run("snapshot", "create", source)
    ids = [row["id"] for row in json.loads(repo.run("snapshot", "list", "--json", source))]
    pair = [i + "/a" for i in ids]
    text = repo.run("diff", *pair)
    expect(". sizes differ: 8 10\n" in text and "changed . at " in text and "-two" not in text, text)
    text = repo.run("diff", "--files", *pair)
    expect("\n-two\n+three\n" in text, text)
    expect(repo.run("diff", pair[0], pair[0]) == "", "nothing differs")
    expect("must both be directories or both non-directories" in repo.run("diff", pair[0], ids[1], fails=True), "a mixed pair")


def main():
    binary = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="cairn-low-level-") as scratch:
        for test in (damaged_data_is_found, index_is_recovered, damaged_index_is_replaced,
                     contents_are_rewritten_and_deleted, orphans_are_deleted_only_when_allowed, layout_is_changed,
                     logs_are_kept_unless_told_otherwise, two_files_are_compared):
            test(lambda name, test=test: Repository(binary, name, os.path.join(scratch, test.__name__)))
            print("ok", test.__name__)


if __name__ == "__main__":
    main()
