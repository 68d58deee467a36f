# SPDX-License-Identifier: MIT
"""Endpoints of every kind, and descriptors that somebody else has opened."""
import contextlib
import errno
import fcntl
import os
import pathlib
import pty
import resource
import signal
import socket
import tempfile
import termios

from load import FOLDER, SANITIZED, SOURCE, build, connect, echoes, running, serving
from tap import ARUN, Skip, arun, claim, contains, equal, main

LINES = build(SOURCE / "plugins" / "04-lines.c")
SERVERS = build("servers.c")
READER = build("reader.c")
PLAIN = f"{SERVERS}:plain"
NUMBERED = "     1  one\n     2  two\n"


# Endpoints


@contextlib.contextmanager
def socket_path():
    with tempfile.TemporaryDirectory() as folder:
        yield pathlib.Path(folder) / "some.sock"


def serves(server, address, family=socket.AF_UNIX):
    client = connect(address, family)
    echoes(client)
    client.close()


@claim
def a_unix_socket_is_served_and_its_file_removed_at_the_end():
    with socket_path() as path, serving(PLAIN, at=f"unix:{path}") as server:
        equal(server.line(), f"unix:{path}")
        serves(server, str(path))
        equal(server.stop()[::2], (0, ""))
        assert not path.exists()


@claim
def the_file_of_a_dead_server_is_replaced():
    with socket_path() as path:
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
            dead.listen()
        with serving(PLAIN, at=f"unix:{path}") as server:
            server.line()
            serves(server, str(path))
            equal(server.stop()[::2], (0, ""))
            assert not path.exists()


@claim
def the_file_of_a_server_alive_is_left_alone():
    with socket_path() as path, serving(PLAIN, at=f"unix:{path}") as first:
        first.line()
        done = arun(PLAIN, f"unix:{path}")
        equal(done.returncode, 1)
        contains(done.stderr, os.strerror(errno.EADDRINUSE))
        contains(done.stderr, str(path))
        serves(first, str(path))
        equal(first.stop()[::2], (0, ""))


@claim
def a_file_that_is_no_socket_is_never_removed():
    with socket_path() as path:
        path.write_text("mine")
        done = arun(PLAIN, f"unix:{path}")
        equal((done.returncode, path.read_text()), (1, "mine"))
        contains(done.stderr, str(path))


@claim
def a_file_that_another_server_has_put_there_since_is_not_removed():
    with socket_path() as path, serving(PLAIN, at=f"unix:{path}") as server:
        server.line()
        path.unlink()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(path))
            equal(server.stop()[::2], (0, ""))
            assert path.is_socket()


@claim
def an_abstract_socket_is_served():
    name = f"arun-test-{os.getpid()}"
    with serving(PLAIN, at=f"unix:@{name}") as server:
        equal(server.line(), f"unix:@{name}")
        serves(server, f"\0{name}")
        equal(server.stop()[::2], (0, ""))


@claim
def a_listening_socket_that_was_inherited_is_served():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fd = listener.fileno()
        with serving(PLAIN, at=f"fd:{fd}", pass_fds=[fd]) as server:
            port = listener.getsockname()[1]
            equal(server.line(), f"127.0.0.1:{port}")
            serves(server, port, socket.AF_INET)
            equal(server.stop()[::2], (0, ""))
        connect(port).close()  # it listens still: it is ours


@claim
def the_file_of_a_socket_that_was_inherited_stays():
    with socket_path() as path, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        fd = listener.fileno()
        with serving(PLAIN, at=f"fd:{fd}", pass_fds=[fd]) as server:
            server.line()
            serves(server, str(path))
            equal(server.stop()[::2], (0, ""))
        assert path.is_socket()


@claim
def a_descriptor_that_does_not_listen_is_refused():
    for fd, pair in ((0, None), (99, None)):
        done = arun(PLAIN, f"fd:{fd}")
        equal((done.returncode, done.stdout), (1, ""), f"fd:{fd}")
        contains(done.stderr, f"fd:{fd}")


