#!/usr/bin/env python3
"""Every command, alias and flag of interface.txt is there, and everything the program has is in its texts.

    interface_test.py BINARY

Standard library only.
"""
import os
import re
import subprocess
import sys

# What this program does not have, with the reason. An entry that is there after all is an error.
EXCEPTIONS = {
    "server start": "the repository server is not part of this version",
}
FLAG_TITLE = re.compile(r"^  (?:-(?P<short>\w), )?--(?:\[no-\])?(?P<name>[a-z0-9-]+)(?:=.*?)?(?P<list> \.\.\.)?(?:  |$)")


def read_interface(path):
    """[(command, aliases, [(long, short or None, list?)])]; sets of flags are expanded."""
    sets, rows = {}, []
    with open(path, encoding="utf-8") as f:
        for line in f:
            if line.startswith("#") or not line.strip():
                continue
            head, _, tail = line.partition(":")
            flags = []
            for word in tail.split():
                if word.startswith("@"):
                    flags += sets[word]
                else:
                    name, _, kind = word.partition("=")
                    name, _, short = name.partition("/")
                    flags.append((name[2:], short[1:], kind == "list"))
            if head.startswith("@"):
                sets[head] = flags
            else:
                command, _, aliases = head.partition("(")
                rows.append((command.strip(), aliases.strip(" )").split(), flags))
    return rows


class Program:
    def __init__(self, binary):
        self.binary = binary
        self.cache = {}

    def run(self, *words):
        done = subprocess.run([self.binary, *words], capture_output=True, text=True, check=False,
                              env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"})
        return done.returncode, done.stdout, done.stderr

    def usage(self, command):
        """The first line and the flags {long: (short, list?)} of a command, its groups' and the program's among them."""
        if command not in self.cache:
            code, out, err = self.run(*command.split(), "--help-full")
            flags = {}
            for line in out.partition("\nFlags:\n")[2].partition("\nArgs:\n")[0].partition("ommands:\n")[0].splitlines():
                title = FLAG_TITLE.match(line)
                if title:
                    flags[title["name"]] = (title["short"] or "", title["list"] is not None)
            self.cache[command] = (out.split("\n")[0] if code == 0 else "", flags)
        return self.cache[command]


def missing_in(program, rows):
    problems, excused = [], set()
    for command, aliases, flags in rows:
        first, have = program.usage(command)
        if not first.startswith("usage: " + os.path.basename(program.binary) + " " + command if command else "usage: "):
            if command in EXCEPTIONS:
                excused.add(command)
            else:
                problems.append("no command '%s'" % command)
            continue
        for alias in aliases:
            other = " ".join(command.split()[:-1] + [alias])
            if program.usage(other)[0] != first:
                problems.append("'%s' is not another name of '%s'" % (other, command))
        for name, short, repeatable in flags:
            excuse = command + " --" + name
            if name not in have:
                if excuse in EXCEPTIONS:
                    excused.add(excuse)
                else:
                    problems.append("'%s' has no flag --%s" % (command, name))
            elif have[name][0] != short:
                problems.append("'%s': --%s has the short form '%s' instead of '%s'" % (command, name, have[name][0], short))
            elif repeatable and not have[name][1]:
                problems.append("'%s': --%s may not be repeated" % (command, name))
    problems += ["needless exception: " + e for e in EXCEPTIONS if e not in excused]
    return problems


def commands_of(program, flag):
    """Every command that this help shows."""
    _, out, _ = program.run(flag)
    words = re.compile(r"^  ([a-z0-9-]+(?: [a-z0-9-]+)*)(?: |$)")
    found = []
    for line in out.partition("\nCommands")[2].splitlines():
        match = words.match(line)
        if match:
            found.append(match.group(1))
    return found


def texts_cover_everything(program):
    """Manual page, Markdown manual and completion are made from the same table as the help."""
    problems = []
    manual, markdown = program.run("--help-man")[1], program.run("--help-markdown")[1]
    visible = commands_of(program, "--help-long")
    for command in commands_of(program, "--help-full"):
        if "\\fB" + command.replace("-", "\\-") not in manual:
            problems.append("the manual page lacks '%s'" % command)
        if "# %s %s\n" % (os.path.basename(program.binary), command) not in markdown:
            problems.append("the Markdown manual lacks '%s'" % command)
        words = command.split()
        for i in range(len(words) if command in visible else 0):
            if words[i] not in program.run("--completion-bash", *words[:i], words[i])[1].split():
                problems.append("completion does not offer '%s'" % " ".join(words[:i + 1]))
        page = program.run(*words, "--help-man")[1]
        code, out, _ = program.run(*words, "--help")
        names = [FLAG_TITLE.match(line)["name"] for line in out.splitlines() if FLAG_TITLE.match(line)]
        if code != 0 or not names:
            problems.append("no help of '%s'" % command)
        offered = program.run("--completion-bash", *words, "--")[1].split()
        for name in names:
            if "\\-\\-" + name.replace("-", "\\-") not in page and "]" + name.replace("-", "\\-") not in page:
                problems.append("the manual page of '%s' lacks --%s" % (command, name))
            if "--" + name not in offered:
                problems.append("completion of '%s' does not offer --%s" % (command, name))
    return problems


def main():
    program = Program(os.path.abspath(sys.argv[1]))
    rows = read_interface(os.path.join(os.path.dirname(os.path.abspath(__file__)), "interface.txt"))
    # The comparison itself finds what is missing.
    planted = [("snapshot list", ["nonesuch"], [("nonesuch", "", False), ("all", "x", False)]), ("snapshot nonesuch", [], [])]
    found = [p for p in missing_in(program, planted) if not p.startswith("needless")]
    if len(found) != 4:
        print("a planted gap is not found: %s" % found)
        return 1
    problems = missing_in(program, rows) + texts_cover_everything(program)
    for problem in problems:
        print(problem)
    print("%d commands, %d flags looked for, %d problems" % (len(rows), sum(len(r[2]) for r in rows), len(problems)))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
