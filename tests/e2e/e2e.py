"""What the end-to-end tests share: the program with a repository, trees of files, and their digests.

The tests drive the real program through its command line only.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile

PASSWORD = "end-to-end-password"
SKIPPED = 77  # SKIP_RETURN_CODE in CMakeLists.txt


class Failed(Exception):
    """A promise was broken; the text says which."""


class Cairn:
    """The program as one client: its own configuration, cache and logs below `home`."""

    def __init__(self, program, home):
        self.program, self.home = os.path.abspath(program), home
        os.makedirs(home, exist_ok=True)
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("KOPIA_")}
        self.env.update(HOME=home, KOPIA_PASSWORD=PASSWORD, KOPIA_CONFIG_PATH=os.path.join(home, "repository.config"),
                        KOPIA_CACHE_DIRECTORY=os.path.join(home, "cache"), KOPIA_LOG_DIR=os.path.join(home, "log"),
                        KOPIA_CHECK_FOR_UPDATES="false", LC_ALL="C.UTF-8")

    def start(self, *arguments):
        return subprocess.Popen([self.program, *arguments], env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, errors="surrogateescape", start_new_session=True)

    def run(self, *arguments, timeout=600):
        """Exit code, standard output, standard error. A death by signal is a failed promise wherever it happens."""
        process = self.start(*arguments)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            raise Failed(f"cairn {' '.join(arguments)}: no end after {timeout} s\n{out}{err}") from None
        if process.returncode not in (0, 1):
            raise Failed(f"cairn {' '.join(arguments)}: ended with {process.returncode}\n{out}{err}")
        return process.returncode, out, err

    def ok(self, *arguments):
        code, out, err = self.run(*arguments)
        if code != 0:
            raise Failed(f"cairn {' '.join(arguments)}: exit {code}\n{out}{err}")
        return out

    def create(self, path):
        self.ok("repository", "create", "filesystem", f"--path={path}")
        # Nothing is to expire by itself during a test.
        self.ok("policy", "set", "--global", "--keep-latest=100000")

    def snapshot(self, source):
        """Id of a new snapshot of `source`."""
        return json.loads(self.ok("snapshot", "create", "--json", source))["id"]

    def complete_snapshots(self):
        """Ids listed as complete, oldest first."""
        listed = json.loads(self.ok("snapshot", "list", "--all", "--json") or "[]")
        return [s["id"] for s in sorted(listed, key=lambda s: s["startTime"]) if not s.get("incomplete")]

    def verify(self, *ids):
        self.ok("snapshot", "verify", "--verify-files-percent=100", *ids)

    def restore(self, snapshot, target):
        self.ok("snapshot", "restore", snapshot, target)


def write_file(path, rng, size, compressible=False):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    data = rng.randbytes(size) if not compressible else (b"%064x " % rng.getrandbits(256)) * (size // 65 + 1)
    with open(path, "wb") as f:
        f.write(data[:size])


def make_tree(root, rng, files=60, bytes_each=40_000, big=0):
    for number in range(files):
        write_file(os.path.join(root, f"dir{number % 7}", f"file{number}"), rng, rng.randrange(bytes_each * 2), number % 3 == 0)
    if big:
        write_file(os.path.join(root, "big"), rng, big)
    link = os.path.join(root, "link")
    if not os.path.lexists(link):
        os.symlink("dir0/file0", link)
    os.makedirs(os.path.join(root, "empty"), exist_ok=True)


def change_tree(root, rng, bytes_new):
    """Adds, rewrites and removes a few files; `bytes_new` random bytes come in."""
    known = sorted(os.path.join(d, f) for d, _, fs in os.walk(root) for f in fs)
    for path in rng.sample(known, min(3, len(known) // 8)):
        os.unlink(path)
    while bytes_new > 0:
        size = min(bytes_new, rng.choice((300, 5_000, 70_000, 900_000, 5_000_000)))
        write_file(os.path.join(root, f"dir{rng.randrange(9)}", f"new{rng.getrandbits(40):x}"), rng, size)
        bytes_new -= size


def digest(root):
    """One hash over names, types, permissions, times, link targets and bytes of everything below `root`."""
    total = hashlib.sha256()
    for directory, subdirs, files in os.walk(root):
        subdirs.sort()
        for name in sorted(files + [d for d in subdirs if os.path.islink(os.path.join(directory, d))]) + ["."]:
            path = os.path.join(directory, name)
            info = os.lstat(path)
            total.update(f"{os.path.relpath(path, root)}\0{info.st_mode:o}\0".encode(errors="surrogateescape"))
            if os.path.islink(path):
                total.update(os.readlink(path).encode())
                continue
            total.update(f"{info.st_mtime_ns}\0".encode())
            if os.path.isfile(path):
                with open(path, "rb") as f:
                    total.update(hashlib.sha256(f.read()).digest())
    return total.hexdigest()


def restored_digest(cairn, snapshot, directory):
    """Digest of the snapshot, restored to a fresh directory below `directory` that is removed again."""
    target = tempfile.mkdtemp(prefix="restored-", dir=directory)
    os.rmdir(target)
    cairn.restore(snapshot, target)
    found = digest(target)
    shutil.rmtree(target)
    return found


def arguments(description, **extra):
    """--program, --seed (default: drawn, always printed) and integer options given as name=default."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--program", required=True, help="the cairn to test")
    parser.add_argument("--seed", type=int, default=int(os.environ.get("CAIRN_TEST_SEED", random.SystemRandom().randrange(1 << 31))))
    for name, default in extra.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    print(f"seed {options.seed}; repeat with --seed={options.seed}", flush=True)
    return options


def main(test, options):
    """Runs test(options, directory) in a temporary directory; prints a broken promise and exits 1."""
    directory = tempfile.mkdtemp(prefix="cairn-e2e-")
    try:
        test(options, directory)
    except Failed as failure:
        print(f"FAILED (seed {options.seed}): {failure}")
        sys.exit(1)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print("passed")
