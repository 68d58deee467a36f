# SPDX-License-Identifier: MIT
"""What the tests under load share: fixtures, and a process that runs meanwhile."""
import contextlib
import os
import pathlib
import re
import select
import signal
import socket
import subprocess

from plugins import FLAGS, FOLDER, SANITIZED, SOURCE, compiled
from tap import ARUN, DEADLINE, Skip, descriptors, equal
from watched import Watched

FIXTURES = SOURCE / "tests" / "fixtures" / "load"
PLUGIN = [*FLAGS, "-g", "-fstack-clash-protection"]


def not_sanitized(what):
    """Skips; what says of AddressSanitizer why: "whose stacks are others"."""
    if SANITIZED:
        raise Skip(f"arun is built with AddressSanitizer, {what}")


def build(source, *flags, to=None):
    """Builds a fixture, or any source, and returns its path; by default a plugin."""
    source = FIXTURES / source
    return compiled(FOLDER / (to or source.stem + ".so"), source, *(flags or PLUGIN))


class Process(Watched):
    """One that is told nothing on stdin, and ends in good order."""

    def __init__(self, *words, **options):
        super().__init__(*words, **{"stdin": subprocess.DEVNULL, **options})

    @property
    def complaints(self):
        """stderr without the lines that tell whom a stop waits for."""
        return re.sub(r"(?m)^arun: stopping; .*\n", "", self.stderr)

    def line(self):
        """The first line it prints."""
        self.until(lambda: "\n" in self.stdout, "a line")
        return self.stdout.splitlines()[0]

    def port(self):
        return int(self.line().rpartition(":")[2])

    def signal(self, signum=signal.SIGTERM):
        self.process.send_signal(signum)

    def ended(self, deadline=DEADLINE):
        """Its status (negative: by signal), stdout, and what it complains of."""
        self.process.wait(deadline)
        return self.process.returncode, self.stdout, self.complaints

    def stop(self):
        self.signal()
        return self.ended()

    def cpu(self):
        """Seconds of processor time so far."""
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def costs_nothing(self):
        """Asserts that a second of waiting takes next to no processor time."""
        before = self.cpu()
        select.select([], [], [], 1)
        spent = self.cpu() - before
        assert spent < 0.3, f"{spent} s of processor time in a second of waiting"

    def sockets(self):
        """How many it has open."""
        return sum(what.startswith("socket:") for what in descriptors(self.pid))


@contextlib.contextmanager
def running(*words, **options):
    process = Process(*words, **options)
    try:
        yield process
    finally:
        if process.alive():
            process.process.kill()
        process.process.wait()


def serving(plugin, *options, at="tcp:127.0.0.1:0", **popen):
    return running(ARUN, *options, plugin, at, **popen)


def listening_port(process):
    """Of a server that prints nothing: the TCP port that one of its sockets listens at."""
    links = set(descriptors(process.pid))
    with open("/proc/net/tcp") as table:
        for fields in map(str.split, table):
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in links:
                return int(fields[1].rpartition(":")[2], 16)
            if fields[3] not in ("st", "0A"):
                break  # those that listen are first; what follows may be 100,000 of the past
    return None


def connect(address, family=socket.AF_INET, receive=None):
    client = socket.socket(family)
    client.settimeout(DEADLINE)
    if receive:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
    client.connect(("127.0.0.1", address) if family == socket.AF_INET else address)
    return client


def read_to_end(client):
    pieces = []
    while piece := client.recv(1 << 20):
        pieces.append(piece)
    return b"".join(pieces)


def read_exactly(client, size):
    data = b""
    while len(data) < size:
        piece = client.recv(size - len(data))
        assert piece, f"cut short: {len(data)} of {size} bytes"
        data += piece
    return data


def echoes(client, text=b"some words\n"):
    client.sendall(text)
    equal(read_exactly(client, len(text)), text)
    return True
