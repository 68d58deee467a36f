# SPDX-License-Identifier: MIT
"""arun --workers: processes that share the sockets, and a parent that looks after them."""
import contextlib
import json
import os
import pathlib
import re
import resource
import select
import signal
import socket
import tempfile
import time

import schema
from group import (FIXTURE, PLUGIN, Load, all_workers, ask, descriptors, group, lines, plugin, ready,
                   serves)
from load import build, not_sanitized
from service import Manager
from tap import DEADLINE, Skip, arun, claim, contains, equal, main, until

ANY = "tcp:127.0.0.1:0"


def who(process, which=slice(None)):
    return [int(line.split()[1]) for line in process.stdout.splitlines()[which]]


@claim
def workers_share_a_socket_that_the_plugin_opens():
    with group("-w", "3", plugin(), ANY) as process:
        port = ready(process, 3)
        equal(all_workers(process), set(who(process)))
        contains(who(process), ask(port)[1])
        equal(process.stop(), (0, process.stdout, ""))


@claim
def each_of_several_sockets_is_shared():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "socket")
        with group("-w", "2", plugin(), ANY, ANY, f"unix:{path}") as process:
            addresses = [line.split()[2] for line in lines(process, 6)]
            equal(len(set(addresses)), 3, addresses)
            assert os.path.exists(path)
            equal(process.stop()[0], 0)
            assert not os.path.exists(path)


@claim
def long_names_that_differ_at_their_end_are_two_sockets():
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, "\udcff" * 60 + end) for end in "12"]
        with group("-w", "2", plugin(), *(f"unix:{path}" for path in paths)) as process:
            addresses = [line.split()[2] for line in lines(process, 4)]
            equal(len(set(addresses)), 2, addresses)
            equal([os.path.exists(path) for path in paths], [True, True])
            equal(process.stop()[0], 0)


@claim
def sockets_of_listen_are_shared():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with group("-w", "2", "-l", f"tcp:127.0.0.1:{port}", plugin(),
               f"tcp:127.0.0.1:{port}") as process:
        equal(ready(process), port)
        assert ask(port)
        equal(process.stop(), (0, process.stdout, ""))


@claim
def datagram_sockets_are_shared():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"udp:127.0.0.1:{port}"
    for options in ((), ("-l", address)):
        with group("-w", "2", *options, f"{plugin()}:datagrams", address) as process:
            equal(ready(process), port)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.settimeout(60)
                client.sendto(b"x", ("127.0.0.1", port))
                contains(who(process), int(client.recv(64).split()[1]))
            equal(process.stop(), (0, process.stdout, ""))


@claim
def twenty_rolling_restarts_lose_no_connection():
    with group("-w", "2", plugin(), ANY) as process:
        port, had = ready(process), 2
        before = descriptors(process)
        with Load(port) as load:
            for _ in range(20):
                old = all_workers(process)
                process.signal(signal.SIGHUP)
                lines(process, had := had + 2)
                load.goes_on(250)
                until(lambda: len(all_workers(process)) == 2
                      and not all_workers(process) & old, "both are new")
        equal(load.lost, 0)
        assert load.count() >= 5000, load.count()
        until(lambda: descriptors(process) == before, "no descriptor is left")
        equal(process.stop(), (0, process.stdout, ""))


@claim
def a_restart_that_is_asked_for_too_early_is_made_when_all_are_ready():
    with tempfile.TemporaryDirectory() as folder:
        with group("-w", "2", f"{plugin()}:turns", folder) as process:
            lines(process, 1)
            process.signal(signal.SIGHUP)
            process.signal(signal.SIGUSR1)
            process.until(lambda: "end of dump" in process.stderr, "it has had the signals")
            (pathlib.Path(folder) / "go").touch()
            lines(process, 4)
            until(lambda: len(all_workers(process)) == 2, "two are left")
            equal({int(line.split()[1]) for line in lines(process, 4)[2:]}, all_workers(process))
            equal(process.stop()[0], 0)


@claim
def a_dump_that_is_asked_for_too_early_ends_nobody():
    early = build(FIXTURE, *PLUGIN, "-DEARLY", to="early.so")
    for options in ((), ("-w", "2")):
        done = arun(*options, f"{early}:says")
        equal((done.returncode, set(done.stdout.split())), (0, {"said"}), done.stderr)
    equal(arun("-t", f"{early}:says").returncode, 0)


