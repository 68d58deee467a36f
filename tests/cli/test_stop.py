#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The end of a run is bounded: the clock, whom it names, and which status wins."""
import json
import os
import re
import signal
import tempfile
import time

from running import SLACK, Running, full_pipe, site
from tap import claim, contains, equal, main, until

INT, TERM = signal.SIGINT, signal.SIGTERM
GRACE = 0.5
SHORT = [f"--grace={GRACE}"]


def stopped(name, line, *words, options=SHORT, signum=TERM, **popen):
    """How a fixture ends that gets one signal when it has printed line; and how long that took."""
    run = Running(name, *words, options=options, **popen).says(line).signal(signum)
    end = run.end()
    return end, time.monotonic() - run.sent


def abandoned(name, line, *names, **options):
    end, seconds = stopped(name, line, **options)
    equal(end.status, 124, end)
    assert GRACE * 0.9 <= seconds <= GRACE + 1 + SLACK, f"after {seconds} s"
    text, = [l for l in end.stderr.splitlines() if "abandoned" in l]
    contains(text, "grace of 500 ms is over")
    for name in names:
        contains(text, name)
    return end


@claim
def a_run_that_spins_ends_with_124_when_the_grace_time_is_over():
    abandoned("stuck:spins", "spinning", 'main "spins" running')
    abandoned("stuck:start_up_spins", "spinning", 'entry "start_up_spins" running')
    spinning = 'task "spin" (#2) running', site("stuck", "spawn-spin")
    abandoned("stuck:task_spins", "spinning", *spinning)


@claim
def a_server_whose_task_spins_ends_with_124():
    abandoned("stuck:server_spins", "spinning", 'task "spin" (#2) running',
              'entry "server_spins" at stuck.c:')


@claim
def a_run_that_is_blocked_in_the_system_ends_with_124():
    abandoned("stuck:blocks", "blocked", 'main "blocks" running')


@claim
def a_run_that_is_blocked_in_stdio_ends_with_124():
    reader, writer = os.pipe()
    run = Running("stuck:blocks_in_stdio", options=SHORT, stdout=writer).complains("printing")
    end = run.idle().signal(TERM).end()
    equal(end.status, 124)
    contains(end.stderr, 'abandoned: main "blocks_in_stdio"')
    os.close(reader)
    os.close(writer)


@claim
def the_grace_time_wins_over_SIGINT():
    abandoned("stuck:task_spins", "spinning", signum=INT)
    abandoned("stuck:leaves_deaf", "deaf", signum=INT)


@claim
def a_full_pipe_as_stderr_does_not_hold_the_end_up():
    for name, line in (("stuck:task_spins", "spinning"), ("stuck:leaves_deaf", "deaf")):
        with full_pipe() as writer:
            end, seconds = stopped(name, line, stderr=writer)
        equal(end.status, 124, name)
        assert seconds <= GRACE + 1 + SLACK, f"{name}: after {seconds} s"


@claim
def a_task_that_ignores_its_cancellation_is_named_and_abandoned():
    end = abandoned("stuck:leaves_deaf", "deaf",
                    f'task "hard of hearing" (#2) at {site("stuck", "deaf")}')
    equal(end.stdout, "deaf\nsleep: -1 ECANCELED\n")
    ignores, = [l for l in end.stderr.splitlines() if "ignores its cancellation" in l]
    contains(ignores, 'task "hard of hearing" (#2)')
    contains(ignores, site("stuck", "deaf"))
    contains(ignores, "1000 waits")
    equal(end.stderr.count("leak: task"), 1)


@claim
def an_entry_that_ignores_its_cancellation_is_named_and_abandoned():
    end = abandoned("stuck:entry_is_deaf", "deaf",
                    f'main "entry_is_deaf" at {site("stuck", "deaf")}')
    contains(end.stderr, "ignores its cancellation")


@claim
def a_main_that_returns_by_itself_does_not_wait_longer_for_its_tasks():
    run = Running("stuck:returns_and_leaves_deaf", options=SHORT)
    end = run.end()
    equal((end.status, end.stdout), (124, "deaf\n"))
    contains(end.stderr, 'abandoned: task "deaf"')


@claim
def a_generator_that_ignores_that_it_is_closed_is_named_and_abandoned():
    end = Running("stuck:leaves_deaf_gen", options=SHORT).end()
    equal((end.status, end.stdout), (124, "deaf\n"))
    line, = [l for l in end.stderr.splitlines() if "abandoned: " in l]
    contains(line, site("stuck", "deaf"))
    contains(end.stderr, site("stuck", "deaf-gen") + ": leak: generator ")


