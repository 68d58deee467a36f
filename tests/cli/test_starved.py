#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Without descriptors or memory arun says so in one line, or runs; it never crashes or hangs."""
import errno
import json
import re
import resource
import subprocess

from group import group, lines, plugin as workers_plugin
from load import not_sanitized
from needs import lacking, tool
from plugins import FOLDER, SOURCE as TREE, built, written
from service import Manager
from tap import ARUN, DEADLINE, Skip, arun, claim, contains, environment, equal, main, run

FIXTURES = TREE / "tests/fixtures/starved"
SOURCE = """#include <arun.h>
static int nothing(void *arg) {
	(void)arg;
	return arun_sleep(0);
}
static int little(int argc, char **argv) {
	(void)argc;
	(void)argv;
	arun_task *task = arun_spawn(nothing, NULL);
	return task ? arun_join(task, NULL) : -1;
}
ARUN_MAIN(little)
"""
WAITS = """#include <arun.h>
static int waits(int argc, char **argv) {
	(void)argc;
	(void)argv;
	arun_yield();
	return 0;
}
ARUN_SERVER(waits)
"""

THREADS = """#include <arun.h>
#include <netdb.h>
static int job(void *arg) {
	(void)arg;
	return 0;
}
static int blocks(int argc, char **argv) {
	(void)argc;
	(void)argv;
	return arun_blocking(job, NULL);
}
ARUN_MAIN(blocks)
static int looks_up(int argc, char **argv) {
	struct addrinfo *list;
	(void)argc;
	(void)argv;
	return arun_resolve("localhost", "80", &list);
}
ARUN_MAIN(looks_up)
"""


def plugin():
    return written("little", SOURCE)


def unsanitized():
    not_sanitized("which needs descriptors, terabytes of addresses, and to be loaded first")


def limited(what, amount, *words):
    words = words or [plugin()]
    return arun(*words, preexec_fn=lambda: resource.setrlimit(what, (amount, amount)))


def honest(ended, amount):
    """It ran; or it ended by itself, with one line that says why."""
    lines = ended.stderr.splitlines()
    if ended.returncode == 0:
        assert not lines, (amount, lines)
    else:
        assert ended.returncode in (1, 125, 126, 127), (amount, ended)
        assert len(lines) == 1, (amount, lines)


@claim
def every_number_of_descriptors_is_enough_or_told_of():
    unsanitized()
    plugin()
    ran = 0
    for count in range(3, 24):
        ended = limited(resource.RLIMIT_NOFILE, count)
        honest(ended, count)
        ran += ended.returncode == 0
    assert ran, "24 descriptors are enough"


@claim
def any_amount_of_memory_is_enough_or_told_of():
    unsanitized()
    ran = 0
    for megabytes in [*range(6, 40), 64, 128]:
        ended = limited(resource.RLIMIT_AS, megabytes << 20)
        if "error while loading shared libraries" in ended.stderr:
            continue  # the dynamic linker had none
        honest(ended, megabytes)
        ran += ended.returncode == 0
    assert ran, "128 MiB are enough"


def fixture(name):
    return built(FIXTURES / f"{name}.c")


def failing(first, count, entry, *options, **variables):
    """A run in which so many calls for memory fail, from the first on."""
    return arun(*options, f"{fixture('uses')}:{entry}", env={
        "LD_PRELOAD": str(fixture("fails")), "FAIL": f"{first} {count}", **variables})


def calls_for_memory(entry, *options):
    count = FOLDER / "count"
    failing(0, 0, entry, *options, FAIL_COUNT=str(count))
    return int(count.read_text())


def told(ended, first):
    """It ran; or it ended by itself, and said why."""
    known = (0, 1, 23, 125, 126)
    assert ended.returncode in known, (first, ended)
    assert (ended.returncode == 0) == (not ended.stderr), (first, ended)


@claim
def each_call_for_memory_may_fail():
    unsanitized()
    for first in range(1, calls_for_memory("uses") + 1):
        ended = failing(first, 1, "uses")
        if "accepting paused" not in ended.stderr:
            told(ended, first)


@claim
def what_the_loop_itself_needs_has_been_put_by():
    unsanitized()
    for first in range(1, calls_for_memory("uses") + 1):
        ended = failing(first, 1, "uses")
        assert "uses.so: the loop cannot go on" not in ended.stderr, (first, ended)


