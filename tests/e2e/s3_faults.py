#!/usr/bin/env python3
"""A repository in a bucket of a real S3 server, behind a proxy that misbehaves (fault_proxy.py).

Under every fault a backup and a restore come out right or fail with a message; once it is over, every snapshot that was
acknowledged verifies to the last byte and restores as it was, with the caches of the bad time. Then the words of each
cause of failure, none of which makes anything.
"""

import os
import random
import shutil
import sys
import tempfile
import time

import e2e
import fault_proxy as fp
from e2e import Cairn, Failed, change_tree, digest, make_tree, restored_digest
from stores import Server, free_port

BUCKET = "bucket"


def start_server(directory):
    cache = os.environ.get("CAIRN_TEST_SERVERS") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "cairn-test-servers")
    program = os.path.join(cache, "versitygw-v1.8.0", "versitygw")
    if not os.access(program, os.X_OK):
        print("SKIPPED: versitygw is not built: run scripts/test-servers.sh")
        sys.exit(e2e.SKIPPED)
    data = os.path.join(directory, "served")
    os.makedirs(os.path.join(data, BUCKET))
    port = free_port()
    return Server(port, program, "-p", f"127.0.0.1:{port}", "-a", "test", "-s", "testsecret", "-q", "posix", data)


def flags(port, **changes):
    values = {"bucket": BUCKET, "endpoint": f"127.0.0.1:{port}", "access-key": "test", "secret-access-key": "testsecret"}
    values.update({k.replace("_", "-"): v for k, v in changes.items()})
    return [f"--{name}={value}" for name, value in values.items()] + ["--disable-tls"]


def scenarios(seed):
    return {
        "delay": [(fp.delay(0.05), 0.3)],
        "reset before": [(fp.reset_before, 0.15)],
        "reset after": [(fp.reset_after, 0.15)],
        "truncate": [(fp.truncate, 0.15)],
        "500": [(fp.refuse(500, "InternalError"), 0.15)],
        "503 with Retry-After": [(fp.refuse(503, "SlowDown", Retry_After=1), 0.1)],
        "429": [(fp.refuse(429, "TooManyRequests"), 0.15)],
        "wrong length": [(fp.wrong_length, 0.1)],
        "wrong bytes": [(fp.wrong_bytes, 0.1)],
        "cut LIST": [(fp.cut_list, 0.4)],
        "stale LIST": [(fp.StaleLists(3), 1)],
        "B2": [(fp.b2(seed), 1)],
        "R2": [(fp.r2(), 1)],
    }


# Answers that are valid to HTTP: the program notices the wrong bytes, and may fail with a message. Nor can a process
# know of an index that a listing does not show yet and another process wrote.
MAY_FAIL = {"wrong length", "wrong bytes", "stale LIST"}


def one_scenario(name, faults, proxy, connection, options, directory, may_fail=frozenset(MAY_FAIL)):
    """Backups and restores while the proxy misbehaves. `connection`: the words after "repository connect"."""
    rng = random.Random(f"{options.seed} {name}")
    source = os.path.join(directory, "source")
    make_tree(source, rng, files=25, bytes_each=60_000, big=3_000_000)
    cairn = Cairn(options.program, os.path.join(directory, "home"))
    cairn.ok("repository", "create", *connection)
    saved, failures = {}, 0
    proxy.faults = faults
    started = time.monotonic()
    for _ in range(3):
        change_tree(source, rng, 700_000)
        code, out, err = cairn.run("snapshot", "create", "--json", source)
        if code == 0:
            saved[e2e.json.loads(out)["id"]] = digest(source)
        elif name not in may_fail or not err.strip():
            raise Failed(f"{name}: snapshot create failed\n{err}")
        else:
            failures += 1
    for snapshot, wanted in saved.items():
        target = tempfile.mkdtemp(dir=directory) + "/r"
        code, _, err = cairn.run("snapshot", "restore", snapshot, target)
        if code == 0 and digest(target) != wanted:
            raise Failed(f"{name}: a restore that succeeded differs")
        if code != 0 and (name not in may_fail or not err.strip()):
            raise Failed(f"{name}: restore failed\n{err}")
        failures += code
        shutil.rmtree(os.path.dirname(target))
    proxy.faults, injected = [], proxy.injected
    if len(saved) == 0 and name not in may_fail:
        raise Failed(f"{name}: nothing was saved")
    # With the caches of the bad time, and as a new client.
    other = Cairn(options.program, os.path.join(directory, "other"))
    other.ok("repository", "connect", *connection)
    for client in (cairn, other):
        client.verify()
        for snapshot, wanted in saved.items():
            if restored_digest(client, snapshot, directory) != wanted:
                raise Failed(f"{name}: snapshot {snapshot} differs afterwards")
    print(f"{name:22} {len(saved)} of 3 saved, {failures} clear failures, {injected} faults, "
          f"{time.monotonic() - started:.1f} s", flush=True)


def causes(server, options, directory):
    cairn = Cairn(options.program, os.path.join(directory, "causes"))
    served = os.path.join(directory, "..", "served", BUCKET)
    before = sorted(os.listdir(served))
    good = flags(server.port, prefix="nothing/")
    cases = [
        ("DNS", flags(server.port, endpoint="no-such-host.invalid"), "lookup no-such-host.invalid: no such host"),
        ("refused", flags(free_port()), "connect: connection refused"),
        ("TLS", good[:-1], "tls: "),
        ("secret", flags(server.port, secret_access_key="wrong"), "HTTP 403: SignatureDoesNotMatch"),
        ("key", flags(server.port, access_key="nobody"), "access key"),
        ("bucket", flags(server.port, bucket="no-such-bucket"), "bucket no-such-bucket does not exist"),
        ("region", flags(server.port, region="eu-nowhere-1"), "region"),
        ("nothing there", good, "error connecting to repository: repository not initialized in the provided storage"),
    ]
    for name, arguments, words in cases:
        code, _, err = cairn.run("repository", "connect", "s3", *arguments)
        if code != 1 or words not in err or "testsecret" in err:
            raise Failed(f"{name}: exit {code}, expected \"{words}\" in\n{err}")
        if name != "nothing there":
            if "can't connect to storage: " not in err:
                raise Failed(f"{name}: not reported as unreachable storage:\n{err}")
            code, _, err = cairn.run("repository", "create", "s3", *arguments)
            if code != 1:
                raise Failed(f"{name}: create succeeded")
        print(f"{name:22} {err.strip().splitlines()[-1][:150]}", flush=True)
        if sorted(os.listdir(served)) != before or os.path.exists(cairn.env["KOPIA_CONFIG_PATH"]):
            raise Failed(f"{name}: something was made")


def test(options, directory):
    server = start_server(directory)
    try:
        for name, faults in scenarios(options.seed).items():
            place = os.path.join(directory, name.replace(" ", "-"))
            os.makedirs(place)
            proxy = fp.FaultProxy(server.port, options.seed)
            prefix = f"{name.replace(' ', '-')}/"
            one_scenario(name, faults, proxy, ["s3", *flags(proxy.port, prefix=prefix)], options, place)
            proxy.stop()
            shutil.rmtree(place)
        place = os.path.join(directory, "rest")
        os.makedirs(place)
        causes(server, options, place)
    finally:
        server.stop()


if __name__ == "__main__":
    parsed = e2e.arguments(__doc__.splitlines()[0])
    e2e.main(test, parsed)
