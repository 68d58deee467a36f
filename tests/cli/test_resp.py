# SPDX-License-Identifier: MIT
"""The RESP example: as Redis' own programs see it, and as those who mean it harm."""
import contextlib
import random
import socket

from load import SANITIZED, connect, listening_port, read_exactly, read_to_end, running
from needs import plugin, tool
from tap import ARUN, claim, contains, equal, main, run


@contextlib.contextmanager
def resp(*options):
    with running(ARUN, *options, plugin("08-resp"), "tcp:127.0.0.1:0") as server:
        server.address = server.until(lambda: listening_port(server), "a listening socket")
        yield server
        if server.alive():
            equal(server.stop(), (0, "", ""))


def cli(server, *words):
    done = run(tool("redis-cli"), "-p", server.address, *words)
    equal((done.returncode, done.stderr), (0, ""), words)
    return done.stdout.strip()


def command(*words):
    words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


def talk(server, data):
    """All that is answered, up to the end of the connection."""
    client = connect(server.address)
    client.sendall(data)
    client.shutdown(socket.SHUT_WR)
    answers = read_to_end(client)
    client.close()
    return answers


@claim
def redis_cli_can_do_all_there_is():
    with resp() as server:
        for words, answer in (
            ("ping", "PONG"), ("ping hello", "hello"), ("echo hello", "hello"),
            ("get a", ""), ("set a 41", "OK"), ("get a", "41"), ("incr a", "42"), ("incr b", "1"),
            ("exists a b c a", "3"), ("del a c", "1"), ("exists a", "0"), ("get a", ""),
            ("set word text", "OK"), ("INCR word", "ERR value is not an integer or out of range"),
            ("set big 9223372036854775807", "OK"),
            ("incr big", "ERR increment or decrement would overflow"),
            ("set low -9223372036854775808", "OK"), ("incr low", "-9223372036854775807"),
            ("config get save", "save"), ("command docs", ""),
            ("flushall", "ERR unknown command 'flushall'"),
            ("get", "ERR wrong number of arguments"), ("set a", "ERR wrong number of arguments"),
        ):
            equal(cli(server, *words.split()), answer, words)
        equal(talk(server, b"set k v\r\nGET k\n\r\n  ping  \r\nquit\r\nping\r\n"),
              b"+OK\r\n$1\r\nv\r\n+PONG\r\n+OK\r\n")


@claim
def redis_benchmark_finds_no_fault_with_it():
    with resp() as server:
        count = 2_000 if SANITIZED else 20_000
        for words in ("-c", "50"), ("-c", "50", "-P", "16"), ("-c", "256", "-P", "64"):
            done = run(tool("redis-benchmark"), "-p", server.address, "-n", count, "-r", "1000",
                       "-q", *words, "-t", "ping_inline,ping_mbulk,set,get,incr")
            equal((done.returncode, done.stderr), (0, ""), words)
            equal(done.stdout.count("requests per second"), 5, done.stdout)
            assert "rror" not in done.stdout, done.stdout
            assert "WARNING" not in done.stdout, done.stdout


@claim
def commands_may_be_split_at_every_byte():
    data = (command("SET", "key", b"va\r\nlue\0") + command("GET", "key") + b"ping\r\n*0\r\n*-1\r\n" +
            command("DEL", "key", "none") + command("GET", "") + command("ECHO", b""))
    wanted = b"+OK\r\n$8\r\nva\r\nlue\0\r\n+PONG\r\n:1\r\n$-1\r\n$0\r\n\r\n"
    with resp() as server:
        equal(talk(server, data), wanted)
        for at in range(1, len(data)):
            client = connect(server.address)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.sendall(data[:at])
            equal(talk(server, b"ping\r\n"), b"+PONG\r\n")  # it has read the first piece now
            client.sendall(data[at:])
            client.shutdown(socket.SHUT_WR)
            equal(read_to_end(client), wanted, f"split at {at}")
            client.close()


