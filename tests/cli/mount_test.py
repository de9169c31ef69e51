#!/usr/bin/env python3
"""`mount` through the kernel: reads, directories, links, attributes, concurrent readers, unmounting.

Needs root, /dev/fuse and the right to mount; otherwise it says what is missing and is skipped (exit 77).
"""

import contextlib
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

CAIRN = ""
MANY = 100_000
NOBODY = {"user": 65534, "group": 65534, "extra_groups": []}


def skip_reason():
    if os.geteuid() != 0:
        return "not root"
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as problem:
        return f"/dev/fuse: {problem.strerror}"
    with tempfile.TemporaryDirectory() as directory:
        tried = subprocess.run(["mount", "-t", "tmpfs", "none", directory], capture_output=True)
        if tried.returncode != 0:
            return "this process may not mount"
        subprocess.run(["umount", directory], check=True)
    return ""


class Mount:
    """A running `mount`; released at the end of the with block."""

    def __init__(self, fixture, *arguments, env=None, **process):
        self.process = subprocess.Popen([CAIRN, "mount", *arguments], env=env or fixture.env, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, **process)
        self.lines = []
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))
            if "Press Ctrl-C" in line:
                return
        raise AssertionError(f"no mount: {self.lines}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        rest = self.process.communicate(timeout=60)[1]
        self.lines += rest.splitlines()
        return self.process.returncode


class MountTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = tempfile.mkdtemp(prefix="cairn-mount-test-")
        cls.env = {**os.environ, "HOME": cls.root, "KOPIA_PASSWORD": "password", "TZ": "UTC",
                   "KOPIA_CHECK_FOR_UPDATES": "false"}
        cls.source = os.path.join(cls.root, "source")
        os.makedirs(os.path.join(cls.source, "dir", "sub"))
        rng = random.Random(7)
        cls.big = rng.randbytes(40 << 20)
        for name, content in {"big": cls.big, "empty": b"", "dir/a": b"alpha\n", "dir/sub/b": b"beta\n"}.items():
            with open(os.path.join(cls.source, name), "wb") as f:
                f.write(content)
        os.chmod(os.path.join(cls.source, "dir/a"), 0o4640)
        os.chown(os.path.join(cls.source, "dir/a"), 1234, 2345)
        os.utime(os.path.join(cls.source, "dir/a"), ns=(0, 1_600_000_000_123_456_789))
        os.symlink("dir/a", os.path.join(cls.source, "link"))
        os.symlink("nowhere", os.path.join(cls.source, "dangling"))
        many = os.path.join(cls.source, "many")
        os.mkdir(many)
        for i in range(MANY):
            os.close(os.open(f"{many}/file-{i:06}", os.O_CREAT | os.O_WRONLY))
        cls.run_cairn("repository", "create", "filesystem", f"--path={cls.root}/repository",
                      "--override-hostname=lab", "--override-username=alice")
        cls.run_cairn("snapshot", "create", cls.source, "--override-source=alice@lab:/data/x",
                      "--start-time=2024-03-01 10:00:00 UTC", "--no-auto-maintenance")
        listed = cls.run_cairn("snapshot", "list", "--json")
        cls.id = listed.split('"id":"')[1].split('"')[0]
        cls.target = os.path.join(cls.root, "mnt")
        os.mkdir(cls.target)

    @classmethod
    def tearDownClass(cls):
        subprocess.run(["umount", "-l", cls.target], capture_output=True)
        shutil.rmtree(cls.root)

    @classmethod
    def run_cairn(cls, *arguments):
        done = subprocess.run([CAIRN, *arguments], env=cls.env, capture_output=True, text=True)
        if done.returncode != 0:
            raise AssertionError(f"{arguments}: {done.stderr}")
        return done.stdout

    def at(self, name):
        return os.path.join(self.target, name)

    def test_files_links_and_attributes(self):
        with Mount(self, self.id, self.target) as mount:
            self.assertEqual(sorted(os.listdir(self.target)), ["big", "dangling", "dir", "empty", "link", "many"])
            with open(self.at("big"), "rb") as f:
                self.assertEqual(hashlib.sha256(f.read()).digest(), hashlib.sha256(self.big).digest())
            with open(self.at("link"), "rb") as f:
                self.assertEqual(f.read(), b"alpha\n")
            self.assertEqual(os.path.getsize(self.at("empty")), 0)
            with open(self.at("empty"), "rb") as f:
                self.assertEqual(f.read(), b"")
            self.assertEqual(os.readlink(self.at("dangling")), "nowhere")
            for name in ["dir/a", "dir", "link", "dir/sub/b"]:
                seen, real = os.lstat(self.at(name)), os.lstat(os.path.join(self.source, name))
                facts = ["st_mode", "st_uid", "st_gid", "st_mtime_ns"]
                self.assertEqual([getattr(seen, f) for f in facts], [getattr(real, f) for f in facts], name)
            self.assertEqual(os.lstat(self.at("dir/a")).st_size, 6)
            self.assertRaises(FileNotFoundError, os.stat, self.at("none"))
            for write in [lambda: open(self.at("new"), "w"), lambda: open(self.at("big"), "r+b"),
                          lambda: os.remove(self.at("big")), lambda: os.mkdir(self.at("d"))]:
                with self.assertRaises(OSError):
                    write()
            self.assertEqual(mount.stop(), 0, mount.lines)
            self.assertEqual(mount.lines, [f"Mounted '{self.id}' on {self.target}", "Press Ctrl-C to unmount.",
                                           "Unmounting...", "Unmounted."])
        self.assertEqual(os.listdir(self.target), [])

    def test_a_directory_of_100000_entries(self):
        with Mount(self, f"{self.id}/many", self.target):
            names = os.listdir(self.target)
            self.assertEqual(len(names), MANY)
            self.assertEqual(len(set(names)), MANY)
            self.assertTrue(os.path.exists(self.at(f"file-{MANY - 1:06}")))
            with os.scandir(self.target) as entries:
                self.assertTrue(all(e.is_file(follow_symlinks=False) for e in entries))

    def test_concurrent_readers_at_random_places(self):
        problems = []

        def read(seed):
            rng = random.Random(seed)
            with open(self.at("big"), "rb", buffering=0) as f:
                for _ in range(60):
                    start, size = rng.randrange(len(self.big)), rng.randrange(1, 300_000)
                    if os.pread(f.fileno(), size, start) != self.big[start:start + size]:
                        problems.append((seed, start, size))

        with Mount(self, self.id, self.target):
            threads = [threading.Thread(target=read, args=(seed,)) for seed in range(8)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
        self.assertEqual(problems, [])

    def test_all_snapshots(self):
        with Mount(self, "all", self.target):
            self.assertEqual(os.listdir(self.target), ["alice@lab"])
            self.assertEqual(os.listdir(self.at("alice@lab")), ["data_x"])
            self.assertEqual(os.listdir(self.at("alice@lab/data_x")), ["20240301-100000"])
            with open(self.at("alice@lab/data_x/20240301-100000/dir/a"), "rb") as f:
                self.assertEqual(f.read(), b"alpha\n")

    def test_unmounted_by_somebody_else(self):
        mount = Mount(self, self.id, self.target)
        subprocess.run(["umount", self.target], check=True)
        self.assertEqual(mount.process.wait(timeout=30), 0)
        mount.stop()

    def test_a_stop_while_a_file_is_open(self):
        mount = Mount(self, self.id, self.target)
        f = os.open(self.at("big"), os.O_RDONLY)
        os.read(f, 10)
        started = time.monotonic()
        self.assertEqual(mount.stop(), 0, mount.lines)
        self.assertLess(time.monotonic() - started, 20)
        with contextlib.suppress(OSError):  # nobody is there any more to be told
            os.close(f)
        self.assertEqual(os.listdir(self.target), [])

    def test_refusals(self):
        def refused(*arguments):
            done = subprocess.run([CAIRN, "mount", *arguments], env=self.env, capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 1)
            return done.stderr

        self.assertIn("no such file or directory", refused(self.id, self.at("none")))
        self.assertIn("is not empty", refused(self.id, self.source))
        self.assertIn("malformed content ID", refused("nope", self.target))
        self.assertIn("not a directory", refused(f"{self.id}/empty", self.target))

    def test_other_users_are_let_in_only_when_that_is_asked_for(self):
        os.chmod(self.root, 0o755)

        def as_nobody(*words):
            done = subprocess.run(words, capture_output=True, text=True, check=False, **NOBODY)
            return done.returncode, done.stdout, done.stderr

        with Mount(self, self.id, self.target):
            code, _, err = as_nobody("ls", self.target)
            self.assertNotEqual(code, 0)
            self.assertIn("ermission denied", err)
        with Mount(self, self.id, self.target, "--fuse-allow-other"):
            self.assertEqual(as_nobody("ls", self.target)[1].split(), ["big", "dangling", "dir", "empty", "link", "many"])
            self.assertEqual(as_nobody("cat", self.at("dir/sub/b")), (0, "beta\n", ""))
            code, _, err = as_nobody("cat", self.at("dir/a"))  # 0640 of somebody else
            self.assertNotEqual(code, 0)
            self.assertIn("ermission denied", err)

    def test_over_a_directory_that_is_not_empty(self):
        directory = os.path.join(self.root, "hidden")
        os.makedirs(directory)
        with open(os.path.join(directory, "mine"), "w", encoding="utf-8") as f:
            f.write("mine")
        with Mount(self, f"{self.id}/dir", directory, "--fuse-allow-non-empty-mount"):
            self.assertEqual(sorted(os.listdir(directory)), ["a", "sub"])
        self.assertEqual(os.listdir(directory), ["mine"])

    def test_a_file_browser_is_opened(self):
        programs, seen = os.path.join(self.root, "programs"), os.path.join(self.root, "browsed")
        os.makedirs(programs)
        with open(os.path.join(programs, "xdg-open"), "w", encoding="utf-8") as f:
            f.write(f'#!/bin/sh\nls "$1" >{seen}.new && mv {seen}.new {seen}\n')
        os.chmod(os.path.join(programs, "xdg-open"), 0o755)
        env = {**self.env, "PATH": programs + ":" + os.environ["PATH"]}
        with Mount(self, self.id, self.target, "--browse", env=env):
            for _ in range(100):
                if os.path.exists(seen):
                    break
                time.sleep(0.1)
            with open(seen, encoding="utf-8") as f:
                self.assertEqual(f.read().split(), ["big", "dangling", "dir", "empty", "link", "many"])
        env["PATH"] = os.path.join(self.root, "nothing")  # no browser is no reason to fail
        if shutil.which("fusermount3") is None or os.geteuid() == 0:
            with Mount(self, self.id, self.target, "--browse", env=env) as mount:
                self.assertIn("unable to open a file browser", "\n".join(mount.lines))

    def test_an_ordinary_user(self):
        helper = shutil.which("fusermount3")
        if helper is None or not os.stat(helper).st_mode & 0o4000:
            self.skipTest("fusermount3 is not set-uid: ordinary users cannot mount on this machine")
        if os.stat("/dev/fuse").st_mode & 0o006 != 0o006:
            self.skipTest("/dev/fuse is not open to ordinary users: they cannot mount on this machine")
        os.chmod(self.root, 0o755)
        home = os.path.join(self.root, "nobody")
        shutil.copytree(os.path.join(self.root, "repository"), os.path.join(home, "repository"))
        target = os.path.join(home, "mnt")
        os.mkdir(target)
        for directory, directories, files in os.walk(home):
            for name in [".", *directories, *files]:
                os.lchown(os.path.join(directory, name), NOBODY["user"], NOBODY["group"])
        program = os.path.join(home, "cairn")  # the build may lie where others cannot go
        shutil.copy(CAIRN, program)
        env = {**self.env, "HOME": home}
        subprocess.run([program, "repository", "connect", "filesystem", f"--path={home}/repository"], env=env, check=True,
                       capture_output=True, cwd="/", **NOBODY)
        for end in (signal.SIGINT, signal.SIGTERM):
            mount = Mount(self, self.id, target, env=env, executable=program, cwd="/", **NOBODY)
            seen = subprocess.run(["cat", os.path.join(target, "dir/a")], capture_output=True, text=True, **NOBODY)
            self.assertEqual(seen.stdout, "alpha\n", seen.stderr)
            mount.process.send_signal(end)
            self.assertEqual(mount.process.wait(timeout=30), 0)
            mount.stop()
            self.assertEqual(mount.lines[-2:], ["Unmounting...", "Unmounted."])
            self.assertEqual(os.listdir(target), [])

    def test_a_temporary_mount_point(self):
        mount = Mount(self, self.id)
        where = mount.lines[0].split(" on ")[1]
        self.assertEqual(os.readlink(os.path.join(where, "dangling")), "nowhere")
        self.assertEqual(mount.stop(), 0, mount.lines)
        self.assertFalse(os.path.exists(where))


if __name__ == "__main__":
    CAIRN = os.path.abspath(sys.argv.pop(1))
    reason = skip_reason()
    if reason:
        print(f"SKIPPED: {reason}")
        sys.exit(77)
    unittest.main(verbosity=1)
