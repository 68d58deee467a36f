# SPDX-License-Identifier: MIT
"""Services of several processes (ARUN_WORKERS), and of a file that is replaced (ARUN_RELOAD),
under a real systemd."""
import os
import pathlib
import shutil
import signal

from machine import (KEEP, PROGRAM, Load, ask, install, is_active, journal, listening,
                     reload, service, show, stopped_well, systemctl)
from tap import claim, contains, equal, main, run, until

ROLLS, REQUESTS = 20, 5000
ADDRESS = ("127.0.0.1", 8001)
TWO = "ARUN_WORKERS=2\n"


def serving(text="", options=TWO, plugin="workers-1"):
    """The unit of a server at ADDRESS, started."""
    unit = service("serve", text, "127.0.0.1:8001", plugin, options)
    systemctl("start", unit)
    return unit


def workers(unit):
    """The processes that the main one of a unit has; those that nobody has waited for, too."""
    main = show(unit, "MainPID")
    return set(pathlib.Path(f"/proc/{main}/task/{main}/children").read_text().split())


def answer(what=b"x"):
    """(version, process) of who answers."""
    return ask(ADDRESS, what).decode().split()


def replaced(unit, old, count=2):
    until(lambda: len(workers(unit)) == count and not workers(unit) & old, "all are new")


def is_ready(unit):
    done = run(PROGRAM, "ps", "--ready", show(unit, "MainPID"))
    return done.returncode == 0


@claim
def a_start_waits_until_all_are_ready():
    unit = service("turns", "", "/run/arun/turns", "workers-1", TWO)
    systemctl("start", "--no-block", unit)
    until(lambda: journal(unit).count("ready ") == 1, "the first is ready")
    equal(show(unit, "ActiveState"), "activating")
    assert not is_ready(unit)
    pathlib.Path("/run/arun/turns/go").touch()
    until(lambda: is_active(unit), "it is active")
    equal(journal(unit).count("ready "), 2)
    equal(show(unit, "StatusText"), "2 workers")
    assert is_ready(unit)
    stopped_well(unit)


@claim
def a_start_of_which_one_fails_fails_the_unit():
    unit = service("fails", "Restart=no\n", "/", "workers-1", TWO)
    systemctl("start", unit, status=1)
    equal(show(unit, "ActiveState", "Result", "ExecMainStatus"), ["failed", "exit-code", "1"])
    contains(journal(unit), "fails failed: Permission denied")


@claim
def a_stop_leaves_it_inactive_and_not_failed():
    unit = serving()
    equal(len(workers(unit)), 2)
    contains(workers(unit), answer()[1])
    stopped_well(unit)


@claim
def twenty_rolling_restarts_behind_a_socket_unit_lose_no_connection():
    unit = service("serve", "", "systemd:http", "workers-1", TWO)
    listening("arun@serve.socket", "ListenStream=127.0.0.1:8001\n"
              f"FileDescriptorName=http\nService={unit}\n")
    with Load(ADDRESS) as load:
        load.goes_on(1)
        process = show(unit, "MainPID")
        for _ in range(ROLLS):
            load.goes_on(REQUESTS / ROLLS)
            old = workers(unit)
            reload(unit)
            replaced(unit, old)
        load.goes_on(1)
    equal(load.lost, [])
    assert load.count() >= REQUESTS, load.count()
    equal(show(unit, "MainPID", "NRestarts"), [process, "0"])
    systemctl("stop", "arun@serve.socket")
    stopped_well(unit)


@claim
def a_kill_of_a_worker_is_survived():
    unit = serving()
    process, old = show(unit, "MainPID"), workers(unit)
    os.kill(int(answer()[1]), signal.SIGKILL)
    until(lambda: len(workers(unit) - old) == 1 and len(workers(unit)) == 2, "another has come")
    assert answer()
    equal(show(unit, "ActiveState", "MainPID", "NRestarts"), ["active", process, "0"])
    contains(journal(unit), "died of signal 9 (Killed); another starts in 100 ms")
    stopped_well(unit)


@claim
def a_worker_that_is_killed_for_want_of_memory_is_left_to_its_parent():
    # A machine need not have the cgroups in which that happens.
    unit = serving()
    equal(show(unit, "OOMPolicy"), "continue")
    stopped_well(unit)


@claim
def a_worker_that_hangs_is_replaced_and_the_unit_stays():
    unit = serving("WatchdogSec=1\nLimitCORE=0\n")
    process, old = show(unit, "MainPID"), workers(unit)
    equal(ask(ADDRESS, b"b"), b"")
    until(lambda: len(workers(unit) - old) == 1 and len(workers(unit)) == 2, "another has come")
    assert answer()
    equal(show(unit, "ActiveState", "MainPID", "NRestarts"), ["active", process, "0"])
    contains(journal(unit), "has given no sign of life for 1 s")
    stopped_well(unit)


@claim
def a_parent_that_hangs_is_ended_by_the_watchdog_with_its_workers():
    unit = serving("WatchdogSec=1\nTimeoutAbortSec=1\nRestartSec=0\nLimitCORE=0\n")
    old = workers(unit)
    os.kill(int(show(unit, "MainPID")), signal.SIGSTOP)
    until(lambda: show(unit, "NRestarts") == "1" and is_active(unit), "systemd starts it again")
    replaced(unit, old)
    assert answer()
    stopped_well(unit)


@claim
def a_new_version_of_the_file_takes_over_and_a_broken_one_does_not():
    for number in ("1", "2"):
        shutil.copy(KEEP / f"workers-{number}.so", KEEP / f"next-{number}.so")
    place = KEEP / "current.so"
    (KEEP / "next-1.so").rename(place)
    unit = serving("", "ARUN_RELOAD=1\n", "current")
    process = show(unit, "MainPID")
    with Load(ADDRESS) as load:
        load.goes_on(50)
        equal(answer()[0], "1")
        (KEEP / "next-2.so").rename(place)
        until(lambda: answer()[0] == "2", "the new version answers")
        broken = KEEP / "broken.so"
        broken.write_bytes(b"")
        broken.rename(place)
        until(lambda: "the old version serves on" in journal(unit), "the broken one is told")
        load.goes_on(50)
    equal(load.lost, [])
    equal(answer()[0], "2")
    until(lambda: is_active(unit), "it is active")
    equal(show(unit, "MainPID", "NRestarts"), [process, "0"])
    stopped_well(unit)


install()
main()
