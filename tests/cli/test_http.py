# SPDX-License-Identifier: MIT
"""The HTTP/1.1 example: as its users see it, and as those who mean it harm."""
import contextlib
import re
import socket

from load import SANITIZED, connect, listening_port, read_to_end, running
from needs import plugin, tool
from tap import ARUN, DEADLINE, claim, contains, equal, main, run, until

HOST = b"Host: a\r\n"
PLAIN = b"GET /plain HTTP/1.1\r\n" + HOST + b"\r\n"
POST = b"POST /echo HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


@contextlib.contextmanager
def http(*words, options=()):
    with running(ARUN, *options, plugin("07-http"), "tcp:127.0.0.1:0", *words) as server:
        server.address = server.until(lambda: listening_port(server), "a listening socket")
        yield server
        if server.alive():
            equal(server.stop(), (0, "", ""))


def curl(server, path, *words, **options):
    url = f"http://127.0.0.1:{server.address}{path}"
    done = run(tool("curl"), "-sS", "-w", "|%{http_code}", *words, url, **options)
    equal((done.returncode, done.stderr), (0, ""), path)
    return done.stdout


def talk(server, *pieces):
    """All that is answered to these bytes, up to the end of the connection."""
    client = connect(server.address)
    for piece in pieces:
        client.sendall(piece)
    client.shutdown(socket.SHUT_WR)
    answers = read_to_end(client)
    client.close()
    return answers


def statuses(answers):
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", answers)]


def splits(server, data):
    """The answers to data sent in two pieces, for each place to split it."""
    clients = [connect(server.address) for _ in range(len(data) - 1)]
    for at, client in enumerate(clients, 1):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.sendall(data[:at])
    talk(server, PLAIN)  # when that is answered, the first pieces have been read
    for at, client in enumerate(clients, 1):
        client.sendall(data[at:])
        client.shutdown(socket.SHUT_WR)
    for client in clients:
        yield read_to_end(client)
        client.close()


@claim
def curl_gets_what_there_is():
    with http() as server:
        body, _, status = curl(server, "/plain").rpartition("|")
        equal((len(body), status), (200, "200"))
        numbers = "".join(f"{i}\n" for i in range(10))
        for version in "--http1.1", "--http1.0":
            equal(curl(server, "/count?from=0", version), f"{numbers}|200")
        contains(curl(server, "/plain", "-I"), "Content-Length: 200")
        contains(curl(server, "/count", "-I"), "Transfer-Encoding: chunked")
        equal(curl(server, "/nothing"), "404 Not Found|404")
        equal(curl(server, "/echo"), "405 Method Not Allowed|405")
        equal(curl(server, "/plain", "-d", "x"), "405 Method Not Allowed|405")
        equal(curl(server, "/plain", "-X", "BREW"), "501 Not Implemented|501")


