#!/usr/bin/env python3
"""Plays transcripts of the command line against a binary and reports every difference.

  replay.py --binary PATH [--root DIR] [--differences FILE] [--verbose] [--propose FILE] TRANSCRIPT...

A transcript is a list of steps: file operations, or one run of the program with the exit code, standard output, standard
error and files that are expected after it (README.md). What is allowed to differ stands in differences.json, each with a
reason and with what this program does instead. A step of a command that this version does not have is counted as "later",
and so is a step that needs a value which such a step would have printed.

Exit status: 0 no difference, 1 differences, 2 usage, 77 skipped. Standard library only.
"""
import argparse
import base64
import fnmatch
import hashlib
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import zipfile
from datetime import datetime, timezone

TOKEN = re.compile(r"\$\{([A-Z][A-Z0-9]*)(?:_([0-9]+))?\}")
LATER = re.compile(r"command '[a-z -]+' is not available in this version yet")
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


# ---------------------------------------------------------------- texts with tokens
class Unbound(Exception):
    """A token whose value no step has given."""


class Bindings:
    """${ROOT}, and ${CLASS_n}: the first match binds, later ones stand for the same text. ${CLASS} matches anew."""

    def __init__(self, classes, fixed):
        self.classes = classes
        self.values = dict(fixed)

    def substitute(self, text):
        def one(match):
            name = match.group(0)[2:-1]
            if name in self.values:
                return self.values[name]
            if match.group(1) in self.classes:
                raise Unbound(name)
            return match.group(0)

        return TOKEN.sub(one, text)

    def pattern(self, template):
        parts, at, seen = [], 0, set()
        for match in TOKEN.finditer(template):
            kind, name = match.group(1), match.group(0)[2:-1]
            if name not in self.values and kind not in self.classes:
                continue
            parts.append(re.escape(template[at:match.start()]))
            at = match.end()
            if name in self.values:
                parts.append(re.escape(self.values[name]))
            elif match.group(2) is None:
                parts.append("(?:%s)" % self.classes[kind])
            elif name in seen:
                parts.append("(?P=%s)" % name)
            else:
                seen.add(name)
                parts.append("(?P<%s>%s)" % (name, self.classes[kind]))
        parts.append(re.escape(template[at:]))
        return re.compile("".join(parts))

    def matches(self, template, actual):
        match = self.pattern(template).fullmatch(actual)
        if not match:
            return False
        self.values.update({k: v for k, v in match.groupdict().items() if v is not None})
        return True


def difference(bindings, expected, actual, mode):
    """None when the text `actual` is as expected (a list of lines), else what differs."""
    lines = actual.split("\n")
    if mode == "ignore":
        return None
    if mode == "contains":
        missing = [e for e in expected if e and not any(bindings.matches(e, line) for line in lines)]
        return "\n".join(["    - " + m for m in missing] + ["    + " + line for line in lines]) if missing else None
    if mode == "unordered":
        left, missing = list(lines), []
        for template in sorted(expected, key=lambda e: (len(TOKEN.findall(e)), e)):
            for i, line in enumerate(left):
                if bindings.matches(template, line):
                    del left[i]
                    break
            else:
                missing.append(template)
        return "\n".join(["    - " + m for m in missing] + ["    + " + line for line in left]) or None
    if bindings.matches("\n".join(expected), actual):
        return None
    out = []
    for i in range(max(len(expected), len(lines))):
        want = expected[i] if i < len(expected) else None
        have = lines[i] if i < len(lines) else None
        if want is None or have is None or not bindings.matches(want, have):
            out += ["    - " + want] if want is not None else []
            out += ["    + " + have] if have is not None else []
    return "\n".join(out[:40]) or "    (lines match singly, but not together)"


# ---------------------------------------------------------------- file operations
def content_of(op):
    if "text" in op:
        return op["text"].encode()
    if "base64" in op:
        return base64.b64decode(op["base64"])
    if "byte" in op:
        return bytes([op["byte"]]) * op["size"]
    blocks = (op["size"] + 31) // 32
    seed = op.get("seed", "0")
    data = b"".join(hashlib.sha256(("%s:%d" % (seed, i)).encode()).digest() for i in range(blocks))
    return data[:op["size"]]


