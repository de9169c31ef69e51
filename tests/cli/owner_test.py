#!/usr/bin/env python3
"""Owners of maintenance that will not do it are reported by `maintenance info` and `repository status`.

    owner_test.py BINARY

Standard library only.
"""
import json
import os
import subprocess
import sys
import tempfile
import time


def main():
    with tempfile.TemporaryDirectory(prefix="cairn-owner-test-") as root:
        binary = os.path.abspath(sys.argv[1])
        environment = {"PATH": os.environ["PATH"], "HOME": root, "TZ": "UTC", "KOPIA_PASSWORD": "secret",
                       "KOPIA_CHECK_FOR_UPDATES": "false"}

        def run(*words):
            done = subprocess.run([binary, "--config-file=" + os.path.join(root, "config"), *words], env=environment,
                                  capture_output=True, text=True, timeout=60, check=False)
            assert done.returncode == 0, (words, done.stderr)
            return done

        def concerns():
            """The same from both commands, in words and in JSON."""
            found = []
            for command in (["maintenance", "info"], ["repository", "status"]):
                listed = json.loads(run(*command, "--json").stdout).get("ownerConcerns", [])
                words = run(*command).stderr
                assert all(c in words for c in listed), (listed, words)
                found.append(listed)
            assert found[0] == found[1], found
            return found[0]

        os.mkdir(os.path.join(root, "repository"))
        run("repository", "create", "filesystem", "--path=" + os.path.join(root, "repository"),
            "--override-username=root", "--override-hostname=volsync-src-data-bx7kq")
        assert len(concerns()) == 1 and "volsync-src-data-bx7kq" in concerns()[0], concerns()
        run("maintenance", "set", "--owner=kopia@maintenance")
        assert concerns() == [], concerns()
        # An owner that has not run for three intervals, of a second each.
        run("maintenance", "set", "--full-interval=1s", "--quick-interval=1s")
        run("maintenance", "set", "--owner=me")
        run("maintenance", "run", "--full", "--safety=none")
        run("maintenance", "set", "--owner=kopia@maintenance")
        time.sleep(4)
        assert len(concerns()) == 1 and "kopia@maintenance does not run it" in concerns()[0], concerns()


if __name__ == "__main__":
    main()
