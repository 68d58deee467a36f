# SPDX-License-Identifier: MIT
"""What joins workers and their parent ends with either."""
import ctypes
import os
import pathlib
import pty
import resource
import signal
import subprocess
import time
from tempfile import TemporaryDirectory

from group import all_workers, group, lines, plugin, serves, workers
from plugins import written
from service import Manager
from tap import Skip, claim, contains, environment, equal, main, until

SLOW = """#include <arun.h>
#include <signal.h>
#include <stdio.h>
static int slow(int argc, char **argv) {
	(void)argc;
	(void)argv;
	signal(SIGTERM, SIG_DFL);
	puts("here");
	fflush(stdout);
	return arun_sleep(3600);
}
ARUN_SERVER(slow)
"""

OTHER_USER = """#include <arun.h>
#include <stdio.h>
#include <unistd.h>
static int other(int argc, char **argv) {
	(void)argc;
	(void)argv;
	if (setuid(65534) < 0) {
		return -1;
	}
	puts("here");
	fflush(stdout);
	return arun_yield() < 0 ? -1 : 0;
}
ARUN_SERVER(other)
"""
PR_CAPBSET_DROP, CAP_KILL = 24, 5


@claim
def one_that_a_stop_meets_before_it_is_ready_does_not_decide_on_the_status():
    slow = written("slow", SLOW)
    for variables in {}, {"WATCHDOG_USEC": "60000000"}:
        manager = Manager()
        env = environment(NOTIFY_SOCKET=manager.address, **variables)
        with group("-w", "1", slow, env=env) as process:
            lines(process, 1)
            status, _, errors = process.stop()
            equal((status, errors), (0, ""), variables)


@claim
def what_is_no_watchdog_to_a_worker_is_none_to_its_parent():
    for number in "400000x", " 400000", "4e5", "0x61a80", "-1", "":
        manager = Manager()
        env = environment(NOTIFY_SOCKET=manager.address, WATCHDOG_USEC=number)
        with group("-w", "1", plugin(), "tcp:127.0.0.1:0", env=env) as process:
            lines(process, 1)
            manager.waits_for("READY=1")
            equal(process.stop()[0], 0, number)
        assert "WATCHDOG=1" not in manager.messages(), (number, manager.told)


@claim
def workers_that_were_stopped_with_their_parent_live_on():
    manager = Manager()
    limit = 0.5
    env = environment(NOTIFY_SOCKET=manager.address, WATCHDOG_USEC=str(int(limit * 1e6)))
    with group("-w", "2", plugin(), "tcp:127.0.0.1:0", env=env) as process:
        lines(process, 2)
        serves(process)
        all_of_them = [process.pid, *workers(process)]
        for _ in range(2):
            for one in all_of_them:
                os.kill(one, signal.SIGSTOP)
            over = time.monotonic() + 3 * limit
            until(lambda: time.monotonic() > over, "a pause")
            for one in all_of_them:
                os.kill(one, signal.SIGCONT)
            manager.hear()
            before = len(manager.told)
            until(lambda: sum(m == "WATCHDOG=1" for m in manager.messages()[before:]) >= 3, "life")
        status, _, errors = process.stop()
        equal((status, errors), (0, ""))


def sockets(process):
    folder = f"/proc/{process}/fd"
    links = [os.readlink(os.path.join(folder, fd)) for fd in os.listdir(folder)]
    return {link for link in links if link.startswith("socket:")}


@claim
def a_worker_has_none_of_its_parents_sockets_but_what_it_serves():
    with group("-w", "3", plugin(), "tcp:127.0.0.1:0") as process:
        lines(process, 3)
        for worker in workers(process):
            equal(len(sockets(worker) & sockets(process.pid)), 1, worker)
        equal(process.stop()[0], 0)


@claim
def a_worker_that_cannot_even_be_told_to_end_is_killed_and_that_is_said():
    with group("--grace=1", "-w", "2", plugin(), "tcp:127.0.0.1:0") as process:
        lines(process, 2)
        stopped = min(workers(process))
        os.kill(stopped, signal.SIGSTOP)
        status, _, errors = process.stop()
        equal((status, errors.splitlines()),
              (-signal.SIGKILL, [f"arun: worker {stopped} has not ended in time: it is killed"]))


@claim
def a_worker_that_cannot_be_killed_does_not_keep_its_parent_and_ends_with_it():
    if os.geteuid() != 0:
        raise Skip("only root can become another user")
    other, libc = written("other", OTHER_USER), ctypes.CDLL(None)
    os.chmod(pathlib.Path(other).parent, 0o755)
    with group("--grace=1", "-w", "2", other,
               preexec_fn=lambda: libc.prctl(PR_CAPBSET_DROP, CAP_KILL)) as process:
        lines(process, 2)
        serves(process)
        pids = workers(process)
        status, _, errors = process.stop()
        late = {f"arun: worker {pid} has not ended in time, and cannot be killed: "
                "Operation not permitted" for pid in pids}
        equal((status, set(errors.splitlines()) & late), (124, late))
        ended = {f"arun: worker {pid} has ended: its parent (pid {process.pid}) is gone"
                 for pid in pids}
        until(lambda: ended <= set(process.stderr.splitlines()), "both have ended")