@claim
def a_killed_worker_is_back_within_a_second_and_leaves_no_descriptor():
    kills = 200
    with group("-w", "2", plugin(), ANY) as process:
        port = ready(process)
        before = descriptors(process)
        with Load(port, 1) as load:
            longest = 0
            for number in range(kills):
                os.kill(who(process, slice(-1, None))[0], signal.SIGKILL)
                began = time.monotonic()
                lines(process, 3 + number)
                longest = max(longest, time.monotonic() - began)
                until(lambda: len(all_workers(process)) == 2, "two again")
        assert load.lost <= kills, f"{load.lost} lost with {kills} kills"
        assert longest < 1, longest
        until(lambda: descriptors(process) == before, "no descriptor is left")
        equal(process.stop()[0], 0)
        equal(len(re.findall(r"died of signal 9 \(Killed\); another starts in 100 ms",
                             process.stderr)), kills)


def replaces_a_killed_worker(process):
    lines(process, 2)
    serves(process)
    os.kill(who(process)[0], signal.SIGKILL)
    lines(process, 3)
    serves(process)
    equal(process.stop()[0], 0)


@claim
def a_parent_whose_stderr_nobody_reads_goes_on():
    ours, theirs = os.pipe()
    os.close(ours)
    with group("-w", "2", plugin(), ANY, stderr=theirs) as process:
        replaces_a_killed_worker(process)
    os.close(theirs)


@claim
def a_parent_whose_stderr_is_a_full_pipe_goes_on():
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(theirs, b"x")
    os.set_blocking(theirs, True)
    with group("-w", "2", plugin(), ANY, stderr=theirs) as process:
        replaces_a_killed_worker(process)
    os.close(theirs)
    os.close(ours)


def ear(process):
    """A socket to the parent's, which any user of this machine may talk to."""
    links = [os.readlink(link) for link in pathlib.Path(f"/proc/{process.pid}/fd").iterdir()]
    rows = [row.split() for row in pathlib.Path("/proc/net/unix").read_text().splitlines()]
    names = [row[7] for row in rows
             if len(row) > 7 and row[7][0] == "@" and f"socket:[{row[6]}]" in links]
    equal(len(names), 1, names)
    stranger = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    stranger.connect("\0" + names[0][1:])
    return stranger


@claim
def what_strangers_send_leaves_no_descriptor():
    with group("-w", "1", plugin(), ANY) as process:
        ready(process, 1)
        with ear(process) as stranger:
            for count in (1, 2, 3):
                reads, writes = os.pipe()
                socket.send_fds(stranger, [b"FDSTORE=1"], [writes] * count)
                os.close(writes)
                # Its end comes when all copies of the other one are closed.
                assert select.select([reads], [], [], DEADLINE)[0], f"{count} descriptors"
                os.close(reads)
        equal(process.stop()[0], 0)


@claim
def one_that_crashes_again_and_again_waits_longer_each_time():
    not_sanitized("which makes an exit of a crash")
    with group("-w", "1", plugin(), ANY) as process:
        port = ready(process, 1)
        for number, pause in enumerate((100, 200, 400)):
            ask(port, b"k")
            process.until(lambda: f"another starts in {pause} ms" in process.stderr, pause)
            lines(process, 2 + number)
        contains(process.stderr, "died of signal 11 (Segmentation fault)")
        equal(process.stop()[0], 0)


@claim
def a_first_start_that_fails_ends_all_with_its_status():
    for words, status in ((("./no-such.so",), 127), ((plugin(to="fails.so").as_posix()
                          + ":fails", "/"), 1)):
        done = arun("-w", "2", *words)
        equal(done.returncode, status, done.stderr)
        contains(done.stderr, "arun: ")


@claim
def a_main_that_ends_well_is_not_started_again():
    equal(arun("-w", "2", f"{plugin()}:returns").returncode, 0)


@claim
def a_main_that_fails_has_started_and_is_started_again():
    with group("-w", "2", f"{plugin()}:returns", "3") as process:
        process.until(lambda: process.stderr.count("another starts in 200 ms") == 2,
                      "both were started twice")
        contains(process.stderr, "ended with status 3; another starts in 100 ms")
        equal(process.stop()[0], 0)


