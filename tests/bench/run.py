#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures arun against its peers and prints tables of medians. Figures, not assertions.

	tests/bench/run.py [--rounds N] [--seconds S] [--json] FOLDER

FOLDER holds the programs that were built from this folder; $ARUN is the launcher. What is compared
runs interleaved, so that ratios hold on a machine that others use too.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time

CPUS = sorted(os.sched_getaffinity(0))
MEASURED, OTHER = CPUS[-1], CPUS[0]
ARUN = os.environ.get("ARUN", "arun")
COLUMNS = ["what", "arun", "peer", "arun / peer", "the peer"]


def on(cpu):
    return lambda: os.sched_setaffinity(0, {cpu})


def output(*words, cpu=MEASURED):
    done = subprocess.run([str(w) for w in words], stdout=subprocess.PIPE, text=True,
                          preexec_fn=on(cpu), check=True)
    return done.stdout


def medians(rounds, measures):
    """The median of each measure; measures: name to a function. Interleaved."""
    seen = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            seen[name].append(measure())
    return {name: statistics.median(values) for name, values in seen.items()}


def digits(value):
    if isinstance(value, str) or value is None:
        return value or "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


class Table:
    def __init__(self, title):
        self.title, self.rows = title, []

    def add(self, what, own, peer=None, about=""):
        ratio = f"{own / peer:.2f}" if peer else "-"
        self.rows.append([what, digits(own), digits(peer), ratio, about])

    def print(self):
        rows = [COLUMNS] + self.rows
        widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
        rows.insert(1, ["-" * width for width in widths])
        print(f"\n{self.title}\n")
        for row in rows:
            print("| " + " | ".join(c.ljust(w) for c, w in zip(row, widths)) + " |", flush=True)


# Tasks: name, operations a round, operations to count instructions of, words, its peer.
TASKS = [
    ("bare_switch", 2000000, 100000, None, None),
    ("bare_spawn", 2000000, 100000, None, None),
    ("bare_thread", 5000, 0, None, None),
    ("yield", 2000000, 100000, "two tasks yield in turn, a pair", "bare_switch"),
    ("generator", 1000000, 100000, "an item from a generator", "bare_switch"),
    ("spawn", 1000000, 100000, "spawn and join, one at a time", "bare_spawn"),
    ("batch", 1000000, 100000, "spawn 1,000, join 1,000, a task", "bare_thread"),
]
PEERS = {
    "bare_switch": "the bare switch, there and back",
    "bare_spawn": "the bare switch, to a new context and back",
    "bare_thread": "pthread_create() and pthread_join()",
}


def tasks(folder, rounds):
    """Nanoseconds of processor time."""
    program = folder / "tasks"
    ns = medians(rounds, {
        name: lambda name=name, count=count: statistics.median(
            float(line) for line in output(program, name, count, 3).split())
        for name, count, *_ in TASKS
    })
    table = Table("Tasks: ns of processor time")
    for name, _, _, words, peer in TASKS:
        if words:
            table.add(words, ns[name], ns[peer], PEERS[peer])
    crowd = medians(3, {"crowd": lambda: float(output(program, "crowd", 10))})["crowd"]
    table.add("one of 100,000 that all yield, a yield", crowd, ns["bare_switch"] / 2,
              "the bare switch, one way")
    return table


def instructions(folder):
    """What is exact on any machine: counted twice, so that start and end cancel out."""
    table = Table("Tasks: instructions")
    if not shutil.which("valgrind"):
        table.title += " (not counted: valgrind is not installed)"
        return table

    def count(name, operations):
        done = subprocess.run(
            ["valgrind", "--tool=cachegrind", "--cache-sim=no",
             "--cachegrind-out-file=/dev/null", folder / "tasks", name, str(operations), "1"],
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, check=True)
        return int(re.search(r"I\s+refs:\s+([\d,]+)", done.stderr)[1].replace(",", ""))

    ir = {name: (count(name, 2 * n) - count(name, n)) / n for name, _, n, *_ in TASKS if n}
    for name, _, _, words, peer in TASKS:
        if words:
            table.add(words, ir[name], ir.get(peer), PEERS[peer] if peer in ir else "")
    return table


def memory(folder):
    table = Table("Memory: bytes, resident and of page tables")
    for count in (10000, 100000):
        table.add(f"an idle task, of {count:,}", float(output(folder / "tasks", "idle", count)),
                  os.sysconf("SC_PAGESIZE"), "a page")
    return table


class Server:
    """An echo server that prints its port."""

    def __init__(self, words):
        self.process = subprocess.Popen([str(w) for w in words], stdout=subprocess.PIPE,
                                        text=True, preexec_fn=on(MEASURED))
        self.port = self.process.stdout.readline().strip()

    def load(self, folder, connections, seconds):
        """Requests a second, ns of the server a request, microseconds 50 %, 99 %."""
        words = output(folder / "loadgen", self.port, connections, seconds, self.process.pid,
                       cpu=OTHER).split()
        if int(words[4]):
            print(f"{words[4]} connections broke", file=sys.stderr)
        return [float(word) for word in words[:4]]

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate()