@claim
def the_clean_up_of_a_generator_may_wait_but_not_for_ever():
    end = Running("stuck:leaves_sleepy_gen", options=SHORT).end()
    equal((end.status, end.stdout), (0, "closing\nsleep: -1 ECANCELED\n"))
    contains(end.stderr, site("stuck", "sleepy-gen") + ": leak: generator ")


@claim
def a_clean_up_that_lasts_too_long_is_cancelled_and_the_run_ends_well():
    end, _ = stopped("stuck:cleans_up_for_ever", "ready")
    equal(end.stdout, "ready\nyield: 15\nclean-up: -1 ECANCELED\n")
    equal(end.status, 0)


@claim
def whoever_is_waited_for_longer_than_a_second_is_named():
    run = Running("servers:cleans_up").says("ready").signal(TERM)
    end = run.says("clean-up").complains("stopping; ").tell().end()
    equal((end.status, end.stdout), (0, "ready\nyield: 15\nclean-up\nclean-up: 0\n"))
    line = end.stderr.splitlines()[0]
    contains(line, 'left for: entry "cleans_up" waits at ')
    contains(line, "said.h:")
    contains(line, " (again SIGTERM: force)")


@claim
def whoever_is_waited_for_is_named_again_less_and_less_often_until_that_changes():
    run = Running("servers:cleans_up_in_steps", options=["--grace=9.9"]).says("ready").signal(TERM)

    def left(step):
        """How many seconds were left where that step was named."""
        return [float(s) for s in re.findall(f'; (.*) s left for: .*"{step}"', run.stderr)]
    until(lambda: len(left("first step")) == 3, "it is named for the third time")
    first, second, third = left("first step")
    assert first - second >= 0.9 and second - third >= 1.9, run.streams()
    run.tell().complains('"second step"')
    assert len(left("first step")) == 3 and third - left("second step")[0] < 3.5, run.streams()
    equal(run.tell().end().status, 0)


@claim
def a_generator_that_is_waited_for_longer_than_a_second_is_named():
    end = Running("stuck:leaves_sleepy_gen", options=["--grace=3"]).end()
    equal((end.status, end.stdout), (0, "closing\nsleep: -1 ECANCELED\n"))
    line = next(l for l in end.stderr.splitlines() if "stopping; " in l)
    contains(line, f'task "sleepy_body" (#3) waits at {site("stuck", "closing")}')


@claim
def a_shield_outlasts_the_cancel_but_not_the_grace_time():
    end = abandoned("stuck:shields", "asleep", 'main "shields" at ' + site("stuck", "shield"))
    equal(end.stdout, "asleep\nshielded: 0\nthen: -1 ECANCELED\n")


@claim
def SIGINT_wins_over_a_failed_task():
    run = Running("tasks:leaves_a_failure").complains("failed: ").signal(INT)
    equal(run.end().status, -INT)


@claim
def SIGTERM_wins_over_a_failed_task_unless_main_handles_it():
    run = Running("tasks:leaves_a_failure").complains("failed: ").signal(TERM)
    equal(run.end().status, -TERM)
    run = Running("tasks:leaves_a_failure", "0").complains("failed: ").signal(TERM)
    equal(run.end().status, 1)


@claim
def SIGTERM_of_a_server_with_leaks_is_23_only_if_they_are_errors():
    for leaks, status in (("error", 23), ("warn", 0)):
        end, _ = stopped("tasks:serves_and_leaves", "ready", options=[f"--leaks={leaks}"])
        equal(end.status, status)


@claim
def the_report_tells_how_a_run_was_ended():
    ways = [("stuck:leaves_deaf", "deaf", "timeout", 124),
            ("tasks:serves_and_leaves", "ready", "signal", 0)]
    for name, line, reason, status in ways:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "report.json")
            stopped(name, line, options=[*SHORT, f"--report={path}"])
            with open(path) as file:
                end = json.loads(file.readlines()[-1])["end"]
        equal((end["reason"], end["signal"], end["status"]), (reason, "SIGTERM", status))


@claim
def a_run_that_was_abandoned_without_a_leak_is_in_the_report_too():
    for leaks, many in (("warn", 1), ("off", 0)):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "report.json")
            options = [*SHORT, f"--report={path}", f"--leaks={leaks}"]
            end = Running("stuck:detaches_deaf", options=options).end()
            equal((end.status, "leak" in end.stderr), (124, False), end)
            with open(path) as file:
                reports = [json.loads(text) for text in file]
        equal([(r["kind"], r["end"]["reason"], r["end"]["status"], r["total"], r["leaks"])
               for r in reports], [("leaks", "timeout", 124, 0, [])] * many)


main()
