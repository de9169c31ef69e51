#!/usr/bin/env python3
"""Documents that are referred to exist: relative links in Markdown files, and `docs/….md` named anywhere in our sources.
Every folder of src/ that is a library has a README.md."""

import os
import re

from common import ROOT, cpp_files, finish, read, tracked_files
from layers import declared

LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
NAMED = re.compile(r"\bdocs/[\w/.-]+?\.md\b")


def exists(path):
    return os.path.exists(os.path.join(ROOT, path))


def main():
    problems, files = [], tracked_files()
    for name in files:
        if name.endswith(".md") and not name.startswith(("third_party/", "tests/golden/")):
            for target in LINK.findall(re.sub(r"`[^`\n]*`", "", read(name))):
                path = os.path.normpath(os.path.join(os.path.dirname(name), target))
                if "://" not in target and not target.startswith("mailto:") and not exists(path):
                    problems.append(f"{name}: link to {target}, which does not exist")
    for name in cpp_files() + [n for n in files if n.endswith((".md", ".py", ".sh", ".cmake"))]:
        if not name.startswith("third_party/"):
            for target in sorted(set(NAMED.findall(read(name)))):
                if not exists(target):
                    problems.append(f"{name}: refers to {target}, which does not exist")
    for folder in declared():
        if not exists(f"src/{folder}/README.md"):
            problems.append(f"src/{folder}/README.md is missing")
    finish("docs", problems)


if __name__ == "__main__":
    main()
