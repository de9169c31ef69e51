#!/usr/bin/env python3
"""Peak memory and time of opening and maintaining a repository with very many contents (make_big_repository).

Prints one line a command. Checked whatever the size: the collector counts every content where it belongs, marks all
that no snapshot needs and nothing else, orphans go, what was in short packs is still readable, and a run that is killed
is continued. With --enforce the peak of resident memory must stay below --max-memory.
"""

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

from e2e import PASSWORD, Cairn, Failed

SHORT_CONTENTS = 4 * 200  # real ones, in four short packs
ORPHANS = 50
PAGES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def byte_size(text):
    number, unit = re.fullmatch(r"(\d+)([KMG]?)(?:iB)?", text).groups()
    return int(number) * PAGES[unit]


def anonymous_bytes(pid):
    try:
        with open(f"/proc/{pid}/status") as f:
            return max((int(line.split()[1]) * 1024 for line in f if line.startswith("RssAnon")), default=0)
    except OSError:
        return 0


class Big:
    def __init__(self, options, directory):
        self.options, self.directory = options, directory
        self.path = os.path.join(directory, "repository")
        self.client = Cairn(options.program, os.path.join(directory, "client"))
        self.peak_max = 0

    def measured(self, label, *command, kill_after=None):
        """Runs the command; seconds, peak bytes, output. Killed commands return None as output."""
        started = time.monotonic()
        out_path = os.path.join(self.directory, "out")
        with open(out_path, "w") as out, open(out_path + ".err", "w") as err:
            process = subprocess.Popen([self.client.program, *command], env=self.client.env, stdin=subprocess.DEVNULL,
                                       stdout=out, stderr=err)
            if kill_after is not None:
                try:
                    process.wait(timeout=kill_after)
                except subprocess.TimeoutExpired:
                    os.kill(process.pid, signal.SIGKILL)
                    process.wait()
                    return time.monotonic() - started, 0, None
                return time.monotonic() - started, 0, open(out_path).read()
            anonymous, pid = 0, 0
            while pid == 0:  # what is not mapped from files, looked at now and then; the peak of all is the kernel's figure
                anonymous = max(anonymous, anonymous_bytes(process.pid))
                time.sleep(0.01)
                pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            process.returncode = os.waitstatus_to_exitcode(status)
        seconds, peak = time.monotonic() - started, usage.ru_maxrss * 1024
        print(f"  {label:<30} {seconds:8.2f} s  cpu {usage.ru_utime + usage.ru_stime:7.2f} s  peak {peak / 2**20:5.0f} MiB"
              f" (allocated {anonymous / 2**20:4.0f})", flush=True)
        if process.returncode != 0:
            raise Failed(f"{' '.join(command)}: exit {process.returncode}\n{open(out_path + '.err').read()}")
        return seconds, peak, open(out_path).read()

    def make(self):
        o = self.options
        started = time.monotonic()
        subprocess.run([o.maker, self.path, PASSWORD, str(o.contents), str(o.blobs), str(o.epochs), str(o.used_percent)],
                       check=True)
        print(f"{o.contents} contents in {o.blobs} index blobs of {o.epochs} epochs, {o.used_percent} % used; made in "
              f"{time.monotonic() - started:.0f} s, {self.index_bytes() / 2**20:.0f} MiB of index")
        self.client.ok("repository", "connect", "filesystem", f"--path={self.path}")
        self.client.ok("maintenance", "set", "--owner=me", "--enable-quick=false", "--enable-full=false")

    def index_bytes(self):
        return sum(os.path.getsize(os.path.join(d, f)) for d, _, fs in os.walk(self.path) for f in fs if d.startswith(
            os.path.join(self.path, "x")))

    def orphans(self):
        return sum(1 for d, _, fs in os.walk(self.path) for f in fs if os.path.getsize(os.path.join(d, f)) == 1000
                   and d.startswith(os.path.join(self.path, "p")))

    def gc_stats(self):
        runs = json.loads(self.client.ok("maintenance", "info", "--json"))["schedule"]["runs"]["snapshot-gc"]
        return [(r.get("success"), r["extra"][0]["data"]) for r in runs]

    def maintain(self, label):
        _, peak, _ = self.measured(label, "maintenance", "run", "--full", "--safety=none",
                                   f"--max-memory={self.options.max_memory}")
        self.peak_max = max(self.peak_max, peak)

    def used(self):
        return self.options.contents * self.options.used_percent // 100

    def check_counts(self, stats, unused):
        expected = {"inUseContentCount": (self.used() + SHORT_CONTENTS, None), "deletedContentCount": (unused, unused),
                    "recoveredContentCount": (0, 0)}
        for name, (least, most) in expected.items():
            if stats[name] < least or (most is not None and stats[name] > most):
                raise Failed(f"{name} is {stats[name]}, expected {least}")
        # Besides the contents of files there are directories and index objects only.
        if stats["inUseContentCount"] > self.used() + SHORT_CONTENTS + self.used() // 1000 + 1000:
            raise Failed(f"{stats['inUseContentCount']} contents in use, far more than there are")

    def check_readable(self):
        listed = json.loads(self.client.ok("snapshot", "list", "--all", "--json"))
        root = next(s["rootEntry"]["obj"] for s in listed if s["source"]["path"] == "/big")
        for name, text in (("small-0-0", "small content 0 of pack 0"), ("small-3-199", "small content 199 of pack 3")):
            if self.client.ok("show", f"{root}/{name}") != text:
                raise Failed(f"{name} is not what was stored")

    def kill_rounds(self, rounds, takes):
        """Kills runs at random moments; each is continued by the next."""
        rng = random.Random(self.options.seed)
        killed = 0
        for _ in range(rounds):
            _, _, out = self.measured("", "maintenance", "run", "--full", "--safety=none",
                                      f"--max-memory={self.options.max_memory}", kill_after=rng.uniform(0.05, 1) * takes)
            killed += out is None
            self.check_readable()
        return killed

    def run(self):
        o = self.options
        self.make()
        self.client.ok("cache", "clear")
        seconds, _, text = self.measured("open, empty cache", "repository", "status", "--json")
        print(f"  (of which opening: {json.loads(text)['index']['openSeconds']:.2f} s)")
        self.measured("open, warm cache", "repository", "status", "--json")
        self.measured("backup of this test's directory", "snapshot", "create", "--no-auto-maintenance",
                      os.path.dirname(os.path.abspath(__file__)))
        if o.kills:
            shutil.copytree(self.path, self.path + ".copy")
            started = time.monotonic()
            self.maintain("full cycle, to know its length")
            takes = time.monotonic() - started
            shutil.rmtree(self.path)
            os.rename(self.path + ".copy", self.path)
            self.client.ok("cache", "clear")
            print(f"  killed {self.kill_rounds(o.kills, takes)} of {o.kills} runs")
        self.maintain("full cycle")
        first = self.gc_stats()
        if not o.kills:
            self.check_counts(first[0][1], o.contents - self.used())
        self.maintain("full cycle, again")
        self.check_counts(self.gc_stats()[0][1], 0)
        self.check_readable()
        if self.orphans() != 0:
            raise Failed(f"{self.orphans()} of {ORPHANS} orphaned packs are still there")
        self.client.ok("cache", "clear")
        self.measured("open after it, empty cache", "repository", "status", "--json")
        print(f"  peak of maintenance {self.peak_max / 2**20:.0f} MiB, --max-memory {o.max_memory}")
        if o.enforce and self.peak_max > byte_size(o.max_memory):
            raise Failed("maintenance took more than --max-memory")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--maker", required=True)
    parser.add_argument("--contents", type=int, default=1_000_000)
    parser.add_argument("--blobs", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--used-percent", type=int, default=50)
    parser.add_argument("--max-memory", default="512MiB")
    parser.add_argument("--kills", type=int, default=0, help="runs killed at random moments first")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--directory", help="where the repository is made; default: the temporary directory")
    parser.add_argument("--enforce", action="store_true")
    options = parser.parse_args()
    print(f"seed {options.seed}")
    directory = tempfile.mkdtemp(prefix="cairn-scale-", dir=options.directory)
    try:
        Big(options, directory).run()
    except Failed as failure:
        sys.exit(f"FAILED: {failure}")
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
