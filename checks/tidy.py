#!/usr/bin/env python3
"""clang-tidy 14 with the allow-list of .clang-tidy over the sources of src/ (or those named), in parallel.

Needs build/release/compile_commands.json. Slow, hence `make tidy` and not a test.
"""

import argparse
import concurrent.futures
import json
import os
import re
import subprocess

from common import ROOT, finish


def tidy(path):
    run = subprocess.run(["clang-tidy-14", "--quiet", "-p", "build/release", path], cwd=ROOT, capture_output=True, text=True)
    found = re.findall(r"^.*: error: .*$", run.stdout, re.M)
    if run.returncode != 0 and not found:
        found = [f"{path}: {run.stderr.strip() or run.stdout.strip()}"]
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("files", nargs="*", help="sources relative to the root; default all of src/ without tests")
    args = parser.parse_args()
    with open(os.path.join(ROOT, "build/release/compile_commands.json"), encoding="utf-8") as f:
        known = sorted({os.path.relpath(c["file"], ROOT) for c in json.load(f)})
    files = args.files or [n for n in known if n.startswith("src/") and not n.endswith("_test.cc")]
    problems = set()
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for found in pool.map(tidy, files):
            problems.update(found)
    finish("tidy", sorted(problems))


if __name__ == "__main__":
    main()
