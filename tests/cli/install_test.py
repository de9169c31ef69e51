#!/usr/bin/env python3
"""`make install` into an empty directory (DESTDIR): program, alias, manual pages, completion.

    install_test.py BINARY

Standard library only; groff, zsh and fish are asked where they are there.
"""
import os
import pty
import select
import shutil
import subprocess
import sys
import tempfile
import time

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def run(*words, **options):
    return subprocess.run(words, capture_output=True, text=True, check=False, **options)


def typed_in_zsh(script, line, wanted, env):
    """Whether an interactive zsh that loaded the script completes the line so that `wanted` stands on the terminal."""
    child, terminal = pty.fork()
    if child == 0:
        os.execvpe("zsh", ["zsh", "-f", "-i"], {**env, "TERM": "dumb"})

    def shows(mark):
        seen, until = "", time.monotonic() + 60
        while mark not in seen and time.monotonic() < until:
            if select.select([terminal], [], [], 1)[0]:
                seen += os.read(terminal, 4096).decode(errors="replace")
        return mark in seen

    try:
        os.write(terminal, ("autoload -U compinit; compinit -D -u; source '%s'; print LOAD''ED\n" % script).encode())
        expect(shows("LOADED"), "zsh loads the script")
        os.write(terminal, line.encode() + b"\t")
        return shows(wanted)
    finally:
        os.close(terminal)
        os.waitpid(child, 0)


def main():
    binary = os.path.abspath(sys.argv[1])
    root = tempfile.mkdtemp(prefix="cairn-install-")
    try:
        # What the target runs; building is not what is tested here.
        target = run("make", "-n", "-C", SOURCE, "install", "DESTDIR=" + root, "PREFIX=/opt/x").stdout
        expect("scripts/install.sh build/release/cairn '%s/opt/x'" % root in target, target)
        prefix = root + "/opt/x"
        for _ in range(2):  # a second time over the first
            done = run(os.path.join(SOURCE, "scripts/install.sh"), binary, prefix)
            expect(done.returncode == 0 and done.stderr == "", done.stderr)
        expect(os.readlink(prefix + "/bin/kopia") == "cairn", "kopia is another name of cairn")
        files = {os.path.relpath(os.path.join(d, f), prefix) for d, _, names in os.walk(prefix) for f in names}
        for name in ("cairn", "kopia"):
            for path, mark in (("share/man/man1/%s.1", ".TH %s 1"), ("share/bash-completion/completions/%s", "_complete %s\n"),
                               ("share/zsh/site-functions/_%s", "#compdef %s\n"),
                               ("share/fish/vendor_completions.d/%s.fish", "complete -c %s ")):
                expect(path % name in files, "no " + path % name)
                with open(os.path.join(prefix, path % name), encoding="utf-8") as f:
                    expect(mark % name in f.read(), path % name)
        pages = [f for f in files if f.startswith("share/man/man1/cairn-")]
        expect(len(pages) > 130 and "share/man/man1/cairn-snapshot-create.1" in files, pages)
        expect(not [f for f in files if f.endswith(".new")], "no half-written file")
        program, env = prefix + "/bin/cairn", {"PATH": prefix + "/bin:" + os.environ["PATH"], "HOME": root}
        script = 'source "$1"; COMP_WORDS=(cairn snap cre); COMP_CWORD=2; _cairn_complete; echo "${COMPREPLY[@]}"'
        offered = run("bash", "-c", script, "bash", prefix + "/share/bash-completion/completions/cairn", env=env)
        expect(offered.stdout == "create\n", offered)
        if shutil.which("fish"):
            offered = run("fish", "-c", 'source "$argv[1]"; complete -C"cairn snap cre"',
                          prefix + "/share/fish/vendor_completions.d/cairn.fish", env=env)
            expect(offered.stdout == "create\n", offered)
        if shutil.which("zsh"):
            expect(typed_in_zsh(prefix + "/share/zsh/site-functions/_cairn", "cairn snap cre", "cairn snap create ", env),
                   "zsh completes a command")
        for shell, path in (("bash", "bash-completion/completions/cairn"), ("zsh", "zsh/site-functions/_cairn"),
                            ("fish", "fish/vendor_completions.d/cairn.fish")):
            if shutil.which(shell):
                checked = run(shell, "-n", prefix + "/share/" + path)
                expect(checked.returncode == 0, checked.stderr)
            else:
                print("not checked, %s is not installed: share/%s" % (shell, path))
        if shutil.which("groff"):
            for page in ["share/man/man1/cairn.1", *pages]:
                shown = run("groff", "-man", "-Tutf8", "-ww", "-z", os.path.join(prefix, page))
                expect(shown.returncode == 0 and shown.stderr == "", page + ": " + shown.stderr)
        else:
            print("not checked, groff is not installed: the layout of manual pages")
        expect(run(program, "--version", env=env).returncode == 0, "it runs")
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