def seconds_of(text):
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp()


def below(path, files_only=False):
    for directory, directories, files in os.walk(path, topdown=False):
        for name in files + ([] if files_only else directories):
            yield os.path.join(directory, name)


def fs_write(bindings, op, path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(content_of({**op, "text": bindings.substitute(op["text"])} if "text" in op else op))
    os.chmod(path, int(op.get("mode", "0644"), 8))
    if "mtime" in op:
        os.utime(path, (seconds_of(op["mtime"]),) * 2)


def fs_mkdir(_bindings, op, path):
    os.makedirs(path, exist_ok=True)
    if "mode" in op:
        os.chmod(path, int(op["mode"], 8))


def fs_append(_bindings, op, path):
    with open(path, "ab") as f:
        f.write(content_of(op))


def fs_chown(_bindings, op, path):
    uid, gid = (int(x) for x in op["owner"].split(":"))
    for each in [path] + (list(below(path)) if op.get("recursive") else []):
        os.lchown(each, uid, gid)


def fs_remove(_bindings, _op, path):
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.remove(path)


def fs_copy(bindings, op, path):
    target = bindings.substitute(op["to"])
    if os.path.isdir(path):
        shutil.copytree(path, target, symlinks=True)
    else:
        shutil.copy2(path, target)


def fs_settime(_bindings, op, path):
    for each in list(below(path)) + [path]:
        os.utime(each, (seconds_of(op["mtime"]),) * 2, follow_symlinks=False)


def fs_remove_matching(_bindings, op, path):
    for each in list(below(path, True)):
        if fnmatch.fnmatch(os.path.basename(each), op["glob"]):
            os.remove(each)


def fs_truncate_matching(_bindings, op, path):
    for each in below(path, True):
        if fnmatch.fnmatch(os.path.basename(each), op["glob"]):
            os.truncate(each, op["size"])


FS = {
    "write": fs_write, "mkdir": fs_mkdir, "append": fs_append, "chown": fs_chown, "remove": fs_remove, "copy": fs_copy,
    "settime": fs_settime, "remove_matching": fs_remove_matching, "truncate_matching": fs_truncate_matching,
    "symlink": lambda b, op, p: os.symlink(b.substitute(op["target"]), p),
    "link": lambda b, op, p: os.link(b.substitute(op["target"]), p),
    "mkfifo": lambda b, op, p: os.mkfifo(p, int(op.get("mode", "0644"), 8)),
    "chmod": lambda b, op, p: os.chmod(p, int(op["mode"], 8)),
    "rename": lambda b, op, p: os.rename(p, b.substitute(op["to"])),
    "sleep": lambda b, op, p: __import__("time").sleep(op["seconds"]),
}


# ---------------------------------------------------------------- looking at files
def utc(t):
    return datetime.fromtimestamp(int(t), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def digest(data):
    return hashlib.sha256(data).hexdigest()[:12]


def tree_line(root, path):
    name, st = os.path.relpath(path, root), os.lstat(path)
    if stat.S_ISLNK(st.st_mode):
        return "l %d:%d %s -> %s" % (st.st_uid, st.st_gid, name, os.readlink(path))
    head = "%04o %d:%d %s" % (stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid, utc(st.st_mtime))
    if stat.S_ISDIR(st.st_mode):
        return "d %s %s" % (head, name)
    if not stat.S_ISREG(st.st_mode):
        return "? %s %s" % (head, name)
    with open(path, "rb") as f:
        return "f %s %d %s %s" % (head, st.st_size, digest(f.read()), name)


def observe_file(path):
    if not os.path.exists(path):
        return ["(absent)"]
    with open(path, "rb") as f:
        text = f.read().decode("utf-8", "surrogateescape")
    return ["mode %04o" % stat.S_IMODE(os.stat(path).st_mode)] + text.split("\n")


def observe_tree(path):
    if not os.path.isdir(path):
        return ["(absent)"]
    return [tree_line(path, p) for p in sorted([path] + list(below(path)), key=lambda p: os.path.relpath(p, path))]


def observe_names(path):
    if not os.path.isdir(path):
        return ["(absent)"]
    real = lambda p: os.path.isdir(p)
    return sorted(os.path.relpath(p, path) + ("/" if real(p) else "") for p in below(path))


def observe_zip(path):
    if not os.path.exists(path):
        return ["(absent)"]
    with zipfile.ZipFile(path) as z:
        return ["%s %06o %d %s %s" % ("stored" if i.compress_type == 0 else "deflated", i.external_attr >> 16, i.file_size,
                                      digest(z.read(i)), i.filename)
                for i in sorted(z.infolist(), key=lambda i: i.filename)]


def observe_tar(path):
    if not os.path.exists(path):
        return ["(absent)"]
    with tarfile.open(path) as t:
        return ["%s %04o %d:%d %s %d %s %s%s" % (m.type.decode(), m.mode, m.uid, m.gid, utc(m.mtime), m.size,
                                                digest(t.extractfile(m).read()) if m.isreg() else "-", m.name,
                                                " -> " + m.linkname if m.linkname else "")
                for m in sorted(t.getmembers(), key=lambda m: m.name)]


OBSERVE = {"file": observe_file, "tree": observe_tree, "names": observe_names, "zip": observe_zip, "tar": observe_tar,
           "exists": lambda p: ["yes" if os.path.lexists(p) else "no"]}


# ---------------------------------------------------------------- running
class Runner:
    def __init__(self, binary, bindings, env):
        self.binary, self.bindings, self.env = binary, bindings, env
        self.started = {}

    def environment(self, step):
        env = {"PATH": SEARCH_PATH}
        for source in (self.env, step.get("env", {})):
            for name, value in source.items():
                if value is None:
                    env.pop(name, None)
                else:
                    env[name] = self.bindings.substitute(value)
        return env

    def run(self, step):
        """Exit code, standard output, standard error."""
        words = [self.bindings.substitute(w) for w in step["run"]]
        env, data = self.environment(step), step.get("stdin")
        executable = self.binary if words[0] == "kopia" else None
        if "sh" in step:
            env["KOPIA"] = self.binary
            words, executable = ["/bin/sh", "-c", self.bindings.substitute(step["sh"]), "sh"] + words, None

        def prepare():
            os.umask(int(step.get("umask", "0022"), 8))
            if "uid" in step:
                os.setgroups([])
                os.setgid(step["uid"])
                os.setuid(step["uid"])

        feed = {"stdin": subprocess.DEVNULL} if data is None else {"input": self.bindings.substitute(data).encode()}
        try:
            done = subprocess.run(words, executable=executable, cwd=self.bindings.substitute(step.get("cwd", "${ROOT}")),
                                  env=env, preexec_fn=prepare, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  timeout=step.get("timeout", 120), check=False, **feed)
            code, out, err = done.returncode, done.stdout, done.stderr
        except subprocess.TimeoutExpired as late:
            code, out, err = "timeout", late.stdout or b"", late.stderr or b""
        return code, out.decode("utf-8", "surrogateescape"), err.decode("utf-8", "surrogateescape")


    def start(self, step):
        """Starts a program that stays; waits for a line that matches `until`. Standard output, standard error so far."""
        words = [self.bindings.substitute(w) for w in step["start"]]
        process = subprocess.Popen(words, executable=self.binary if words[0] == "kopia" else None,
                                   cwd=self.bindings.substitute(step.get("cwd", "${ROOT}")), env=self.environment(step),
                                   stdin=subprocess.PIPE if step.get("stdin_pipe") else subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = [], []

        def pump(stream, lines):
            for line in stream:
                lines.append(line.decode("utf-8", "surrogateescape"))

        pumps = [threading.Thread(target=pump, args=pair) for pair in ((process.stdout, out), (process.stderr, err))]
        for thread in pumps:
            thread.start()
        until, end = re.compile(step["until"]), time.time() + step.get("timeout", 60)
        while time.time() < end and process.poll() is None and not any(until.search(x) for x in err + out):
            time.sleep(0.05)
        time.sleep(0.2)  # lines that follow at once
        self.started[step["name"]] = (process, pumps, err, len(err))
        return "".join(out), "".join(err)

    def stop(self, step):
        """Exit code, standard error since the start."""
        process, pumps, err, seen = self.started.pop(step["stop"])
        how = step.get("signal", "TERM")
        if how == "stdin":
            process.stdin.close()
        elif how != "none":
            process.send_signal(getattr(signal, "SIG" + how))
        try:
            code = process.wait(step.get("timeout", 60))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            code = "timeout"
        for thread in pumps:
            thread.join()
        return code, "".join(err[seen:])

    def clean_up(self):
        for name in list(self.started):
            self.stop({"stop": name, "signal": "KILL"})


class Accepted:
    """The entries of differences.json for one transcript. `ours` replaces what is expected of a field; an entry with
    `line` replaces that expected line in all steps (by nothing when `ours` is null)."""

    def __init__(self, entries, scenario):
        mine = [e for e in entries if e["scenario"] == scenario]
        self.entries = {(e["step"], e["field"]): e for e in mine if "step" in e}
        self.lines = {e["line"]: e["ours"] for e in mine if "line" in e}
        self.unused = set(self.entries)
        self.unused_lines = set(self.lines)

    def find(self, step, field):
        self.unused.discard((step, field))
        return self.entries.get((step, field))

    def rewrite(self, expected):
        self.unused_lines.difference_update(expected)
        return [self.lines.get(e, e) for e in expected if self.lines.get(e, e) is not None]


class Play:
    def __init__(self, scenario, binary, root, accepted, proposals):
        self.scenario, self.accepted, self.proposals = scenario, accepted, proposals
        self.bindings = Bindings(scenario["placeholders"], {"ROOT": root})
        self.runner = Runner(binary, self.bindings, scenario.get("env", {}))
        self.differences = self.later = self.ran = 0

    def report(self, index, step, field, text):
        self.differences += 1
        print("%s step %d: %s differs\n  %s\n%s" %
              (self.scenario["name"], index, field, json.dumps(step.get("run") or step.get("start") or step.get("stop"), ensure_ascii=False)[:600], text))

    def propose(self, index, field, ours):
        self.proposals.append({"scenario": self.scenario["name"], "step": index, "field": field, "ours": ours,
                               "reason": ""})

    def generalise(self, text):
        return text.replace(self.bindings.values["ROOT"], "${ROOT}").split("\n")

    def check_text(self, index, step, field, expected, actual, mode):
        entry = self.accepted.find(index, field)
        if entry is not None:
            expected, mode = entry.get("ours", []), entry.get("compare", mode if "ours" in entry else "ignore")
        else:
            expected = self.accepted.rewrite(expected)
        text = difference(self.bindings, expected, actual, mode)
        if text:
            self.report(index, step, field, text)
            self.propose(index, field, self.generalise(actual))

    def check_exit(self, index, step, code, err):
        entry = self.accepted.find(index, "exit")
        expected = entry["ours"] if entry is not None else step["exit"]
        if step.get("compare", {}).get("exit") != "ignore" and code != expected:
            self.report(index, step, "exit", "    - %s\n    + %s\n    %s" % (expected, code, err[-1000:]))
            self.propose(index, "exit", code)

    def play_run(self, index, step):
        if self.accepted.find(index, "skip") is not None:
            return
        modes = step.get("compare", {})
        if "stop" in step:
            if step["stop"] not in self.runner.started:  # a later command
                self.later += 1
                return
            self.ran += 1
            code, err = self.runner.stop(step)
            self.check_exit(index, step, code, err)
            self.check_text(index, step, "stderr", step["stderr"], err, modes.get("stderr", "exact"))
            return
        if "start" in step:
            out, err = self.runner.start(step)
            code = step["exit"] = 1 if LATER.search(err) else 0
            if code != 0:
                self.runner.stop({"stop": step["name"], "signal": "none"})
        else:
            code, out, err = self.runner.run(step)
        if code != 0 and LATER.search(err):
            self.later += 1
            for field in ("exit", "stdout", "stderr"):
                self.accepted.find(index, field)
            return
        self.ran += 1
        self.check_exit(index, step, code, err)
        self.check_text(index, step, "stdout", step["stdout"], out, modes.get("stdout", "exact"))
        self.check_text(index, step, "stderr", step["stderr"], err, modes.get("stderr", "exact"))
        for number, check in enumerate(step.get("after", [])):
            kind = next(k for k in check if k in OBSERVE)
            seen = OBSERVE[kind](self.bindings.substitute(check[kind]))
            self.check_text(index, step, "after %d" % number, check["lines"], "\n".join(seen), check.get("compare", "exact"))

    def play(self):
        for index, step in enumerate(self.scenario["steps"]):
            try:
                if "fs" in step:
                    for op in step["fs"]:
                        FS[op["op"]](self.bindings, op, self.bindings.substitute(op.get("path", "")))
                else:
                    self.play_run(index, step)
            except Unbound as missing:
                if self.later == 0:
                    self.report(index, step, "execution", "    unbound token %s" % missing)
                self.later += 1
            except OSError as problem:
                self.report(index, step, "execution", "    %s" % problem)
        for index, field in sorted(self.accepted.unused):
            self.report(index, self.scenario["steps"][index], field, "    the accepted difference was not reached")
        for line in sorted(self.accepted.unused_lines):
            self.report(0, {}, "line", "    no step expects it any more: " + line)


# ---------------------------------------------------------------- scratch directory
def wipe(root):
    """Only a directory that this program made (it has a marker beside it) is removed."""
    if os.path.lexists(root):
        if not os.path.exists(root + ".replay"):
            sys.exit("refusing to wipe %s: not made by this program; choose another --root" % root)
        for path in [root] + list(below(root)):
            if os.path.isdir(path) and not os.path.islink(path):
                os.chmod(path, 0o700)
        shutil.rmtree(root)
    for path in (root + ".replay",):
        if os.path.exists(path):
            os.remove(path)
    shutil.rmtree(root + ".bin", ignore_errors=True)


def fresh(root):
    wipe(root)
    with open(root + ".replay", "w", encoding="utf-8"):
        pass
    os.makedirs(root)
    os.chmod(root, 0o755)


def reachable_binary(binary, root):
    """Steps that run as another user need a copy where that user can reach it."""
    directory = root + ".bin"
    os.makedirs(directory, exist_ok=True)
    os.chmod(directory, 0o755)
    copy = os.path.join(directory, "kopia")
    shutil.copy(binary, copy)
    os.chmod(copy, 0o755)
    return copy


def load_differences(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as f:
        entries = json.load(f)
    for entry in entries:
        if not entry.get("reason"):
            sys.exit("%s: an entry without reason: %s" % (path, json.dumps(entry)[:200]))
    return entries


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--root", help="scratch directory, wiped for every transcript (default: in the temporary directory)")
    parser.add_argument("--differences", default=os.path.join(here, "differences.json"))
    parser.add_argument("--propose", help="write entries for what differs to this file (reasons are yours to add)")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("transcripts", nargs="+")
    args = parser.parse_args()
    binary = os.path.abspath(args.binary)
    if not os.access(binary, os.X_OK):
        print("not executable: " + binary, file=sys.stderr)
        return 2
    entries, proposals = load_differences(args.differences), []
    total = played = 0
    for path in args.transcripts:
        with open(path, encoding="utf-8") as f:
            scenario = json.load(f)
        if "root" in scenario.get("requires", []) and os.getuid() != 0:
            print("SKIPPED %s: needs root (ownership, steps that run as another user)" % scenario["name"])
            continue
        if "fuse" in scenario.get("requires", []) and not os.access("/dev/fuse", os.R_OK | os.W_OK):
            print("SKIPPED %s: needs /dev/fuse" % scenario["name"])
            continue
        root = args.root or os.path.join(tempfile.gettempdir(), "cairn-replay-" + scenario["name"])
        fresh(root)
        play = Play(scenario, reachable_binary(binary, root), root, Accepted(entries, scenario["name"]), proposals)
        try:
            play.play()
        finally:
            play.runner.clean_up()
        wipe(root)
        played += 1
        total += play.differences
        print("%s %s: %d runs compared, %d of later commands, %d differences" %
              ("FAIL" if play.differences else "ok", scenario["name"], play.ran, play.later, play.differences), flush=True)
    if args.propose:
        with open(args.propose, "w", encoding="utf-8") as f:
            json.dump(proposals, f, indent=1, ensure_ascii=False)
    if total:
        return 1
    return 0 if played else 77


if __name__ == "__main__":
    sys.exit(main())
