#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A stop ends in time also where exit(3), which comes last, does not."""
import fcntl
import json
import os
import signal
import time

from running import SAME, SLACK, Running, ended, full_pipe
from tap import claim, equal, main, until

INT, TERM = signal.SIGINT, signal.SIGTERM
GRACE = 0.5
SHORT = f"--grace={GRACE}"
LINE = ("arun: exits.so: does not end: a handler of atexit(3), a destructor, or stdout that nobody "
        "reads: it is given up\n")


def in_time(run, signum=TERM):
    """How it ends that gets one signal: not before the grace time is over, and soon then."""
    end = run.signal(signum).end()
    seconds = time.monotonic() - run.sent
    assert GRACE * 0.9 <= seconds <= GRACE + 2 + SLACK, f"after {seconds} s"
    return end


@claim
def a_handler_of_atexit_that_hangs_is_given_up():
    for signum in TERM, INT:
        end = in_time(Running("exits:hangs", options=[SHORT]).says("ready"), signum)
        equal((end.status, end.stdout, end.stderr), (124, "ready\n\nhanging\n", LINE))


@claim
def so_is_stdout_that_nobody_reads():
    with full_pipe() as stdout:
        run = Running("exits:holds", options=[SHORT], stdout=stdout).complains("ready")
        end = in_time(run)
    equal((end.status, end.stderr), (124, "ready\n" + LINE))


@claim
def it_is_so_also_where_nobody_reads_that_line():
    with full_pipe() as stderr:
        end = in_time(Running("exits:hangs", options=[SHORT], stderr=stderr).says("ready"))
    equal(end.status, 124)


@claim
def as_JSON_the_line_is_an_object():
    options = [SHORT, "--log-format=json"]
    end = in_time(Running("exits:hangs", options=options).says("ready"))
    said, = map(json.loads, end.stderr.splitlines())
    equal((end.status, said["level"], said["from"], "arun: " + said["message"] + "\n"),
          (124, "error", "arun", LINE))


@claim
def a_second_signal_ends_it_at_once():
    run = Running("exits:hangs", options=["--grace=3600"]).says("ready").signal(TERM)
    run.says("hanging")
    until(lambda: time.monotonic() - run.sent > SAME, "another signal")
    equal(run.signal(TERM).end().status, -TERM)


@claim
def who_was_not_asked_to_stop_has_the_time_it_takes():
    end = ended("exits:is_late", options=["--grace=0.01"])
    equal(end, (0, "done\n", ""))


@claim
def exit_in_a_run_does_not_wait_for_ever_for_whoever_reads_its_report():
    for entry in ("leaves_in_task", "leaves_in_job", "leaves_in_thread"):
        with full_pipe() as stderr:
            equal(Running("exits:" + entry, options=[SHORT], stderr=stderr).end().status, 124, entry)
    with full_pipe() as stderr:
        equal(Running("exits:leaves_and_blocks", stderr=stderr).end().status, 7)


@claim
def whoever_reads_late_has_all_of_it():
    for entry in ("leaves_in_task", "leaves_in_job", "leaves_in_thread"):
        reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        os.write(writer, b"x" * 4096)
        run = Running("exits:" + entry, options=["--grace=3600"], stderr=writer).idle()
        os.close(writer)
        with os.fdopen(reader) as stream:
            text = stream.read().lstrip("x")
        equal((run.end().status, text.count("leak: task")), (7, 1), text)


main()
