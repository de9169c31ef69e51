#!/usr/bin/env python3
"""What differs on a terminal: prompts, hidden input, colours, progress. terminal_test.py BINARY; standard library only."""
import os
import pty
import re
import select
import shutil
import subprocess
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


def create_says_in_order(shown):
    """Both streams end on the terminal: the order of the lines is the order in which things happen."""
    order = ["Initializing repository with:", "  block hash: ", "Connected to repository.", "Retention:",
             "  Latest snapshots: ", "Compression disabled.", "To find more information about default policy",
             "NOTE: Kopia will perform quick maintenance", "See https://kopia.io/docs/advanced/maintenance/",
             "\x1b[96mNOTE: To validate that your provider is compatible"]
    at = [shown.find(text) for text in order]
    expect("create says things in order", -1 not in at and at == sorted(at), "%s\n%s" % (at, shown))
    note = ("\x1b[96mNOTE: To validate that your provider is compatible with Kopia, please run:\n\n"
            "$ kopia repository validate-provider\n\n\x1b[0m")
    expect("the note is cyan to its last line end", shown.endswith(note), repr(shown))


SIZE = r"[0-9.]+ [KMG]?B"
UPLOADED = r"%s hashing, \d+ hashed \(" + SIZE + r"\), \d+ cached \(" + SIZE + r"\), uploaded " + SIZE + ", .*"


def pieces_match(what, shown, patterns):
    """`shown` is cut where the line is written anew; each pattern must match a piece, all pieces some pattern."""
    pieces = [p for p in re.split("[\r\n]", shown) if p.strip()]
    unknown = [p for p in pieces if not any(re.fullmatch(pattern + " *", p) for pattern in patterns)]
    absent = [p for p in patterns if not any(re.fullmatch(p + " *", piece) for piece in pieces)]
    expect(what, not unknown and not absent, "unknown: %s\nabsent: %s\n%r" % (unknown, absent, shown))


