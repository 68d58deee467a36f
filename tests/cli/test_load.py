# SPDX-License-Identifier: MIT
"""Servers under load, with clients that behave badly, and stopped in the midst of it."""
import contextlib
import random
import re
import resource
import select
import socket
import struct
import threading

from load import (SANITIZED, SOURCE, build, connect, echoes, listening_port, read_exactly,
                  read_to_end, running, serving)
from tap import Skip, claim, contains, equal, main, until

TUTORIAL = build(SOURCE / "plugins" / "02-echo.c")
SERVERS = build("servers.c")
CLIENT = build("client.c", "-O1", "-Wall", "-Wextra", "-Werror", to="client")
BIG = 20_000_000


def big():
    """What servers.c answers."""
    period = bytes((i * 7 + (i >> 8)) & 255 for i in range(1 << 16))
    return (period * (BIG // len(period) + 1))[:BIG]


@contextlib.contextmanager
def tutorial(*options, **popen):
    with serving(TUTORIAL, *options, **popen) as server:
        server.address = server.until(lambda: listening_port(server), "a listening socket")
        yield server


def refused(port):
    try:
        connect(port).close()
        return False
    except ConnectionRefusedError:
        return True


def reset(client):
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


@claim
def one_idle_client_does_not_hold_up_the_end():
    with tutorial("--grace=600") as server:
        client, silent = connect(server.address), connect(server.address)
        echoes(client)
        server.signal()
        equal(server.ended(), (0, "", ""))
        for each in client, silent:
            equal(each.recv(1), b"")  # in good order, not by RST
            each.close()


@claim
def waiting_costs_nothing():
    with tutorial() as server:
        server.costs_nothing()
        client = connect(server.address)
        echoes(client)
        server.costs_nothing()
        client.close()
        server.costs_nothing()


@claim
def a_client_that_went_away_lets_it_end_at_once():
    with tutorial("--grace=60") as server:
        client = connect(server.address)
        echoes(client)
        client.close()
        server.signal()
        equal(server.ended(deadline=30), (0, "", ""))


@claim
def a_client_in_the_middle_of_a_20_MB_answer_gets_all_of_it():
    with serving(f"{SERVERS}:big", "--grace=50") as server:
        port = server.port()
        client = connect(port, receive=64 * 1024)
        client.sendall(b"go\n")
        first = read_exactly(client, 10_000)
        server.signal()
        until(lambda: refused(port), "it accepts no more")
        assert server.alive(), "it ended before the client had its answer"
        got = bytearray(first)
        while piece := client.recv(20_000):
            got += piece
        assert got == big(), f"{len(got)} bytes, or others"
        client.close()
        equal(server.ended()[::2], (0, ""))


@claim
def five_thousand_connections_at_once_get_every_byte_back():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    count = 1000 if SANITIZED else 5000
    if 0 <= hard < count + 100:
        raise Skip(f"only {hard} descriptors are allowed")

    def raise_limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    with serving(f"{SERVERS}:plain", preexec_fn=raise_limit) as server:
        with running(CLIENT, "echo", server.port(), count, 20_000) as client:
            equal(client.ended(120), (0, f"received {count * 20_000} resets 0\n", ""))
        status, out, err = server.stop()
        equal((status, err), (0, ""))
        contains(out, f"read {count * 20_000}\n")


def stopped_under_load(entry, window, seed):
    """At a moment counted in bytes; what handlers read is what clients got."""
    moment = random.Random(seed).randrange(100_000, 5_000_000)
    with serving(f"{SERVERS}:{entry}", "--grace=4") as server:
        with running(CLIENT, "load", server.port(), 20, window, moment) as client:
            equal(client.line(), "now")
            status, out, err = server.stop()
            equal((status, err), (0, ""), f"seed {seed}")
            done = client.ended()
            equal(done[0], 0, f"seed {seed}: {done}")
            got = re.search(r"received (\d+) resets (\d+)", done[1])
            read = re.search(r"read (\d+)", out)
            equal(got.groups(), (read[1], "0"), f"seed {seed}")


@claim
def a_stop_under_load_loses_nothing():
    for _ in range(3):
        stopped_under_load("plain", 512, random.randrange(1 << 30))


@claim
def a_stop_while_answers_wait_loses_nothing_that_a_shield_covers():
    for _ in range(2):
        stopped_under_load("shielded", 1 << 18, random.randrange(1 << 30))


def answered(server, clients):
    """Those that have an answer, once all have that the server has accepted."""
    ready = select.select(clients, [], [], 0)[0]
    return ready if len(ready) == server.sockets() - 1 else None


@claim
def a_server_out_of_descriptors_says_so_once_waits_and_goes_on():
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))

    with tutorial(preexec_fn=few) as server:
        clients = [connect(server.address) for _ in range(50)]
        for client in clients:
            client.sendall(b"hello\n")
        server.until(lambda: "\n" in server.stderr, "a line on stderr")
        served = until(lambda: answered(server, clients), "those accepted are served")
        assert 0 < len(served) < 32, f"{len(served)} were served"
        server.costs_nothing()
        for client in served:
            equal(read_exactly(client, 6), b"hello\n")
            client.close()
        others = [c for c in clients if c not in served]
        for client in others:
            equal(read_exactly(client, 6), b"hello\n")
            client.close()
        status, _, err = server.stop()
        equal((status, err.count("\n")), (0, 1), err)
        contains(err, "Too many open files")


