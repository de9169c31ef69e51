#!/usr/bin/env python3
"""A file system that stops answering: a hard NFS mount whose server is gone.

fault_shim.c has one call below the repository hang for ever and makes the file system look like NFS. The program gives up
at its deadline with a clear error, or at once when it is asked to stop; afterwards, everything saved before is there.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from multiprocessing.pool import ThreadPool

from e2e import SKIPPED, Failed, arguments, main, make_tree, write_file
from syscalls import World, build_shim, run_with_fault

NFS = "26985"  # f_type 0x6969
STOPPED_WITHIN = 5  # seconds: the promise is 2, the machine may be busy


def hanging(world, at):
    env = dict(world.client.env)
    env.update(FAULT_AT=str(at), FAULT_ROOT=world.repository, FAULT_ERRNO="-1", FAULT_FS_TYPE=NFS)
    return subprocess.Popen([world.client.program, "snapshot", "create", world.source], env=env, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def check_deadline(world, at):
    """The deadline of a call is 60 s; the program may try again within its own bounds."""
    started = time.monotonic()
    process = hanging(world, at)
    try:
        said, _ = process.communicate(timeout=300)
    except subprocess.TimeoutExpired:
        process.kill()
        raise Failed(f"call {at} hangs: no end after 300 s\n{process.communicate()[0]}") from None
    took = time.monotonic() - started
    if process.returncode == 0 and len(world.client.complete_snapshots()) == 2:
        return took  # it hung in what is done after the snapshot, which is whole
    if process.returncode != 1 or "file system did not answer in time" not in said:
        raise Failed(f"call {at} hangs: ended with {process.returncode} after {took:.0f} s\n{said}")
    return took


def check_stop(world, at):
    process = hanging(world, at)
    time.sleep(4)  # it hangs by now
    if process.poll() is not None:
        raise Failed(f"call {at} was to hang; ended with {process.returncode}\n{process.communicate()[0]}")
    started = time.monotonic()
    process.send_signal(signal.SIGTERM)
    try:
        said, _ = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        raise Failed(f"call {at} hangs: SIGTERM does not end it\n{process.communicate()[0]}") from None
    if time.monotonic() - started > STOPPED_WITHIN:
        raise Failed(f"call {at} hangs: ended {time.monotonic() - started:.1f} s after SIGTERM\n{said}")
    return 0


def test(options, directory):
    if shutil.which(os.environ.get("CC", "cc")) is None:
        print("skipped: no C compiler")
        sys.exit(SKIPPED)
    rng = random.Random(options.seed)
    base = World(options.program, build_shim(directory), os.path.join(directory, "base"))
    make_tree(base.source, rng, files=4, bytes_each=2000)
    base.client.create(base.repository)
    expected = [base.client.snapshot(base.source)]
    write_file(os.path.join(base.source, "more"), rng, 3000)
    trial = base.copy_to(os.path.join(directory, "trial"))
    trial.client.ok("repository", "connect", "filesystem", f"--path={trial.repository}")
    code, said, calls = run_with_fault(trial, ["snapshot", "create", trial.source], "", 0, trial.repository)
    if code != 0 or calls < 4:
        raise Failed(f"without fault: exit {code}, {calls} calls\n{said}")

    def point(job):
        check, at = job
        world = base.copy_to(os.path.join(directory, f"{check.__name__}-{at}"))
        world.client.ok("repository", "connect", "filesystem", f"--path={world.repository}")
        took = check(world, at)
        if not set(expected) <= set(world.client.complete_snapshots()):
            raise Failed(f"call {at} hung: a saved snapshot is no longer listed")
        world.client.verify()
        world.client.snapshot(world.source)
        return took

    jobs = [(check_stop, 1), (check_deadline, 1), (check_deadline, calls // 2), (check_deadline, calls - 2)]
    with ThreadPool(len(jobs)) as pool:
        took = pool.map(point, jobs)
    print(f"{len(jobs)} hanging calls, the longest given up after {max(took):.0f} s")


if __name__ == "__main__":
    main(test, arguments(__doc__))