@claim
def a_new_one_that_fails_leaves_the_old_one_serving():
    with tempfile.TemporaryDirectory() as folder:
        flag = os.path.join(folder, "flag")
        with group("-w", "2", f"{plugin()}:fails", flag) as process:
            lines(process, 2)
            old = all_workers(process)
            open(flag, "w").close()
            process.signal(signal.SIGHUP)
            process.until(lambda: "the old one serves on" in process.stderr, "it says so")
            equal(all_workers(process), old)
            os.unlink(flag)
            process.signal(signal.SIGHUP)
            lines(process, 4)
            until(lambda: len(all_workers(process)) == 2
                  and not all_workers(process) & old, "both are new")
            equal(process.stop()[0], 0)


@claim
def the_signal_that_stops_it_decides_how_it_ends():
    for signum, status in ((signal.SIGTERM, 0), (signal.SIGINT, -signal.SIGINT)):
        with group("-w", "2", plugin(), ANY) as process:
            port = ready(process)
            process.signal(signum)
            equal(process.ended()[0], status)
            equal(ask(port), None)


@claim
def of_several_ends_the_first_in_the_order_of_the_manual_counts():
    for first, other, status in ((5, 1, 1), (5, 23, 23), (23, 1, 1), (1, 23, 1), (23, 5, 23),
                                 (5, 6, 5), (1, 124, 124)):
        with tempfile.TemporaryDirectory() as folder:
            with group("-w", "2", f"{plugin()}:ends_apart", folder, first, other) as process:
                lines(process, 2)
                serves(process)
                equal(process.stop()[0], status, (first, other))


@claim
def what_nohup_has_ignored_stays_so():
    def ignore():
        for signum in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(signum, signal.SIG_IGN)
    with group("-w", "2", plugin(), ANY, preexec_fn=ignore) as process:
        port = ready(process)
        before = all_workers(process)
        for signum in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1):
            process.signal(signum)
        process.until(lambda: process.stderr.count("end of dump") == 2, "both have dumped")
        assert ask(port)
        equal(all_workers(process), before)
        equal(process.stop()[0], 0)


@claim
def workers_that_do_not_stop_are_ended_within_the_grace_time():
    not_sanitized("which is too slow for this")
    with group("-w", "2", "-g", "0.3", plugin(), ANY) as process:
        port = ready(process)
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"b")
            lines(process, 3)
            began = time.monotonic()
            process.signal()
            equal(process.ended()[0], 124)
            assert time.monotonic() - began < 10


@claim
def workers_do_not_outlive_a_parent_that_is_killed():
    for entry in "serve", "forgets_its_parent":
        with group("-w", "2", f"{plugin()}:{entry}", ANY) as process:
            port = ready(process)
            process.process.kill()
            process.process.wait()
            until(lambda: ask(port) is None, "nobody serves")
            said = f"has ended: its parent (pid {process.pid}) is gone\n"
            until(lambda: process.stderr.count(said) == 2, "both say why")