@claim
def resets_by_clients_harm_nobody_else():
    with serving(f"{SERVERS}:plain") as server, serving(f"{SERVERS}:big") as talker:
        steady = connect(server.port())
        for _ in range(100):
            client = connect(server.port())
            client.sendall(b"x" * 10_000)
            reset(client)
            client = connect(talker.port())
            client.sendall(b"go\n")
            client.recv(1)
            reset(client)
            echoes(steady)
        steady.close()
        for each in (server, talker):
            until(lambda: each.sockets() == 1, "the connections are closed")
            status, _, err = each.stop()
            equal(status, 0)
            for line in err.splitlines():  # one a failed handler, and nothing else
                assert re.search(r": handler .* failed: .*(reset by peer|Broken pipe)$", line), line


@claim
def clients_cannot_fill_the_log():
    count = 1000
    with serving(f"{SERVERS}:plain") as server:
        for _ in range(count):
            reset(connect(server.port()))
        until(lambda: server.sockets() == 1, "the connections are closed")
        status, _, err = server.stop()
        equal(status, 0)
        said = len(re.findall(r": handler .* failed: .*reset by peer\n", err))
        left_out = re.findall(r'servers.c:\d+: server "handler": (\d+) lines left out: at most 100 in '
                              r"10 s\n", err)
        equal(said + sum(map(int, left_out)), count)
        assert said < count, said
        equal(err.count("\n"), said + len(left_out))


@claim
def failures_of_clients_do_not_hide_that_accepting_pauses():
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))

    with serving(f"{SERVERS}:plain", "--log-level=warning", preexec_fn=few) as server:
        for _ in range(150):  # at info: not to be seen
            client = connect(server.port())
            echoes(client)
            reset(client)
            until(lambda: server.sockets() == 1, "the connection is closed")
        equal(server.stderr, "")
        clients = [connect(server.port()) for _ in range(50)]
        server.until(lambda: "accepting paused: Too many open files\n" in server.stderr, "the line")
        for client in clients:
            client.close()


@claim
def a_client_that_ends_its_side_gets_all_its_answers():
    data = random.randbytes(3_000_000)
    with serving(f"{SERVERS}:plain") as server:
        client = connect(server.port())

        def send():
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        assert read_to_end(client) == data
        sender.join()
        client.close()
        equal(server.stop()[::2], (0, ""))


@claim
def data_and_FIN_in_one_packet_are_both_seen():
    with serving(f"{SERVERS}:plain") as server:
        for number in range(200):
            client = connect(server.port())
            if number % 2:
                echoes(client)  # its handler waits in a read now
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
            client.send(b"last words")
            client.shutdown(socket.SHUT_WR)
            equal(read_to_end(client), b"last words")
            client.close()
        equal(server.stop()[0], 0)


@claim
def a_client_that_never_reads_is_given_up():
    with serving(f"{SERVERS}:impatient") as server:
        deaf = connect(server.port(), receive=4096)
        deaf.sendall(b"go\n")
        server.until(lambda: "ETIMEDOUT after some: 1\n" in server.stdout, "a write that failed")
        until(lambda: server.sockets() == 1, "its connection is closed")
        other = connect(server.port())
        other.sendall(b"go\n")
        assert read_to_end(other) == big()
        deaf.close()
        other.close()
        status, _, err = server.stop()
        equal(status, 0)
        assert err.count("\n") <= 1, err  # the handler that failed, where it is logged


@claim
def a_client_that_never_reads_does_not_hold_up_the_end():
    with serving(f"{SERVERS}:big", "--grace=2") as server:
        deaf = connect(server.port(), receive=4096)
        deaf.sendall(b"go\n")
        deaf.recv(1)
        server.signal()
        status, out, err = server.ended(deadline=10)
        equal((status, err), (0, ""))
        contains(out, "Operation canceled after some: 1\n")
        deaf.close()


@claim
def a_clean_up_that_comes_late_finds_what_it_opened_closed_but_there():
    with serving(f"{SERVERS}:late", "--grace=0.5", "--leaks=off") as server:
        server.line()
        status, out, err = server.stop()
        equal((status, err), (0, ""))
        contains(out, "item 0 read -1 gen 0 conn 0 server 0\n")


main()
