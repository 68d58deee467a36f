#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A stop that is asked for while the plugin is being loaded is like any other."""
import os
import pty
import re
import signal
import time

from group import group
from running import SLACK, Running, fixture
from service import Manager
from tap import claim, equal, main, until

HUP, INT, TERM = signal.SIGHUP, signal.SIGINT, signal.SIGTERM
GRACE = 0.5
SHORT = f"--grace={GRACE}"


def loading(entry, **options):
    return Running(f"loads:{entry}", **options).says("loading")


@claim
def a_server_that_SIGTERM_meets_while_it_is_loaded_exits_with_0():
    end = loading("serves").signal(TERM).tell().end()
    equal(end, (0, "loading\nyield: 15\nstopping: 1\n", ""))


@claim
def a_main_dies_of_it():
    end = loading("sleeps").signal(TERM).tell().end()
    equal(end, (-TERM, "loading\nsleep: -1 ECANCELED\n", ""))


@claim
def SIGINT_is_died_of_at_once():
    equal(loading("serves").signal(INT).end(), (-INT, "loading\n", ""))


@claim
def the_service_manager_is_told_of_the_stop_and_of_no_start():
    manager = Manager()
    end = loading("serves", env={"NOTIFY_SOCKET": manager.address}).signal(TERM).tell().end()
    equal((end.status, manager.states()), (0, ["STOPPING=1"]))


@claim
def a_worker_that_is_loaded_ends_with_0_as_well():
    with group("--workers=1", fixture("loads:serves"), stdin=None) as process:
        process.until(lambda: "loading" in process.stdout, "loading")
        equal(process.stop()[::2], (0, ""))


@claim
def a_constructor_that_hangs_is_given_up_when_the_grace_time_is_over():
    run = loading("serves", options=[SHORT]).signal(TERM)
    end = run.end()
    seconds = time.monotonic() - run.sent
    equal((end.status, end.stdout), (124, "loading\n"))
    equal(end.stderr, f"arun: {fixture('loads')}: a constructor hangs: not loaded within the grace time\n")
    assert GRACE * 0.9 <= seconds <= GRACE + SLACK, f"after {seconds} s"


@claim
def a_second_SIGTERM_ends_it_at_once():
    run = loading("serves", options=["--grace=3600"]).signal(TERM).signal_again(TERM)
    equal(run.end(), (-TERM, "loading\n", ""))


@claim
def the_grace_time_counts_from_the_signal():
    run = loading("lingers", options=["--grace=100"]).signal(TERM)
    until(lambda: time.monotonic() - run.sent >= 2, "it has taken 2 s to load")
    run.tell().complains("stopping; ")
    left, = re.findall(r"stopping; (\d+) s left", run.stderr)
    assert int(left) <= 97, run.stderr
    equal(run.signal(TERM).end().status, -TERM)


@claim
def SIGHUP_that_comes_while_it_is_loaded_reloads():
    run = loading("reloads").signal(HUP).tell().says("reload")
    equal(run.signal(TERM).end(), (0, "loading\nreload\nyield: 15\nstopping: 1\n", ""))


@claim
def with_nothing_to_reload_it_is_one_line():
    run = loading("serves").signal(HUP).signal(HUP).tell().complains("SIGHUP: serves has nothing to reload")
    end = run.signal(TERM).end()
    equal((end.status, end.stderr.count("\n")), (0, 1))


@claim
def SIGTERM_after_it_stops_the_run():
    equal(loading("reloads").signal(HUP).signal(TERM).tell().end().status, 0)


@claim
def with_a_terminal_as_stdin_it_is_a_stop_and_has_the_grace_time():
    ours, theirs = pty.openpty()
    end = loading("serves", stdin=theirs, options=[SHORT]).signal(HUP).end()
    equal((end.status, end.stderr.count("a constructor hangs")), (124, 1))
    run = loading("serves", stdin=theirs).signal(HUP)
    os.write(ours, b"go\n")
    equal(run.end(), (0, "loading\nyield: 15\nstopping: 1\n", ""))


@claim
def SIGHUP_found_ignored_stays_so():
    def ignore():
        signal.signal(HUP, signal.SIG_IGN)
    run = loading("reloads", preexec_fn=ignore)
    os.kill(run.pid, HUP)
    end = run.signal(TERM).tell().end()
    equal(end, (0, "loading\nyield: 15\nstopping: 1\n", ""))


@claim
def what_a_constructor_forks_dies_of_it():
    end = loading("serves", env={"CHILD": "1"}).signal(TERM).tell().end()
    equal((end.status, end.stdout.splitlines()[0]), (0, f"child: {TERM:d}"))


main()
