#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a service manager is told, by a plugin that knows nothing of it."""
import errno
import os
import re
import resource
import signal
import socket
import time

from load import not_sanitized
from service import FIXTURE, Manager, Service, path, plugin
from tap import arun, claim, contains, equal, main, until


def site(mark):
    lines = FIXTURE.read_text().splitlines()
    return f"service.c:{next(n for n, l in enumerate(lines, 1) if '@' + mark in l)}"


def stopped(service, signum=signal.SIGTERM):
    return service.signal(signum).end()


@claim
def a_server_is_ready_when_it_yields_and_stops_when_asked():
    for address in (None, f"@arun-test-{os.getpid()}"):
        manager = Manager(address)
        service = Service("serve", "tcp:127.0.0.1:0", manager=manager)
        service.line()
        manager.waits_for("READY=1")
        equal(stopped(service), (0, "", ""))
        equal(manager.states(), ["READY=1", "STOPPING=1"])


@claim
def a_server_that_starts_slowly_is_not_ready_and_asks_for_time():
    manager = Manager()
    service = Service("starts_slowly", manager=manager)
    manager.waits_for("READY=1")
    messages = manager.messages()
    ready = messages.index("READY=1")
    assert messages[:ready].count("EXTEND_TIMEOUT_USEC=30000000") >= 3, messages
    contains(messages[:ready], "STATUS=step 1")
    contains(messages[:ready], "STATUS=step 3")
    equal(stopped(service), (0, "", ""))


@claim
def a_main_is_ready_at_its_start():
    manager = Manager()
    service = Service("sleeps", manager=manager)
    manager.waits_for("READY=1")
    equal(stopped(service)[0], -signal.SIGTERM)
    equal(manager.states()[:2], ["READY=1", "STOPPING=1"])


@claim
def a_failure_has_its_errno_and_its_reason():
    manager = Manager()
    equal(Service("fails", manager=manager).end()[0], 1)
    manager.hear()
    equal(manager.messages()[-1],
          "EXIT_STATUS=1\nERRNO=20\nSTATUS=failed: Not a directory")
    assert "READY=1" not in manager.states()


def told_of(manager, *words, env=None, **options):
    """How arun ends, and all that the manager has heard by then."""
    done = arun(*words, env={"NOTIFY_SOCKET": manager.address, **(env or {})}, **options)
    manager.hear()
    return done, manager.messages()


@claim
def a_start_without_a_plugin_has_its_line_for_a_reason():
    for words, env, status in ((["./no-such.so"], {}, 127), ([__file__], {}, 126),
                               ([plugin("nobody")], {}, 126), (["--grace=x", plugin("plain")], {}, 125),
                               ([plugin("plain")], {"ARUN_GRACE": "x"}, 125), ([], {}, 125),
                               (["--report=/missing/\n", plugin("plain")], {}, 125)):
        done, messages = told_of(Manager(), *words, env=env)
        equal((done.returncode, done.stderr.count("\n")), (status, 1))
        line = done.stderr.removeprefix("arun: ").rstrip("\n")
        equal(messages, [f"EXIT_STATUS={status}\nSTATUS=failed: {line}"])


@claim
def a_check_tells_nobody():
    for words in (["./no-such.so"], [plugin("nobody")]):
        done, messages = told_of(Manager(), "--check", *words)
        assert done.returncode in (126, 127), done
        equal(messages, [])


@claim
def what_the_entry_was_to_have_and_cannot_has_its_errno():
    for option, value, error in (("--suppress", "/missing/file", errno.ENOENT),
                                 ("--listen", "unix:/missing/socket", errno.ENOENT),
                                 ("--suppress", __file__, errno.EINVAL)):
        done, messages = told_of(Manager(), f"{option}={value}", plugin("plain"))
        equal((done.returncode, done.stderr.count("\n")), (125, 1))
        line = done.stderr.removeprefix("arun: ").rstrip("\n")
        equal(messages, [f"ERRNO={error}\nSTATUS=failed: {line}"])


def last_status(messages):
    return [line for text in messages for line in text.split("\n") if line.startswith("STATUS=")][-1]


@claim
def of_workers_the_reason_is_the_last_that_is_told():
    for words in (["./no-such.so"], [__file__], ["--suppress=/missing/file", plugin("plain")],
                  [plugin("fails")]):
        done, messages = told_of(Manager(), "-w", "2", *words)
        line = done.stderr.split("\n")[0].removeprefix("arun: ")
        equal(last_status(messages), "STATUS=failed: " + line.removeprefix("service.so: fails failed: "))


@claim
def workers_that_cannot_be_started_are_a_reason_too():
    not_sanitized("whose LeakSanitizer would find no descriptor either")
    line, heard = "cannot start a worker: Too many open files", 0
    for limit in range(4, 12):
        done, messages = told_of(Manager(), "-w", "2", plugin("sleeps"), "0", preexec_fn=lambda:
                                 resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)))
        if line in done.stderr:
            equal(done.returncode, 125)
            contains("\n".join(messages), f"EXIT_STATUS=125\nSTATUS=failed: {line}")
            contains(last_status(messages), "failed: ")
            heard += 1
    assert heard


