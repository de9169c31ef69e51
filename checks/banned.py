#!/usr/bin/env python3
"""Things our sources do not say.

Threads that nobody joins, sleeps that cannot be stopped, and throwing (src/ only); leftovers and absolute paths of the
machine the code was written on (every text file). A line may be excused by `// allowed: <reason>` on it.
"""

import re

from common import blank_out, cpp_files, finish, read, tracked_files

CODE = [
    (r"\bstd::async\b", "std::async: use TaskGroup or std::jthread in a scope"),
    (r"[.>]\s*detach\s*\(", "detach(): every thread is joined by a scope"),
    (r"\bstd::thread\b(?!::)", "std::thread: use std::jthread"),
    (r"\bpthread_create\b", "pthread_create: use std::jthread"),
    (r"\bthis_thread::sleep_|\b(?:u|nano)sleep\s*\(|(?<![\w.:])sleep\s*\(",
     "a sleep that no stop_token ends: use sleep_for(duration, stop) of base/sleep.h"),
    (r"\bthrow\b(?!\s*\()", "throw: report through Status"),
    (r"\bstrcpy\b|\bstrcat\b|\bsprintf\b|\bgets\s*\(|\bsystem\s*\(", "an unbounded or shell-running C function"),
]
LEFTOVER = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b")
HOME_DIRS = ("wor" "k", "far" "m")
MACHINE_PATH = re.compile(r"(?<![\w.}$*~-])/(?:" + "|".join(HOME_DIRS) + r")/[\w.]")
TEXT_SUFFIXES = (".h", ".cc", ".py", ".sh", ".md", ".txt", ".cmake", ".json", ".yaml", ".yml", ".toml", ".proto", "Makefile")
FOREIGN = ("third_party/", "tests/golden/", "tests/fixtures/", "tests/cli/", "tests/data/")


def check_code(name):
    problems = []
    text = read(name)
    raw = text.splitlines()
    for number, line in enumerate(blank_out(text).splitlines(), 1):
        for pattern, why in CODE:
            if re.search(pattern, line) and "// allowed: " not in raw[number - 1]:
                problems.append(f"{name}:{number}: {why}")
    return problems


def check_text(name):
    problems = []
    try:
        text = read(name)
    except UnicodeDecodeError:
        return [f"{name}: not UTF-8"]
    for number, line in enumerate(text.splitlines(), 1):
        if LEFTOVER.search(line):
            problems.append(f"{name}:{number}: a leftover note")
        if MACHINE_PATH.search(line):
            problems.append(f"{name}:{number}: an absolute path of one machine")
    return problems


def main():
    problems = []
    for name in cpp_files(("src",)):
        if not name.endswith("_test.cc"):
            problems += check_code(name)
    for name in tracked_files():
        if name.endswith(TEXT_SUFFIXES) and not name.startswith(FOREIGN):
            problems += check_text(name)
    finish("banned", problems)


if __name__ == "__main__":
    main()
