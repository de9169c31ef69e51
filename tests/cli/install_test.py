#!/usr/bin/env python3
"""`make install` into an empty directory (DESTDIR): program, alias, manual pages, completion.

    install_test.py BINARY

Standard library only; man, zsh and fish are asked where they are there.
"""
import os
import shutil
import subprocess
import sys
import tempfile

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def run(*words, **options):
    return subprocess.run(words, capture_output=True, text=True, check=False, **options)


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
