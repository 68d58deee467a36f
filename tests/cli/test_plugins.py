# SPDX-License-Identifier: MIT
"""The tutorial: each plugin builds as a user builds it, and does what it says."""
import os
import pathlib
import re
import signal
import tempfile

from plugins import SOURCE, Client, build, serving
from tap import arun, claim, contains, equal, main, until

FOLDER = tempfile.TemporaryDirectory()
PLUGINS = {
    path.stem[3:]: build(FOLDER.name, path) for path in sorted((SOURCE / "plugins").glob("*.c"))
}


def numbers_are(text):
    """Text whose ages, descriptors and process ids are masked."""
    text = re.sub(r"\bfd \d+", "fd N", text)
    return re.sub(r"\d+ (ms|s|min) old", "N s old", text)


@claim
def each_says_under_check_what_it_offers():
    for name, plugin in PLUGINS.items():
        done = arun("--check", plugin)
        equal((done.returncode, done.stderr), (0, ""), name)
        contains(done.stdout, f"(0{list(PLUGINS).index(name) + 1}-{name}.c:")


@claim
def hello_greets_and_exits_with_0():
    done = arun(PLUGINS["hello"], "you")
    equal((done.returncode, done.stdout, done.stderr), (0, "hello, you\nand good-bye\n", ""))


@claim
def echo_sends_back_what_it_is_sent_and_stops_cleanly():
    with serving(PLUGINS["echo"]) as server:
        client = Client(server.path)
        for text in (b"one\n", b"two\n", b"x" * 100_000 + b"\n"):
            client.send(text)
            equal(client.line(), text)
        client.close()
        equal(server.stop(), (0, ""))
        assert not server.path.exists(), "the socket file is still there"


@claim
def echo_says_why_it_cannot_listen():
    done = arun(PLUGINS["echo"], "unix:/no/such/folder/echo.sock")
    equal((done.returncode, done.stdout), (1, ""))
    contains(done.stderr, "/no/such/folder/echo.sock")
    contains(done.stderr, "No such file or directory")


@claim
def ask_asks_all_at_once_and_tells_each_failure():
    missing = "unix:/no/such/folder/some.sock"
    with serving(PLUGINS["echo"]) as server:
        here = f"unix:{server.path}"
        done = arun(PLUGINS["ask"], here, missing, here)
        equal((done.returncode, done.stderr), (0, ""))
        lines = done.stdout.splitlines()
        equal([lines[0], lines[2]], [f"{here}: says: hello"] * 2)
        contains(lines[1], f"{missing}: failed: ")
        contains(lines[1], "No such file or directory")
        equal(server.stop(), (0, ""))


@claim
def ask_gives_up_on_the_silent_after_two_seconds_all_told():
    with serving(PLUGINS["chat"]) as server:
        here = f"unix:{server.path}"
        done = arun(PLUGINS["ask"], *[here] * 5)
        equal((done.returncode, done.stderr), (0, ""))
        # Each hears at most the others' hello, with a name; one that was last hears nothing.
        for line in done.stdout.splitlines():
            contains(line, f"{here}: ")
        equal(len(done.stdout.splitlines()), 5)
        equal(server.stop()[0], 0)


@claim
def lines_numbers_a_file_a_pipe_and_a_last_line_without_its_end():
    text = "alpha\nbeta\n\nlast"
    wanted = "     1  alpha\n     2  beta\n     3  \n     4  last\n"
    path = pathlib.Path(FOLDER.name) / "text"
    path.write_text(text)
    done = arun(PLUGINS["lines"], path)
    equal((done.returncode, done.stdout, done.stderr), (0, wanted, ""), "a file")
    with path.open() as file:
        done = arun(PLUGINS["lines"], stdin=file)
        equal((done.returncode, done.stdout, done.stderr), (0, wanted, ""), "stdin, a file")
    done = arun(PLUGINS["lines"], stdin=None, input=text)
    equal((done.returncode, done.stdout, done.stderr), (0, wanted, ""), "a pipe")


@claim
def lines_says_why_it_cannot_read():
    done = arun(PLUGINS["lines"], "/no/such/file")
    equal((done.returncode, done.stdout), (1, ""))
    contains(done.stderr, "No such file or directory")


@claim
def chat_passes_lines_on_to_the_others():
    with serving(PLUGINS["chat"]) as server:
        ann, bob, cid = members = [Client(server.path) for _ in range(3)]
        meet(members)
        ann.send(b"hello\n")
        for other in (bob, cid):
            contains(other.line().decode(), ": hello\n")
        bob.send(b"hi\n")
        for other in (ann, cid):
            contains(other.line().decode(), ": hi\n")
        for member in members:
            member.close()
        equal(server.stop()[0], 0)


def meet(members):
    """Waits until each of these is in the room: it has heard a line of the one before."""
    for member, other in zip(members, members[1:] + members[:1]):
        other.socket.settimeout(0.05)

        def heard():
            member.send(b"there?\n")
            try:
                return b"there?" in other.line()
            except TimeoutError:
                other.file = other.socket.makefile("rb")
                return False

        until(heard, "the other is in the room")
        other.socket.settimeout(60)
    drain(members)


def drain(members):
    """Reads away what was said before: up to a mark of each."""
    for number, member in enumerate(members):
        mark = b"mark %d\n" % number
        member.send(mark)
        for other in members:
            while other is not member and not other.line().endswith(mark):
                pass


@claim
def chat_ends_one_who_reads_nothing_and_goes_on():
    with serving(PLUGINS["chat"]) as server:
        ann, bob, deaf = members = [Client(server.path) for _ in range(3)]
        meet(members)
        line = b"x" * 800 + b"\n"

        def bob_hears_and_the_deaf_is_gone():
            ann.send(line)
            assert bob.line().endswith(line)
            return descriptors(server.process.pid) == before - 1

        before = descriptors(server.process.pid)
        until(bob_hears_and_the_deaf_is_gone, "the deaf one is gone")
        for member in members:
            member.close()
        equal(server.stop()[0], 0)


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


@claim
def leaky_is_told_on_and_still_exits_with_0():
    with serving(PLUGINS["leaky"]) as server:
        greeted = Client(server.path)
        equal(greeted.line(), b"hello\n")
        greeted.close()
        status, report = server.stop()
        equal(status, 0)
        for part in (
            'leak: task "janitor" (#', 'leak: server "greet"', 'leak: generator "count" (#',
            "leak: fd N /etc/passwd not closed",
            "4 leaks: 1 task, 1 server, 1 generator, 1 fd",
        ):
            contains(numbers_are(report), part)
        for line in report.splitlines()[:-1]:
            assert re.match(r"(06-leaky\.c:\d+|\S*leaky\.so): leak: ", line), line


@claim
def leaky_exits_with_23_where_leaks_are_errors_and_dies_of_interrupts():
    with serving(PLUGINS["leaky"], "--leaks=error") as server:
        equal(server.stop()[0], 23)
    with serving(PLUGINS["leaky"], "--leaks=off") as server:
        equal(server.stop(signal.SIGINT), (-signal.SIGINT, ""))


main()
