#!/usr/bin/env python3
"""What a repository in a bucket costs: requests, and round trips that are waited for, counted by a proxy in front of a
real S3 server. The bounds are numbers of requests, never seconds.
"""

import json
import os
import random
import signal
import subprocess
import sys

import e2e
import fault_proxy as fp
from e2e import Cairn, Failed, change_tree, digest, make_tree, write_file
from s3_faults import flags, start_server

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from mount_test import skip_reason

DELAY = 2.0  # seconds a request takes: far more than the program computes in between


def expect(fits, what, proxy):
    if not fits:
        raise Failed(f"{what}\n" + "\n".join(line for _, _, line in sorted(proxy.spans)))


def is_data(line):
    return line.startswith("GET") and line.split("?")[0].rsplit("/", 1)[1].startswith("p")


def gets_of_data(proxy):
    return sum(map(is_data, proxy.log))


def backups(proxy, options, directory):
    """A backup with a warm cache: at most 5 LIST and 20 GET; an unchanged one waits for at most 4 round trips beside the
    first listing of index blobs, the one that confirms the new one counted."""
    rng = random.Random(options.seed)
    source = os.path.join(directory, "source")
    make_tree(source, rng, files=400, bytes_each=5_000)
    cairn = Cairn(options.program, os.path.join(directory, "backups"))
    cairn.ok("repository", "create", "s3", *flags(proxy.port, prefix="backups/"))
    for n, step in enumerate(("first", "unchanged", "changed", "changed again", "unchanged at last")):
        if step.startswith("changed"):
            change_tree(source, rng, 300_000)
        proxy.clear()
        proxy.faults = [(fp.delay(DELAY), 1)] if step.startswith("unchanged") else []
        counted = json.loads(cairn.ok("snapshot", "create", "--json", source))["storageRequests"]
        proxy.faults = []
        trips = len(proxy.chain()) - 1
        print(f"{step:22} {dict(sorted(proxy.counts.items()))}, one after the other: {trips} beside the listing", flush=True)
        if n > 0:  # maintenance follows the first
            seen = {"list": proxy.count("LIST"), "delete": proxy.count("DELETE")}
            expect(all(counted[k] == v for k, v in seen.items()) and counted["bytesWritten"] > 0,
                   f"--json counts {counted}, the proxy {proxy.counts}", proxy)
            expect(proxy.count("LIST") <= 2 and proxy.count("GET") + proxy.count("HEAD") <= 2, f"{step} backup costs {proxy.counts}",
                   proxy)
        if step.startswith("unchanged"):
            expect(trips <= 4, f"{step}: waits for {trips} round trips:\n" + "\n".join(proxy.chain()) + "\n\n", proxy)
        status = json.loads(cairn.ok("repository", "status", "--json"))
        expect(status["storageRequests"]["list"] >= 1, f"status shows {status['storageRequests']}", proxy)


def small_files(proxy, options, directory):
    """Two thousand small files are a handful of requests, to restore as to verify."""
    rng = random.Random(options.seed)
    source = os.path.join(directory, "small")
    for n in range(2000):
        write_file(os.path.join(source, f"d{n % 50}", f"f{n}"), rng, rng.randrange(4000))
    cairn = Cairn(options.program, os.path.join(directory, "small-home"))
    cairn.ok("repository", "create", "s3", *flags(proxy.port, prefix="small/"))
    snapshot = cairn.snapshot(source)
    target = os.path.join(directory, "small-restored")
    for what, run in (("restore", lambda: cairn.restore(snapshot, target)), ("verify", cairn.verify)):
        proxy.clear()
        run()
        print(f"{what + ' 2000 files':22} {dict(sorted(proxy.counts.items()))}, {gets_of_data(proxy)} for data", flush=True)
        expect(0 < gets_of_data(proxy) <= 8, f"{what} of 2000 small files takes {gets_of_data(proxy)} requests", proxy)
    if digest(target) != digest(source):
        raise Failed("the restored tree differs")


