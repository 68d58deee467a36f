#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Handles that are used after their end: --debug keeps what they stood for, and names both places."""
import signal

from plugins import SOURCE, built, site
from tap import Skip, arun, claim, equal, main

CODE = SOURCE / "tests/fixtures/debug/gone.c"

TASK = '; in task "twice" (#1)'
WORDS = {
    "closes": "arun_close() of a connection that is gone",
    "reads": "arun_read() of a connection that is gone",
    "aborts": "arun_abort() of a connection that is gone",
    "joins": "arun_join() of a task that was joined before",
    "cancels": "arun_cancel() of a task that is gone",
    "servers": "arun_server_close() of a server that is gone",
    "generators": "arun_gen_close() of a generator that is gone",
    "channels": "arun_chan_free() of a channel that was freed",
    "timers": "arun_timer_stop() of a timer that is gone",
    "processes": "arun_process_close() of a process that is closed",
    "datagrams": "arun_udp_close() of a socket that is closed",
    "signals": "arun_signals_close() of signals that are closed",
    "contexts": "arun_tls_free() with a TLS context that is gone",
}


PLUGIN = built(CODE, "-g", "-O0", "-Wno-unused-result")


def misuse(what, *options):
    done = arun(*options, f"{PLUGIN}:twice", what)
    if done.returncode == 77:
        raise Skip("no libssl")
    equal(done.returncode, -signal.SIGABRT, done.stderr)
    # libssl may take long to load, which a line of its own tells.
    return next(line for line in done.stderr.splitlines() if ": misuse: " in line)


def place(mark):
    return site(CODE, mark)


@claim
def with_debug_the_line_has_the_places_of_the_making_and_of_both_ends():
    for what, words in WORDS.items():
        made, gone, again = (place(f"{what}-{end}") for end in ("made", "gone", "again"))
        equal(misuse(what, "--debug"),
              f"{again}: misuse: {words}; made at {made}, gone since {gone}{TASK}")


@claim
def without_debug_it_names_the_task():
    equal(misuse("joins"), f'{place("joins-again")}: misuse: {WORDS["joins"]}{TASK}')


@claim
def what_is_kept_is_bounded():
    done = arun("--debug", f"{PLUGIN}:often")
    equal((done.returncode, done.stderr), (0, ""))
    assert int(done.stdout) < 512, done.stdout  # of 1250, in stacks alone


main()
