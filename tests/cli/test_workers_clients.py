# SPDX-License-Identifier: MIT
"""Workers that are replaced, and stopped, while clients stay connected."""
import contextlib
import os
import pathlib
import signal
import socket
import tempfile
import time

from group import all_workers, group, lines, plugin, ready, serves
from running import SAME
from tap import DEADLINE, claim, contains, equal, main, until

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


@claim
def a_stop_that_a_service_manager_sends_to_every_process_is_one():
    for order in ("workers", "parent"), ("parent", "workers"):
        with keeping() as (process, port, go):
            clients = connected(port, all_workers(process), 1)
            waiting = [client.sends("wait") for client in flat(clients)]
            had = lines(process, 2 + len(waiting))
            for who in order:
                for pid in clients if who == "workers" else [process.pid]:
                    os.kill(pid, signal.SIGTERM)
                # Longer than two signals are taken for one: the machine is busy.
                time.sleep(3 * SAME)
            go.touch()
            equal([client.answer() in clients for client in waiting], [True] * len(waiting))
            equal(process.ended(), (0, "\n".join(had) + "\n", ""), order)


@claim
def the_second_signal_of_either_forces():
    for who in "workers", "parent":
        with keeping() as (process, port, _):
            clients = connected(port, all_workers(process), 2)
            for those in clients.values():
                those.pop().sends("wait")
            lines(process, 2 + len(clients))
            signalled = clients if who == "workers" else [process.pid]
            for pid in signalled:
                os.kill(pid, signal.SIGTERM)
            # Each worker has had it; the next is one with it until that time is over.
            equal({client.answer() for client in flat(clients)}, {None})
            time.sleep(2 * SAME)
            for pid in signalled:
                os.kill(pid, signal.SIGTERM)
            until(lambda: not all_workers(process) & set(clients), "they are gone")
            contains(process.stderr, "still running")


@claim
def two_signals_that_are_one_leave_a_worker_that_is_being_replaced_its_request():
    with keeping() as (process, port, go):
        old = all_workers(process)
        waiting = [client.sends("wait") for client in flat(connected(port, old, 1))]
        lines(process, 2 + len(waiting))
        process.signal(signal.SIGHUP)
        had = lines(process, 4 + len(waiting))
        serves(process)
        # The signal that it had for that is none of these two.
        time.sleep(3 * SAME)
        for signum in signal.SIGTERM, signal.SIGINT:
            os.kill(process.pid, signum)
        until(lambda: not all_workers(process) - old, "the new ones have ended")
        go.touch()
        equal([client.answer() in old for client in waiting], [True] * len(waiting))
        equal(process.ended(), (-signal.SIGINT, "\n".join(had) + "\n", ""))


main()