@claim
def port_0_picks_one_for_each():
    with serving(PLAIN) as one, serving(PLAIN) as two:
        ports = [one.port(), two.port()]
        assert 0 not in ports and ports[0] != ports[1], ports
        for server, port in zip((one, two), ports):
            serves(server, port, socket.AF_INET)
            equal(server.stop()[::2], (0, ""))


@claim
def the_address_of_IPv6_is_served():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError as error:
        raise Skip(f"::1: {error.strerror}")
    with serving(PLAIN, at="tcp:[::1]:0") as server:
        assert server.line().startswith("[::1]:"), server.line()
        serves(server, ("::1", server.port()), socket.AF_INET6)
        equal(server.stop()[::2], (0, ""))


@claim
def a_port_in_use_is_said_to_be():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = "127.0.0.1:%d" % listener.getsockname()[1]
        done = arun(PLAIN, address)
        equal((done.returncode, done.stdout), (1, ""))
        contains(done.stderr, address)
        contains(done.stderr, os.strerror(errno.EADDRINUSE))


# Standard input


def numbered(stdin):
    done = arun(LINES, stdin=stdin)
    return done.returncode, done.stdout, done.stderr


@contextlib.contextmanager
def terminal():
    """A pseudoterminal without an echo: what we hold, and what a program is given."""
    ours, theirs = pty.openpty()
    mode = termios.tcgetattr(theirs)
    mode[3] &= ~termios.ECHO
    termios.tcsetattr(theirs, termios.TCSANOW, mode)
    try:
        yield ours, theirs
    finally:
        os.close(ours)
        os.close(theirs)


@claim
def two_lines_at_once_are_there_when_it_starts():
    with terminal() as (ours, theirs):
        os.write(ours, b"one\ntwo\n\x04")
        equal(numbered(theirs), (0, NUMBERED, ""))


@claim
def two_lines_at_once_come_while_it_waits():
    with terminal() as (ours, theirs):
        with running(ARUN, READER, 0, stdin=theirs) as reader:
            reader.until(lambda: reader.stdout == "reads\n", "it reads")
            for text in ("one\ntwo\n", "three\n", "four\nfive\nsix\n"):
                os.write(ours, text.encode())
                reader.until(lambda: reader.stdout.endswith(text), repr(text))
            os.write(ours, b"\x04")
            equal(reader.ended(), (0, "reads\none\ntwo\nthree\nfour\nfive\nsix\n", ""))


@claim
def a_regular_file_an_empty_one_and_dev_null_never_wait():
    path = FOLDER / "input"
    for text, wanted in (("one\ntwo\n", NUMBERED), ("", "")):
        path.write_text(text)
        with path.open() as file:
            equal(numbered(file), (0, wanted, ""), repr(text))
    with open(os.devnull) as null:
        equal(numbered(null), (0, "", ""))


@claim
def a_large_file_and_a_large_pipe_arrive_whole():
    text = "".join(f"line {i}\n" for i in range(1, 100_001))
    wanted = "".join(f"{i:6}  line {i}\n" for i in range(1, 100_001))
    path = FOLDER / "input"
    path.write_text(text)
    with path.open() as file:
        assert numbered(file) == (0, wanted, "")
    done = arun(LINES, stdin=None, input=text)
    assert (done.returncode, done.stdout, done.stderr) == (0, wanted, "")


@claim
def a_pipe_that_is_closed_before_it_starts():
    for text, wanted in ((b"one\ntwo\n", NUMBERED), (b"", "")):
        end, other = os.pipe()
        os.write(other, text)
        os.close(other)
        equal(numbered(end), (0, wanted, ""))
        os.close(end)


