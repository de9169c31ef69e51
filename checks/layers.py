#!/usr/bin/env python3
"""Every #include in src/ must stay inside what src/CMakeLists.txt permits.

A folder may include itself and the folders in the DEPS of its cairn_library (a test also those in TEST_DEPS). The
stores below blob/ never include each other, and nothing includes cli or operator. DEPS must name folders declared
earlier in the file, which makes cycles impossible.
"""

import re

from common import cpp_files, finish, read

CLOSED = ("cli", "operator")  # no one includes these
STORE_PARENT = "blob"
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.M)


def declared():
    """Folder -> (DEPS, TEST_DEPS), in the order of declaration."""
    text = re.sub(r"#[^\n]*", "", read("src/CMakeLists.txt"))
    libraries = {}
    for body in re.findall(r"cairn_library\s*\(([^)]*)\)", text):
        fields, key = {}, None
        for word in body.split():
            if word in ("NAME", "DEPS", "LIBS", "TEST_DEPS"):
                key = word
                fields.setdefault(key, [])
            elif key:
                fields[key].append(word)
        libraries[fields["NAME"][0]] = (fields.get("DEPS", []), fields.get("TEST_DEPS", []))
    return libraries


def owner(path, libraries):
    """The declared folder a path below src/ belongs to: the longest that fits; None for a file of none."""
    parts = path.split("/")[:-1]
    while parts:
        if "/".join(parts) in libraries:
            return "/".join(parts)
        parts.pop()
    return None


def store_of(path):
    parts = path.split("/")
    return parts[1] if parts[0] == STORE_PARENT and len(parts) > 2 else None


def is_test(name):
    return name.endswith(("_test.cc", "_test_support.h", "_test_support.cc"))


def check_include(name, line, target, libraries):
    path = name[len("src/"):]
    here, there = owner(path, libraries), owner(target, libraries)
    place = f"{name}:{line}: includes \"{target}\""
    if there is None:
        return f"{place}, which is in no declared library (third-party headers take <>)"
    is_main = path.endswith("/main.cc")
    if here != there and (there in CLOSED and not is_main):
        return f"{place}: nothing includes {there}"
    deps, test_deps = libraries[here]
    allowed = set(deps) | {here} | (set(test_deps) if is_test(name) else set())
    if there not in allowed:
        return f"{place}: {here} may include {', '.join(sorted(allowed))}"
    a, b = store_of(path), store_of(target)
    if a and b and a != b:
        return f"{place}: stores never include each other"
    if target.endswith("_internal.h") and here != there:
        return f"{place}: an internal header of {there}"
    return None


def main():
    libraries, problems, seen = declared(), [], set()
    for folder, (deps, _) in libraries.items():
        for dep in deps:
            if dep not in seen:
                problems.append(f"src/CMakeLists.txt: {folder} depends on {dep}, which is not declared before it")
        seen.add(folder)
    includes = 0
    for name in cpp_files(("src",)):
        if owner(name[len("src/"):], libraries) is None:
            problems.append(f"{name}: belongs to no declared library")
            continue
        text = read(name)
        for match in INCLUDE.finditer(text):
            target = match.group(1)
            if target.startswith("tests/"):
                if not is_test(name):
                    problems.append(f"{name}: only tests include {target}")
                continue
            includes += 1
            problem = check_include(name, text.count("\n", 0, match.start()) + 1, target, libraries)
            if problem:
                problems.append(problem)
    if includes == 0:
        problems.append("no include found at all: the check reads the wrong place")
    finish("layers", problems)


if __name__ == "__main__":
    main()