@claim
def a_worker_that_hangs_and_does_not_die_of_SIGABRT_is_killed():
    manager = Manager()
    env = environment(NOTIFY_SOCKET=manager.address, WATCHDOG_USEC="500000")
    with group("--grace=1", "-w", "2", plugin(), "tcp:127.0.0.1:0", env=env) as process:
        lines(process, 2)
        serves(process)
        stopped = min(workers(process))
        os.kill(stopped, signal.SIGSTOP)
        until(lambda: len(all_workers(process)) == 2 and stopped not in all_workers(process),
              "another has its place")
        serves(process)
        status, _, errors = process.stop()
        equal((status, errors.splitlines()),
              (0, [f"arun: worker {stopped} has given no sign of life for 0.5 s",
                   f"arun: worker {stopped} has not ended in time: it is killed",
                   f"arun: worker {stopped} died of signal 9 (Killed); another starts in 100 ms"]))


@claim
def one_that_dies_while_its_successor_starts_is_followed_by_that():
    with TemporaryDirectory() as folder:
        go = pathlib.Path(folder) / "go"
        go.touch()
        with group("-w", "2", f"{plugin()}:turns", folder) as process:
            lines(process, 2)
            serves(process)
            go.unlink()
            old = workers(process)
            process.signal(signal.SIGHUP)
            until(lambda: len(all_workers(process)) == 3, "a new one starts")
            # The first to be started is the first to be replaced.
            os.kill(min(old), signal.SIGKILL)
            process.until(lambda: process.stderr, "a line")
            go.touch()
            until(lambda: len(all_workers(process)) == 2 and not all_workers(process) & old,
                  "both are new")
            serves(process)
            equal(process.stop(), (0, "".join(f"{line}\n" for line in lines(process, 4)),
                                   f"arun: worker {min(old)} died of signal 9 (Killed); "
                                   "another is starting\n"))


@claim
def SIGHUP_to_a_worker_alone_names_the_parent_and_ends_nothing():
    ours, theirs = pty.openpty()
    for stdin in subprocess.DEVNULL, theirs:
        with group("-w", "2", plugin(), "tcp:127.0.0.1:0", stdin=stdin) as process:
            lines(process, 2)
            serves(process)
            old = workers(process)
            for worker in old:
                os.kill(worker, signal.SIGHUP)
            line = ("arun: SIGHUP: serve has nothing to reload; "
                    f"one to its parent (pid {process.pid}) replaces it\n")
            process.until(lambda: process.stderr == 2 * line, "two lines")
            equal(workers(process), old)
            equal(process.stop()[0], 0)
    os.close(ours)
    os.close(theirs)


@claim
def a_parent_whose_limit_of_descriptors_is_lowered_waits_for_signals_all_the_same():
    with group("-w", "2", plugin(), "tcp:127.0.0.1:0") as process:
        lines(process, 2)
        serves(process)
        before = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (4, before[1]))
        # To have it look again.
        process.signal(signal.SIGUSR1)
        process.until(lambda: process.stderr.count("end of dump") == 2, "two dumps")
        status = pathlib.Path(f"/proc/{process.pid}/stat")
        # One that turns and turns is found asleep now and then, too.
        until(lambda: all(") S " in status.read_text() for _ in range(200)), "it sleeps")
        # What looks for leaks at the end opens files.
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, before)
        equal(process.stop()[0], 0)


@claim
def a_new_one_that_could_not_be_started_at_first_leaves_the_old_one_serving_as_well():
    with TemporaryDirectory() as folder:
        flag = pathlib.Path(folder, "flag")
        with group("-w", "1", f"{plugin()}:fails", flag) as process:
            lines(process, 1)
            serves(process)
            old = workers(process)
            limit = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
            resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (3, limit[1]))
            process.signal(signal.SIGHUP)
            process.until(lambda: "cannot start" in process.stderr, "there is no descriptor")
            flag.touch()
            resource.prlimit(process.pid, resource.RLIMIT_NOFILE, limit)
            process.until(lambda: "before it was ready" in process.stderr, "it has failed")
            equal((all_workers(process), process.stop()[0]), (old, 0))
            began, _, then = process.stderr.splitlines()
            equal(began, "arun: cannot start a worker: Too many open files; "
                         "it is tried again in 5 s, the old one serves on")
            contains(then, " ended with status 1 before it was ready; the old one serves on")


main()