@claim
def from_each_call_on_memory_may_be_used_up():
    unsanitized()
    statuses = set()
    for first in range(1, calls_for_memory("uses") + 1):
        ended = failing(first, 1 << 40, "uses")
        if "accepting paused" not in ended.stderr:
            told(ended, first)
        statuses.add(ended.returncode)
    assert statuses >= {1, 125}, statuses


@claim
def a_service_manager_is_told_that_the_loop_cannot_go_on():
    unsanitized()
    why, heard = "the loop cannot go on: Cannot allocate memory", 0
    for first in range(1, calls_for_memory("uses") + 1):
        manager = Manager()
        ended = failing(first, 1 << 40, "uses", NOTIFY_SOCKET=manager.address)
        if f"uses.so: {why}" in ended.stderr:
            contains(manager.messages(), f"EXIT_STATUS=125\nERRNO={errno.ENOMEM}\nSTATUS=failed: {why}")
            heard += 1
    assert heard


@claim
def a_report_that_memory_does_not_suffice_for_says_so_and_how_many_leaks_there_are():
    unsanitized()
    report = FOLDER / "report.json"
    options = ["--leaks=error", f"--report={report}"]
    cut = 0
    for first in range(1, calls_for_memory("leaves", *options) + 1):
        report.unlink(missing_ok=True)
        ended = failing(first, 1 << 40, "leaves", *options)
        told(ended, first)
        text = report.read_text() if report.exists() else ""
        kinds = [json.loads(line)["kind"] for line in text.splitlines()]
        assert not text or text.endswith("\n"), (first, text)
        if ended.returncode == 23:
            last = ended.stderr.splitlines()[-1]
            count = re.match(r"arun: uses\.so: \d leaks?: |arun: .* ARUN_SERVER", last)
            assert count, (first, ended)
            lost = "the report could not be written: Cannot allocate memory" in ended.stderr
            assert kinds == ([] if lost else ["leaks"]), (first, kinds, ended)
            said = "no memory for the rest of the report" in ended.stderr
            assert said or ": leak: " in ended.stderr, (first, ended)
            cut += lost and said
    assert cut, "memory was used up by the report"


@claim
def stacks_whose_lines_would_take_too_much_memory_are_without_and_say_why():
    unsanitized()
    words = ["--debug", "--leaks=error", f"{fixture('uses')}:leaves"]
    if "there is no libdw" in arun(*words).stderr:
        raise Skip("no libdw")
    without = found = 0
    for megabytes in range(24, 200, 4):
        ended = limited(resource.RLIMIT_AS, megabytes << 20, *words)
        told(ended, megabytes)
        assert "there is no libdw" not in ended.stderr, (megabytes, ended)
        without += "there is not enough memory to look them up" in ended.stderr
        found += ended.returncode == 23 and "no lines in stacks" not in ended.stderr
    assert without and found, (without, found)


def refusal(call, error, first, count):
    """The variables for a run in which so many of a system call fail, from the first on."""
    return {"LD_PRELOAD": str(fixture("refuses")), "REFUSE": f"{call} {error} {first} {count}"}


def refusing(call, error, first, count, *words, **variables):
    return arun(*words, env={**refusal(call, error, first, count), **variables})


@claim
def each_descriptor_that_cannot_be_watched_is_told_of():
    unsanitized()
    statuses = []
    for count in 1, 100:
        for first in range(1, 12):
            ended = refusing("epoll_ctl", errno.ENOSPC, first, count, f"{fixture('uses')}:uses")
            told(ended, first)
            statuses.append(ended.returncode)
    # The loop's own are the first two.
    equal((statuses[:2], set(statuses)), ([125, 125], {0, 1, 125}))
    ended = refusing("epoll_ctl", errno.ENOSPC, 1, 1, plugin())
    contains(ended.stderr, "cannot run: no loop: No space left on device (fs.epoll.max_user_watches)\n")


