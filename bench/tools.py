"""How each program is driven: the same five operations, and the settings that make compression alike."""

import json
import os
import re
import shutil
import subprocess

PASSWORD = "benchmark-password"


class Tool:
    """One program with one repository below `root`. Methods return (arguments, working directory) to be measured."""

    name = ""
    needs_init_output = False
    store = None  # s3_store.S3Store of all repositories, None: directories
    knows_s3 = True

    def __init__(self, program, root, compression):
        self.program, self.root, self.compression = program, root, compression
        self.repository = os.path.join(root, "repository")
        self.state = os.path.join(root, "state")
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("KOPIA_", "RESTIC_", "BORG_"))}
        self.env.update(HOME=self.state, LC_ALL="C.UTF-8")
        if self.store:
            self.bucket, self.repository = self.store.make_bucket()
            self.env.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="testsecret")

    def version(self):
        run = subprocess.run([self.program, *self.version_arguments], capture_output=True, text=True, env=self.env)
        return (run.stdout + run.stderr).strip().splitlines()[0]

    def prepare(self):
        """Makes an empty repository; not measured."""
        os.makedirs(self.state)
        for arguments in self.init_commands():
            self.check(arguments)

    def check(self, arguments):
        run = subprocess.run([self.program, *arguments], capture_output=True, text=True, env=self.env)
        if run.returncode != 0:
            raise RuntimeError(f"{self.name} {' '.join(arguments)}: exit {run.returncode}\n{run.stdout}{run.stderr}")
        return run.stdout


class Kopia(Tool):
    name = "kopia"
    version_arguments = ("--version",)
    settings = {"none": "compression none", "zstd": "compression zstd-fastest"}

    def __init__(self, program, root, compression):
        super().__init__(program, root, compression)
        self.env.update(KOPIA_PASSWORD=PASSWORD, KOPIA_CONFIG_PATH=os.path.join(self.state, "repository.config"),
                        KOPIA_CACHE_DIRECTORY=os.path.join(self.state, "cache"), KOPIA_LOG_DIR=os.path.join(self.state, "log"),
                        KOPIA_CHECK_FOR_UPDATES="false")

    def init_commands(self):
        if self.store:
            yield ["repository", "create", "s3", f"--bucket={self.bucket}", f"--endpoint={self.store.endpoint}", "--disable-tls"]
        else:
            yield ["repository", "create", "filesystem", f"--path={self.repository}"]
        if self.compression == "zstd":
            yield ["policy", "set", "--global", "--compression=zstd-fastest"]

    def backup(self, source):
        return ["snapshot", "create", "--no-auto-maintenance", source], None

    def verify(self):
        return ["snapshot", "verify", "--verify-files-percent=100"], None

    def restore(self, source, target):
        snapshots = json.loads(self.check(["snapshot", "list", source, "--json"]))
        newest = max(snapshots, key=lambda s: s["startTime"])
        return ["snapshot", "restore", newest["id"], target], None

    def restored_root(self, source, target):
        del source
        return target


class Cairn(Kopia):
    name = "cairn"


class CairnLocal(Cairn):
    """The same engine on the local disk, beside `bench/run --store s3`."""

    name = "cairn-local"
    store = None


class Restic(Tool):
    name = "restic"
    version_arguments = ("version",)
    settings = {"none": "--compression off", "zstd": "--compression auto"}

    def __init__(self, program, root, compression):
        super().__init__(program, root, compression)
        repository = f"s3:http://{self.store.endpoint}/{self.bucket}" if self.store else self.repository
        self.env.update(RESTIC_PASSWORD=PASSWORD, RESTIC_REPOSITORY=repository,
                        RESTIC_CACHE_DIR=os.path.join(self.state, "cache"))
        self.level = "auto" if compression == "zstd" else "off"

    def init_commands(self):
        yield ["init"]

    def backup(self, source):
        return ["backup", "--quiet", f"--compression={self.level}", source], None

    def verify(self):
        return ["check", "--read-data", "--quiet"], None

    def restore(self, source, target):
        del source
        return ["restore", "latest", "--quiet", "--target", target], None

    def restored_root(self, source, target):
        return target + source


class Borg(Tool):
    name = "borg"
    knows_s3 = False
    version_arguments = ("--version",)
    settings = {"none": "--compression none", "zstd": "--compression zstd,1"}

    def __init__(self, program, root, compression):
        super().__init__(program, root, compression)
        self.env.update(BORG_PASSPHRASE=PASSWORD, BORG_BASE_DIR=self.state, BORG_REPO=self.repository,
                        BORG_RELOCATED_REPO_ACCESS_IS_OK="yes")
        self.level = "zstd,1" if compression == "zstd" else "none"
        self.archives = 0

    def init_commands(self):
        yield ["init", "--encryption=repokey-blake2"]

    def backup(self, source):
        self.archives += 1
        return ["create", f"--compression={self.level}", f"::a{self.archives}", source], None

    def verify(self):
        return ["check", "--verify-data"], None

    def restore(self, source, target):
        del source
        os.makedirs(target)
        return ["extract", f"::a{self.archives}"], target

    def restored_root(self, source, target):
        return target + source


TOOLS = {tool.name: tool for tool in (Cairn, CairnLocal, Restic, Borg, Kopia)}


def find_program(name, given, root):
    """Path of the program, or None. `kopia` in PATH may be ours under that name: such a one does not count."""
    if given:
        return os.path.abspath(given)
    if name.startswith("cairn"):
        path = os.path.join(root, "build", "release", "cairn")
        return path if os.access(path, os.X_OK) else shutil.which("cairn")
    path = shutil.which(name)
    if path and name == "kopia":
        run = subprocess.run([path, "--version"], capture_output=True, text=True)
        if os.path.basename(os.path.realpath(path)) != "kopia" or not re.search(r"from: kopia/kopia", run.stdout):
            return None
    return path
