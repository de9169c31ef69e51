#!/usr/bin/env python3
"""A command whose mapped index is cut short under it ends with a line that says what to do, and exit code 1.

`content list` is stopped by a full pipe half-way; then the files without a name behind its mappings are truncated, as
a failing disk would lose them. Needs the right to open another process's mappings (root); skipped where it is missing.
"""

import argparse
import glob
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

from e2e import PASSWORD, SKIPPED, Cairn, Failed

CONTENTS = 1_000_000  # more of the index than stays in memory


def cut(pid):
    """Truncates every nameless file that the process has mapped; how many."""
    count = 0
    for path in glob.glob(f"/proc/{pid}/map_files/*"):
        if os.readlink(path).endswith(" (deleted)"):
            os.truncate(path, 0)
            count += 1
    return count


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--maker", required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cairn-lost-") as directory:
        path = os.path.join(directory, "repository")
        subprocess.run([options.maker, path, PASSWORD, str(CONTENTS), "20", "2", "50"], check=True)
        client = Cairn(options.program, os.path.join(directory, "client"))
        client.ok("repository", "connect", "filesystem", f"--path={path}")
        process = client.start("content", "list")
        for _ in range(1000):  # it is in the middle of the index
            process.stdout.readline()
        try:
            files = cut(process.pid)
        except PermissionError:
            process.kill()
            print("skipped: the mappings of another process cannot be opened here")
            sys.exit(SKIPPED)
        out, err = process.communicate(timeout=600)
        if files == 0:
            raise Failed("nothing was mapped")
        if process.returncode != 1 or "can no longer be read" not in err or err.count("\n") != 1:
            raise Failed(f"exit {process.returncode} after {len(out)} characters\n{err}")
        # And nothing is wrong afterwards.
        client.ok("content", "stats")
        print(f"{files} files cut: {err.strip()}")


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(f"FAILED: {failure}")
