"""The data sets of the benchmark: made from a seed, the same on every machine (but `tree`, a copy of what it has)."""

import math
import os
import random
import shutil

MB = 1_000_000
WORDS = ("buffer index content manager repository snapshot entry offset length status result stream worker queue policy "
         "session cache splitter object manifest storage reader writer hash cipher codec block header footer epoch lock "
         "token client server config option value error message frame time clock path name file directory size count").split()
SERVICES = ("auth", "billing", "catalog", "gateway", "ingest", "mailer", "search", "thumbnailer")
TREE_SOURCES = ("/usr/include", "/usr/share/doc", "/usr/lib/python3", "/usr/share/perl", "/usr/lib/gcc", "/usr/share/i18n",
                "/usr/lib/python3.11", "/usr/share/cmake-3.25")


def make_random(root, scale, seed):
    """2 GB of random bytes in seven files of 50 MB to 800 MB."""
    rng = random.Random(seed)
    for number, megabytes in enumerate((800, 400, 300, 200, 150, 100, 50)):
        left = max(1, int(megabytes * MB * scale))
        with open(os.path.join(root, f"random-{number}.bin"), "wb") as f:
            while left > 0:
                part = min(left, 1 << 20)
                f.write(rng.randbytes(part))
                left -= part
    return "2 GB × scale of random bytes in 7 files of 50 to 800 MB"


def source_text(rng, size):
    """About `size` bytes that look like C++ source; identifiers are drawn with Zipf-like frequencies."""
    names = [f"{rng.choice(WORDS)}_{rng.choice(WORDS)}" for _ in range(3000)] + WORDS * 4
    weights = [1 / (1 + i) for i in range(len(names))]
    rng.shuffle(names)
    lines, total = [], 0
    while total < size:
        a, b, c, d = rng.choices(names, weights, k=4)
        number = rng.randrange(1 << rng.randrange(1, 20))
        line = rng.choice((
            f"  const auto {a} = {b}.{c}({d}, {number});\n", f"  if ({a} > {number} && !{b}.empty()) {{\n", "  }\n", "\n",
            f"// {a} of {b} is at most {number} {c}, see {d}\n", f"  return {a}({b}, {c});\n",
            f"Status {a}::{b}(const {c}& {d}, std::size_t {a}) {{\n", f"  {a}->{b} += {c}[{number}];\n",
            f"#include \"{a}/{b}.h\"\n", f"    TRY({a}({b}), \"reading {c} {{}}\", {d});\n"))
        lines.append(line)
        total += len(line)
    return "".join(lines).encode()