def progress(binary, root, env):
    source = root + "/many"
    os.makedirs(source + "/deep")
    for i in range(200):
        with open("%s/%03d" % (source if i % 2 else source + "/deep", i), "wb") as f:
            f.write(os.urandom(15000))
    env = {**env, "KOPIA_PASSWORD": "one"}
    run = lambda *words, **more: converse(binary, list(words), [], {**env, **more})
    host = r"Snapshotting [^ ]+@[^ ]+:%s \.\.\." % re.escape(source)
    created = r"Created snapshot with root k[0-9a-f]{32} and ID [0-9a-f]{32} in \d+s"
    code, shown = run("snapshot", "create", source, "--progress-update-interval=1ms", "--no-auto-maintenance")
    pieces_match("the line of an upload", shown, [host, r" [|/\\-] " + UPLOADED % r"\d+", r" \* " + UPLOADED % "0", created])
    expect("the line begins anew and ends with a line end", "...\n\r " in shown.replace("\n\n", "\n") and code == 0 and
           re.search(r"\r \* [^\r\n]*\nCreated snapshot", shown), repr(shown))

    restored = [r"Restoring to local filesystem \(%s/out\d\) with parallelism=8\.\.\." % re.escape(root),
                r"Processed \d+ \(%s\) of \d+ \(%s\)\." % (SIZE, SIZE),
                r"Restored 200 files, 2 directories and 0 symbolic links \(3 MB\)\."]
    snapshot = re.search("ID ([0-9a-f]{32}) in", shown).group(1)
    code, shown = run("restore", snapshot, root + "/out1", "--progress-update-interval=1ms")
    pieces_match("the line of a restore", shown, restored)
    expect("the line of a restore is its own", re.search(r"\.\.\.\n\rProcessed [^\r\n]*(\rProcessed [^\r\n]*)*\nRestored", shown),
           repr(shown))

    os.mkdir(root + "/copy")
    blobs = r"\d+ BLOBs"
    synced = ["Synchronizing repositories:", "  Source:      .*", "  Destination: .*", "NOTE: By default no BLOBs .*",
              "Looking for BLOBs to synchronize\\.\\.\\.",
              r"  Found %s in the destination repository \(%s\)" % (blobs, SIZE),
              r"  Found %s \(%s\) in the source repository, \d+ \(%s\) to copy" % (blobs, SIZE, SIZE),
              r"  Found 0 BLOBs to delete \(0 B\), \d+ in sync \(%s\)" % SIZE, "Copying\\.\\.\\.",
              r"  Copied \d+ blobs \(%s\), Speed: .*, ETA: .*" % SIZE]
    code, shown = run("repository", "sync-to", "filesystem", "--path=%s/copy" % root, "--progress-update-interval=1ms")
    pieces_match("the lines of a copy", shown, synced)
    expect("what was found gets two lines, the copy one", code == 0 and shown.endswith("\n") and
           re.search(r"\n\r  Found [^\r\n]*\n\r  Found [^\r\n]*\n  Found [^\r]*Copying\.\.\.\n\r  Copied [^\n]*\n$", shown),
           repr(shown))
    shutil.rmtree(root + "/copy")
    os.mkdir(root + "/copy")

    def piped(*words):
        done = subprocess.run([binary, *words], env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        expect("%s succeeds" % words[0], done.returncode == 0, done.stderr.decode())
        return done.stderr.decode()

    for what, words, patterns in [
            ("upload", ["snapshot", "create", source, "--no-auto-maintenance"], [host, r" \* " + UPLOADED % "0", created]),
            ("restore", ["restore", snapshot, root + "/out2"], restored),
            ("copy", ["repository", "sync-to", "filesystem", "--path=%s/copy" % root], synced)]:
        text = piped(*words)
        expect("nothing is rewritten on a pipe: " + what, "\r" not in text and "\x1b" not in text, repr(text))
        shutil.rmtree(root + "/out2", ignore_errors=True)
        shutil.rmtree(root + "/copy")
        os.mkdir(root + "/copy")
        text = piped(*words, "--progress")
        if what == "upload":  # the spinner may not turn in so short a run
            text = re.sub(r"\r [|/\\-] [^\r\n]*", "", text)
        pieces_match("--progress shows the line on a pipe: " + what, text, patterns)


def colours(binary, root, env):
    env = {**env, "KOPIA_PASSWORD": "one"}
    code, shown = converse(binary, ["show", "k" + "0" * 32], [], env)
    expect("the last line of a failure is red", code == 1 and
           re.search("\x1b\\[91m[^\x1b\n]*not found\x1b\\[0m\n$", shown), repr(shown))
    for extra in (["--disable-color"], []):
        words = ["show", "k" + "0" * 32, *extra]
        code, shown = converse(binary, words, [], env if extra else {**env, "KOPIA_DISABLE_COLOR": "true"})
        expect("colours can be turned off", code == 1 and "\x1b" not in shown, repr(shown))
    done = subprocess.run([binary, "show", "k" + "0" * 32, "--force-color"], env=env, capture_output=True, check=False)
    expect("colours can be forced on a pipe", b"\x1b[91m" in done.stderr, done.stderr)


def log_file(root):
    directory = root + "/.cache/kopia/cli-logs"
    names = [n for n in os.listdir(directory) if n.endswith("-snapshot-create.0.log")]
    lines = []
    for name in names:
        with open(os.path.join(directory, name), encoding="utf-8") as f:
            lines += f.read().splitlines()
    form = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z (DEBUG|INFO|WARN|ERROR) kopia/[a-z/-]+ .+")
    strange = [line for line in lines if line.startswith("20") and not form.fullmatch(line)]
    expect("lines of the log file have time, level, module and text", lines and not strange, strange[:3])
    fields = [line.split("\t")[1] for line in lines if line.startswith("20") and "\t" in line]
    for text in fields:
        expect("fields are an object", text.startswith("{") and text.endswith("}"), text)


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
    create_says_in_order(shown)
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

    new, again = "Enter new password: \n", "Re-enter password for verification: \n"
    code, shown = converse(binary, ["repository", "change-password"], [b"a\n", b"b\n", b"two\n", b"two\n"], env)
    expect("change-password asks until both answers are equal", code == 0 and
           shown.startswith(new + again + "Passwords don't match!\n" + new + again) and "two" not in shown, shown)
    code, shown = converse(binary, ["repository", "change-password", "--new-password=one"], [], env)
    expect("a password that is given is not asked for", code == 0 and "Enter" not in shown, shown)

    progress(binary, root, env)
    colours(binary, root, env)
    log_file(root)
    shutil.rmtree(root)
    return 1 if FAILURES else 0


if __name__ == "__main__":
    sys.exit(main())
