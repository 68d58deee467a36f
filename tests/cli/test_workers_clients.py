# SPDX-License-Identifier: MIT
"""Workers that are replaced, and stopped, while clients stay connected."""
import contextlib
import pathlib
import signal
import socket
import tempfile

from group import all_workers, group, lines, plugin, ready, serves
from tap import DEADLINE, claim, equal, main, until

# Longer than any test waits: nobody ends for want of it.
GRACE = "--grace=1000"


class Client:
    """Stays connected; asks line by line."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), DEADLINE)
        self.file = self.socket.makefile()

    def sends(self, what):
        self.socket.sendall(what.encode() + b"\n")
        return self

    def answer(self):
        """The process that answers; None at the end of the stream."""
        words = self.file.readline().split()
        return int(words[1]) if words else None

    def asks(self, what="x"):
        return self.sends(what).answer()


@contextlib.contextmanager
def keeping(*words):
    """Workers whose clients stay; with the port, and the file that ends a wait."""
    with tempfile.TemporaryDirectory() as folder:
        with group("-w", "2", GRACE, f"{plugin()}:keeps", folder, *words) as process:
            port = ready(process)
            serves(process)
            yield process, port, pathlib.Path(folder) / "go"


def connected(port, workers, count=10):
    """Clients that have asked once, so many at least of each worker, by its process."""
    clients = {pid: [] for pid in workers}
    while any(len(those) < count for those in clients.values()):
        client = Client(port)
        clients[client.asks()].append(client)
    return clients


def flat(clients):
    return [client for those in clients.values() for client in those]


def replaced(process, old):
    until(lambda: len(all_workers(process)) == 2 and not all_workers(process) & old, "both are new")


@claim
def clients_that_are_only_connected_see_the_end_when_their_worker_is_replaced():
    with keeping() as (process, port, _):
        for had in (2, 4):
            old = all_workers(process)
            clients = connected(port, old)
            process.signal(signal.SIGHUP)
            lines(process, had + 2)
            equal({client.answer() for client in flat(clients)}, {None})
            replaced(process, old)
            serves(process)
        equal(process.stop(), (0, process.stdout, ""))


@claim
def a_request_under_way_is_answered_by_the_worker_that_has_it():
    with keeping() as (process, port, go):
        old = all_workers(process)
        clients = connected(port, old)
        waiting = {pid: those.pop().sends("wait") for pid, those in clients.items()}
        lines(process, 4)
        process.signal(signal.SIGHUP)
        # The idle ones do not wait for it; nor does the next worker for the last.
        equal({client.answer() for client in flat(clients)}, {None})
        lines(process, 6)
        serves(process)
        equal(all_workers(process) & old, old)
        equal(Client(port).asks() in old, False)
        go.touch()
        equal({pid: client.answer() for pid, client in waiting.items()}, {pid: pid for pid in old})
        equal({client.answer() for client in waiting.values()}, {None})
        replaced(process, old)
        equal(process.stop(), (0, process.stdout, ""))


@claim
def a_stop_ends_those_that_are_only_connected_and_answers_the_others():
    with keeping() as (process, port, go):
        clients = connected(port, all_workers(process))
        waiting = {pid: those.pop().sends("wait") for pid, those in clients.items()}
        lines(process, 4)
        process.signal(signal.SIGTERM)
        equal({client.answer() for client in flat(clients)}, {None})
        go.touch()
        equal({pid: client.answer() for pid, client in waiting.items()}, {pid: pid for pid in waiting})
        equal(process.ended(), (0, process.stdout, ""))


main()