def echo(folder, rounds, seconds):
    commands = {
        "arun": [ARUN, folder / "echo_arun.so"],
        "libev": [folder / "echo_libev"],
        "epoll": [folder / "echo_epoll"],
    }
    about = {"libev": "plain libev callbacks", "epoll": "nothing but epoll"}
    tables = []
    for connections in (50, 1000):
        seen = {name: [] for name in commands}
        for _ in range(rounds):
            for name, words in commands.items():
                server = Server(words)
                seen[name].append(server.load(folder, connections, seconds))
                server.end()
        table = Table(f"Echo of 64 bytes over TCP, {connections} connections")
        figures = {name: [statistics.median(c) for c in zip(*rows)] for name, rows in seen.items()}
        for index, what in enumerate(["requests a second", "the server's ns a request",
                                      "50 % answered in µs", "99 % answered in µs"]):
            for peer in about:
                table.add(what, figures["arun"][index], figures[peer][index], about[peer])
        tables.append(table)
    return tables


def debug(folder, rounds, seconds):
    """What --debug costs; its peer is arun without."""
    program, plugin, about = folder / "tasks", folder / "echo_arun.so", "arun without"
    table = Table("With --debug: ns of processor time")
    for name, count, what in [("spawn", 200000, "spawn and join, one at a time"),
                              ("yield", 1000000, "two tasks yield in turn, a pair")]:
        ns = medians(rounds, {
            flag: lambda flag=flag: statistics.median(
                float(line) for line in output(program, *flag.split(), name, count, 3).split())
            for flag in ("-d", "")})
        table.add(what, ns["-d"], ns[""], about)

    def echoed(*flags):
        server = Server([ARUN, *flags, plugin])
        figures = server.load(folder, 50, seconds)
        server.end()
        return figures[1]

    ns = medians(rounds, {"with": lambda: echoed("-d"), "without": lambda: echoed()})
    table.add("an echo of 64 bytes, 50 connections", ns["with"], ns["without"], about)
    return table


def syscalls(folder, words, connections, seconds):
    """System calls of a server a request, over all of a load; None: they cannot be counted."""
    server = Server(words)
    done = subprocess.run(
        ["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "-p", str(server.process.pid),
         str(folder / "loadgen"), server.port, str(connections), str(seconds),
         str(server.process.pid)], capture_output=True, text=True, preexec_fn=on(OTHER))
    server.end()
    calls, requests = done.stderr.split(",")[0], done.stdout.split()
    return int(calls) / int(requests[5]) if calls.isdigit() and len(requests) == 6 else None


def echo_syscalls(folder, seconds):
    table = Table("Echo: system calls a request")
    for connections in (50, 1000) if shutil.which("perf") else ():
        own = syscalls(folder, [ARUN, folder / "echo_arun.so"], connections, seconds)
        peer = syscalls(folder, [folder / "echo_libev"], connections, seconds)
        if own and peer:
            table.add(f"an echo, {connections:,} connections", own, peer, "plain libev callbacks")
    if not table.rows:
        table.title += " (not counted: perf is not installed, or not permitted)"
    return table


def start_up(folder, rounds):
    devnull = os.open(os.devnull, os.O_RDWR)
    environment = {k: v for k, v in os.environ.items() if k != "LD_LIBRARY_PATH"}
    os.sched_setaffinity(0, {MEASURED})

    def start(*words):
        words = [str(word) for word in words]
        begin = time.perf_counter()
        pid = os.posix_spawnp(words[0], words, environment,
                              file_actions=[(os.POSIX_SPAWN_DUP2, devnull, 1)])
        status = os.waitpid(pid, 0)[1]
        if status:
            raise RuntimeError(f"{words}: status {status}")
        return (time.perf_counter() - begin) * 1e3

    ms = medians(rounds, {
        "nothing": lambda: start(folder / "nothing"),
        "arun": lambda: start(ARUN, folder / "nothing_arun.so"),
    })
    table = Table("Start and end: ms")
    table.add("an empty plugin", ms["arun"], ms["nothing"], "an empty C program")
    return table


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=pathlib.Path, help="of the built programs")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each load")
    parser.add_argument("--only", choices=["tasks", "instructions", "memory", "echo", "debug",
                                           "start"])
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    folder, rounds = given.folder.absolute(), given.rounds
    parts = {
        "tasks": lambda: [tasks(folder, rounds)],
        "instructions": lambda: [instructions(folder)],
        "memory": lambda: [memory(folder)],
        "echo": lambda: echo(folder, rounds, given.seconds) + [echo_syscalls(folder, given.seconds)],
        "debug": lambda: [debug(folder, rounds, given.seconds)],
        "start": lambda: [start_up(folder, 200)],
    }
    for name, part in parts.items():
        if given.only in (None, name):
            for table in part():
                if given.json:
                    print(json.dumps({"title": table.title,
                                      "rows": [dict(zip(COLUMNS, r)) for r in table.rows]}))
                else:
                    table.print()


if __name__ == "__main__":
    main()
