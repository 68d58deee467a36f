#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""SIGUSR1 and SIGQUIT: all that is there, from outside, also of a process that hangs."""
import contextlib
import fcntl
import json
import os
import random
import re
import signal
import socket
import time

import schema
from faults import Running, fixture, site
from plugins import FOLDER, SOURCE, built
from schema import reports
from tap import DEADLINE, claim, contains, equal, main, until

FIRST = re.compile(r"^arun: dump of (\S+):(\S+) \(pid (\d+)\), up [\d.]+ (ms|s|min)(: .*)?$")
LAST = "arun: end of dump"
LINE = re.compile(r"^(\S+?(:\d+)?: (task|server|connection|generator|group|failed task|fd|and \d+ more)\b.*"
                  r"|arun: loop (idle|running in .*|blocked in .*) for [\d.]+ (ms|s))$")
STORM = 100_000  # signals
PIPE = 64 * 1024  # what a pipe holds


def dumps(text):
    """The dumps in a text of nothing else: lists of the lines between first and last."""
    found, lines = [], iter(text.splitlines())
    for line in lines:
        assert FIRST.match(line), line
        found.append([line])
        for line in lines:
            if line == LAST:
                break
            assert LINE.match(line), line
            found[-1].append(line)
        else:
            raise AssertionError(f"not whole: {found[-1]}")
    return found


def masked(text):
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", text)
    text = re.sub(r"\b[\d.]+ (ms|s|min)\b", "AGE", text)
    return re.sub(r"pid \d+", "pid N", re.sub(r"#\d+", "#N", re.sub(r"\bfd \d+", "fd N", text)))


@contextlib.contextmanager
def leaves(*options):
    """A server with one of each kind open, one connection among them."""
    running = Running(*options, built(SOURCE / "tests/fixtures/golden/leaves.c"))
    running.until(lambda: running.stdout.endswith("\n"), "its address")
    host, port = running.stdout.strip().rsplit(":", 1)
    with socket.create_connection((host, int(port)), DEADLINE) as client:
        equal(client.recv(6), b"hello\n")
        yield running


def dumped(running):
    """One more dump of it, masked."""
    count = running.stderr.count(LAST)
    running.signal(signal.SIGUSR1)
    running.until(lambda: running.stderr.count(LAST) > count, "a dump")
    return masked("\n".join(dumps(running.stderr)[count]))


@claim
def usr1_lists_all_there_is_and_the_program_goes_on():
    with leaves() as running:
        until(lambda: "in arun_read for" in dumped(running), "its handler waits")
        equal(dumped(running).splitlines(), f"""\
arun: dump of leaves.so:leaves (pid N), up AGE: 4 tasks, 1 server, 1 connection, 1 generator, 1 fd
leaves.c:33: server "http" 127.0.0.1:PORT (fd N) listening; AGE old
leaves.c:33: connection of server "http" 127.0.0.1:PORT (fd N) waits at leaves.c:26 in arun_read for AGE; AGE old
leaves.c:33: task of connection "on_conn" "on_conn" (#N) waits at leaves.c:26 in arun_read for AGE; AGE old
leaves.so: task "leaves" (#N) waits at leaves.c:42 in arun_yield for AGE; AGE old
leaves.c:34: task "janitor" (#N) waits at leaves.c:8 in arun_sleep for AGE, AGE left; AGE old
leaves.c:35: task of generator "lines" "lines" (#N) waits at leaves.c:14 in arun_gen_yield for AGE; AGE old
leaves.c:35: generator "lines" (#N) suspended at leaves.c:14 in arun_gen_yield for AGE; AGE old
leaves.so: fd N /etc/passwd open
arun: loop idle for AGE""".splitlines())
        status, stderr = running.signal(signal.SIGTERM).end()
    equal(status, 0, stderr)
    contains(stderr, "leaves.c:34: leak: task")


@claim
def the_report_of_a_dump_has_objects_and_what_the_loop_does():
    file = FOLDER / "dump.json"
    with leaves(f"--report={file}") as running:
        until(lambda: "in arun_read for" in dumped(running), "its handler waits")
    report = reports(file)[-1]
    equal((report["kind"], report["loop"]["state"], "end" in report, "leaks" in report),
          ("dump", "idle", False, False))
    equal(report["counts"], {"task": 4, "server": 1, "connection": 1, "generator": 1, "fd": 1})
    equal(sorted(o["kind"] for o in report["objects"]),
          ["connection", "fd", "generator", "server", "task", "task", "task", "task"])


