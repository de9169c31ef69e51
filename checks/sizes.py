#!/usr/bin/env python3
"""Length of files (at most 1200 lines) and of functions (at most 75 lines from the opening brace to the closing one;
a test case at most 150).

Functions are found by their shape, not by a parser: a brace at namespace or class scope that follows a parameter list.
A table (an initialiser) is no function.
"""

import re
import sys

from common import blank_out, cpp_files, finish, read

FILE_LINES_MAX = 1200
FUNCTION_LINES_MAX = 75
TEST_LINES_MAX = 150

SCOPE = re.compile(r"^(?:inline\s+)?(?:namespace\b|extern\s*\"|(?:template\s*<.*>\s*)?(?:class|struct|union|enum)\b)", re.S)
FUNCTION_TAIL = re.compile(
    r"\)\s*(?:(?:const|volatile|noexcept(?:\s*\([^)]*\))?|override|final|mutable|&&?|->\s*[\w:<>,\s*&]+?|try)\s*)*"
    r"(?:requires\b.*|:\s*[\w:<>,\s]+[({].*)?$", re.S)

MEMBER_INIT = re.compile(r"\)[^;]*[^:]:[^:].*[\w>]$", re.S)  # `C(int a) : b_` in front of `{a} {`


def head_kind(head):
    head = head.strip()
    head = re.sub(r"^(?:\[\[[^\]]*\]\]|public:|private:|protected:|#[^\n]*\n)\s*", "", head)
    if SCOPE.match(head) and not re.search(r"\)\s*(?:const|noexcept|override)?\s*$", head):
        return "scope"
    if "(" in head and FUNCTION_TAIL.search(head) and not re.search(r"(?<![=!<>])=(?!=)[^()]*$", head):
        return "function"
    return "other"


def functions(text):
    """(line, name, length in lines) of each function body in blanked text."""
    found, stack, head_start, depth_in_function = [], [], 0, 0
    line = 1
    for i, c in enumerate(text):
        if c == "\n":
            line += 1
        elif c == "{":
            kind = "inner" if depth_in_function else head_kind(text[head_start:i])
            if kind == "function" and MEMBER_INIT.search(text[head_start:i]):
                stack.append(("init", line, "", False))
                continue  # the head goes on after it
            if kind == "function":
                depth_in_function = 1
                name = re.findall(r"([\w~:<>]+)\s*\(", text[head_start:i])
                first = name[0] if name else "?"
                is_test = first.startswith("TEST") or first == "TYPED_TEST"
                stack.append(("function", line, first, is_test))
            else:
                if depth_in_function:
                    depth_in_function += 1
                stack.append((kind, line, "", False))
            head_start = i + 1
        elif c == "}":
            if stack:
                kind, opened, name, is_test = stack.pop()
                if kind == "init":
                    continue
                if kind == "function":
                    found.append((opened, name, line - opened + 1, is_test))
                    depth_in_function = 0
                elif depth_in_function:
                    depth_in_function -= 1
            head_start = i + 1
        elif c == ";" and not depth_in_function:
            head_start = i + 1
    return found


def strip_directives(text):
    """Preprocessor lines (with their continuations) blanked: macro bodies are not functions."""
    return re.sub(r"(?m)^[ \t]*#(?:[^\n\\]|\\\n|\\.)*", lambda m: re.sub(r"[^\n]", " ", m.group(0)), text)


def main():
    problems, counted = [], 0
    for name in cpp_files():
        text = read(name)
        lines = text.count("\n")
        if lines > FILE_LINES_MAX:
            problems.append(f"{name}: {lines} lines, at most {FILE_LINES_MAX}")
        for line, function, length, is_test in functions(strip_directives(blank_out(text))):
            counted += 1
            limit = TEST_LINES_MAX if is_test else FUNCTION_LINES_MAX
            if length > limit:
                problems.append(f"{name}:{line}: {function} has {length} lines, at most {limit}")
    if counted == 0:
        problems.append("no function found at all: the check reads the wrong place")
    if "-v" in sys.argv:
        print(f"{counted} functions")
    finish("sizes", problems)


if __name__ == "__main__":
    main()
