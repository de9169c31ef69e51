#!/usr/bin/env python3
"""Every dependency is accounted for: each package of packages.txt and each folder of third_party/ has a row in
docs/dependencies.md with a version, a licence and a reason, and the versions of the packages agree."""

import os
import re

from common import ROOT, finish, read

GROUPS = ("build", "test", "lint", "bench")


def packages():
    for number, line in enumerate(read("packages.txt").splitlines(), 1):
        line = line.split("#")[0].strip()
        if line:
            fields = line.split()
            yield number, fields


def rows():
    """Name -> (version, licence, reason) of every table row whose first cell is `name` in code quotes."""
    table = {}
    for line in read("docs/dependencies.md").splitlines():
        cells = [c.strip() for c in line.strip().strip("|").split("|")]
        match = re.fullmatch(r"`([^`]+)`", cells[0])
        if line.startswith("|") and match and len(cells) >= 4:
            table[match.group(1)] = cells[1:4]
    return table


def main():
    table, problems, named = rows(), [], set()
    for number, fields in packages():
        if len(fields) != 3 or fields[2] not in GROUPS:
            problems.append(f"packages.txt:{number}: want: package version group ({', '.join(GROUPS)})")
            continue
        name, version, _ = fields
        named.add(name)
        if name not in table:
            problems.append(f"packages.txt:{number}: {name} has no row in docs/dependencies.md")
        elif table[name][0] != version:
            problems.append(f"packages.txt:{number}: {name} {version}, but docs/dependencies.md says {table[name][0]}")
    third_party = os.path.join(ROOT, "third_party")
    for name in sorted(os.listdir(third_party)) if os.path.isdir(third_party) else []:
        if os.path.isdir(os.path.join(third_party, name)):
            named.add(f"third_party/{name}")
            if f"third_party/{name}" not in table:
                problems.append(f"third_party/{name} has no row in docs/dependencies.md")
            if not any(f.upper().startswith(("LICENSE", "LICENCE", "COPYING"))
                       for f in os.listdir(os.path.join(third_party, name))):
                problems.append(f"third_party/{name} lacks its licence text")
    for name, cells in table.items():
        if name not in named:
            problems.append(f"docs/dependencies.md: {name} is neither in packages.txt nor in third_party/")
        if not all(cells):
            problems.append(f"docs/dependencies.md: {name}: version, licence and reason are all needed")
    if not re.match(r"\s*Apache License", read("LICENSE")):
        problems.append("LICENSE is not the Apache License")
    finish("licences", problems)


if __name__ == "__main__":
    main()
