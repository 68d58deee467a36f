# SPDX-License-Identifier: MIT
"""`arun ps --ready`: whether a process does its work, for who asks again and again."""
import os
import pathlib
import signal
import socket
import subprocess
import tempfile

from group import all_workers, group, lines, plugin
from service import plugin as service
from tap import Skip, arun, claim, contains, equal, main, until

ANY = "tcp:127.0.0.1:0"


def ready(pid):
    """"": it is; else the line that tells why not, without the number."""
    done = arun("ps", "--ready", pid)
    if "ptrace" in done.stderr:
        raise Skip("this user may not read another process")
    equal((done.returncode, done.stdout, done.stderr.count("\n")),
          (1, "", 1) if done.stderr else (0, "", 0), done.stderr)
    return done.stderr.partition(": ")[2].partition(": ")[2].rstrip("\n")


def until_ready(pid, wanted=""):
    """Waits until it is, or is not for the reason that is wanted."""
    until(lambda: ready(pid).startswith(wanted) and bool(ready(pid)) == bool(wanted), wanted or "ready")


@claim
def a_server_is_ready_when_it_has_yielded():
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "first").mkdir()
        with group(f"{plugin()}:turns", folder) as process:
            until_ready(process.pid, "not ready: it has not called arun_yield() yet")
            (pathlib.Path(folder) / "go").touch()
            lines(process, 1)
            until_ready(process.pid)
            equal(process.stop(), (0, process.stdout, ""))


@claim
def a_main_is_ready_when_it_has_started():
    with group(service("sleeps")) as process:
        until_ready(process.pid)
        process.stop()


@claim
def one_that_stops_is_not():
    with tempfile.TemporaryDirectory() as folder:
        for options in ((), ("-w", "2")):
            (pathlib.Path(folder) / "end").unlink(missing_ok=True)
            with group(*options, "-g", "60", f"{plugin()}:lingers", folder) as process:
                lines(process, 2 if options else 1)
                until_ready(process.pid)
                process.signal()
                until_ready(process.pid, "not ready: 0 of 2 workers serve" if options
                            else "not ready: it is stopping")
                (pathlib.Path(folder) / "end").touch()
                equal(process.ended()[0], 0)


@claim
def one_that_is_stopped_by_a_signal_is_not():
    for options in ((), ("-w", "1")):
        with group(*options, plugin(), ANY) as process:
            lines(process, 1)
            until_ready(process.pid)
            process.signal(signal.SIGSTOP)
            until_ready(process.pid, "not ready: it is stopped by a signal")
            process.signal(signal.SIGCONT)
            until_ready(process.pid)
            process.stop()


@claim
def one_whose_loop_is_blocked_is_not():
    for options in ((), ("-w", "1")):
        with group(*options, "-g", "0.3", plugin(), ANY) as process:
            port = int(lines(process, 1)[0].rpartition(":")[2])
            until_ready(process.pid)
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(b"b")
                until_ready(process.pid, "not ready: its loop has had no turn for ")
            process.stop()


@claim
def a_parent_is_ready_when_all_its_workers_are():
    with tempfile.TemporaryDirectory() as folder:
        with group("-w", "2", f"{plugin()}:turns", folder) as process:
            lines(process, 1)
            until_ready(process.pid, "not ready: 1 of 2 workers serve")
            (pathlib.Path(folder) / "go").touch()
            lines(process, 2)
            until_ready(process.pid)
            for worker in all_workers(process):
                equal(ready(worker), "")
            equal(process.stop(), (0, process.stdout, ""))


@claim
def a_parent_stays_ready_while_it_replaces_its_workers():
    with group("-w", "2", plugin(), ANY) as process:
        lines(process, 2)
        until_ready(process.pid)
        for number in range(3):
            process.signal(signal.SIGHUP)
            while len(process.stdout.splitlines()) < 4 + 2 * number:
                equal(ready(process.pid), "")
        equal(process.stop(), (0, process.stdout, ""))


@claim
def a_worker_that_dies_is_missed_until_another_serves():
    with tempfile.TemporaryDirectory() as folder:
        with group("-w", "2", f"{plugin()}:turns", folder) as process:
            (pathlib.Path(folder) / "go").touch()
            lines(process, 2)
            until_ready(process.pid)
            (pathlib.Path(folder) / "go").unlink()
            os.kill(int(lines(process, 2)[0].split()[1]), signal.SIGKILL)
            until_ready(process.pid, "not ready: 1 of 2 workers serve")
            (pathlib.Path(folder) / "go").touch()
            lines(process, 3)
            until_ready(process.pid)
            equal(process.stop()[0], 0)


@claim
def what_cannot_be_asked_is_told_in_one_line():
    gone = subprocess.Popen(["true"])
    gone.wait()
    equal(ready(gone.pid), "no such process")
    contains(ready(os.getpid()), "not a process of arun (it runs ")
    for words, line in ((["ps", "--ready"], "ps: no PID given"),
                        (["tree", "--ready", "1"], "tree: unknown option '--ready'"),
                        (["ps", "--ready", "-j", "1"], "ps: either --json or --ready")):
        done = arun(*words)
        equal((done.returncode, done.stdout, done.stderr),
              (125, "", f"arun: {line} (see arun {words[0]} --help)\n"), words)


main()
