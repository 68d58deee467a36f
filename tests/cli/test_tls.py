#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""TLS against other programs: openssl and curl; in both directions."""
import contextlib
import functools
import pathlib
import re
import socket
import subprocess
import tempfile
import time

from needs import lacking, tool
from plugins import FOLDER, SOURCE, built
from tap import ARUN, DEADLINE, arun, claim, contains, environment, equal, main, run, until



@functools.cache
def plugin():
    path = built(SOURCE / "tests" / "fixtures" / "tls" / "secure.c")
    if "without TLS" in arun(f"{path}:serve", "none.pem", "none.key").stderr:
        lacking("built without TLS")
    return path


@functools.cache
def certificate(name="local", names="DNS:localhost,IP:127.0.0.1"):
    """A certificate and its key: of localhost and 127.0.0.1, signed by itself."""
    pem, key = FOLDER / f"{name}.pem", FOLDER / f"{name}.key"
    done = run(tool("openssl"), *"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes".split(),
               "-subj", f"/CN={name}", "-addext", f"subjectAltName={names}",
               "-keyout", key, "-out", pem)
    equal(done.returncode, 0, done.stderr)
    return str(pem), str(key)


class Peer:
    """A program that runs meanwhile; stdout and stderr are files."""

    def __init__(self, *argv):
        self.out = tempfile.TemporaryFile(dir=FOLDER)
        self.err = tempfile.TemporaryFile(dir=FOLDER)
        self.process = subprocess.Popen(
            [str(word) for word in argv], env=environment(),
            stdin=subprocess.PIPE, stdout=self.out, stderr=self.err)

    def said(self, file=None):
        file = file or self.out
        file.seek(0)
        return file.read().decode(errors="replace")

    def says(self, pattern):
        def found():
            over = self.process.poll() is not None
            match = re.search(pattern, self.said())
            if over and not match:
                raise AssertionError(f"ended: {self.said()}{self.said(self.err)}")
            return match
        return until(found, f"{pattern!r} on stdout")

    def send(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def stop(self):
        self.process.terminate()
        self.process.wait(DEADLINE)
        return self.process.returncode, self.said(self.err)


@contextlib.contextmanager
def peer(*argv):
    program = Peer(*argv)
    try:
        yield program
    finally:
        if program.process.poll() is None:
            program.process.kill()
        program.process.stdin.close()
        program.process.wait(DEADLINE)


@contextlib.contextmanager
def serving(*words):
    """The plugin's server; .address is where it listens."""
    with peer(ARUN, f"{plugin()}:serve", *certificate(), *words) as server:
        server.address = server.says(r"(?m)^(127\.0\.0\.1:\d+)$")[1]
        yield server
        equal(server.stop()[0], 0, "its end")


@contextlib.contextmanager
def openssl_serving(*words, name="local"):
    pem, key = certificate(name)
    with peer(tool("openssl"), "s_server", "-accept", "127.0.0.1:0", "-cert", pem, "-key", key,
              *words) as server:
        server.address = server.says(r"ACCEPT (127\.0\.0\.1:\d+)")[1]
        yield server


def ask(address, *requests, ca=None, name="-"):
    return arun(f"{plugin()}:ask", f"tls:{address}", ca or certificate()[0], name, *requests)


def client(address, *words):
    return ("openssl", "s_client", "-connect", address, "-CAfile", certificate()[0],
            "-verify_return_error", "-verify_hostname", "localhost", *words)


def converse(address, *words):
    """Sends a line with openssl, waits for its echo, ends. Returns all that it printed."""
    with peer(*client(address, *words)) as program:
        program.says("Verify return code: 0")
        program.send("hello there\n")
        program.says(r"(?m)^hello there$")
        program.process.stdin.close()
        equal(program.process.wait(DEADLINE), 0, program.said(program.err))
        return program.said()


@claim
def openssl_talks_to_a_server():
    with serving() as server:
        contains(converse(server.address, "-tls1_3"), "New, TLSv1.3")
        contains(converse(server.address, "-tls1_2"), "New, TLSv1.2")


@claim
def a_server_resumes_sessions():
    with serving() as server:
        for version in "-tls1_3", "-tls1_2":
            session = FOLDER / f"session{version}"
            converse(server.address, version, "-sess_out", session)
            contains(converse(server.address, version, "-sess_in", session), "Reused, ")


@claim
def a_version_before_1_2_is_refused():
    with serving() as server:
        done = run(*client(server.address, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"))
        equal(done.returncode != 0, True, done.stdout)
        contains(converse(server.address), "TLSv1.3")


@claim
def a_protocol_is_agreed_on():
    with serving("h2,http/1.1") as server:
        contains(converse(server.address, "-alpn", "http/1.1,spdy"), "ALPN protocol: http/1.1")


@claim
def the_certificate_is_of_the_name_that_openssl_asks_for():
    other = certificate("other", "DNS:other.example")
    asks = ("-servername", "other.example", "-verify_hostname", "other.example",
            "-CAfile", other[0], "-alpn", "h2")
    with serving("h2", *other) as server:
        for version in "-tls1_3", "-tls1_2":
            session = FOLDER / f"other{version}"
            contains(converse(server.address, version, *asks, "-sess_out", session),
                     "ALPN protocol: h2")
            contains(converse(server.address, version, *asks, "-sess_in", session), "Reused, ")
            contains(converse(server.address, version, "-noservername", "-nameopt", "RFC2253"),
                     "subject=CN=local")


@claim
def curl_gets_a_page():
    tool("curl")
    with serving() as server:
        done = run("curl", "-sS", "--cacert", certificate()[0], f"https://{server.address}/")
        equal((done.returncode, done.stdout, done.stderr), (0, "welcome\n", ""))


@claim
def curl_that_does_not_trust_a_server_leaves_a_line_in_its_log():
    tool("curl")
    with serving() as server:
        done = run("curl", "-sS", "--cacert", certificate("other")[0], f"https://{server.address}/")
        equal(done.returncode, 60, done.stderr)
        until(lambda: "handshake" in server.said(server.err), "a line about it")
        contains(server.said(server.err), "unknown ca")


@claim
def a_client_talks_to_openssl_and_resumes():
    with openssl_serving("-www") as server:
        done = ask(server.address, *["GET / HTTP/1.0\r\n\r\n"] * 2)
        equal((done.returncode, done.stderr), (0, ""))
        new, reused = re.findall(r"(?m)^(New|Reused), (TLSv1\.3)", done.stdout)
        equal((new[0], reused[0]), ("New", "Reused"))
        contains(ask(server.address, "GET / HTTP/1.0\r\n\r\n", name="localhost").stdout, "New, ")


@claim
def a_client_resumes_with_TLS_1_2_each_time():
    with openssl_serving("-www", "-tls1_2") as server:
        done = ask(server.address, *["GET / HTTP/1.0\r\n\r\n"] * 3)
        equal((done.returncode, done.stderr), (0, ""))
        equal(re.findall(r"(?m)^(New|Reused), TLSv1\.2", done.stdout), ["New", "Reused", "Reused"])


@claim
def another_name_is_refused_with_the_reason():
    with openssl_serving("-rev") as server:
        done = ask(server.address, "x\n", name="example.org")
        equal(done.returncode, 2)
        contains(done.stderr, "certificate verify failed: hostname mismatch")


@claim
def a_certificate_that_nobody_signed_is_refused_with_the_reason():
    with openssl_serving("-rev") as server:
        for ca in certificate("other")[0], "-":
            done = ask(server.address, "x\n", ca=ca)
            equal(done.returncode, 2)
            contains(done.stderr, "certificate verify failed: self-signed certificate")


@claim
def a_server_that_dies_has_not_ended_the_stream():
    with openssl_serving("-rev") as server:
        with peer(ARUN, f"{plugin()}:ask", f"tls:{server.address}", certificate()[0], "-",
                  "hello\n") as program:
            program.says("olleh")
            server.process.kill()
            equal(program.process.wait(DEADLINE), 2)
            contains(program.said(program.err), "close_notify")


@claim
def clients_in_their_handshake_do_not_hold_a_stop_up():
    with serving() as server:
        host, port = server.address.split(":")
        said = b"", b"\x16\x03\x01", b"\x16\x03\x01\x02\x00\x01"
        clients = [socket.create_connection((host, int(port))) for _ in said]
        for connection, words in zip(clients, said):
            connection.sendall(words)
        until(lambda: f"{len(said)} connections" in arun("ps", server.process.pid).stdout,
              "all are accepted")
        begin = time.monotonic()
        equal(server.stop(), (0, ""))
        # Waited for, they would have 6 s.
        assert time.monotonic() - begin < 4, f"{time.monotonic() - begin} s"
        for connection in clients:
            equal(connection.recv(1), b"")
            connection.close()


@claim
def openssl_is_not_loaded_before_it_is_used():
    with serving() as server:
        contains(pathlib.Path(f"/proc/{server.process.pid}/maps").read_text(), "libssl")
    hello = built(SOURCE / "plugins" / "02-echo.c")
    with peer(ARUN, hello, "127.0.0.1:0") as server:
        maps = pathlib.Path(f"/proc/{server.process.pid}/maps")
        until(lambda: hello.name in maps.read_text(), "the plugin is loaded")
        equal("libssl" in maps.read_text(), False)


main()
