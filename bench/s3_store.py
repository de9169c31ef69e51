"""The S3 server of `bench/run --store s3`: one versitygw for all tools, a bucket for each repository."""

import itertools
import os
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))

import fault_proxy  # noqa: E402
from stores import Server, free_port  # noqa: E402

ACCESS_KEY, SECRET_KEY = "test", "testsecret"


def find_server():
    cache = os.environ.get("CAIRN_TEST_SERVERS") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "cairn-test-servers")
    path = os.path.join(cache, "versitygw-v1.8.0", "versitygw")
    return path if os.access(path, os.X_OK) else None


class S3Store:
    """With a delay every request goes through a proxy that holds it up for so many milliseconds."""

    def __init__(self, directory, delay_ms):
        self.served = os.path.join(directory, "served")
        os.makedirs(self.served)
        port = free_port()
        self.server = Server(port, find_server(), "-p", f"127.0.0.1:{port}", "-a", ACCESS_KEY, "-s", SECRET_KEY, "-q",
                             "posix", self.served)
        self.proxy = None
        if delay_ms > 0:
            self.proxy = fault_proxy.FaultProxy(port)
            self.proxy.faults = [(fault_proxy.delay(delay_ms / 1000), 1)]
        self.endpoint = f"127.0.0.1:{self.proxy.port if self.proxy else port}"
        self.numbers = itertools.count()

    def make_bucket(self):
        """Name and directory of a new bucket."""
        name = f"bench{next(self.numbers)}"
        os.makedirs(os.path.join(self.served, name))
        return name, os.path.join(self.served, name)

    def cpu_seconds(self):
        """What the server has used so far, and the proxy, which runs in this process."""
        with open(f"/proc/{self.server.process.pid}/stat", encoding="ascii") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") + (time.process_time() if self.proxy else 0)

    def stop(self):
        self.server.stop()
        if self.proxy:
            self.proxy.stop()
