# SPDX-License-Identifier: MIT
"""The tutorial: each plugin builds as a user builds it, and does what it says."""
import concurrent.futures
import re
import signal
import socket

from plugins import FOLDER, SOURCE, built, serving
from tap import DEADLINE, arun, claim, contains, equal, main, until

PLUGINS = {
    path.stem[3:]: built(path) for path in sorted((SOURCE / "plugins").glob("0[1-6]-*.c"))
}


def numbers_masked(text):
    return re.sub(r"\bfd \d+", "fd N", text)


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
        client = server.client()
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
        server.client().close()  # so it listens
        here = f"unix:{server.path}"
        done = arun(PLUGINS["ask"], here, missing, here)
        equal((done.returncode, done.stderr), (0, ""))
        lines = done.stdout.splitlines()
        equal([lines[0], lines[2]], [f"{here}: says: hello"] * 2)
        contains(lines[1], f"{missing}: failed: ")
        contains(lines[1], "No such file or directory")
        equal(server.stop(), (0, ""))


@claim
def ask_asks_all_before_it_has_one_answer_and_gives_up_on_the_silent():
    path = FOLDER / "late.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(5)
        listener.settimeout(DEADLINE)

        def answer_when_all_have_asked():
            asking = [listener.accept()[0] for _ in range(5)]
            for client in asking[:4]:
                client.sendall(b"at last\n")
            equal([client.recv(100) for client in asking], [b"hello\n"] * 5)
            equal(asking[4].recv(100), b"")  # it was given up

        with concurrent.futures.ThreadPoolExecutor() as pool:
            other = pool.submit(answer_when_all_have_asked)
            done = arun(PLUGINS["ask"], *[f"unix:{path}"] * 5)
            other.result(DEADLINE)
    equal((done.returncode, done.stderr), (0, ""))
    lines = done.stdout.splitlines()
    equal(lines[:4], [f"unix:{path}: says: at last"] * 4)
    contains(lines[4], f"unix:{path}: failed: ")
    contains(lines[4], "timed out")


@claim
def lines_numbers_a_file_a_pipe_and_a_last_line_without_its_end():
    text = "alpha\nbeta\n\nlast"
    wanted = "     1  alpha\n     2  beta\n     3  \n     4  last\n"
    path = FOLDER / "text"
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


def enter(server, count):
    """So many members, in the room when the last one speaks: tasks start in order."""
    members = [server.client() for _ in range(count - 1)]
    until(lambda: server.connections() == count - 1, "they have been accepted")
    return [*members, server.client()]


@claim
def chat_passes_lines_on_to_the_others():
    with serving(PLUGINS["chat"]) as server:
        ann, bob, cid = members = enter(server, 3)
        cid.send(b"hello\n")
        for other in (ann, bob):
            assert other.line().endswith(b": hello\n")
        bob.send(b"hi\n")
        for other in (ann, cid):
            assert other.line().endswith(b": hi\n")
        for member in members:
            member.close()
        equal(server.stop(), (0, ""))


@claim
def chat_ends_at_once_with_members_who_say_nothing():
    with serving(PLUGINS["chat"], "--grace=600") as server:
        ann, bob = members = enter(server, 2)
        bob.send(b"hello\n")
        assert ann.line().endswith(b": hello\n")
        equal(server.stop(), (0, ""))
        for member in members:
            member.close()


@claim
def chat_ends_one_who_reads_nothing_and_goes_on():
    with serving(PLUGINS["chat"]) as server:
        deaf, ann, bob = members = enter(server, 3)
        line = b"x" * 800 + b"\n"

        def the_deaf_is_gone():
            bob.send(line)
            assert ann.line().endswith(line)
            return server.connections() == 2

        until(the_deaf_is_gone, "the deaf one is gone")
        for member in members:
            member.close()
        equal(server.stop()[0], 0)


def leaky_stopped(signum, *options):
    with serving(PLUGINS["leaky"], *options) as server:
        client = server.client()
        equal(client.line(), b"hello\n")  # so it has set up
        client.close()
        return server.stop(signum)


@claim
def leaky_is_told_on_and_still_exits_with_0():
    status, report = leaky_stopped(signal.SIGTERM)
    equal(status, 0)
    for part in (
        'leak: task "janitor" (#',
        'leak: server "greet" unix:',
        'leak: generator "count" (#',
        "leak: fd N /etc/passwd not closed",
        "4 leaks: 1 task, 1 server, 1 generator, 1 fd",
    ):
        contains(numbers_masked(report), part)
    for line in report.splitlines()[:-1]:
        assert re.match(r"(06-leaky\.c:\d+|\S*leaky\.so): leak: ", line), line


@claim
def leaky_exits_with_23_where_leaks_are_errors():
    equal(leaky_stopped(signal.SIGTERM, "--leaks=error")[0], 23)


@claim
def leaky_says_nothing_where_leaks_are_off_and_dies_of_an_interrupt():
    equal(leaky_stopped(signal.SIGINT, "--leaks=off"), (-signal.SIGINT, ""))


main()
