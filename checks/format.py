#!/usr/bin/env python3
"""clang-format 14 over our sources: reports files that differ, or rewrites them with --fix."""

import os
import shutil
import subprocess
import sys

from common import ROOT, cpp_files, finish


def main():
    program = shutil.which("clang-format-14")
    if program is None:
        finish("format", ["clang-format-14 is not installed"])
    files = [f for f in cpp_files() if not f.startswith("tests/golden/")]
    if "--fix" in sys.argv[1:]:
        subprocess.run([program, "-i", *files], cwd=ROOT, check=True)
        finish("format", [])
    problems = []
    for start in range(0, len(files), 40):
        run = subprocess.run([program, "--dry-run", "-Werror", "--ferror-limit=1", *files[start:start + 40]],
                             cwd=ROOT, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
        found = [line for line in run.stderr.splitlines() if ": error:" in line]
        problems += found
        if run.returncode != 0 and not found:
            problems.append(run.stderr.strip())
    finish("format", problems + (["run: make format"] if problems else []))


if __name__ == "__main__":
    main()