@claim
def what_a_run_has_not_got_is_named():
    unsanitized()
    threads = "Resource temporarily unavailable (ulimit -u, -i)"
    for call, error, options, words in (
        ("epoll_create1", errno.EMFILE, (), "no loop: Too many open files"),
        ("sigaltstack", errno.ENOMEM, (), "no stack for handlers of signals: Cannot allocate memory"),
        ("timer_create", errno.EAGAIN, (), f"no timer for the grace time: {threads}"),
        ("pthread_create", errno.EAGAIN, ("--debug",), f"no thread for --debug: {threads}"),
    ):
        manager = Manager()
        ended = refusing(call, error, 1, 100, *options, plugin(), NOTIFY_SOCKET=manager.address)
        equal((ended.returncode, ended.stderr), (125, f"arun: {plugin()}: cannot run: {words}\n"))
        why = words.removesuffix(" (ulimit -u, -i)")
        told = manager.messages()
        assert any(text.endswith(why) for text in told), (call, told)


@claim
def a_thread_that_cannot_be_started_is_named():
    unsanitized()
    threads = written("threads", THREADS)
    for entry, what in ("blocks", "blocking job"), ("looks_up", "resolve localhost"):
        ended = refusing("pthread_create", errno.EAGAIN, 1, 100, f"{threads}:{entry}")
        equal((ended.returncode, ended.stderr),
              (1, f"arun: threads.so: {entry} failed: {what}: no thread can be started\n"))


@claim
def what_is_lacking_before_a_run_is_named():
    unsanitized()
    for call, option, words, hint in (
        ("fork", "--check", f"{plugin()}: no process to try it in", ""),
        ("pipe2", "--check", f"{plugin()}: no pipe to a process to try it in", ""),
        ("fork", "-w2", "cannot start a worker", " (ulimit -u, pids.max)"),
        ("signalfd", "-w2", "workers: no descriptor for signals", ""),
        ("socket", "-w2", "workers: no socket to hear them", ""),
    ):
        manager = Manager()
        ended = refusing(call, errno.EAGAIN, 1, 1, option, plugin(),
                         NOTIFY_SOCKET=manager.address)
        line = f"{words}: Resource temporarily unavailable{hint}"
        equal((ended.returncode, ended.stderr), (125, f"arun: {line}\n"))
        told = [] if option == "--check" else [f"EXIT_STATUS=125\nSTATUS=failed: {line}"]
        equal(manager.messages()[:1], told)


@claim
def a_service_manager_that_may_not_be_told_is_complained_of_once():
    unsanitized()
    for options in (), ("-w1",):
        manager = Manager()
        ended = refusing("sendmsg", errno.EACCES, 1, 1 << 30, *options, plugin(),
                         NOTIFY_SOCKET=manager.address)
        equal((ended.returncode, manager.messages()), (0, []))
        equal(ended.stderr, "arun: the service manager cannot be told: Permission denied\n")


@claim
def what_a_service_manager_cannot_be_told_for_want_of_memory_is_told_later():
    unsanitized()
    for options in (), ("-w1",):
        manager = Manager()
        words = [ARUN, *options, written("waits", WAITS)]
        process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=environment(
            NOTIFY_SOCKET=manager.address, **refusal("sendmsg", errno.ENOMEM, 1, 3)))
        manager.waits_for("READY=1")
        process.terminate()
        equal((process.communicate(timeout=DEADLINE)[1], process.returncode), ("", 0))


@claim
def a_worker_that_cannot_be_answered_for_want_of_memory_is_answered_later():
    unsanitized()
    for error in errno.ENOMEM, errno.ETOOMANYREFS:
        env = environment(**refusal("sendmsg", error, 1, 3))
        with group("-w", "3", workers_plugin(), "tcp:127.0.0.1:0", env=env) as process:
            addresses = {line.split()[2] for line in lines(process, 3)}
            status, _, errors = process.stop()
            equal((len(addresses), status, errors), (1, 0, ""))


@claim
def each_call_for_memory_of_a_conversation_over_TLS_may_fail():
    unsanitized()
    path = FOLDER / "local"
    made = run(tool("openssl"), *"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256".split(),
               *"-nodes -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1".split(),
               "-keyout", f"{path}.key", "-out", f"{path}.pem")
    equal(made.returncode, 0, made.stderr)
    ended = arun("--log-level=error", f"{fixture('uses')}:secures", f"{path}.pem", f"{path}.key",
                 env={"LD_PRELOAD": str(fixture("fails")), "FAIL": "0 0"})
    if "libssl" in ended.stderr or "without TLS" in ended.stderr:
        lacking("no libssl")
    lines = [line for line in ended.stderr.splitlines() if "accepting paused" not in line]
    equal((ended.returncode, lines), (0, []))


main()
