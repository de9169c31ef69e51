#!/usr/bin/env python3
"""A repository in each kind of store that is reached over HTTP, behind a proxy that misbehaves (fault_proxy.py).

As s3_faults.py: under every fault a backup and a restore come out right or fail with a message, and what was
acknowledged verifies and restores afterwards. Then each cause of failure has its own words, and none makes anything.
--store picks one. rclone has the proxy between itself and a WebDAV server.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys

import e2e
import fault_proxy as fp
from e2e import Cairn, Failed
from s3_faults import MAY_FAIL, one_scenario, scenarios
from stores import STORES, Missing, Server, Store, free_port, program

MODES_OF_S3 = {"B2", "R2"}


class RcloneBehindDav(Store):
    """rclone with a remote that is a WebDAV server: another rclone, because nginx does not list names that begin with a
    dot, and what is not listed (`.shards`) does not exist for rclone."""

    word = "rclone"
    may_fail = {"cut LIST"}  # rclone reads it, and answers us 404 or 405

    def __init__(self, directory):
        super().__init__(directory)
        self.port, served = free_port(), os.path.join(directory, "served")
        os.makedirs(served)
        self.servers = [Server(self.port, program("rclone"), "serve", "webdav", served, "--addr", f"127.0.0.1:{self.port}",
                               "--user", "test", "--pass", "testsecret")]

    def flags(self, place="repo", wrong=False):
        secret = "wrongsecret" if wrong else "testsecret"
        obscured = subprocess.run([program("rclone"), "obscure", secret], check=True, capture_output=True, text=True).stdout.strip()
        settings = {"TYPE": "webdav", "URL": f"http://127.0.0.1:{self.port}", "VENDOR": "other", "USER": "test", "PASS": obscured}
        return [f"--remote-path=dav:{place}", "--rclone-env=RCLONE_CONFIG=/dev/null"] + [
            f"--rclone-env=RCLONE_CONFIG_DAV_{name}={value}" for name, value in settings.items()]


def causes(store, options, directory):
    for name, flags, words, environment in store.causes():
        cairn = Cairn(options.program, os.path.join(directory, name.replace(" ", "-")))
        cairn.env.update(environment)
        before = store.places()
        verbs = ("connect",) if "nothing" in name or name == "folder" else ("connect", "create")
        for verb in verbs:
            code, _, err = cairn.run("repository", verb, store.word, *flags)
            if code != 1 or words not in err or "testsecret" in err or "wrongsecret" in err:
                raise Failed(f"{verb} with wrong {name}: exit {code}, expected \"{words}\" in\n{err}")
            if "nothing" not in name and "can't connect to storage: " not in err:
                raise Failed(f"{verb} with wrong {name}: not reported as unreachable storage:\n{err}")
            if store.places() != before or os.path.exists(cairn.env["KOPIA_CONFIG_PATH"]):
                raise Failed(f"{verb} with wrong {name} made something")
        print(f"{name:22} {err.strip().splitlines()[-1][:170]}", flush=True)


def test(options, directory):
    kind = RcloneBehindDav if options.store == "rclone" else STORES[options.store]
    os.makedirs(os.path.join(directory, "store"))
    try:
        store = kind(os.path.join(directory, "store"))
    except Missing as missing:
        print(f"skipped: {missing}")
        sys.exit(e2e.SKIPPED)
    try:
        causes(store, options, directory)
        proxy = fp.FaultProxy(store.port, options.seed)
        store.through(proxy.port)
        for name, faults in scenarios(options.seed).items():
            if name in MODES_OF_S3:
                continue
            place = os.path.join(directory, name.replace(" ", "-"))
            os.makedirs(place)
            proxy.clear()
            one_scenario(name, faults, proxy, [store.word, *store.flags(name.replace(" ", "-"))], options, place,
                         MAY_FAIL | getattr(kind, "may_fail", set()))
            shutil.rmtree(place)
        proxy.stop()
    finally:
        store.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True, help="the cairn to test")
    parser.add_argument("--store", required=True, choices=["azure", "b2", "gcs", "rclone", "webdav"])
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    options = parser.parse_args()
    print(f"seed {options.seed}; repeat with --seed={options.seed}", flush=True)
    e2e.main(test, options)


if __name__ == "__main__":
    main()
