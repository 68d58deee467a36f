#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Signals: what each means, in every phase of a run; what children inherit; PID 1."""
import os
import pathlib
import pty
import re
import shutil
import signal
import subprocess

from running import Running, ended, site
from tap import Skip, claim, contains, equal, main, until

HUP, INT, TERM, PIPE = signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE


@claim
def SIGTERM_resumes_a_server_which_exits_with_0():
    end = Running("servers:yields_once").says("ready").signal(TERM).end()
    equal(end, (0, "ready\nyield: 15\nstopping: 1\nsleep: 0\n", ""))


@claim
def SIGINT_resumes_a_server_which_dies_of_it():
    end = Running("servers:yields_once").says("ready").signal(INT).end()
    equal(end, (-INT, "ready\nyield: 2\nstopping: 1\nsleep: 0\n", ""))


@claim
def a_server_still_starting_up_goes_on_to_its_clean_up():
    for signum, status in ((TERM, 0), (INT, -INT)):
        run = Running("servers:starts_slowly").says("starting").idle().signal(signum)
        end = run.end()
        equal(end.stdout, "starting\nstart-up: -1 ECANCELED\nstill cancelled: -1 ECANCELED\n"
                          f"yield: {int(signum)}\nclean-up: 0\nagain: -1 EALREADY\n")
        equal(end.status, 1 if status == 0 else status, "the second yield is misuse")
        contains(end.stderr, site("servers", "again"))


@claim
def a_server_may_give_up_its_start_up():
    for signum, status in ((TERM, 0), (INT, -INT)):
        run = Running("servers:starts_or_not").says("starting").signal(signum)
        equal(run.end(), (status, "starting\n", ""))


@claim
def a_server_that_was_cut_in_its_start_up_may_clean_up_and_say_so():
    for signum, status in ((TERM, 0), (INT, -INT)):
        run = Running("servers:starts_or_cleans_up").says("starting").signal(signum)
        equal(run.end(), (status, f"starting\nyield: {int(signum)}\nclean-up: 0\n", ""))


@claim
def a_signal_between_two_steps_of_the_start_up_is_what_yield_returns():
    for signum, status in ((TERM, 0), (INT, -INT)):
        run = Running("servers:starts_in_steps").says("starting").signal(signum).tell()
        equal(run.end(), (status, f"starting\nyield: {int(signum)}\nclean-up: 0\n", ""))


@claim
def a_main_is_cancelled_and_told_by_whom():
    end = Running("mains:sleeps").says("asleep").signal(INT).end()
    equal(end, (-INT, "asleep\nsleep: -1 ECANCELED\n"
                      "why: sleep: cancelled by SIGINT\nstopping: 1\n", ""))
    end = Running("mains:sleeps").says("asleep").signal(TERM).end()
    equal(end, (-TERM, "asleep\nsleep: -1 ECANCELED\n"
                       "why: sleep: cancelled by SIGTERM\nstopping: 1\n", ""))


@claim
def a_main_that_handles_SIGTERM_exits_with_what_it_returns():
    for returned in (0, 3):
        end = Running("mains:sleeps", str(returned)).says("asleep").signal(TERM).end()
        equal((end.status, end.stderr), (returned, ""))


@claim
def a_main_dies_of_SIGINT_whatever_it_returns():
    end = Running("mains:sleeps", "3").says("asleep").signal(INT).end()
    equal((end.status, end.stderr), (-INT, ""))


@claim
def a_signal_that_a_main_left_no_time_to_look_at_counts_too():
    for signum, returned, status in ((INT, 0, -INT), (INT, 3, -INT), (TERM, -1, -TERM),
                                     (TERM, 0, 0), (TERM, 4, 4)):
        run = Running("mains:computes", str(returned)).says("computing")
        equal(run.signal(signum).tell().end().status, status, (signum, returned))
    run = Running("mains:computes", "0").says("computing").signal(TERM)
    equal(run.signal_again(INT).end().status, -INT)


@claim
def SIGINT_counts_also_while_the_report_is_written():
    ours, theirs = os.pipe()
    run = Running("mains:fills_stderr", stderr=theirs)
    os.close(theirs)
    run.says("full").idle().signal(INT)
    with open(ours, "rb") as pipe:
        contains(pipe.read().decode(), "leak: channel")
    equal(run.end().status, -INT)


@claim
def a_signal_in_the_clean_up_after_arun_stop_does_not_disturb_it():
    run = Running("servers:cleans_up", "5").says("clean-up").signal(TERM).tell()
    equal(run.end(), (5, "ready\nyield: 0\nclean-up\nclean-up: 0\n", ""))
    run = Running("servers:cleans_up", "5").says("clean-up").signal(INT).tell()
    equal(run.end(), (-INT, "ready\nyield: 0\nclean-up\nclean-up: 0\n", ""))


