"""What the checks share: the list of our files, and source text without comments and literals."""

import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SOURCE_DIRS = ("src", "tests", "fuzz", "bench", "checks")
THIRD_PARTY = ("third_party/",)
SKIPPED_DIRS = ("build", "demo", ".git", "node_modules", "__pycache__")


def tracked_files():
    """Paths relative to the root: git's index and new files that are not ignored; without git, a walk."""
    try:
        out = subprocess.run(
            ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, capture_output=True, check=True).stdout.decode()
        names = [name for name in out.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        names = []
        for directory, subdirs, files in os.walk(ROOT):
            subdirs[:] = [d for d in subdirs if d not in SKIPPED_DIRS]
            names += [os.path.relpath(os.path.join(directory, f), ROOT) for f in files]
    return sorted(n for n in set(names) if os.path.isfile(os.path.join(ROOT, n)))


def cpp_files(dirs=SOURCE_DIRS):
    return [n for n in tracked_files()
            if n.endswith((".h", ".cc")) and n.split("/")[0] in dirs and not n.startswith(THIRD_PARTY)]


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as f:
        return f.read()


_TOKEN = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<d>[^()\\ ]{0,16})\(.*?\)(?P=d)"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.S)


def blank_out(text):
    """`text` with comments and the insides of literals replaced by blanks; line numbers stay."""
    def blank(match):
        token = match.group(0)
        if token[0] == "'" and match.start() > 0 and text[match.start() - 1].isalnum():
            return token  # a digit separator, 1'000, and not a character
        keep = token[0] if token[0] in "\"'" else " "
        body = "".join(c if c == "\n" else " " for c in token)
        return keep + body[1:-1] + keep if len(body) >= 2 else body
    return _TOKEN.sub(blank, re.sub(r"(?<=[0-9a-fA-F])'(?=[0-9a-fA-F])", " ", text))


def finish(name, problems):
    """Prints the problems and exits: 1 if there are any."""
    for problem in problems:
        print(problem)
    if problems:
        print(f"{name}: {len(problems)} problem(s)")
        sys.exit(1)
    print(f"{name}: ok")
    sys.exit(0)
