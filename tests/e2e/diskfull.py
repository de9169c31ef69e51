#!/usr/bin/env python3
"""A repository on a file system that is full, at many degrees of fullness.

`snapshot create` either succeeds or fails with an error that names the reason; never does it crash, and never is what
was saved before damaged or hidden: it lists, verifies and restores while the disk is full. Once there is space again
the snapshot succeeds. A full cache or log directory fails nothing at all.

Needs a mount of its own (tmpfs in a mount namespace); skipped where the machine permits none.
"""

import os
import random
import subprocess
import sys

from e2e import SKIPPED, Cairn, Failed, arguments, digest, main, make_tree, restored_digest, write_file

KB, MB = 1000, 1_000_000
FREE_STEPS = (0, 4096, 8192, 20 * KB, 60 * KB, 200 * KB, 700 * KB, 2 * MB, 5 * MB, 12 * MB, 21 * MB, 24 * MB)


def mount(path, size_bytes, remount=False):
    os.makedirs(path, exist_ok=True)
    what = f"{'remount,' if remount else ''}size={size_bytes}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", what, "tmpfs", path], check=True)


def free_bytes(path):
    info = os.statvfs(path)
    return info.f_bavail * info.f_frsize


def fill(disk, leave):
    """Fills the disk up to `leave` bytes."""
    size = free_bytes(disk) - leave
    with open(os.path.join(disk, "filler"), "wb", buffering=0) as f:
        written = 0
        try:
            while written < size:
                written += f.write(b"\xa5" * min(1 << 16, size - written))
        except OSError:
            pass  # full: as wanted


def unfill(disk):
    os.unlink(os.path.join(disk, "filler"))


def expect_full(client, source):
    code, out, err = client.run("snapshot", "create", source)
    if code == 0:
        return False
    if "no space left on device" not in err.lower():
        raise Failed(f"snapshot create on a full disk fails without naming the reason\n{out}{err}")
    return True


def check_saved(client, expected, directory):
    """Everything saved before is listed, verifies and restores."""
    if not set(expected) <= set(client.complete_snapshots()):
        raise Failed("a saved snapshot is no longer listed")
    client.verify()
    for snapshot, wanted in expected.items():
        if restored_digest(client, snapshot, directory) != wanted:
            raise Failed(f"snapshot {snapshot} restores something else")


def repository_disk(options, directory, rng):
    disk = os.path.join(directory, "disk")
    mount(disk, 96 * MB)
    client = Cairn(options.program, os.path.join(directory, "client"))
    client.create(os.path.join(disk, "repository"))
    source = os.path.join(directory, "source")
    make_tree(source, rng, files=40, bytes_each=30_000)
    expected = {client.snapshot(source): digest(source)}
    failures = 0
    for step in FREE_STEPS:
        for number in range(2):
            write_file(os.path.join(source, f"large{number}"), rng, 11 * MB)  # 22 MB new each time: more than a pack
        fill(disk, step)
        failed = expect_full(client, source)
        failures += failed
        check_saved(client, expected, directory)
        unfill(disk)
        if failed and step in (0, 200 * KB, 12 * MB):
            mount(disk, 400 * MB, remount=True)
            snapshot = client.snapshot(source)
            expected[snapshot] = digest(source)
            check_saved(client, expected, directory)
            client.ok("snapshot", "delete", snapshot, "--delete")
            del expected[snapshot]
        if free_bytes(disk) < 40 * MB:
            mount(disk, 400 * MB, remount=True)
    if failures < len(FREE_STEPS) // 2:
        raise Failed(f"only {failures} of {len(FREE_STEPS)} snapshots met a full disk")
    print(f"repository: {failures} of {len(FREE_STEPS)} snapshots met a full disk")


def full_at_create(options, directory):
    disk = os.path.join(directory, "tiny")
    mount(disk, 1 * MB)
    fill(disk, 0)
    client = Cairn(options.program, os.path.join(directory, "tiny-client"))
    path = os.path.join(disk, "repository")
    code, _, err = client.run("repository", "create", "filesystem", f"--path={path}")
    if code == 0 or "no space left on device" not in err.lower():
        raise Failed(f"repository create on a full disk: exit {code}, {err}")
    code, _, err = client.run("snapshot", "list")
    if code == 0:
        raise Failed("a failed create leaves a connection behind")


def own_disk(options, directory, rng):
    """Cache and logs on a full disk: everything works as without them."""
    disk = os.path.join(directory, "state")
    mount(disk, 2 * MB)
    client = Cairn(options.program, os.path.join(directory, "state-client"))
    client.env.update(KOPIA_CACHE_DIRECTORY=os.path.join(disk, "cache"), KOPIA_LOG_DIR=os.path.join(disk, "log"))
    fill(disk, 0)
    client.create(os.path.join(directory, "state-repository"))
    source = os.path.join(directory, "state-source")
    make_tree(source, rng, files=30, big=6 * MB)
    for leave in (0, 8192, 300 * KB):
        unfill(disk)
        fill(disk, leave)
        write_file(os.path.join(source, "more"), rng, 3 * MB)
        check_saved(client, {client.snapshot(source): digest(source)}, directory)


def test(options, directory):
    rng = random.Random(options.seed)
    full_at_create(options, directory)
    own_disk(options, directory, rng)
    repository_disk(options, directory, rng)


def enter_namespace():
    """Runs this script again in a mount namespace; returns there, skips where the machine permits none."""
    if os.environ.get("CAIRN_E2E_NAMESPACE"):
        return
    for flags in (["--mount"], ["--user", "--map-root-user", "--mount"]):
        unshare = ["unshare", *flags, "--propagation", "private"]
        probe = subprocess.run([*unshare, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True)
        if probe.returncode == 0:
            os.environ["CAIRN_E2E_NAMESPACE"] = "1"
            os.execvp("unshare", [*unshare, sys.executable, *sys.argv])
    print("skipped: this machine permits no mount")
    sys.exit(SKIPPED)


if __name__ == "__main__":
    chosen = arguments(__doc__)
    enter_namespace()
    main(test, chosen)
