# SPDX-License-Identifier: MIT
"""Runs programs on one processor, and servers under a load from another."""
import contextlib
import os
import pathlib
import platform
import re
import signal
import socket
import statistics
import subprocess
import time

CPUS = sorted(os.sched_getaffinity(0))
MEASURED, OTHER = CPUS[-1], CPUS[0]
ARUN = os.environ.get("ARUN", "arun")
PAGE = os.sysconf("SC_PAGESIZE")


class Unable(Exception):
    """Raised with the reason why something cannot be measured here."""


def on(cpu, policy=None):
    """What a child does first: it runs on that processor alone, before others where it may."""
    def prepare():
        os.sched_setaffinity(0, {cpu})
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, -10)
        if policy is not None:
            os.sched_setscheduler(0, policy, os.sched_param(0))
    return prepare


def words_of(words):
    return [str(word) for word in words]


def output(*words, cpu=MEASURED, env=None, timeout=300):
    """What a program prints; raises Unable where it fails."""
    done = subprocess.run(words_of(words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          preexec_fn=on(cpu), timeout=timeout, env={**os.environ, **(env or {})})
    if done.returncode:
        last = (done.stderr.strip().split("\n") or [""])[-1]
        raise Unable(f"{pathlib.Path(str(words[0])).name}: status {done.returncode} {last}")
    return done.stdout


def numbers(text):
    return [float(word) for word in text.split()]


def lines_of(text):
    return [numbers(line) for line in text.splitlines()]


def columns(rows):
    """The median of each column."""
    return [statistics.median(column) for column in zip(*rows)]


def processor_time(pid):
    """Nanoseconds so far, of a process and its children."""
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return sum(int(path.read_text().split()[0])
               for process in [pid, *children]
               for path in pathlib.Path(f"/proc/{process}/task").glob("*/schedstat"))


def memory(pid):
    """Bytes, resident and of page tables."""
    rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return 1024 * (int(re.search(r"^Rss:\s+(\d+)", rollup, re.M)[1]) +
                   int(re.search(r"^VmPTE:\s+(\d+)", status, re.M)[1]))


def mappings(pid):
    return pathlib.Path(f"/proc/{pid}/maps").read_text().count("\n")


def available():
    """Bytes of memory that can be had."""
    return 1024 * meminfo("MemAvailable")


def meminfo(key):
    text = pathlib.Path("/proc/meminfo").read_text()
    return int(re.search(rf"^{key}:\s+(\d+)", text, re.M)[1])


class Server:
    """A server that prints its port."""

    def __init__(self, words, env=None, policy=None, cpu=MEASURED):
        self.process = subprocess.Popen(
            words_of(words), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            preexec_fn=on(cpu, policy), env={**os.environ, **(env or {})})
        self.pid = self.process.pid
        self.port = self.process.stdout.readline().strip()
        if not self.port.isdigit():
            self.end()
            raise Unable(f"{pathlib.Path(str(words[0])).name} does not serve")

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()


@contextlib.contextmanager
def serving(words, **options):
    server = Server(words, **options)
    try:
        yield server
    finally:
        server.end()


class Silent(Server):
    """A server that is told its port."""

    def __init__(self, words, port):
        self.port = port
        self.process = subprocess.Popen(words_of(words), stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, preexec_fn=on(MEASURED))
        self.pid = self.process.pid
        end = time.monotonic() + 10
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > end:
                self.end()
                raise Unable(f"{pathlib.Path(str(words[0])).name} does not serve")
            time.sleep(0.01)

    def answers(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def first_line(*words):
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(words_of(words), capture_output=True, text=True, timeout=20)
        return ((done.stdout + done.stderr).strip().splitlines() or [""])[0]
    return ""


def processor():
    found = re.search(r"^model name\s*:\s*(.+)", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    return found[1] if found else platform.machine()


def system():
    """The name of the distribution."""
    with contextlib.suppress(OSError):
        found = re.search(r'^PRETTY_NAME="?([^"\n]+)', pathlib.Path("/etc/os-release").read_text(),
                          re.M)
        return found[1] if found else ""
    return ""


def described():
    return {
        "processor": processor(),
        "processors": os.cpu_count(),
        "memory": f"{meminfo('MemTotal') / 2**20:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "system": system(),
        "architecture": platform.machine(),
    }


def settle(path):
    """Has a program read anew when it is run next.

    What was just written is in memory page by page, and the same code took up to a tenth longer there
    than read from the disk, as programs are that were installed some time ago."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
