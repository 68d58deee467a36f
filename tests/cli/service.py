# SPDX-License-Identifier: MIT
"""A service manager's side of a socket, for a plugin that runs under arun."""
import array
import pathlib
import socket
import subprocess
import sys
import time

from plugins import FOLDER, SOURCE, built
from tap import ARUN, DEADLINE, environment, killed_at_exit, until

FIXTURE = SOURCE / "tests" / "fixtures" / "service" / "service.c"


def plugin(entry):
    return f"{built(FIXTURE)}:{entry}"


def path(name):
    return str(FOLDER / name)


class Manager:
    """Listens at a path, or at an abstract name, and keeps what it was told."""

    def __init__(self, address=None):
        self.address = address or path("notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        pathlib.Path(path("notify")).unlink(missing_ok=True)
        self.socket.bind("\0" + self.address[1:] if self.address[0] == "@" else self.address)
        self.socket.setblocking(False)
        self.told, self.stored = [], []

    def hear(self):
        """All messages so far, each with the time at which it was looked at."""
        while True:
            try:
                data, parts, _, _ = self.socket.recvmsg(4096, 256)
            except BlockingIOError:
                return self.told
            for level, kind, rights in parts:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    self.stored += array.array("i", rights).tolist()
            self.told.append((time.monotonic(), data.decode()))

    def messages(self):
        return [text for _, text in self.hear()]

    def states(self):
        """The messages without STATUS=, MONOTONIC_USEC= and WATCHDOG=1."""
        lines = [line for text in self.messages() for line in text.split("\n")]
        return [l for l in lines if not l.startswith(("STATUS=", "MONOTONIC_USEC=", "WATCHDOG="))]

    def waits_for(self, part):
        until(lambda: any(part in text for text in self.messages()), f"{part!r}: {self.told}")
        return self


# Puts descriptors in the order in which they are passed; this process becomes arun.
LAUNCHER = """
import os, sys
count = int(sys.argv[1])
numbers, command = [int(n) for n in sys.argv[2:2 + count]], sys.argv[2 + count:]
high = [os.dup2(n, 100 + i) for i, n in enumerate(numbers)]
for number in numbers:
    os.close(number)
for i, number in enumerate(high):
    os.dup2(number, 3 + i)
    os.close(number)
if count:
    os.environ.setdefault("LISTEN_PID", str(os.getpid()))
os.execvp(command[0], command)
"""


class Service:
    """A plugin with a manager; sockets are passed to it from descriptor 3 on."""

    def __init__(self, entry, *words, manager=None, sockets=(), names=None, options=(), env=None):
        self.manager = manager
        variables = dict(env or {})
        if manager:
            variables["NOTIFY_SOCKET"] = manager.address
        if sockets:
            variables["LISTEN_FDS"] = str(len(sockets))
        if names:
            variables["LISTEN_FDNAMES"] = ":".join(names)
        numbers = [s if isinstance(s, int) else s.fileno() for s in sockets]
        command = [sys.executable, "-c", LAUNCHER, len(numbers), *numbers, ARUN, *options,
                   plugin(entry), *words]
        self.process = killed_at_exit(subprocess.Popen(
            [str(word) for word in command], env=environment(**variables), pass_fds=numbers,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            errors="replace"))

    def line(self):
        return self.process.stdout.readline().rstrip("\n")

    def signal(self, number):
        self.process.send_signal(number)
        return self

    def end(self):
        """Its status (negative: by signal), and all that is left on its streams."""
        out, err = self.process.communicate(timeout=DEADLINE)
        return self.process.returncode, out, err
