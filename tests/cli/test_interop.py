# SPDX-License-Identifier: MIT
"""Libraries that are made for callbacks, inside plugins: hiredis and a real Redis, libcurl."""
import contextlib
import re
import signal
import socket
import tempfile

from load import connect, listening_port, read_exactly, running
from needs import plugin, tool
from tap import ARUN, arun, claim, equal, main, until


@contextlib.contextmanager
def redis(port):
    with tempfile.TemporaryDirectory() as folder:
        words = "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", folder
        with running(tool("redis-server"), *words) as server:
            until(lambda: answers(port), "it answers")
            yield server


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(port, line):
    """The first byte of the answer, and the rest of its first line."""
    client = connect(port)
    client.sendall(line + b"\r\n")
    got = b""
    while not got.endswith(b"\r\n"):
        got += read_exactly(client, 1)
    client.close()
    return got[:1], got[1:-2]


def answers(port):
    try:
        return ask(port, b"PING") == (b"+", b"PONG")
    except (ConnectionError, AssertionError):
        return False


def increments(port):
    """How many so far."""
    return int(ask(port, b"INCRBY arun 0")[1])


@claim
def hiredis_sends_10000_commands_from_100_tasks():
    port = free_port()
    with redis(port):
        done = arun("--leaks=error", plugin("09-redis"), "127.0.0.1", port, 100, 100)
        equal((done.returncode, done.stdout, done.stderr), (0, "10000 answered, 0 failed\n", ""))
        equal(increments(port), 10_000)


@claim
def hiredis_gets_over_a_server_that_is_killed_and_started_again():
    port = free_port()
    words = ARUN, "--leaks=error", plugin("09-redis"), "127.0.0.1", port, 100, 100, 0.02
    with running(*words) as client:  # there is no server yet
        client.until(lambda: "trying again" in client.stderr, "a failure")
        with redis(port) as server:
            client.until(lambda: increments(port) >= 2_000, "2,000 commands")
            server.signal(signal.SIGKILL)
            server.ended()
        equal(client.alive(), True)
        with redis(port):
            status, out, err = client.ended()
            equal((status, err.count("\n")), (0, 1), err)
            found = re.fullmatch(r"(\d+) answered, (\d+) failed\n", out)
            equal(found[1], "10000", out)
            assert int(found[2]) >= 100, out
            assert 0 < increments(port) < 10_000, "it was no other server"


@claim
def hiredis_ends_when_it_is_asked_to():
    port = free_port()
    with redis(port):
        words = ARUN, "--leaks=error", plugin("09-redis"), "127.0.0.1", port, 100, 100, 0.5
        with running(*words) as client:
            client.until(lambda: increments(port) >= 100, "100 commands")
            status, out, err = client.stop()
            equal((status, err), (-signal.SIGTERM, ""))
            assert re.fullmatch(r"\d+ answered, \d+ failed\n", out), out


@claim
def libcurl_fetches_many_pages_at_once():
    with running(ARUN, plugin("07-http"), "tcp:127.0.0.1:0") as server:
        port = server.until(lambda: listening_port(server), "a listening socket")
        pages = {"plain": "200, 200 bytes", "count": "200, 20 bytes", "none": "404, 13 bytes"}
        urls = [f"http://127.0.0.1:{port}/{page}" for page in list(pages) * 20]
        nobody = f"http://127.0.0.1:{free_port()}/"
        done = arun("--leaks=error", plugin("10-fetch"), *urls, nobody)
        lines = done.stdout.splitlines()
        equal((done.returncode, done.stderr, len(lines)), (0, "", 61))
        for url, line in zip(urls, lines):
            equal(line, f"{url}: {pages[url.rpartition('/')[2]]}")
        assert lines[-1].startswith(f"{nobody}: 0, 0 bytes: "), lines[-1]
        equal(server.stop(), (0, "", ""))


main()
