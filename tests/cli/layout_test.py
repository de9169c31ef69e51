#!/usr/bin/env python3
"""Shapes of outputs whose numbers no transcript compares: statistics, indexes, epochs, benchmarks.

    layout_test.py BINARY

Standard library only.
"""
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

REPOSITORIES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "repos")
SIZE = r"[0-9.]+ (?:[KMGT]B|B)"
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"
PRECISE = TIME.replace(" UTC", r"\.\d{3} UTC")
PERCENT = r"[0-9.]+%"
HISTOGRAM = [r"Average: %s" % SIZE, r"Histogram:", r""]
HISTOGRAM += [r" *\d+ between (?:0|1|10|100) %sB and 1?0*(?:1|10|100) %sB \(total %s\)" % ("[KM]? ?", "[KM]? ?", SIZE)] * 8


class Runner:
    def __init__(self, binary, root):
        self.binary, self.root = binary, root
        self.env = {"PATH": os.environ["PATH"], "HOME": root, "TZ": "UTC", "KOPIA_PASSWORD": "fixture-password",
                    "KOPIA_CHECK_FOR_UPDATES": "false"}

    def lines(self, *words):
        done = subprocess.run([self.binary, *words], env=self.env, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0:
            raise AssertionError("%s: %s" % (words, done.stderr))
        return done.stdout.splitlines()

    def connect(self, name):
        with tarfile.open(os.path.join(REPOSITORIES, name + ".tar.gz")) as archive:
            archive.extractall(self.root)
        self.lines("repository", "connect", "filesystem", "--path=%s/%s" % (self.root, name))


def has_shape(lines, shape):
    """`shape`: one pattern a line; (pattern, least, most) for repeated ones."""
    at = 0
    for row in shape:
        pattern, least, most = row if isinstance(row, tuple) else (row, 1, 1)
        count = 0
        while at < len(lines) and count < most and re.fullmatch(pattern, lines[at]):
            at, count = at + 1, count + 1
        if count < least:
            raise AssertionError("expected %r in line %d of\n%s" % (pattern, at + 1, "\n".join(lines)))
    if at != len(lines):
        raise AssertionError("surplus line %d of\n%s" % (at + 1, "\n".join(lines)))


def statistics(run):
    has_shape(run.lines("blob", "stats"), [r"Count: \d+", "Total: " + SIZE, *HISTOGRAM])
    method = r"  %s +count: \d+ size: " + SIZE
    has_shape(run.lines("content", "stats"),
              [r"Count: \d+", "Total Bytes: " + SIZE, (r"Total Packed: %s \(compression %s\)" % (SIZE, PERCENT), 0, 1),
               "By Method:", method % r"\(uncompressed\)",
               (method % r"[a-z0-9-]+" + " packed: %s compression: %s" % (SIZE, PERCENT), 1, 9), *HISTOGRAM])
    raw = run.lines("content", "stats", "--raw")
    if not re.fullmatch(r"Total Bytes: \d+", raw[1]):
        raise AssertionError(raw)


def indexes(run):
    entry = r"%s [a-z0-9_-]+ [g-z]?[0-9a-f]{32} (?:created|deleted) %s [pq][0-9a-f-]+[a-z0-9-]* \d+ \d+" % (PRECISE, PRECISE)
    has_shape(run.lines("index", "inspect", "--all"), [(entry, 1, 10**6)])
    has_shape(run.lines("index", "list", "--summary"), [(r"\S{20,} +\d+ %s \[\]" % PRECISE, 1, 10**6), r"total \d+ indexes"])
    has_shape(run.lines("index", "epoch", "list"),
              [r"Current Epoch: \d+", ("Epoch Started  " + TIME, 0, 1),
               (r"\d+ %s \.\.\. %s, \d+ blobs, %s, span [0-9hms.µ]+" % (TIME, TIME, SIZE), 0, 99),
               (r"\d+: %s single-epoch \d+ blobs, %s" % (TIME, SIZE), 0, 99), (r"\d+-\d+: range, \d+ blobs, %s" % SIZE, 0, 99)])


def benchmarks(run):
    data = run.root + "/data"
    with open(data, "wb") as f:
        f.write(b"some text " * 5000 + os.urandom(20000))
    line = lambda n: "-" * n
    small = ["--block-size=16KB", "--repeat=1"]
    speed = SIZE + " / second"
    has_shape(run.lines("benchmark", "hashing", *small),
              [r"     Hash {17}Throughput", line(65), (r" *\d+\. \S+ +" + speed, 11, 11), line(65),
               r"Fastest option for this machine is: --block-hash=\S+"])
    has_shape(run.lines("benchmark", "encryption", *small),
              [r"     Encryption {21}Throughput", line(65), (r" *\d+\. \S+ +" + speed, 2, 2), line(65),
               r"Fastest option for this machine is: --encryption=\S+"])
    has_shape(run.lines("benchmark", "crypto", *small, "--print-options"),
              [r"     Hash {17}Encryption {21}Throughput", line(65),
               (r" *\d+\. \S+ +\S+ +%s,   --block-hash=\S+ --encryption=\S+" % speed, 22, 22), line(65),
               r"Fastest option for this machine is: --block-hash=\S+ --encryption=\S+"])
    has_shape(run.lines("benchmark", "ecc", *small),
              [r"     ECC {28}    Throughput     Throughput       Growth", r" +encoding +decoding *", line(87),
               (r" *\d+\. REED-SOLOMON-CRC32 \d+% +{0}/s +{0}/s +\d+% \[{0}\]".format(SIZE), 1, 9), line(87),
               r"Fastest option for this machine is: --ecc=REED-SOLOMON-CRC32"])
    table = [r"     Compression {16}Compressed   Throughput   Allocs   Memory Usage", line(96),
             (r" *\d+\. \S+ +%s +%s/s +\S+ +\S+" % (SIZE, SIZE), 2, 2)]
    chosen = ["--data-file=" + data, "--repeat=1", "--algorithms=zstd,gzip"]
    has_shape(run.lines("benchmark", "compression", *chosen), [*table, *table])
    has_shape(run.lines("benchmark", "compression", *chosen, "--operations=compress"), table)
    row = r"\S+ +%s/s count:\d+ min:\d+ 10th:\d+ 25th:\d+ 50th:\d+ 75th:\d+ 90th:\d+ max:\d+" % SIZE
    has_shape(run.lines("benchmark", "splitter", "--data-size=1MB", "--block-count=1"),
              [(row, 23, 23), line(65), (r" *\d+\. " + row, 23, 23)])


def main():
    root = tempfile.mkdtemp(prefix="cairn-layout-")
    run = Runner(os.path.abspath(sys.argv[1]), root)
    for name in ("comp-rules", "damage-base", "epochs-mid", "epochs-live-end", "format-1-upgraded"):
        run.connect(name)
        indexes(run)
    run.connect("comp-rules")
    for test in (statistics, benchmarks):
        test(run)
        print("ok", test.__name__, flush=True)
    shutil.rmtree(root)


if __name__ == "__main__":
    main()