@claim
def a_loop_that_is_blocked_is_dumped_and_blamed():
    file = FOLDER / "blocked.json"
    running = Running(f"--report={file}", f"{fixture('faults')}:faults", "spins").says("spinning")
    blocked = time.monotonic() + 0.2
    until(lambda: time.monotonic() > blocked, "it is called blocked")
    running.signal(signal.SIGUSR1).complains(LAST)
    dump, = dumps(running.stderr)
    contains(masked(dump[-1]), 'arun: loop blocked in task "spins" (#N) for AGE')
    contains(dump[2], f'{site("faults", "spawn")}: task "spins" (#2) running; ')
    report, = reports(file)
    equal((report["loop"]["state"], report["loop"]["task"]), ("blocked", 2))
    assert report["loop"]["for_ms"] >= 100, report["loop"]
    running.signal(signal.SIGKILL).end()


@claim
def quit_dumps_and_dies_of_it():
    with leaves() as running:
        status, stderr = running.signal(signal.SIGQUIT).end()
    equal(status, -signal.SIGQUIT)
    equal(len(dumps(stderr)), 1)


@claim
def quit_found_ignored_stays_so():
    running = Running(f"{fixture('faults')}:faults", "spins",
                      preexec_fn=lambda: signal.signal(signal.SIGQUIT, signal.SIG_IGN))
    running.says("spinning").signal(signal.SIGQUIT).signal(signal.SIGUSR1).complains(LAST)
    equal(running.process.poll(), None)
    running.signal(signal.SIGKILL).end()


def spin(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


@claim
def a_storm_of_signals_under_load_tears_nothing():
    chance = random.Random(1)
    running = Running(fixture("busy"), "unix:@arun-busy-%d" % os.getpid())
    running.until(lambda: running.process.poll() is None and connects(running), "it listens")
    for _ in range(STORM):
        os.kill(running.pid, signal.SIGUSR1)
        spin(chance.random() * 1e-4)
    status, stderr = running.signal(signal.SIGTERM).end()
    equal(status, 0, stderr[-2000:])
    found = dumps(stderr)
    assert len(found) >= 1000, len(found)
    for dump in found:
        counted = sum(int(n) for n in re.findall(r"[:,] (\d+) ", dump[0]))
        assert counted <= 50, dump[0]
        more = sum(int(n) for line in dump for n in re.findall(r": and (\d+) more", line))
        equal(len(dump) - 2 - sum(": and " in line for line in dump) + more, counted, "\n".join(dump))
    kinds = {re.sub(r"^\S+ (\w+).*", r"\1", line) for dump in found for line in dump[1:-1]}
    assert {"task", "server", "connection", "generator", "group"} <= kinds, kinds
    print(f"# {len(found)} dumps, {len({dump[0].split(': ', 2)[2] for dump in found})} different counts")


def connects(running):
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect("\0arun-busy-%d" % os.getpid())
            return True
        except ConnectionRefusedError:
            return False


@claim
def a_dump_into_a_pipe_that_nobody_reads_is_cut_after_a_second():
    out, into = os.pipe()
    fcntl.fcntl(into, fcntl.F_SETPIPE_SZ, PIPE)
    os.set_blocking(into, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(into, PIPE * b"x")
    os.set_blocking(into, True)
    running = Running(fixture("ticks"), stderr=into)
    os.close(into)
    running.says("tick").signal(signal.SIGUSR1)
    # It goes on by itself: the ticks come from the same thread.
    running.until(lambda: "held up" in running.stdout, "it was held up")
    held_up = [float(line.split()[2]) for line in running.stdout.splitlines() if "held up" in line]
    assert 0.5 < max(held_up) < 10, held_up
    with os.fdopen(out, "rb") as file:
        equal(file.read(PIPE), PIPE * b"x")
        equal(file.readline(), b"arun: dump cut: nobody read it for 1 s\n")
        running.signal(signal.SIGUSR1)
        lines = [file.readline().decode() for _ in range(2)]
        assert FIRST.match(lines[0]), lines
        running.signal(signal.SIGTERM)
        lines += file.read().decode().splitlines(True)
    contains(lines, LAST + "\n")
    equal(running.end()[0], -signal.SIGTERM)


@claim
def a_line_of_json_that_nobody_reads_is_ended_before_the_next():
    out, into = os.pipe()
    fcntl.fcntl(into, fcntl.F_SETPIPE_SZ, 4096)
    running = Running(f"--report=fd:{into}", fixture("ticks") + ":many", pass_fds=[into])
    os.close(into)
    running.says("ready").signal(signal.SIGUSR1).complains(LAST)
    with os.fdopen(out, "rb") as file:
        torn = file.readline()
        equal((torn[:1], len(torn)), (b"{", 4097))
        running.signal(signal.SIGTERM)
        report, = map(json.loads, file.readlines())
    equal(schema.errors(report), [])
    equal((report["kind"], report["total"]), ("leaks", 60))
    equal(running.end()[0], 0)


@claim
def a_thread_that_gets_the_signal_passes_it_on():
    running = Running(fixture("ticks") + ":thread_dumps")
    running.complains(LAST)
    equal(len(dumps(running.stderr)), 1)
    running.signal(signal.SIGKILL).end()


main()
