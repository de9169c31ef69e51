#!/usr/bin/env python3
"""`verify` and `heal` through the command line: damage, report, copy, repair, ledger, metrics; killed at random moments.

    proof_test.py BINARY [SEED]

Standard library only.
"""
import glob
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

PASSWORD = "secret of the test"


class Lab:
    def __init__(self, binary, root):
        self.binary, self.root = binary, root
        self.environment = {"PATH": os.environ["PATH"], "HOME": root, "TZ": "UTC", "KOPIA_CHECK_FOR_UPDATES": "false",
                            "KOPIA_PASSWORD": PASSWORD, "XDG_STATE_HOME": self.path("state")}

    def path(self, *names):
        return os.path.join(self.root, *names)

    def command(self, *words, config="config"):
        return [self.binary, "--config-file=" + self.path(config), *words]

    def run(self, *words, fails=False, config="config"):
        done = subprocess.run(self.command(*words, config=config), env=self.environment, capture_output=True, text=True,
                              timeout=120, check=False)
        if (done.returncode != 0) != fails:
            raise AssertionError("%s: exit %d\n%s%s" % (" ".join(words), done.returncode, done.stdout, done.stderr))
        return done

    def json(self, *words, fails=False):
        return json.loads(self.run(*words, "--json", fails=fails).stdout)

    def kill(self, delay, *words):
        """True when it was still running."""
        with subprocess.Popen(self.command(*words), env=self.environment, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as process:
            time.sleep(delay)
            running = process.poll() is None
            if running:
                process.send_signal(signal.SIGKILL)
        return running

    def blobs(self, kind, where="repository"):
        """Files of the blobs whose names begin so."""
        found = []
        for directory, _, files in os.walk(self.path(where)):
            for name in files:
                file = os.path.join(directory, name)
                blob = os.path.relpath(file, self.path(where)).replace("/", "")
                if blob.startswith(kind) and blob.endswith(".f"):
                    found.append(file)
        return sorted(found)

    def drop_cache(self):
        shutil.rmtree(self.path(".cache"), ignore_errors=True)


def flip(file, offset):
    with open(file, "r+b") as f:
        f.seek(offset)
        byte = f.read(1)
        f.seek(offset)
        f.write(bytes([byte[0] ^ 1]))


def contents(lab):
    return {os.path.relpath(f, lab.path("repository")): open(f, "rb").read() for f in lab.blobs("")}


def ruin(lab, seed):
    """Half of the data packs go, a metadata pack and an index blob are damaged."""
    chance = random.Random(seed)
    packs = lab.blobs("p")
    for pack in chance.sample(packs, len(packs) // 2):
        os.unlink(pack)
    flip(chance.choice(lab.blobs("q")), 100)
    flip(chance.choice(lab.blobs("xn")), 30)
    lab.drop_cache()


def prepare(lab):
    lab.run("repository", "create", "filesystem", "--path=" + lab.path("repository"))
    lab.run("policy", "set", "--global", "--compression=none")
    for n in range(6):
        data = lab.path("data%d" % n)
        os.makedirs(os.path.join(data, "folder"))
        with open(os.path.join(data, "folder", "file"), "wb") as f:
            f.write(random.Random(n).randbytes(300000 + n))
        lab.run("snapshot", "create", data)
    os.mkdir(lab.path("copy"))
    lab.run("repository", "sync-to", "filesystem", "--path=" + lab.path("copy"))
    lab.run("verify", "--full")


def test_report_and_heal(lab):
    good = contents(lab)
    packs = lab.blobs("p")
    os.unlink(packs[0])
    report = lab.json("verify", fails=True)
    assert report["damageCount"] == 1, report
    damage = report["damages"][0]
    assert damage["kind"] == "missing-pack", damage
    assert [s["paths"] for s in damage["snapshots"]] == [["folder/file"]], damage
    text = lab.run("verify", fails=True).stdout
    assert "folder/file" in text and "heal --from" in text, text

    dry = lab.json("heal", "--from=" + lab.path("copy"), "--dry-run")
    assert [a["outcome"] for a in dry["actions"]] == ["would heal"], dry
    assert not os.path.exists(packs[0])
    done = lab.json("heal", "--from=" + lab.path("copy"))
    assert [a["outcome"] for a in done["actions"]] == ["healed"] and not done["remainingDamages"], done
    now = contents(lab)
    changed = [name for name in set(good) | set(now) if good.get(name) != now.get(name) and not name.startswith("_")]
    assert not changed, changed
    logged = lab.run("logs", "show", "--all").stdout
    assert ": healed (it is not in the storage)" in logged, logged[-2000:]

    # A bit in a pack: reading finds it, also through an index of the copy's connection.
    flip(packs[1], 60)
    lab.run("verify", "--full", fails=True)
    lab.run("repository", "connect", "filesystem", "--path=" + lab.path("copy"), config="copy.config")
    lab.run("heal", "--from=" + lab.path("copy.config"), "--full")
    lab.run("verify", "--full")

    # Nothing opens without the format blob; heal begins with it.
    os.unlink(lab.path("repository", "kopia.repository.f"))
    lab.drop_cache()
    report = lab.json("verify", fails=True)
    assert report["damages"][0]["kind"] == "format-blob" and report["damages"][0]["touchesAllSnapshots"], report
    lab.run("heal", "--from=" + lab.path("copy"))
    lab.run("verify", "--full")
    lab.run("snapshot", "verify", "--verify-files-percent=100")

    for words in (["heal"], ["heal", "--from=" + lab.path("repository")], ["heal", "--from=nonsense"],
                  ["verify", "--byte-budget=1MB"], ["verify", "--ledger", "--full"]):
        lab.run(*words, fails=True)


def test_killed_heal(lab, seed):
    """Killed at moments spread over the time that the whole takes; what is there is always ours as it was or good."""
    chance = random.Random(seed)
    heal = ["heal", "--from=" + lab.path("copy"), "--full"]
    good = contents(lab)
    killed, half_way, took = 0, 0, None
    for round_number in range(8):
        ruin(lab, seed + round_number)
        ruined = contents(lab)
        for _ in range(2 if took else 0):
            killed += lab.kill(took * chance.uniform(0.3, 1), *heal)
        between = {name: bytes for name, bytes in contents(lab).items() if name in good and not name.startswith("_")}
        assert all(bytes in (good[name], ruined.get(name)) for name, bytes in between.items())
        half_way += between != {name: ruined[name] for name in between if name in ruined}
        started = time.monotonic()
        lab.run(*heal)
        took = took or time.monotonic() - started
        lab.run("verify", "--full")
    lab.run("snapshot", "verify", "--verify-files-percent=100")
    print("heal was killed %d times, in %d rounds after it had stored something" % (killed, half_way))


def test_ledger(lab, seed):
    metrics = lab.path("metrics.prom")
    total = lab.json("verify")["coverage"]["bytes"]
    first = lab.json("verify", "--ledger", "--byte-budget=500KB", "--metrics-file=" + metrics)
    assert 0 < first["coverage"]["bytesReadBack"] < total, first["coverage"]
    assert first["coverage"]["snapshotsReadBack"] < 6
    for _ in range(8):
        last = lab.json("verify", "--ledger", "--byte-budget=500KB", "--metrics-file=" + metrics)
    coverage = last["coverage"]
    assert coverage["snapshotsReadBack"] == 6 and coverage["bytesReadBack"] == total, coverage
    assert 0 <= coverage["withinDays"] < 0.01, coverage
    text = open(metrics, encoding="utf-8").read()
    assert 'snapshots_read_back{repository="' in text and text.count("\n# TYPE") >= 7, text
    line = lab.run("verify", "--ledger", "--byte-budget=1", "--max-age=1h").stdout
    assert "Every byte of 6 of 6 snapshots was read back within the last 0.0 days." in line, line
    lab.run("verify", "--ledger", "--byte-budget=1", "--max-age=1ms", fails=True)

    # Killed, and several at once.
    chance = random.Random(seed)
    started = time.monotonic()
    lab.run("verify", "--ledger")
    took = time.monotonic() - started
    for _ in range(6):
        lab.kill(took * chance.uniform(0.3, 1), "verify", "--ledger")
    together = [subprocess.Popen(lab.command("verify", "--ledger", "--json"), env=lab.environment,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(3)]
    for process in together:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert json.loads(out)["coverage"]["snapshotsReadBack"] == 6
    ledgers = glob.glob(lab.path("state", "cairn", "ledger-*[0-9a-f]"))
    assert len(ledgers) == 1 and os.stat(ledgers[0]).st_mode & 0o777 == 0o600, ledgers

    # A ledger that was tampered with counts for nothing.
    flip(ledgers[0], 60)
    done = lab.run("verify", "--ledger", "--byte-budget=1", "--json")
    assert "begun anew" in done.stderr, done.stderr
    assert json.loads(done.stdout)["coverage"]["bytesReadBack"] < total

    # A damaged pack fails the run, and the next ones until it is healed.
    flip(lab.blobs("p")[2], 60)
    lab.run("verify", "--ledger", fails=True)
    lab.run("verify", "--ledger", "--byte-budget=1", fails=True)
    lab.run("heal", "--from=" + lab.path("copy"), "--full")
    lab.run("verify", "--ledger", "--byte-budget=1")


def main():
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else int(time.time())
    print("seed %d" % seed)
    with tempfile.TemporaryDirectory(prefix="cairn-proof-test-") as root:
        lab = Lab(os.path.abspath(sys.argv[1]), root)
        prepare(lab)
        test_report_and_heal(lab)
        test_ledger(lab, seed)
        test_killed_heal(lab, seed)


if __name__ == "__main__":
    main()
