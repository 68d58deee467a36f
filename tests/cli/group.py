# SPDX-License-Identifier: MIT
"""A group of workers under load: every request is a connection of its own, and counted."""
import collections
import os
import pathlib
import socket
import threading

from load import PLUGIN, SOURCE, build, running
from tap import ARUN, DEADLINE, arun, equal, until

FIXTURE = SOURCE / "tests" / "fixtures" / "workers" / "serve.c"


def plugin(version="1", to="serve.so"):
    return build(FIXTURE, *PLUGIN, f'-DVERSION="{version}"', to=to)


def ask(port, what=b"x"):
    """(version, pid) of who answers; None where the connection is refused or lost."""
    try:
        with socket.create_connection(("127.0.0.1", port), DEADLINE) as connection:
            connection.sendall(what)
            version, pid = connection.makefile().readline().split()
            return version, int(pid)
    except (OSError, ValueError):
        return None


class Load:
    """Clients that ask all the time, until the end of the block."""

    def __init__(self, port, clients=2):
        self.port, self.over = port, threading.Event()
        self.answers, self.lost = collections.Counter(), 0
        self.threads = [threading.Thread(target=self.ask) for _ in range(clients)]

    def ask(self):
        while not self.over.is_set():
            answer = ask(self.port)
            if answer:
                self.answers[answer] += 1
            else:
                self.lost += 1

    def count(self):
        return sum(self.answers.copy().values())

    def goes_on(self, requests=50):
        """Waits for so many more."""
        wanted = self.count() + requests
        until(lambda: self.count() >= wanted, f"{requests} answers")

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()


def workers(process):
    """The processes that the parent has now, without those that it has not reaped."""
    path = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return {int(pid) for pid in path.read_text().split()
            if pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"}


def all_workers(process):
    try:
        return workers(process)
    except (FileNotFoundError, ProcessLookupError):
        return set()


def descriptors(process):
    return len(os.listdir(f"/proc/{process.pid}/fd"))


def group(*words, **options):
    return running(ARUN, *words, **options)


def lines(process, count):
    process.until(lambda: len(process.stdout.splitlines()) >= count, f"{count} lines")
    return process.stdout.splitlines()


def ready(process, count=2):
    """The port, when so many workers serve."""
    ports = {line.rpartition(":")[2] for line in lines(process, count)}
    equal(len(ports), 1, process.stdout)
    return int(ports.pop())


def serves(process):
    """Waits until the parent knows it, too: before that it replaces nobody."""
    until(lambda: arun("ps", "--ready", process.pid).returncode == 0, "all are ready")