@claim
def a_signal_after_main_has_returned_lets_its_tasks_end():
    for signum, returned, status in ((TERM, 0, 0), (TERM, 4, 4), (INT, 0, -INT)):
        run = Running("tasks:leaves_a_slow_task", str(returned)).says("sweep").signal(signum)
        end = run.tell().end()
        equal((end.status, end.stdout), (status, "sweep\ntold: 0\n"), signum)


@claim
def what_the_clean_up_returns_counts_after_SIGTERM():
    run = Running("servers:ends_with", "3").says("ready").signal(TERM)
    equal(run.end(), (3, "ready\n", ""))
    run = Running("servers:ends_with", "-1").says("ready").signal(TERM)
    equal(run.end(), (1, "ready\n", "arun: servers.so: ends_with failed: Broken pipe\n"))


def wait_with(*signums):
    """They are pending when arun is started, and so reach it as soon as it lets them."""
    def prepare():
        signal.pthread_sigmask(signal.SIG_BLOCK, signums)
        for signum in signums:
            os.kill(os.getpid(), signum)
    return prepare


@claim
def a_signal_that_came_before_the_loop_is_obeyed():
    end = Running("servers:yields_once", preexec_fn=wait_with(TERM)).end()
    equal(end, (0, "ready\nyield: 15\nstopping: 1\nsleep: 0\n", ""))
    end = Running("servers:yields_once", preexec_fn=wait_with(TERM, INT)).end()
    equal(end, (-INT, "ready\nyield: 2\nstopping: 1\nsleep: 0\n", ""))
    end = Running("mains:sleeps", preexec_fn=wait_with(TERM)).end()
    equal((end.status, end.stderr), (-TERM, ""))


@claim
def a_signal_on_a_thread_of_the_plugin_stops_the_run():
    equal(ended("stuck:thread_is_signalled"), (0, "yield: 15\n", ""))


@claim
def two_signals_at_once_are_one():
    run = Running("servers:cleans_up").says("ready").idle().signal(INT, TERM)
    equal(run.says("clean-up").tell().end(),
          (-INT, "ready\nyield: 2\nclean-up\nclean-up: 0\n", ""))


def forced(name, line, reached, leak, first=TERM):
    for second in (INT, TERM):
        run = Running(name).says(line).signal(first)
        if reached:
            run.says(reached)
        end = run.signal_again(second).end()
        equal(end.status, -second, end)
        contains(end.stderr, "leak: ")
        contains(end.stderr, leak)


@claim
def a_second_signal_ends_a_slow_clean_up_at_once():
    forced("servers:cleans_up", "ready", "clean-up", '"cleans_up"')
    forced("servers:cleans_up", "ready", "clean-up", '"cleans_up"', first=INT)
    forced("mains:cleans_up", "asleep", "clean-up", '"cleans_up"')


@claim
def a_second_signal_ends_a_start_up_that_does_not_end():
    forced("stuck:start_up_spins", "spinning", None, '"start_up_spins"')


@claim
def a_second_signal_ends_a_main_and_a_task_that_spin():
    forced("stuck:spins", "spinning", None, '"spins"')
    forced("stuck:task_spins", "spinning", None, '"spin"')
    forced("stuck:task_spins", "spinning", None, site("stuck", "spawn-spin"))


@claim
def a_second_signal_ends_a_server_whose_task_spins_and_a_blocked_main():
    forced("stuck:server_spins", "spinning", None, '"server_spins"')
    forced("stuck:blocks", "blocked", None, '"blocks"')


@claim
def a_second_signal_ends_what_is_done_after_main_has_returned():
    forced("tasks:leaves_a_slow_task", "sweep", None, '"end_slowly"')


@claim
def a_second_signal_ends_tasks_that_ignore_their_cancellation():
    forced("stuck:leaves_deaf", "deaf", "sleep: -1 ECANCELED", '"hard of hearing"')


@claim
def SIGHUP_runs_reload_in_a_task_and_a_failure_is_logged():
    run = Running("servers:reloads").says("ready")
    run.signal(HUP).says("reload 1").complains("Bad message")
    run.signal(HUP).says("reload 2").idle()
    run.signal(HUP).says("reload 3")
    until(lambda: run.stderr.count("Bad message") == 2, "the third failed, too")
    end = run.signal(TERM).end()
    sleeps = "reload sleeps: 0\n"
    equal((end.status, end.stdout),
          (0, f"ready\nreload 1\n{sleeps}reload 2\n{sleeps}reload 3\n{sleeps}yield: 15\n"))
    equal(end.stderr.count("\n"), 2, end.stderr)


@claim
def a_stop_cuts_a_reload_short_which_is_no_leak():
    for name, said in (("reloads_slowly", ""), ("reloads_badly", "arun: reload failed: Bad message\n")):
        run = Running(f"servers:{name}", options=["--leaks=error"]).says("ready")
        end = run.signal(HUP).says("reload").signal(TERM).end()
        equal((end.status, end.stdout, end.stderr),
              (0, "ready\nreload\nyield: 15\nreload sleeps: -1 ECANCELED\n", said))