@claim
def what_is_no_RESP_gets_one_error_and_the_end():
    with resp() as server:
        for data in (
            b"*x\r\n", b"*1\n$4\r\nping\r\n", b"*1\r\nping\r\n", b"*1\r\n$4\r\npingXX", b"*1\r\n$-1\r\n",
            b"*1\r\n$+4\r\nping\r\n", b"*1\r\n$4x\r\nping\r\n", b"*1\r\n$3\r\nping\r\n", b"*\r\n", b"*-\r\n",
            b"*1025\r\n", b"*99999999999999999999\r\n", b"*1\r\n$536870913\r\n", b"*" + b"0" * 100,
            b"*1\r\n$99999999999999999999\r\n", b"x" * 70_000, b"x " * 2_000 + b"\r\n",
        ):
            got = talk(server, command("PING") + data + command("SET", "smuggled", 1))
            equal(got, b"+PONG\r\n-ERR Protocol error\r\n", data[:50])
        equal(talk(server, command("EXISTS", "smuggled")), b":0\r\n")


@claim
def many_commands_in_one_packet_are_answered_in_their_order():
    with resp() as server:
        got = talk(server, b"".join(command("INCR", "n") + command("ECHO", i) for i in range(20_000)))
        wanted = "".join(f":{i + 1}\r\n${len(str(i))}\r\n{i}\r\n" for i in range(20_000))
        assert got == wanted.encode(), f"{len(got)} bytes"


@claim
def keys_come_and_go_as_in_a_table_of_python():
    seed = random.randrange(1 << 30)
    chance, model, commands, wanted = random.Random(seed), {}, [], []
    for number in range(30_000):
        key = b"key%d" % chance.randrange(3000) * chance.choice((1, 1, 5))
        what = chance.choice(("SET", "GET", "DEL"))
        if what == "SET":
            model[key] = b"%d" % number * chance.randrange(4)
            wanted.append(b"+OK\r\n")
        elif what == "GET":
            value = model.get(key)
            wanted.append(b"$-1\r\n" if value is None else b"$%d\r\n%s\r\n" % (len(value), value))
        else:
            wanted.append(b":%d\r\n" % (model.pop(key, None) is not None))
        commands.append(command(what, key, model[key]) if what == "SET" else command(what, key))
    with resp() as server:
        assert talk(server, b"".join(commands)) == b"".join(wanted), f"seed {seed}"


@claim
def a_value_that_is_being_sent_may_be_replaced():
    old, new = b"o" * 20_000_000, b"n" * 20_000_000
    with resp() as server:
        equal(talk(server, command("SET", "k", old)), b"+OK\r\n")
        slow = connect(server.address, receive=4096)
        slow.sendall(command("GET", "k"))
        head = b"$%d\r\n" % len(old)
        equal(read_exactly(slow, len(head)), head)
        equal(talk(server, command("SET", "k", new) + command("DEL", "x")), b"+OK\r\n:0\r\n")
        slow.shutdown(socket.SHUT_WR)
        got = read_to_end(slow)
        assert got == old + b"\r\n", f"{len(got)} bytes, or others"
        slow.close()
        equal(talk(server, command("GET", "k"))[:20], head + new[:20 - len(head)])


@claim
def a_stop_does_not_wait_for_the_idle():
    with resp("--grace=600") as server:
        clients = [connect(server.address) for _ in range(3)]
        for client in clients:
            client.sendall(command("PING"))
            equal(read_exactly(client, 7), b"+PONG\r\n")
        server.signal()
        for client in clients:
            equal(read_to_end(client), b"")
        equal(server.ended(), (0, "", ""))
        for client in clients:
            client.close()


@claim
def a_stop_waits_for_a_command_that_has_begun():
    with resp("--grace=600") as server:
        idle, client = connect(server.address), connect(server.address)
        client.sendall(command("PING") + b"*1\r\n$4\r\npi")
        equal(read_exactly(client, 7), b"+PONG\r\n")
        server.signal()
        equal(read_to_end(idle), b"")
        client.sendall(b"ng\r\n" + command("ECHO", "a"))
        equal(read_to_end(client), b"+PONG\r\n$1\r\na\r\n")
        idle.close()
        client.close()
        equal(server.ended(), (0, "", ""))


@claim
def it_says_why_it_cannot_listen():
    done = run(ARUN, plugin("08-resp"), "unix:/no/such/folder/resp.sock")
    equal((done.returncode, done.stdout), (1, ""))
    contains(done.stderr, "No such file or directory")


main()
