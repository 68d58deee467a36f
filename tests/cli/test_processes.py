#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Processes, children, signals and datagrams that a plugin leaves: told of, seen, and ended."""
import json
import os
import pathlib
import re
import signal

import schema
from plugins import FOLDER
from running import Running, ended, site
from tap import arun, claim, contains, equal, main, until


def gone(pid):
    """Whether there is no such process; a zombie of somebody else's is none any more."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return text.rsplit(")", 1)[1].split()[0] in "ZX"


def pid_of(running):
    """That the plugin has printed: "pid N"."""
    return int(re.search(r"^pid (\d+)$", running.stdout, re.M)[1])


def started(entry, *options):
    """The plugin, and the process that it has started."""
    running = Running(f"processes:{entry}", options=options).says("ready")
    return running, pid_of(running)


def the_report(*words):
    path = FOLDER / "processes.json"
    path.unlink(missing_ok=True)
    done = ended(*words, options=(f"--report={path}",))
    report = json.loads(path.read_text())
    equal(schema.errors(report), [])
    return done, report


@claim
def a_process_is_told_of_in_text_and_in_JSON():
    done, report = the_report("processes:leave_process")
    pid = int(re.search(r"^pid (\d+)$", done.stdout, re.M)[1])
    contains(done.stderr, f'{site("processes", "exec")}: leak: process "sleep 600" (pid {pid}) '
             "not waited for\n")
    contains(done.stderr, "1 leak: 1 process\n")
    leak, = report["leaks"]
    equal(report["counts"], {"process": 1})
    equal((leak["kind"], leak["name"], leak["state"], leak["outcome"]),
          ("process", "sleep", "running", "killed"))
    equal(leak["detail"], {"pid": pid, "argv": ["sleep", "600"]})
    equal(gone(pid), True)


@claim
def a_child_that_was_forked_is_told_of_and_left_alone():
    done, report = the_report("processes:leave_child")
    pid = int(re.search(r"^pid (\d+)$", done.stdout, re.M)[1])
    equal(gone(pid), False)
    os.kill(pid, signal.SIGKILL)
    contains(done.stderr, f'processes.so: leak: child "arun" (pid {pid}, running) not waited for')
    leak, = report["leaks"]
    equal((leak["kind"], leak["outcome"], leak["detail"]), ("child", "abandoned", {"pid": pid}))


@claim
def signals_and_datagrams_are_told_of():
    done, report = the_report("processes:leave_others")
    contains(done.stderr, f'{site("processes", "signals")}: leak: signals SIGUSR2 not closed')
    contains(done.stderr, f'{site("processes", "udp")}: leak: datagram socket 127.0.0.1:')
    contains(done.stderr, "2 leaks: 1 signals, 1 datagram socket\n")
    by_kind = {leak["kind"]: leak for leak in report["leaks"]}
    equal(by_kind["signals"]["detail"], {"signals": [signal.SIGUSR2], "pending": 0})
    detail = by_kind["datagram"]["detail"]
    equal([detail[k] for k in ("received", "sent", "dropped")], [0, 0, 0])
    contains(detail["local"], "127.0.0.1:")
    equal([leak["outcome"] for leak in report["leaks"]], ["closed", "closed"])


@claim
def they_are_seen_from_outside():
    running, pid = started("hold_all")
    found = json.loads(arun("ps", "-j", running.pid).stdout)["objects"]
    by_kind = {o["kind"]: o for o in found}
    process, datagram = by_kind["process"], by_kind["datagram"]
    equal((process["name"], process["state"], process["detail"]), ("sleep", "running", {"pid": pid}))
    equal(datagram["detail"], {"received": 0, "sent": 0})
    equal("signals" in by_kind, True, found)
    tree = arun("tree", running.pid).stdout
    contains(tree, f"process sleep #2 pid {pid} running\n")
    equal(len(re.findall(r"datagram socket #\d+ 127\.0\.0\.1:\d+\n", tree)), 1, tree)
    running.signal(signal.SIGTERM).end()


@claim
def a_stop_ends_a_process():
    running, pid = started("hold_process")
    running.signal(signal.SIGTERM)
    equal(running.end().status, -signal.SIGTERM)
    equal(gone(pid), True)


@claim
def a_process_that_ignores_SIGTERM_is_killed_within_the_grace_time():
    running, pid = started("hold_stubborn", "--grace=1")
    running.signal(signal.SIGTERM)
    equal(running.end().status, -signal.SIGTERM)
    equal(gone(pid), True)


@claim
def a_process_that_is_waited_for_is_named():
    running, pid = started("hold_stubborn", "--grace=2")
    running.signal(signal.SIGTERM)
    line = running.end().stderr.splitlines()[0]
    contains(line, "arun: stopping; ")
    contains(line, f' left for: process "sh -c trap \'\' TERM; echo ready; exec sleep 600" (pid {pid})'
             f" of {site('processes', 'exec')} ")


@claim
def the_second_signal_kills_it():
    running, pid = started("hold_stubborn", "--grace=60")
    running.signal(signal.SIGINT).signal_again(signal.SIGINT)
    equal(running.end().status, -signal.SIGINT)
    until(lambda: gone(pid), "it is gone")


@claim
def the_end_of_the_clock_kills_it_where_a_task_blocks():
    running, pid = started("hold_and_block", "--grace=0.5")
    running.signal(signal.SIGTERM)
    equal(running.end().status, 124)
    until(lambda: gone(pid), "it is gone")


main()
