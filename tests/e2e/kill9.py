#!/usr/bin/env python3
"""kill -9 at random moments of `snapshot create`, `snapshot delete` and `repository create`.

After every round: what is listed as complete verifies to the last byte, nothing that was acknowledged is lost, nothing
whose deletion was acknowledged is back, and a new snapshot can be made. Every tenth round restores that snapshot and
compares it with its source.
"""

import os
import random
import shutil
import signal
import subprocess
import time

from e2e import Cairn, Failed, arguments, change_tree, digest, main, make_tree, restored_digest

SNAPSHOTS_KEPT = 6


def killed_after(client, seconds, *command):
    """Starts the command and kills it after `seconds`. True if it had ended with success before."""
    process = client.start(*command)
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return False
    if process.returncode != 0:
        raise Failed(f"cairn {' '.join(command)}: exit {process.returncode}, before it was killed\n{out}{err}")
    return True


class Rounds:
    def __init__(self, options, directory):
        self.rng = random.Random(options.seed)
        self.program, self.directory = options.program, directory
        self.client = Cairn(options.program, os.path.join(directory, "client"))
        self.source = os.path.join(directory, "source")
        make_tree(self.source, self.rng, files=80, bytes_each=20_000, big=9_000_000)
        self.client.create(os.path.join(directory, "repository"))
        # Seconds each operation takes when nobody interrupts it, adjusted by what is seen.
        started = time.monotonic()
        self.sure = {self.client.snapshot(self.source)}
        self.takes = {"create": time.monotonic() - started, "delete": 0.5, "repository": 0.8}
        self.killed = dict.fromkeys(self.takes, 0)
        self.finished = dict.fromkeys(self.takes, 0)

    def interrupted(self, kind, client, *command):
        moment = self.rng.uniform(0.0, 1.25)
        started = time.monotonic()
        done = killed_after(client, moment * self.takes[kind], *command)
        (self.finished if done else self.killed)[kind] += 1
        if done:
            self.takes[kind] = 0.5 * self.takes[kind] + 0.5 * (time.monotonic() - started)
        elif moment > 1:
            self.takes[kind] *= 1.2  # a busy machine: it took longer than thought
        return done

    def snapshot_create(self):
        change_tree(self.source, self.rng, self.rng.choice((2_000, 400_000, 3_000_000, 12_000_000)))
        self.interrupted("create", self.client, "snapshot", "create", self.source)
        return set()

    def snapshot_delete(self):
        victim = self.rng.choice(sorted(self.sure))
        self.sure.discard(victim)
        if self.interrupted("delete", self.client, "snapshot", "delete", victim, "--delete"):
            if victim in self.client.complete_snapshots():
                raise Failed(f"snapshot {victim} is still there although its deletion succeeded")
        return {victim}  # may be there or not

    def repository_create(self):
        home, path = os.path.join(self.directory, "other"), os.path.join(self.directory, "other-repository")
        other = Cairn(self.program, home)
        done = self.interrupted("repository", other, "repository", "create", "filesystem", f"--path={path}")
        # Whole or not: either the repository opens and works, or a second create in its place says what is there and,
        # once that is cleared away, succeeds.
        code, _, err = other.run("repository", "connect", "filesystem", f"--path={path}")
        if code != 0:
            if done:
                raise Failed(f"repository create succeeded, but connect says: {err}")
            if not err.strip():
                raise Failed("connect to a half-made repository fails without a word")
            code, _, err = other.run("repository", "create", "filesystem", f"--path={path}")
            if code != 0:
                if "found existing data in storage location" not in err:
                    raise Failed(f"creating again over a half-made repository fails with: {err}")
                shutil.rmtree(path)
                other.ok("repository", "create", "filesystem", f"--path={path}")
        other.verify(other.snapshot(os.path.join(self.source, "dir0")))
        shutil.rmtree(path)
        shutil.rmtree(home)
        return set()

    def check(self, may_be_there):
        listed = set(self.client.complete_snapshots())
        if not self.sure <= listed:
            raise Failed(f"lost: {sorted(self.sure - listed)}")
        self.client.verify()
        del may_be_there
        fresh = self.client.snapshot(self.source)
        self.sure = listed | {fresh}
        return fresh

    def trim(self):
        while len(self.sure) > SNAPSHOTS_KEPT:
            victim = sorted(self.sure)[self.rng.randrange(len(self.sure))]
            self.client.ok("snapshot", "delete", victim, "--delete")
            self.sure.discard(victim)
        # The source shrinks with the snapshots, so that rounds stay equally long.
        for directory, _, files in os.walk(self.source):
            for name in files:
                if name.startswith("new") and self.rng.random() < 0.5:
                    os.unlink(os.path.join(directory, name))


def test(options, directory):
    rounds = Rounds(options, directory)
    for number in range(options.rounds):
        action = rounds.rng.choices((rounds.snapshot_create, rounds.snapshot_delete, rounds.repository_create), (6, 2, 2))[0]
        try:
            fresh = rounds.check(action())
            if number % 10 == 0 and restored_digest(rounds.client, fresh, directory) != digest(rounds.source):
                raise Failed("the new snapshot restores something else")
        except Failed as failure:
            raise Failed(f"round {number + 1} ({action.__name__}): {failure}") from None
        rounds.trim()
    print(f"killed: {rounds.killed}; finished before the signal: {rounds.finished}")
    if options.rounds >= 50 and min(rounds.killed.values()) == 0:
        raise Failed("some operation was never hit: the moments are chosen badly")


if __name__ == "__main__":
    main(test, arguments(__doc__, rounds=100))
