#!/usr/bin/env python3
"""Every call that changes a file fails once, or is the process's last.

For each writing command the calls below repository, configuration, cache and logs are counted; then the command runs once
for each of them with that call failing (ENOSPC from there on; EIO once) or with the process killed in it. A failed
command exits with 1 and says why; what was saved before lists, verifies to the last byte; and the command, repeated without
fault, works. fault_shim.c, loaded in front of the C library, does the counting and failing.
--limit N takes at most N calls of each command and kind of fault, drawn by the seed; 0 takes all.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from multiprocessing.pool import ThreadPool

from e2e import SKIPPED, Cairn, Failed, arguments, main, make_tree, write_file

FAULTS = {"full": {"FAULT_ERRNO": "28", "FAULT_STICKY": "1"}, "broken": {"FAULT_ERRNO": "5"}, "killed": {"FAULT_ERRNO": "0"}}
REASONS = {"full": "no space left on device", "broken": "input/output error"}
HERE = os.path.dirname(os.path.abspath(__file__))


def build_shim(directory):
    shim = os.path.join(directory, "fault_shim.so")
    command = [os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-o", shim, os.path.join(HERE, "fault_shim.c"), "-ldl"]
    subprocess.run(command, check=True)
    return shim


class World:
    """A client and its repository below one directory, which can be put back to how it was."""

    def __init__(self, program, shim, directory):
        self.directory, self.shim = directory, shim
        self.client = Cairn(program, os.path.join(directory, "client"))
        self.client.env.update(LD_PRELOAD=shim)
        self.repository = os.path.join(directory, "repository")
        self.source = os.path.join(directory, "source")

    def copy_to(self, directory):
        shutil.copytree(self.directory, directory, symlinks=True)
        return World(self.client.program, self.shim, directory)


def commands(world):
    """Name, arguments, whether it needs a repository."""
    yield "repository create", ["repository", "create", "filesystem", f"--path={world.repository}"], False
    yield "snapshot create", ["snapshot", "create", world.source], True
    yield "policy set", ["policy", "set", "--global", "--keep-latest=7"], True
    yield "snapshot delete", ["snapshot", "delete", "ALL-BUT-FIRST", "--delete"], True
    yield "snapshot expire", ["snapshot", "expire", "--all", "--delete"], True
    yield "snapshot pin", ["snapshot", "pin", "FIRST", "--add=keep"], True
    yield "repository connect", ["repository", "connect", "filesystem", f"--path={world.repository}"], True
    yield "repository set-client", ["repository", "set-client", "--description=other"], True


def run_with_fault(world, command, fault, at, root=None):
    """Exit code (negative: the signal), standard error, calls counted below `root` (all of the world unless given)."""
    env = dict(world.client.env)
    count = os.path.join(world.directory, "count")
    env.update(FAULT_AT=str(at), FAULT_ROOT=root or world.directory, FAULT_COUNT=count)
    env.update(FAULTS.get(fault, {}))
    done = subprocess.run([world.client.program, *command], env=env, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=120)
    calls = 0
    if os.path.exists(count):
        with open(count, encoding="ascii") as f:
            calls = int(f.read())
        os.unlink(count)
    return done.returncode, done.stdout + done.stderr, calls


def check_point(base, expected, name, command, needs_repository, fault, at):
    with tempfile.TemporaryDirectory(prefix="point-", dir=os.path.dirname(base.directory)) as parent:
        world = base.copy_to(os.path.join(parent, "w"))
        # Every path of the configuration is below the copy.
        command = [word.replace(base.directory, world.directory) for word in command]
        if needs_repository:
            config = world.client.env["KOPIA_CONFIG_PATH"]
            with open(config, encoding="utf-8") as f:
                text = f.read().replace(base.directory, world.directory)
            with open(config, "w", encoding="utf-8") as f:
                f.write(text)
        code, said, _ = run_with_fault(world, command, fault, at)
        where = f"{name}, {fault} at call {at}"
        if code not in (0, 1) and not (fault == "killed" and code == -signal.SIGKILL):
            raise Failed(f"{where}: ended with {code}\n{said}")
        if code == 1 and REASONS.get(fault, "") not in said.lower():
            raise Failed(f"{where}: does not name the reason\n{said}")
        if not needs_repository:
            check_created(world, code, where)
            return
        removes = name in ("snapshot delete", "snapshot expire")
        if name == "repository connect" and world.client.run("repository", "status")[0] != 0:
            if code == 0:
                raise Failed(f"{where}: says it is connected, and is not")
            world.client.ok(*command)
        listed = set(world.client.complete_snapshots()) if name != "snapshot pin" else None
        if listed is not None and not (set(expected[:1]) if removes else set(expected)) <= listed:
            raise Failed(f"{where}: a saved snapshot is no longer listed")
        world.client.verify()
        repeated = world.client.run(*command)
        gone = "not found" in repeated[2] or "no snapshot" in repeated[2].lower()
        if repeated[0] != 0 and not (name in ("snapshot delete", "snapshot pin") and gone):
            raise Failed(f"{where}: repeated without fault it fails\n{repeated[1]}{repeated[2]}")


def check_created(world, code, where):
    """An interrupted create leaves nothing, a whole repository, or a place that says what is wrong with it."""
    connected = world.client.run("repository", "status")[0] == 0
    if code == 0 and not connected:
        raise Failed(f"{where}: says it is created, and is not")
    if connected:
        world.client.snapshot(world.source)
        world.client.verify()
        return
    again, _, err = world.client.run("repository", "create", "filesystem", f"--path={world.repository}")
    if again == 0:
        return
    if world.client.run("repository", "connect", "filesystem", f"--path={world.repository}")[0] == 0:
        world.client.snapshot(world.source)
        return
    if "found existing data in storage location" not in err and "blobcfg" not in err and "already initialized" not in err:
        raise Failed(f"{where}: creating again says\n{err}")


def chosen_points(calls, limit, rng):
    """All of them, or so many as the limit allows: the first and last ones and a sample."""
    every = list(range(1, calls + 1))
    return every if not limit or calls <= limit else sorted(rng.sample(every, limit))


def test(options, directory):
    if shutil.which(os.environ.get("CC", "cc")) is None:
        print("skipped: no C compiler")
        sys.exit(SKIPPED)
    rng = random.Random(options.seed)
    fresh = World(options.program, build_shim(directory), os.path.join(directory, "fresh"))
    make_tree(fresh.source, rng, files=4, bytes_each=2000)
    base = fresh.copy_to(os.path.join(directory, "base"))
    base.client.create(base.repository)
    expected = [base.client.snapshot(base.source)]
    write_file(os.path.join(base.source, "more"), rng, 3000)
    expected.append(base.client.snapshot(base.source))
    write_file(os.path.join(base.source, "more"), rng, 4000)
    points = []
    for number, (name, command, needs_repository) in enumerate(commands(base)):
        world = base if needs_repository else fresh
        command = [{"FIRST": expected[0], "ALL-BUT-FIRST": expected[1]}.get(word, word) for word in command]
        command = [word.replace(base.directory, world.directory) for word in command]
        trial = world.copy_to(os.path.join(directory, f"trial{number}"))
        if needs_repository:
            trial.client.ok("repository", "connect", "filesystem", f"--path={trial.repository}")
        trial_command = [word.replace(world.directory, trial.directory) for word in command]
        code, said, calls = run_with_fault(trial, trial_command, "", 0)
        if code != 0 or calls == 0:
            raise Failed(f"{name} without fault: exit {code}, {calls} calls\n{said}")
        points += [(world, expected, name, command, needs_repository, fault, at)
                   for fault in FAULTS for at in chosen_points(calls, options.limit, rng)]
        print(f"{name}: {calls} calls", flush=True)
    with ThreadPool(options.jobs) as pool:
        for _ in pool.imap_unordered(lambda point: check_point(*point), points):
            pass
    print(f"{len(points)} faults")


if __name__ == "__main__":
    if os.access("/dev/shm", os.W_OK):
        tempfile.tempdir = "/dev/shm"  # thousands of copies and fsyncs
    main(test, arguments(__doc__, jobs=2, limit=0))