@claim
def SIGHUP_without_reload_is_one_line_and_the_server_serves():
    run = Running("servers:yields_once").says("ready").signal(HUP).complains("reload")
    end = run.signal(TERM).end()
    equal((end.status, end.stdout), (0, "ready\nyield: 15\nstopping: 1\nsleep: 0\n"))
    equal(end.stderr.count("\n"), 1)
    contains(end.stderr, "nothing to reload")


@claim
def SIGHUP_with_a_terminal_as_stdin_is_a_SIGTERM():
    ours, theirs = pty.openpty()
    run = Running("servers:yields_once", stdin=theirs).says("ready").signal(HUP)
    equal(run.end(), (0, "ready\nyield: 15\nstopping: 1\nsleep: 0\n", ""))
    run = Running("mains:sleeps", stdin=theirs).says("asleep").signal(HUP)
    equal(run.end().status, -TERM)
    os.close(ours)
    os.close(theirs)


@claim
def a_terminal_that_is_closed_is_one_still():
    ours, theirs = pty.openpty()
    run = Running("servers:yields_once", stdin=theirs).says("ready")
    os.close(ours)
    equal(run.signal(HUP).end(), (0, "ready\nyield: 15\nstopping: 1\nsleep: 0\n", ""))
    os.close(theirs)


def ignore_some():
    signal.signal(INT, signal.SIG_IGN)
    signal.signal(HUP, signal.SIG_IGN)


@claim
def INT_and_HUP_found_ignored_stay_so_and_TERM_does_not():
    run = Running("servers:yields_once", preexec_fn=ignore_some).says("ready")
    ignored = int(run.status_of("SigIgn")[0], 16)
    equal([bool(ignored >> (s - 1) & 1) for s in (INT, HUP, TERM)], [True, True, False])
    end = run.signal(INT).signal(HUP).signal(TERM).end()
    equal(end, (0, "ready\nyield: 15\nstopping: 1\nsleep: 0\n", ""))


def ignore_and_block():
    signal.signal(TERM, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [TERM, INT])


@claim
def signals_found_blocked_are_unblocked_and_TERM_is_always_obeyed():
    run = Running("servers:yields_once", preexec_fn=ignore_and_block).says("ready")
    equal(run.signal(TERM).end().status, 0)
    run = Running("servers:yields_once", preexec_fn=ignore_and_block).says("ready")
    equal(run.signal(INT).end().status, -INT)


@claim
def writing_to_a_closed_pipe_fails_and_kills_nobody():
    equal(ended("children:writes_to_nobody"), (0, "write: -1 EPIPE\nsleep: 0\n", ""))


@claim
def a_program_that_a_plugin_executes_has_SIGPIPE_and_SIGXFSZ_at_their_default():
    for name, number in ("PIPE", PIPE), ("XFSZ", signal.SIGXFSZ):
        equal(ended("children:execs", name), (0, f"child: died of {int(number)}\n", ""))


@claim
def a_forked_child_dies_of_a_signal_and_the_parent_serves_on():
    run = Running("children:forks_and_serves")
    until(lambda: "child is" in run.stdout, "it has a child")
    child = int(re.search(r"child is (\d+)", run.stdout)[1])
    os.kill(child, TERM)
    until(lambda: pathlib.Path(f"/proc/{child}/stat").read_text().split()[2] == "Z", "it died")
    end = run.signal(TERM).end()
    equal((end.status, end.stderr), (0, ""))
    equal(end.stdout, f"child is {child}\nyield: 15\nchild: died of {int(TERM)}\n")


UNSHARE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]


class First(Running):
    """arun as PID 1 of a namespace: the child of unshare(1)."""

    def __init__(self, name, *words):
        if os.geteuid() != 0 or not shutil.which("unshare"):
            raise Skip("needs root and unshare(1)")
        if subprocess.run([*UNSHARE, "true"], capture_output=True).returncode:
            raise Skip("no namespaces of processes here")
        super().__init__(name, *words, before=UNSHARE)
        children = pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children")
        self.pid = int(until(lambda: children.read_text(), "unshare has a child"))


@claim
def PID_1_obeys_SIGTERM():
    run = First("servers:yields_once").says("ready").signal(TERM)
    equal(run.end(), (0, "ready\nyield: 15\nstopping: 1\nsleep: 0\n", ""))


@claim
def PID_1_cannot_die_of_a_signal_and_exits_with_128_and_its_number():
    run = First("servers:yields_once").says("ready").signal(INT)
    equal(run.end().status, 128 + INT)
    run = First("servers:cleans_up").says("ready").signal(TERM).says("clean-up")
    equal(run.signal_again(TERM).end().status, 128 + TERM)


main()