@claim
def a_reload_is_told_around_the_plugins_own():
    manager = Manager()
    service = Service("serve", manager=manager)
    manager.waits_for("READY=1")
    service.signal(signal.SIGHUP)
    equal(service.line(), "reloads")
    until(lambda: manager.states().count("READY=1") == 2, "it is ready again")
    equal(stopped(service), (0, "", ""))
    equal(manager.states(), ["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"])
    reloading, = [t for t in manager.messages() if t.startswith("RELOADING")]
    assert re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=\d{6,}", reloading), reloading


@claim
def a_reload_of_nothing_and_one_that_fails_leave_it_ready():
    for entry, env, line in (("plain", {}, "SIGHUP: plain has nothing to reload"),
                             ("serve", {"RELOAD_FAILS": "1"},
                              "reload failed: Not a directory; the old state serves on")):
        manager = Manager()
        service = Service(entry, manager=manager, env=env)
        manager.waits_for("READY=1")
        service.signal(signal.SIGHUP)
        until(lambda: manager.states().count("READY=1") == 2, "it is ready again")
        equal(service.process.poll(), None)
        contains(stopped(service)[2], line)
        equal(manager.states(), ["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"])


@claim
def status_counts_connections_and_tasks():
    manager = Manager()
    service = Service("serve", "tcp:127.0.0.1:0", manager=manager)
    host, port = service.line().rsplit(":", 1)
    manager.waits_for("STATUS=0 connections, 1 task")
    with socket.create_connection((host, int(port))), socket.create_connection((host, int(port))):
        manager.waits_for("STATUS=2 connections, 3 tasks")
    manager.waits_for("STATUS=0 connections, 1 task")
    times = [at for at, text in manager.hear() if text.startswith("STATUS=")]
    equal(len(times), len(set(times)))
    stopped(service)


@claim
def a_plugins_status_is_one_line_of_its_own():
    manager = Manager()
    service = Service("says_status", "a", "b", manager=manager)
    manager.waits_for("STATUS=2 words")
    text, = [t for t in manager.messages() if t.startswith("STATUS=2 words")]
    equal(text, r"STATUS=2 words\x0aREADY=0 \xff")
    stopped(service)


@claim
def a_stop_that_takes_long_says_what_it_waits_for():
    manager = Manager()
    service = Service("stops_slowly", manager=manager)
    manager.waits_for("READY=1")
    status, _, errors = stopped(service)
    equal(status, 0)
    contains(errors, "stopping; ")
    contains([t for t in manager.messages() if "waits" in t],
             f'STATUS=stopping, waits for entry "stops_slowly" waits at {site("cleans")}')


@claim
def the_watchdog_is_fed_at_half_its_time():
    manager = Manager()
    service = Service("sleeps", manager=manager, env={"WATCHDOG_USEC": "400000"})

    def beats():
        return [at for at, text in manager.hear() if text == "WATCHDOG=1"]

    until(lambda: len(beats()) >= 6, "six of them")
    service.process.kill()
    times = beats()
    assert times[5] - times[0] > 0.8, times


@claim
def a_loop_that_is_blocked_feeds_it_no_more():
    manager = Manager()
    service = Service("blocks", manager=manager, env={"WATCHDOG_USEC": "100000"})
    equal(service.line(), "blocks")
    manager.hear()
    before = len(manager.told)
    # What systemd does when the time is over, here many times longer than that.
    silence = time.monotonic() + 1
    until(lambda: time.monotonic() > silence, "a second of it")
    equal(len(manager.hear()), before)
    status, _, errors = stopped(service, signal.SIGABRT)
    equal(status, -signal.SIGABRT)
    contains(errors, f'in task "blocked" (#2; spawned at {site("hog")})')


@claim
def a_watchdog_of_another_process_is_not_fed():
    manager = Manager()
    service = Service("sleeps", "0.3", manager=manager,
                      env={"WATCHDOG_USEC": "100000", "WATCHDOG_PID": "1"})
    equal(service.end()[0], 0)
    assert "WATCHDOG=1" not in manager.messages(), manager.told


@claim
def a_manager_that_is_not_there_or_does_not_listen_is_no_failure():
    for address in (path("nobody"), "@nobody-" + str(os.getpid()), "vsock:2:1234", "relative",
                    "", "/dev/null", "@", "/" + "x" * 300):
        service = Service("sleeps", "0.01", env={"NOTIFY_SOCKET": address,
                                                 "WATCHDOG_USEC": "1000"})
        equal(service.end(), (0, "", ""), address)
    for number in ("0", "-1", "x", "99999999999999999999999"):
        manager = Manager()
        service = Service("sleeps", "0.01", manager=manager, env={"WATCHDOG_USEC": number})
        equal(service.end(), (0, "", ""), number)


@claim
def a_manager_that_does_not_read_is_told_later():
    manager = Manager()
    sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sender.setblocking(False)
    filled = 0
    try:
        while True:
            sender.sendto(b"X=1", manager.address)
            filled += 1
    except BlockingIOError:
        pass
    service = Service("serve", "tcp:127.0.0.1:0", manager=manager)
    service.line()
    manager.waits_for("READY=1")
    equal(stopped(service), (0, "", ""))
    equal(manager.messages().count("X=1"), filled)
    equal([s for s in manager.states() if s != "X=1"], ["READY=1", "STOPPING=1"])


@claim
def its_timers_do_not_hide_a_deadlock():
    manager = Manager()
    status, _, errors = Service("deadlocks", manager=manager,
                                env={"WATCHDOG_USEC": "100000"}).end()
    equal(status, 1)
    contains(errors, "deadlock: main \"deadlocks\" waits here")


main()