def many_packs(proxy, options, directory):
    """Files of many packs are asked for at once."""
    rng = random.Random(options.seed)
    source = os.path.join(directory, "packs")
    cairn = Cairn(options.program, os.path.join(directory, "packs-home"))
    cairn.ok("repository", "create", "s3", *flags(proxy.port, prefix="packs/"))
    for n in range(24):
        write_file(os.path.join(source, f"d{n}", "f"), rng, 3000)
        snapshot = json.loads(cairn.ok("snapshot", "create", "--json", "--no-auto-maintenance", source))["id"]
    proxy.clear()
    proxy.faults = [(fp.delay(0.2), 1)]
    target = os.path.join(directory, "packs-restored")
    cairn.restore(snapshot, target)
    proxy.faults = []
    print(f"{'restore from 24 packs':22} {dict(sorted(proxy.counts.items()))}, {proxy.in_flight_max} at once", flush=True)
    expect(proxy.in_flight_max >= 16, f"only {proxy.in_flight_max} requests at one time", proxy)
    expect(gets_of_data(proxy) <= 24, f"{gets_of_data(proxy)} requests for 24 packs", proxy)
    if digest(target) != digest(source):
        raise Failed("the restored tree differs")


def one_large_file(proxy, options, directory):
    """A file read from its beginning to its end is fetched ahead of its reader."""
    rng = random.Random(options.seed)
    source, mounted = os.path.join(directory, "large"), os.path.join(directory, "mounted")
    cairn = Cairn(options.program, os.path.join(directory, "large-home"))
    cairn.ok("repository", "create", "s3", *flags(proxy.port, prefix="large/"), "--object-splitter=FIXED-1M")
    content = b""
    for _ in range(24):  # each in a pack of its own
        content += rng.randbytes(1 << 20)
        os.makedirs(source, exist_ok=True)
        with open(os.path.join(source, "f"), "wb") as f:
            f.write(content)
        snapshot = json.loads(cairn.ok("snapshot", "create", "--json", "--no-auto-maintenance", source))["rootEntry"]["obj"]
    readers = {"show": (8, lambda: shown(cairn, snapshot + "/f"))}
    if skip_reason():
        print(f"{'mount':22} skipped: {skip_reason()}", flush=True)
    else:
        readers["mount"] = (3, lambda: read_mounted(cairn, snapshot, mounted))
    for reader, (depth, read) in readers.items():
        cairn.ok("cache", "clear")
        proxy.clear()
        proxy.faults = [(fp.delay(0.2), 1)]
        if read() != content:
            raise Failed(f"{reader} gave other bytes")
        proxy.faults = []
        at_once = proxy.most_at_once(is_data)
        print(f"{reader + ' 24 packs':22} {dict(sorted(proxy.counts.items()))}, {at_once} at once for data", flush=True)
        expect(at_once >= depth, f"{reader}: only {at_once} requests at one time", proxy)
        expect(gets_of_data(proxy) <= 26, f"{reader}: {gets_of_data(proxy)} requests for 24 packs", proxy)


def shown(cairn, path):
    return subprocess.run([cairn.program, "show", path], env=cairn.env, check=True, capture_output=True).stdout


def read_mounted(cairn, snapshot, target):
    os.makedirs(target)
    process = cairn.start("mount", snapshot, target)
    try:
        if not any("Press Ctrl-C" in line for line in process.stderr):
            raise Failed("no mount")
        with open(os.path.join(target, "f"), "rb") as f:
            return f.read()
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


def test(options, directory):
    server = start_server(directory)
    proxy = fp.FaultProxy(server.port)
    try:
        backups(proxy, options, directory)
        proxy.faults = []
        small_files(proxy, options, directory)
        many_packs(proxy, options, directory)
        one_large_file(proxy, options, directory)
    finally:
        proxy.stop()
        server.stop()


if __name__ == "__main__":
    e2e.main(test, e2e.arguments(__doc__.splitlines()[0]))
