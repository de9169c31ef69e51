#!/usr/bin/env python3
"""What differs on a terminal: prompts, hidden input, colours, progress. terminal_test.py BINARY; standard library only."""
import os
import pty
import select
import shutil
import sys
import tempfile
import time

FAILURES = []


def converse(binary, words, answers, env):
    """Runs on a pseudo terminal, gives one answer at each prompt. Exit code and everything that was shown."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(binary, ["kopia"] + words, env)
    shown, given, deadline = b"", 0, time.time() + 60
    while time.time() < deadline:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                piece = os.read(terminal, 4096)
            except OSError:  # the other side is closed
                break
            if not piece:
                break
            shown += piece
        elif given < len(answers) and shown.endswith(b": "):
            os.write(terminal, answers[given])
            given += 1
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode().replace("\r\n", "\n")


def expect(what, condition, shown):
    if not condition:
        FAILURES.append(what)
        print("FAILED: %s\n%s" % (what, shown))


def main():
    binary = os.path.abspath(sys.argv[1])
    root = tempfile.mkdtemp(prefix="cairn-terminal-")
    env = {"PATH": os.environ["PATH"], "HOME": root, "TZ": "UTC"}
    path = "--path=%s/repo" % root
    create, connect = (["repository", verb, "filesystem", path] for verb in ("create", "connect"))

    code, shown = converse(binary, create, [b"one\n", b"two\n", b"\n", b"one\n", b"one\n"], env)
    ask, again = "Enter password to create new repository: \n", "Re-enter password for verification: \n"
    expect("create asks until both answers are equal", code == 0 and
           shown.startswith(ask + again + "Passwords don't match!\n" + ask + ask + again + "Initializing"), shown)
    expect("the password is not shown", "one" not in shown.split("Initializing")[0], shown)
    expect("the note is cyan", "\x1b[96mNOTE: To validate" in shown and shown.rstrip().endswith("\x1b[0m"), shown)

    code, shown = converse(binary, connect, [b"\n", b"one\n"], env)
    expect("connect asks again after empty input", code == 0 and
           shown == "Enter password to open repository: \n" * 2 + "\nConnected to repository.\n", shown)
    code, shown = converse(binary, connect, [b"wrong\n"], env)
    expect("a wrong password fails in red", code == 1 and "\x1b[91merror connecting to repository: " in shown, shown)
    code, shown = converse(binary, connect, [b"\n"] * 5, env)
    expect("five empty answers are enough", code == 1 and "can't get password" in shown, shown)
    code, shown = converse(binary, connect, [b"\x03"], env)
    expect("Ctrl-C at a prompt ends the program", code == 1, shown)

    os.makedirs(root + "/source")
    with open(root + "/source/a", "w", encoding="utf-8") as f:
        f.write("alpha\n")
    code, shown = converse(binary, ["snapshot", "create", root + "/source"], [], env)
    expect("snapshot create shows progress", code == 0 and "\r * 0 hashing, " in shown, shown)
    code, shown = converse(binary, ["snapshot", "create", "--no-progress", root + "/source"], [], env)
    expect("--no-progress shows none", code == 0 and "\r *" not in shown, shown)

    shutil.rmtree(root)
    return 1 if FAILURES else 0


if __name__ == "__main__":
    sys.exit(main())