@claim
def a_pipe_that_says_something_now_and_then():
    end, other = os.pipe()
    with running(ARUN, READER, 0, stdin=end) as reader:
        for count in range(1, 20):
            os.write(other, b"x" * count)
            wanted = "reads\n" + "x" * (count * (count + 1) // 2)
            reader.until(lambda: reader.stdout == wanted, f"{count} more bytes")
        os.close(other)
        equal(reader.ended()[::2], (0, ""))
    os.close(end)


# Descriptors that others share


def blocks(fd):
    return not fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK


@contextlib.contextmanager
def shared(kind):
    """(what a program is given, the number it has there)."""
    if kind == "a terminal as stdin":
        with terminal() as (_, theirs):
            yield theirs, 0
    elif kind == "the master of a terminal":
        with terminal() as (ours, _):
            yield ours, ours
    elif kind.startswith("a pipe"):
        ends = os.pipe()
        yield ends[0], 0 if kind == "a pipe as stdin" else ends[0]
        for end in ends:
            os.close(end)
    else:
        pair = socket.socketpair()
        yield pair[0].fileno(), pair[0].fileno()
        for end in pair:
            end.close()


KINDS = ("a pipe", "a pipe as stdin", "a terminal as stdin", "the master of a terminal",
         "a socket")


def reading(entry, given, number, *options):
    stdin = dict(stdin=given) if number == 0 else {}
    return running(ARUN, *options, f"{READER}:{entry}", number, pass_fds=[given], **stdin)


def every_kind(entry, *options, end, wanted, sees_it=()):
    for kind in KINDS:
        with shared(kind) as (given, number), reading(entry, given, number, *options) as reader:
            reader.until(lambda: reader.stdout == "reads\n", "it reads")
            if kind in sees_it:
                reader.until(lambda: not blocks(given), f"O_NONBLOCK of {kind}")
            end(reader)
            equal((kind, reader.ended()[0]), (kind, wanted))
            assert blocks(given), f"O_NONBLOCK is left behind: {kind}"


@claim
def O_NONBLOCK_is_taken_off_when_a_stop_ends_it():
    every_kind("reader", end=lambda reader: reader.signal(), wanted=-signal.SIGTERM,
               sees_it=("a pipe", "a socket", "the master of a terminal"))


@claim
def O_NONBLOCK_is_taken_off_when_the_grace_time_is_over():
    every_kind("ignores", "--grace=0.3", end=lambda reader: reader.signal(), wanted=124,
               sees_it=("a pipe",))


@claim
def O_NONBLOCK_is_taken_off_when_the_loop_is_blocked():
    every_kind("spins", "--grace=0.3", end=lambda reader: reader.signal(), wanted=124,
               sees_it=("a pipe",))


@claim
def O_NONBLOCK_is_taken_off_when_a_second_signal_forces():
    def twice(reader):
        reader.signal(signal.SIGINT)
        reader.until(lambda: "stopping" in reader.stderr, "it stops")
        reader.signal(signal.SIGINT)

    every_kind("ignores", end=twice, wanted=-signal.SIGINT)


@claim
def O_NONBLOCK_is_taken_off_after_a_crash():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faults = () if SANITIZED else (signal.SIGSEGV,)  # which a sanitizer has itself
    for signum in (*faults, signal.SIGABRT, signal.SIGQUIT):
        every_kind("reader", end=lambda reader: reader.signal(signum), wanted=-signum,
                   sees_it=("a socket",))


@claim
def O_NONBLOCK_is_taken_off_where_nobody_closed_it():
    every_kind("leaves", end=lambda reader: None, wanted=0)


@claim
def standard_input_never_gets_O_NONBLOCK():
    for kind in ("a pipe as stdin", "a terminal as stdin"):
        with shared(kind) as (given, number), reading("reader", given, number) as reader:
            reader.until(lambda: reader.stdout == "reads\n", "it reads")
            reader.costs_nothing()  # so it waits
            assert blocks(given), kind
            reader.signal()
            equal(reader.ended()[0], -signal.SIGTERM)


main()
