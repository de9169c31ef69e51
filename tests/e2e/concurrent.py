#!/usr/bin/env python3
"""Four writers and two readers on one repository at once, each a client of its own.

A writer saves its tree, changes it and saves again, and now and then deletes one of its snapshots. The readers list,
verify and restore what is there meanwhile. Whatever `snapshot create` acknowledged restores byte for byte, during the
race and after it, seen by a client that connects afresh. The writers share most of their files, so they race for the
same contents.
"""

import os
import random
import shutil
import sys
import threading

from e2e import Cairn, Failed, arguments, change_tree, digest, main, make_tree, restored_digest


class Race:
    def __init__(self, options, directory):
        self.options, self.directory = options, directory
        self.repository = os.path.join(directory, "repository")
        self.lock = threading.Lock()
        self.saved, self.failures = {}, []  # snapshot id -> digest of its source
        self.writers_left = options.writers
        self.reads = 0

    def client(self, name):
        client = Cairn(self.options.program, os.path.join(self.directory, name))
        client.ok("repository", "connect", "filesystem", f"--path={self.repository}", f"--override-hostname={name}",
                  "--override-username=tester")
        return client

    def failed(self):
        with self.lock:
            return bool(self.failures)

    def write(self, number):
        rng = random.Random(f"{self.options.seed} writer {number}")
        client = self.client(f"writer{number}")
        source = os.path.join(self.directory, f"source{number}")
        make_tree(source, random.Random(self.options.seed), files=70, bytes_each=30_000, big=5_000_000)
        mine = []
        for count in range(self.options.snapshots):
            if self.failed():
                return
            # Half of the changes are alike for all writers.
            change_tree(source, random.Random(f"{self.options.seed} {count}") if count % 2 else rng, 2_500_000)
            wanted = digest(source)
            snapshot = client.snapshot(source)
            with self.lock:
                self.saved[snapshot] = wanted
            mine.append(snapshot)
            if len(mine) > 2 and rng.random() < 0.35:
                victim = mine.pop(rng.randrange(len(mine) - 1))
                with self.lock:
                    del self.saved[victim]
                client.ok("snapshot", "delete", victim, "--delete")

    def read(self, number):
        rng = random.Random(f"{self.options.seed} reader {number}")
        client = self.client(f"reader{number}")
        while True:
            with self.lock:
                if self.failures or self.writers_left == 0:
                    return
                known = dict(self.saved)
            listed = set(client.complete_snapshots())
            if known:
                self.read_one(client, rng.choice(sorted(known)), known, listed)

    def read_one(self, client, snapshot, known, listed):
        try:
            if snapshot not in listed:
                raise Failed(f"snapshot {snapshot} was acknowledged but is not listed")
            client.verify(snapshot)
            if restored_digest(client, snapshot, self.directory) != known[snapshot]:
                raise Failed(f"snapshot {snapshot} restores something else")
        except Failed:
            with self.lock:
                if snapshot in self.saved:
                    raise
            return  # its writer deleted it meanwhile
        with self.lock:
            self.reads += 1

    def guarded(self, function, number, is_writer):
        try:
            function(number)
        except Failed as failure:
            with self.lock:
                self.failures.append(f"{function.__name__} {number}: {failure}")
        except Exception as failure:  # pylint: disable=broad-except
            with self.lock:
                self.failures.append(f"{function.__name__} {number}: {type(failure).__name__}: {failure}")
        finally:
            if is_writer:
                with self.lock:
                    self.writers_left -= 1


def test(options, directory):
    race = Race(options, directory)
    owner = Cairn(options.program, os.path.join(directory, "owner"))
    owner.create(race.repository)
    threads = [threading.Thread(target=race.guarded, args=(race.write, n, True)) for n in range(options.writers)]
    threads += [threading.Thread(target=race.guarded, args=(race.read, n, False)) for n in range(options.readers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if race.failures:
        raise Failed("\n".join(race.failures))
    shutil.rmtree(os.path.join(directory, "owner", "cache"), ignore_errors=True)
    fresh = race.client("afterwards")
    if set(fresh.complete_snapshots()) != set(race.saved):
        listed = set(fresh.complete_snapshots())
        raise Failed(f"afterwards, not listed: {set(race.saved) - listed}; not acknowledged: {listed - set(race.saved)}")
    fresh.verify()
    for snapshot, wanted in sorted(race.saved.items()):
        if restored_digest(fresh, snapshot, directory) != wanted:
            raise Failed(f"afterwards snapshot {snapshot} restores something else")
    print(f"{len(race.saved)} snapshots kept, {race.reads} read during the race")
    if race.reads == 0:
        raise Failed("no snapshot was read during the race")


if __name__ == "__main__":
    sys.setswitchinterval(0.01)
    main(test, arguments(__doc__, writers=4, readers=2, snapshots=8))
