# SPDX-License-Identifier: MIT
"""A service from its start to its end, under a real systemd."""
import json
import time

from machine import (echoes, install, journal, reload, service, show, stopped_well,
                     systemctl)
from tap import claim, contains, equal, main, until


@claim
def a_start_waits_until_it_is_ready_and_may_take_longer_when_it_says_so():
    # A busy machine may take a while to start it.
    unit = service("starts_slowly", "TimeoutStartSec=3\n", "20")
    began = time.monotonic()
    systemctl("start", unit)
    assert time.monotonic() - began >= 4, "it was active before it was ready"
    equal(show(unit, "ActiveState", "SubState"), ["active", "running"])
    stopped_well(unit)


@claim
def a_start_that_says_nothing_is_ended():
    unit = service("never_ready", "TimeoutStartSec=1\nRestart=no\n")
    systemctl("start", unit, status=1)
    equal(show(unit, "ActiveState", "Result"), ["failed", "timeout"])


@claim
def a_start_that_fails_fails_the_unit_and_says_why():
    unit = service("fails", "Restart=no\n")
    systemctl("start", unit, status=1)
    equal(show(unit, "ActiveState", "Result", "StatusErrno", "StatusText"),
          ["failed", "exit-code", "20", "failed: Not a directory"])
    contains(journal(unit), "service.so: fails failed: Not a directory")


@claim
def a_call_that_the_unit_forbids_fails_and_is_told_of():
    unit = service("forbidden", "Restart=no\n")
    systemctl("start", unit, status=1)
    equal(show(unit, "Result", "ExecMainStatus", "StatusText"),
          ["exit-code", "1", "failed: Operation not permitted"])
    contains(journal(unit), "service.so: forbidden failed: Operation not permitted")


@claim
def a_plugin_that_is_not_there_is_not_started_again():
    unit = "arun@no-such-plugin.service"
    systemctl("start", unit, status=1)
    until(lambda: show(unit, "ActiveState") == "failed", "it has failed")
    equal(show(unit, "NRestarts", "ExecMainStatus"), ["0", "127"])


@claim
def a_stop_leaves_it_inactive_and_not_failed():
    unit = service("serve", "", "127.0.0.1:8001")
    systemctl("start", unit)
    assert echoes(("127.0.0.1", 8001))
    # Not at once: it may have been looked at while that client was connected.
    until(lambda: show(unit, "StatusText") == "0 connections, 1 task", "the client is gone")
    stopped_well(unit)


@claim
def a_reload_runs_the_plugins_own_and_leaves_it_serving():
    unit = service("serve", "", "127.0.0.1:8001")
    systemctl("start", unit)
    process = show(unit, "MainPID")
    reload(unit)
    until(lambda: "reloads" in journal(unit), "the plugin was asked")
    equal(show(unit, "MainPID"), process)
    assert echoes(("127.0.0.1", 8001))
    stopped_well(unit)


@claim
def a_reload_of_nothing_leaves_it_serving():
    unit = service("plain", "", "127.0.0.1:8002")
    systemctl("start", unit)
    reload(unit)
    until(lambda: "has nothing to reload" in journal(unit), "it says so")
    assert echoes(("127.0.0.1", 8002))
    stopped_well(unit)


@claim
def a_hang_is_ended_by_the_watchdog_named_and_started_again():
    unit = service("blocks", "WatchdogSec=1\nRestartSec=0\nLimitCORE=0\n")
    systemctl("start", unit)
    until(lambda: show(unit, "NRestarts") != "0", "systemd starts it again")
    text = journal(unit)
    contains(text, 'in task "blocked" (#2; spawned at service.c:')
    contains(journal(unit, "_PID=1"), "Watchdog timeout")
    systemctl("kill", "-s", "KILL", unit)
    systemctl("stop", unit)
    systemctl("reset-failed", unit, status=None)


@claim
def what_is_stored_comes_back_after_a_restart():
    unit = service("counts")
    systemctl("start", unit)
    for start in (1, 2, 3):
        until(lambda: show(unit, "StatusText") == f"start {start}", f"start {start}")
        equal(show(unit, "NFileDescriptorStore"), "1")
        systemctl("restart", unit)
    systemctl("kill", "-s", "KILL", unit)
    until(lambda: show(unit, "StatusText") == "start 5", "after a crash, too")
    stopped_well(unit)


@claim
def leaks_are_in_the_journal_with_fields_of_their_own():
    unit = service("leaks")
    systemctl("start", unit)
    systemctl("stop", unit)
    until(lambda: "leak" in journal(unit), "the report")
    entry = json.loads(journal("ARUN_KIND=task", "-o", "json"))
    line = entry["CODE_LINE"]
    contains(entry["MESSAGE"], f"service.c:{line}: leak: task \"sleeper\" (#")
    wanted = {"PRIORITY": "4", "CODE_FILE": "service.c", "CODE_FUNC": "leaks", "ARUN_COUNT": "1",
              "ARUN_NAME": "sleeper", "ARUN_PLUGIN": "service.so", "_SYSTEMD_UNIT": unit,
              "SYSLOG_IDENTIFIER": "arun"}
    equal({name: entry.get(name) for name in wanted}, wanted)
    equal(journal(unit).count("leak: task"), 1)
    contains(journal(unit), "service.so: 1 leak: 1 task")
    warning = journal(unit, "-p", "warning")
    contains(warning, "1 leak: 1 task")


install()
main()