@claim
def the_service_manager_hears_of_the_group():
    manager = Manager()
    env = {**os.environ, "NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "400000"}
    with group("-w", "2", plugin(), ANY, env=env) as process:
        ready(process)
        manager.waits_for("READY=1").waits_for("STATUS=2 workers").waits_for("WATCHDOG=1")
        process.signal(signal.SIGHUP)
        until(lambda: manager.states().count("READY=1") == 2, "it is ready again")
        process.stop()
        equal(manager.states(), ["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"])


def fill(manager):
    """Leaves no room for another message; returns how many there are."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as other:
        other.connect(manager.address)
        for count in range(100_000):
            try:
                other.send(b"STATUS=full")
            except BlockingIOError:
                return count


@claim
def what_a_busy_service_manager_has_no_room_for_it_is_told_later():
    manager = Manager()
    env = {**os.environ, "NOTIFY_SOCKET": manager.address}
    count = fill(manager)
    with group("-w", "2", plugin(), ANY, env=env) as process:
        serves(process)
        process.signal(signal.SIGHUP)
        lines(process, 4)
        until(lambda: len(all_workers(process)) == 2, "both were replaced")
        assert len(manager.messages()) >= count
        until(lambda: len(manager.states()) == 3, "it has heard all")
        process.stop()
        equal(manager.states(), ["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"])


@claim
def a_worker_that_hangs_is_replaced_where_there_is_a_watchdog():
    manager = Manager()
    env = {**os.environ, "NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "500000"}
    with group("-w", "2", plugin(), ANY, env=env) as process:
        port = ready(process)
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"b")
            lines(process, 4)
        contains(process.stderr, "has given no sign of life for 0.5 s")
        contains(process.stderr, "died of signal 6 (Aborted)")
        equal(process.stop()[0], 0)


@claim
def a_first_worker_that_cannot_be_started_is_one_line_and_125():
    not_sanitized("whose LeakSanitizer would find no descriptor either")
    line = "arun: cannot start a worker: Too many open files\n"
    said = []
    for limit in range(4, 10):
        result = arun("-w", "2", f"{plugin()}:returns", preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_NOFILE, (limit, limit)))
        if line in result.stderr:
            said.append((result.returncode, result.stderr.count(line)))
    assert said and set(said) == {(125, 1)}, said


@claim
def each_worker_reports_its_leaks_and_the_parent_their_sum():
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "report.json"
        with group("-w", "2", f"--report={file}", f"{plugin()}:leaks") as process:
            serves(process)
            process.signal(signal.SIGHUP)
            lines(process, 4)
            status, _, errors = process.stop()
            leaky = errors.count("1 leak: 1 server\n")
            assert status == 0 and leaky >= 4, errors
            equal(errors.splitlines()[-1],
                  f"arun: {leaky} leaks in {leaky} workers: {leaky} servers")
        *reports, total = map(json.loads, file.read_text().splitlines())
        equal([problem for report in (*reports, total) for problem in schema.errors(report)], [])
        equal([report["counts"] for report in reports], [{"server": 1}] * leaky)
        equal((total["kind"], total["pid"], total["counts"], total["total"], total["workers"]),
              ("workers", process.pid, {"server": leaky}, leaky, leaky))


@claim
def a_report_that_nobody_reads_does_not_hold_the_parent_up():
    reader, writer = socket.socketpair()
    with reader, writer:
        # Takes the reports of the workers, and no more.
        writer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 6000)
        with group("-w", "2", f"--report=fd:{writer.fileno()}", f"{plugin()}:leaks",
                   pass_fds=[writer.fileno()]) as process:
            serves(process)
            status, _, errors = process.stop()
            equal(status, 0, errors)
            contains(errors, f"arun: --report: fd:{writer.fileno()}: nobody reads it\n")


@claim
def what_one_worker_has_reported_is_not_told_again():
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "report.json"
        for options in (("--leaks=off", "-w", "2"), ("-w", "1")):
            with group(*options, f"--report={file}", f"{plugin()}:leaks") as process:
                ready(process, int(options[-1]))
                status, _, errors = process.stop()
                equal((status, errors.count(" leaks in ")), (0, 0), errors)
                equal(file.read_text().count("\n"), 0 if "off" in options[0] else 1)


@claim
def workers_is_a_count_and_reload_a_flag():
    for value in ("-1", "1001", "x", "2x", "", " 1", "+1"):
        done = arun(f"--workers={value}", "./p.so")
        equal((done.returncode, done.stderr), (125, f"arun: --workers: '{value}' is not a number "
                                               "of processes from 0 to 1000 (see arun --help)\n"))
    for variable, value in (("ARUN_WORKERS", "two"), ("ARUN_RELOAD", "2")):
        done = arun("./p.so", env={variable: value})
        equal(done.returncode, 125)
        contains(done.stderr, f"${variable}: '{value}' is not ")


@claim
def the_variable_counts_and_the_option_wins():
    said = f"{plugin()}:says"
    for words, env, count in (((), {"ARUN_WORKERS": "3"}, 3), (("-w2",), {"ARUN_WORKERS": "3"}, 2),
                              (("-w1",), {"ARUN_WORKERS": "x"}, 1)):
        done = arun(*words, said, env=env)
        equal((done.returncode, done.stdout), (0, "said\n" * count), done.stderr)


@claim
def ps_of_the_parent_shows_its_workers():
    with group("-w", "2", plugin(), ANY) as process:
        ready(process)
        for command in (("ps",), ("tree",), ("ps", "-j")):
            done = arun(*command, process.pid)
            if "ptrace" in done.stderr:
                raise Skip("this user may not read another process")
            equal((done.returncode, done.stderr), (0, ""))
            for pid in who(process):
                contains(done.stdout, str(pid))
        process.stop()


@claim
def zero_is_one_for_each_processor():
    with group("-w", "0", plugin(), ANY) as process:
        lines(process, len(os.sched_getaffinity(0)))
        equal(len(all_workers(process)), len(os.sched_getaffinity(0)))
        equal(process.stop()[0], 0)


main()
