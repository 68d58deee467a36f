#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Counts what is the same on every run, and holds it to what is recorded.

	exact.py [--record] FOLDER COMPILER BUILDTYPE SANITIZER

FOLDER holds the built programs; $ARUN is the launcher. Nothing here is a time: instructions are counted
by valgrind, system calls by strace, memory by the kernel. What is worse than the record by more than the
tolerance fails; so does what is better by more, as the record is then to be lowered: --record writes it
(tools/bench --record).
"""
import json
import os
import pathlib
import platform
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile

import machine
from machine import ARUN, MEASURED, Server, Unable, output

RECORD = pathlib.Path(__file__).with_name("exact.json")
TOLERANCE = 0.04
BATCH = os.SCHED_BATCH  # does not preempt: all requests of a round are there before it looks

sys.path.append(str(pathlib.Path(__file__).parent.parent / "cli"))
import tap  # noqa: E402


def tool(name):
    path = shutil.which(name)
    if not path and os.environ.get("CI") == "true":
        raise AssertionError(f"{name} is not installed")
    if not path:
        raise Unable(f"{name} is not installed")
    return path


def ended(process, number=signal.SIGTERM):
    process.send_signal(number)
    try:
        process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def instructions(words, about):
    """All that valgrind counts of a program; about: what to do with it while it runs."""
    with tempfile.TemporaryDirectory() as folder:
        counts = pathlib.Path(folder, "counts")
        process = subprocess.Popen(
            machine.words_of([tool("valgrind"), "--tool=cachegrind", "--cache-sim=no",
                              f"--cachegrind-out-file={counts}", *words]),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            preexec_fn=machine.on(MEASURED, BATCH))
        try:
            about(process)
        finally:
            ended(process)
        found = re.search(r"^summary: (\d+)", counts.read_text(), re.M) if counts.exists() else None
        if not found:
            raise Unable("valgrind counted nothing")
        return int(found[1])


def each(count, few, many):
    """Of one operation, so that start and end cancel out."""
    return (count(many) - count(few)) / (many - few)


def of_tasks(folder, name, few, many):
    def count(operations):
        return instructions([ARUN, folder / "tasks.so", name, operations, 1],
                            lambda process: process.communicate(timeout=120))
    return each(count, few, many)


def rounds(folder, port, connections, count):
    """So many echoes on each connection; all of a round are sent before the first is answered."""
    client = subprocess.Popen(
        machine.words_of([folder / "hold", port, connections, count]),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=machine.on(MEASURED))
    try:
        if not select.select([client.stdout], [], [], 120)[0] or \
                client.stdout.readline() != b"ready\n":
            raise Unable("the echo server broke off")
    finally:
        client.communicate()


def of_echoes(folder, connections, few, many, words, counted):
    """counted(words, about): a count of all of a server's life."""
    def count(requests):
        def about(process):
            port = process.stdout.readline().strip()
            rounds(folder, port, connections, requests // connections)
        return counted(words, about)
    return each(count, few, many)


def system_calls(words, about):
    """All that strace counts of a program."""
    with tempfile.TemporaryDirectory() as folder:
        counts = pathlib.Path(folder, "counts")
        process = subprocess.Popen(
            machine.words_of([tool("strace"), "-f", "-c", "-U", "name,calls", "-o", counts, *words]),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=machine.on(MEASURED, BATCH))
        try:
            about(process)
        finally:
            stop_child(process)
        found = re.findall(r"^(\w+)\s+(\d+)$", counts.read_text(), re.M) if counts.exists() else []
        if not found:
            raise Unable("strace may not trace here")
        return sum(int(calls) for name, calls in found if name != "total")


def stop_child(tracer):
    """A signal is for the traced program: the tracer ends with it."""
    path = pathlib.Path(f"/proc/{tracer.pid}/task/{tracer.pid}/children")
    for child in path.read_text().split() if path.exists() else []:
        os.kill(int(child), signal.SIGTERM)
    try:
        tracer.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        tracer.kill()
        tracer.communicate()


def idle(folder, index):
    return machine.numbers(output(ARUN, folder / "tasks.so", "idle", 10000))[index]


def mappings(folder):
    release = [int(n) for n in re.findall(r"\d+", platform.release())[:2]]
    if release < [6, 13]:
        raise Unable("guards are mappings of their own before Linux 6.13")
    return idle(folder, 1)


def connection(folder):
    """Bytes of a connection with its task, after one echo."""
    server = Server([ARUN, folder / "echo_arun.so"])
    try:
        rounds(folder, server.port, 10, 1)
        before = machine.memory(server.pid)
        client = subprocess.Popen(
            machine.words_of([folder / "hold", server.port, 1000, 1]),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            if client.stdout.readline() != b"ready\n":
                raise Unable("the echo server broke off")
            return (machine.memory(server.pid) - before) / 1000
        finally:
            client.communicate()
    finally:
        server.end()


def echo_words(folder):
    return [ARUN, folder / "echo_arun.so"]


METRICS = {
    "instructions per spawn and join": lambda f: of_tasks(f, "spawn", 2000, 12000),
    "instructions per spawn and join, 1,000 alive": lambda f: of_tasks(f, "batch", 2000, 12000),
    "instructions per pair of yields": lambda f: of_tasks(f, "yield", 2000, 12000),
    "instructions per channel ping-pong": lambda f: of_tasks(f, "channel", 2000, 12000),
    "instructions per echo, 50 at once":
        lambda f: of_echoes(f, 50, 500, 3000, echo_words(f), instructions),
    "system calls per echo, 50 at once":
        lambda f: of_echoes(f, 50, 500, 5500, echo_words(f), system_calls),
    "system calls per echo, alone":
        lambda f: of_echoes(f, 1, 10, 510, echo_words(f), system_calls),
    "bytes per idle task": lambda f: idle(f, 0),
    "mappings of 10,000 idle tasks": mappings,
    "bytes per idle connection": connection,
}


def measured(folder):
    """All of them; None: cannot be counted here."""
    figures = {}
    for name, count in METRICS.items():
        try:
            figures[name] = round(count(folder), 2)
        except Unable as reason:
            print(f"# {name}: {reason}", file=sys.stderr)
            figures[name] = None
    return figures


def recorded():
    return json.loads(RECORD.read_text())


def record(folder, build):
    figures = {name: value for name, value in measured(folder).items() if value is not None}
    if len(figures) < len(METRICS):
        sys.exit("not recorded: not all of it can be counted here")
    RECORD.write_text(json.dumps({"build": build, "figures": figures}, indent="\t") + "\n")
    for name, value in figures.items():
        print(f"{value:10,.2f} {name}")


def comparable(name, build):
    """Instructions are those of one compiler."""
    then = recorded()["build"]
    if "instructions" in name and then != build:
        raise tap.Skip(f"recorded with {then['compiler']} ({then['build']}, {then['machine']})")


def hold(name, folder, build):
    """A claim."""
    def claim():
        if build["sanitizer"] != "none":
            raise tap.Skip(f"instrumented: {build['sanitizer']}")
        comparable(name, build)
        try:
            now = METRICS[name](folder)
        except Unable as reason:
            raise tap.Skip(str(reason))
        was = recorded()["figures"][name]
        # Slabs are one mapping but where the system, by chance, has put them around others.
        slack = max(TOLERANCE * was, 8 if "mappings" in name else 0)
        print(f"# {name}: {now:,.2f}, recorded {was:,.2f}")
        assert now <= was + slack, f"{now:,.2f} is above the record {was:,.2f}"
        assert now >= was - slack, \
            f"{now:,.2f} is below the record {was:,.2f}: lower it with tools/bench --record"
    claim.__name__ = name.replace(",", "") + " are as recorded"
    return claim


def main():
    words = sys.argv[1:]
    recording = words[0] == "--record"
    folder, compiler, build, sanitizer = words[recording:]
    about = {"compiler": compiler, "build": build, "sanitizer": sanitizer,
             "machine": platform.machine()}
    folder = pathlib.Path(folder)
    if recording:
        record(folder, about)
        return
    for name in METRICS:
        tap.claim(hold(name, folder, about))
    tap.main()


if __name__ == "__main__":
    main()