@claim
def curl_gets_back_what_it_posts():
    with http() as server:
        post = "--data-binary", "@-"
        for size in (0, 1, 100_000, 1 << 20):
            text = "0123456789abcdef" * (size // 16) + "x" * (size % 16)
            for coding in (), ("-H", "Transfer-Encoding: chunked"):
                got = curl(server, "/echo", *post, *coding, input=text, stdin=None)
                equal(got[-4:], "|200", f"{size} bytes {coding}")
                assert got[:-4] == text, f"{size} bytes {coding}: {len(got)}"
        got = curl(server, "/echo", *post, input="x" * (1 << 20) + "y", stdin=None)
        equal(got, "413 Payload Too Large|413")


@claim
def a_client_that_expects_100_gets_it_before_it_sends():
    with http() as server:
        client = connect(server.address)
        client.sendall(POST + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        equal(client.recv(1000), b"HTTP/1.1 100 Continue\r\n\r\n")
        client.sendall(b"hi")
        equal(statuses(client.recv(1000)), [200])
        client.sendall(POST + b"Content-Length: 2000000\r\nExpect: 100-continue\r\n\r\n")
        equal(statuses(read_to_end(client)), [413])
        client.close()


@claim
def a_connection_is_kept_as_long_as_both_want():
    with http() as server:
        old = b"GET /plain HTTP/1.0\r\n"
        close = b"GET /plain HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n"
        for request, answered in (
            (PLAIN, 3), (close, 1), (old + b"\r\n", 1),
            (old + b"Connection: keep-alive\r\n\r\n", 3),
            (PLAIN.replace(b"/plain", b"/nothing"), 3),
            (PLAIN.replace(b"GET", b"HEAD"), 3),
            (b"\r\n" + PLAIN, 3), (PLAIN.replace(b"/plain", b"http://a:80/plain"), 3),
        ):
            got = talk(server, request * 3)
            equal(len(statuses(got)), answered, f"{request}: {got}")
        contains(talk(server, close), b"\r\nConnection: close\r\n")
        contains(talk(server, old + b"Connection: keep-alive\r\n\r\n"), b": keep-alive\r\n")


@claim
def pipelined_requests_are_answered_in_their_order():
    with http() as server:
        numbers = range(500)
        requests = b"".join(
            POST + b"Content-Length: %d\r\n\r\n<%d>" % (len(str(n)) + 2, n) + PLAIN
            for n in numbers)
        got = talk(server, requests)
        equal(statuses(got), [200] * 1000)
        equal([int(n) for n in re.findall(rb"<(\d+)>", got)], list(numbers))


@claim
def requests_may_be_split_at_every_byte():
    data = (PLAIN + POST + b"Content-Length: 5\r\n\r\nhello" + CHUNKED +
            b"3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\nTrailer: x\r\n\r\n" + PLAIN)
    with http() as server:
        whole = talk(server, data)
        equal((statuses(whole), whole.count(b"\r\n\r\nhello")), ([200] * 4, 2))
        for at, got in enumerate(splits(server, data), 1):
            equal(got, whole, f"split at {at}")


def refused():
    """Requests that are refused, with the status of that."""
    def head(*lines, first=b"GET /plain HTTP/1.1"):
        return b"\r\n".join([first, *lines, b"", b""])

    host = HOST[:-2]
    for lengths in (b"3\r\nContent-Length: 5", b"3\r\nContent-Length: 3", b"3, 3", b"3 3", b"+3",
                    b"-3", b"0x3", b"", b"99999999999999999999", b"3;", b"3\r\n "):
        yield 400, POST + b"Content-Length: " + lengths + b"\r\n\r\nabc"
    for coding, status in (
        (b"chunked\r\nContent-Length: 3", 400), (b"chunked\r\nTransfer-Encoding: chunked", 400),
        (b"gzip", 501), (b"gzip, chunked", 501), (b"chunked, identity", 501), (b"xchunked", 501),
        (b"chunked\r\nTransfer-Encoding: gzip", 501), (b"\r\n chunked", 400), (b"\x0bchunked", 501),
    ):
        yield status, POST + b"Transfer-Encoding: " + coding + b"\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    yield 400, CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0") + b"0\r\n\r\n"
    for chunk, status in (
        (b"x\r\n", 400), (b"-1\r\n", 400), (b"0x3\r\nabc\r\n", 400), (b"3 \r\nabc\r\n", 400),
        (b" 3\r\nabc\r\n", 400), (b"3\nabc\r\n", 400), (b"3;a\nb\r\nabc\r\n", 400),
        (b"3\rXabc\r\n", 400), (b"3\r\nabcd\r\n", 400), (b"3\r\nabc\n", 400), (b"\r\n", 400),
        (b"fffffffffffffffff\r\n", 413), (b"100001\r\n", 413), (b"3;" + b"e" * 300 + b"\r\n", 400),
        (b"0\r\nTrailer: x\n\r\n", 400), (b"0\r\n" + b"T: x\r\n" * 300 + b"\r\n", 431),
    ):
        yield status, CHUNKED + chunk + b"0\r\n\r\n"
    for lines in ([host, b"X: a", b" folded"], [host, b"X: a", b"\tb"], [host, b"X: a\rb"],
                  [host, b"X : a"], [b"Host : a"], [host, host], [b"X: y"], [host, b"X: a\x00b"],
                  [host, b"no colon"], [host, b": none"]):
        yield 400, head(*lines)
    yield 400, PLAIN.replace(b"\r\n", b"\n")
    yield 431, head(host, b"X: " + b"x" * 8192)
    yield 431, head(host, *[b"X: yyyyyyyyy"] * 800)
    yield 431, head(host, first=b"GET /" + b"x" * 9000 + b" HTTP/1.1")
    for line, status in (
        (b"GET /plain HTTP/2.0", 505), (b"GET /plain", 505), (b"get /plain HTTP/1.1", 400),
        (b"GET /plain FTP/1.1", 400), (b"BREW /plain HTTP/1.1", 501), (b"PUT /plain HTTP/1.1", 501),
        (b"CONNECT a:80 HTTP/1.1", 501), (b"\x16\x03\x01", 400), (b"/plain", 400),
        (b"GET plain HTTP/1.1", 400), (b"GET /plain HTTP/1.1 ", 400),
    ):
        yield status, head(host, first=line)


@claim
def what_is_doubtful_is_refused_and_nothing_behind_it_is_read():
    with http() as server:
        wrong = []
        for status, request in refused():
            got = talk(server, request + PLAIN)
            if statuses(got) != [status]:
                wrong.append(f"{status} {request[:150]}\n   {got[:200]}")
        assert not wrong, "\n".join(wrong)


@claim
def what_is_doubtful_is_refused_wherever_it_is_split():
    with http() as server:
        for status, request in refused():
            if len(request) < 200:
                for at, got in enumerate(splits(server, request + PLAIN), 1):
                    equal(statuses(got), [status], f"{request} split at {at}: {got}")


@claim
def a_client_that_is_idle_or_slow_is_given_up():
    with http("0.3", "0.3") as server:
        for sent, wanted in (
            (b"", []), (b"GET /pl", []), (b"GET /plain HTTP/1.1\r\nHo", [408]),
            (POST + b"Content-Length: 5\r\n\r\nhel", [408]), (CHUNKED + b"3\r\nab", [408]),
            (PLAIN, [200]),
        ):
            client = connect(server.address)
            client.sendall(sent)
            equal(statuses(read_to_end(client)), wanted, sent)
            client.close()


@claim
def a_stop_finishes_answers_and_does_not_wait_for_the_idle():
    with http(options=["--grace=600"]) as server:
        idle = [connect(server.address) for _ in range(3)]
        idle[1].sendall(PLAIN)
        equal(statuses(idle[1].recv(1000)), [200])
        busy = connect(server.address)
        busy.sendall(PLAIN.replace(b"/plain", b"/count") + PLAIN)
        first = busy.recv(1000)
        equal(statuses(first), [200])
        server.signal()
        got = first + read_to_end(busy)
        contains(got, b"2\r\n9\n\r\n0\r\n\r\n")
        for client in idle:
            equal(read_to_end(client), b"")
        equal(server.ended(), (0, "", ""))
        for client in [*idle, busy]:
            client.close()


@claim
def a_stop_waits_for_requests_that_have_begun():
    pieces = [
        (b"GE", b"T /plain HTTP/1.1\r\n" + HOST + b"\r\n"),
        (b"GET /plain HTTP/1.1\r\nHo", b"st: a\r\n\r\n"),
        (POST + b"Content-Length: 5\r\n\r\nhe", b"llo"),
        (CHUNKED + b"5\r\nhello\r\n", b"0\r\n\r\n"),
    ]
    with http("600", "600", options=["--grace=600"]) as server:
        clients = [connect(server.address) for _ in pieces]
        for client in clients:
            client.sendall(PLAIN)
            equal(statuses(client.recv(1000)), [200])
        idle = connect(server.address)
        for client, (begin, _) in zip(clients, pieces):
            client.sendall(begin)
        server.signal()
        equal(read_to_end(idle), b"")
        idle.close()
        for client, (_, rest) in zip(clients, pieces):
            client.sendall(rest)
            got = read_to_end(client)
            equal(statuses(got), [200])
            contains(got, b"Connection: close\r\n")
            client.close()
        equal(server.ended(), (0, "", ""))


@claim
def wrk_sees_no_error_over_256_connections():
    with http() as server:
        for path, seconds in ("/plain", 2), ("/count", 1):
            # What takes longer than 2 s would be an error to wrk: a busy machine is none.
            done = run(tool("wrk"), "-t1", "-c256", f"-d{seconds}", "--timeout", f"{DEADLINE}s",
                       f"http://127.0.0.1:{server.address}{path}")
            equal((done.returncode, done.stderr), (0, ""))
            requests = int(re.search(r"(\d+) requests in", done.stdout)[1])
            assert requests > (10 if SANITIZED else 500), done.stdout
            assert "Socket errors" not in done.stdout, done.stdout + server.stderr
            assert "Non-2xx" not in done.stdout, done.stdout
        until(lambda: server.sockets() == 1, "its connections are closed")


main()