def make_small(root, scale, seed):
    """200,000 files of source-like text in 10,500 directories, sizes log-normal with a mean of 8.5 KB: 1.7 GB."""
    rng = random.Random(seed)
    files = max(20, int(200_000 * scale))
    corpus = source_text(rng, max(400_000, int(24 * MB * min(1, scale * 4))))
    sigma = 1.4
    mu = math.log(8_500) - sigma * sigma / 2
    directories, made = 0, 0
    while made < files:
        parent = os.path.join(root, f"module-{directories // 20:04d}")
        directory = os.path.join(parent, f"part-{directories % 20:02d}")
        os.makedirs(directory)
        directories += 1
        for number in range(min(20, files - made)):
            size = min(2 * MB, len(corpus) // 2, max(60, int(rng.lognormvariate(mu, sigma))))
            start = rng.randrange(len(corpus) - size)
            head = f"// file {made} {rng.getrandbits(64):016x}\n".encode()
            with open(os.path.join(directory, f"{rng.choice(WORDS)}_{number:02d}.cc"), "wb", buffering=0) as f:
                f.write(head + corpus[start:start + size - len(head)])
            made += 1
    return f"{files} files of source-like text in {directories + (directories + 19) // 20} directories, log-normal sizes"


def make_log(root, scale, seed):
    """2 GB of a service log in four files: times, ids, addresses and durations vary, the rest repeats."""
    rng = random.Random(seed)
    left = int(2000 * MB * scale)
    hosts = [f"10.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)}" for _ in range(400)]
    paths = [f"/api/v1/{rng.choice(WORDS)}/{rng.choice(WORDS)}" for _ in range(60)]
    per_file, clock = max(1, left // 4), 1_767_225_600_000
    for number in range(4):
        written = 0
        with open(os.path.join(root, f"service-{number}.log"), "wb") as f:
            while written < per_file:
                block = []
                for _ in range(8000):
                    clock += rng.getrandbits(5)
                    bits = rng.getrandbits(96)
                    block.append(f"2026-01-{1 + clock // 86_400_000 % 28:02d}T{clock // 3_600_000 % 24:02d}:"
                                 f"{clock // 60_000 % 60:02d}:{clock // 1000 % 60:02d}.{clock % 1000:03d}Z "
                                 f"{'WARN' if bits & 31 == 0 else 'INFO'} {SERVICES[bits >> 5 & 7]} "
                                 f"request={bits >> 32:016x} client={hosts[(bits >> 8) % 400]} "
                                 f"method={'POST' if bits & 3 == 0 else 'GET'} path={paths[(bits >> 17) % 60]} "
                                 f"status={500 if bits & 255 == 0 else 200} duration_us={bits >> 20 & 0x3fff}\n")
                data = "".join(block).encode()[:per_file - written]
                f.write(data)
                written += len(data)
    return "2 GB × scale of a service log in 4 files"


def make_tree(root, scale, seed):
    """A real tree: what this machine has of a few system directories, up to 1 GB × scale."""
    del seed
    budget, copied, names = int(1000 * MB * scale), 0, []
    for source in TREE_SOURCES:
        if not os.path.isdir(source) or copied >= budget:
            continue
        names.append(source)
        for directory, subdirs, files in os.walk(source):
            subdirs.sort()
            target = root + directory
            for name in sorted(files):
                path = os.path.join(directory, name)
                if copied >= budget or not (os.path.isfile(path) or os.path.islink(path)):
                    continue
                os.makedirs(target, exist_ok=True)
                shutil.copy2(path, os.path.join(target, name), follow_symlinks=False)
                copied += os.lstat(path).st_size
    return f"a copy of {', '.join(names)} of this machine, {copied / MB:.0f} MB"


MAKERS = {"random": make_random, "small": make_small, "log": make_log, "tree": make_tree}


def regular_files(root):
    found = []
    for directory, subdirs, files in os.walk(root):
        subdirs.sort()
        found += [os.path.join(directory, f) for f in sorted(files) if not os.path.islink(os.path.join(directory, f))]
    return found


def change_one_percent(case, root, seed):
    """Changes about 1 % and says how."""
    rng = random.Random(seed)
    files = regular_files(root)
    if case == "random":
        for path in files:
            size = os.path.getsize(path)
            pieces = 4
            with open(path, "r+b") as f:
                for _ in range(pieces):
                    length = max(1, size // (100 * pieces))
                    f.seek(rng.randrange(max(1, size - length)))
                    f.write(rng.randbytes(length))
        return "1 % of the bytes overwritten, in 4 places of each file"
    if case == "log":
        path = files[-1]
        with open(files[0], "rb") as f:
            grown = f.read(max(200, sum(os.path.getsize(p) for p in files) // 100))
        with open(path, "ab") as f:
            f.write(f"2026-02-01T00:00:00.000Z INFO rotation={rng.getrandbits(64):016x}\n".encode() + grown[::-1])
        return "one file grown by 1 % of all bytes"
    for path in rng.sample(files, max(1, len(files) // 100)):
        if os.access(path, os.W_OK):
            with open(path, "ab") as f:
                f.write(f"// changed {rng.getrandbits(64):016x}\n".encode())
    return "a line added to 1 % of the files"


def warm_up(root):
    """Reads everything once, so that every tool finds the page cache alike."""
    for path in regular_files(root):
        with open(path, "rb", buffering=0) as f:
            while f.read(1 << 20):
                pass


def same_tree(source, restored):
    """None if every file, link and directory of `source` is in `restored` with the same bytes; else what differs."""
    for directory, subdirs, files in os.walk(source):
        other = restored + directory[len(source):]
        if sorted(os.listdir(directory)) != (sorted(os.listdir(other)) if os.path.isdir(other) else None):
            return f"{directory}: other names"
        for name in files:
            a, b = os.path.join(directory, name), os.path.join(other, name)
            if os.path.islink(a):
                if not os.path.islink(b) or os.readlink(a) != os.readlink(b):
                    return f"{a}: another link"
                continue
            with open(a, "rb", buffering=0) as f, open(b, "rb", buffering=0) as g:
                while True:
                    x, y = f.read(1 << 20), g.read(1 << 20)
                    if x != y:
                        return f"{a}: other bytes"
                    if not x:
                        break
        subdirs.sort()
    return None
