#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints what a task and a connection cost, from 10 of them to 1,000,000: the tables of SCALING.md.

	scaling.py [--write] [--most N] BUILD

A process holds as many connections as it may have descriptors; more are held by workers, and made from
many addresses of loopback. It stops where memory would not suffice. --write puts them into SCALING.md.
"""
import argparse
import contextlib
import datetime
import os
import pathlib
import re
import resource
import subprocess
import sys

PAPER = pathlib.Path(__file__).with_name("SCALING.md")
STEPS = (10, 100, 1000, 10000, 100000, 250000, 500000, 1000000)
KERNEL = 10000  # bytes of a connection with both ends here, to see whether there is room


def options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--most", type=int, default=STEPS[-1])
    parser.add_argument("--write", action="store_true")
    return parser.parse_args()


def table(head, lines):
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, ["---:"] * len(head), *lines])


def room_for(size):
    return size < 0.85 * machine.available()


# Tasks --------------------------------------------------------------------------------------------------


def task_line(program, count):
    words = [machine.ARUN, program]
    size, maps, begun, ended = machine.numbers(machine.output(*words, "idle", count))
    yields = machine.lines_of(machine.output(*words, "crowd", max(2000000, count), 1, count))
    return [f"{count:,}", f"{size:,.0f}", f"{size * count / 2**20:,.1f}", f"{maps:.0f}",
            f"{begun / 1000:.2f}", f"{ended / 1000:.2f}", rows.digits(yields[0][0])]


def tasks(program, most):
    lines = []
    for count in (n for n in STEPS if n <= most):
        if not room_for(5000 * count):
            print(f"{count:,} tasks: too little memory", file=sys.stderr)
            break
        lines.append(task_line(program, count))
    return table(["tasks", "bytes each", "MiB", "mappings", "µs to spawn", "µs to cancel and join",
                  "ns a yield, all runnable"], lines)


# Connections ---------------------------------------------------------------------------------------------


def of_kernel():
    """Bytes that sockets, descriptors and their kind take in the kernel, of the whole machine."""
    sockets = re.search(r"^TCP:.* mem (\d+)", pathlib.Path("/proc/net/sockstat").read_text(), re.M)
    return 1024 * machine.meminfo("Slab") + machine.PAGE * int(sockets[1])


def family(pid):
    """A server and its workers."""
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def held_by(pid):
    return sum(machine.memory(process) for process in family(pid))


def spent_by(pid):
    return sum(machine.processor_time(process) for process in family(pid)[1:] or [pid])


def shares(count, each):
    """count, in parts of at most each."""
    parts = -(-count // each)
    return [count // parts + (i < count % parts) for i in range(parts)]


@contextlib.contextmanager
def clients(program, port, counts):
    """Processes that hold so many connections each, which have had an echo."""
    started = []
    try:
        for count in counts:
            started.append(subprocess.Popen(
                machine.words_of([program, port, count, 1]), stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, preexec_fn=machine.on(machine.OTHER)))
        for client in started:
            if client.stdout.readline() != b"ready\n":
                raise machine.Unable("the connections could not be made")
        yield
    finally:
        for client in started:
            client.stdin.close()
        for client in started:
            client.wait()


def busy(built, server, count):
    """ns of the server a request where all connections ask at once."""
    if count > 10000:
        return "–"
    text = machine.output(built / "loadgen", server.port, count, 1, server.pid, cpu=machine.OTHER)
    return rows.digits(machine.numbers(text)[1])


def connection_line(built, count, each):
    counts = shares(count, each)
    workers = 0 if len(counts) == 1 else len(counts) + 2  # they do not get the same number
    words = [machine.ARUN, *(["-w", workers] if workers else []), built / "echo_arun.so"]
    with machine.serving(words) as server:
        with clients(built / "hold", server.port, [10] * max(1, workers)):
            before, kernel, spent = held_by(server.pid), of_kernel(), spent_by(server.pid)
        with clients(built / "hold", server.port, counts):
            size = (held_by(server.pid) - before) / count
            inside = (of_kernel() - kernel) / count
            cpu = (spent_by(server.pid) - spent) / count
        asked = "–" if workers else busy(built, server, count)
    return [f"{count:,}", str(workers or 1), f"{size:,.0f}",
            f"{inside:,.0f}" if count >= 10000 else "–", f"{cpu / 1000:.0f}", asked]


def connections(built, most):
    each = resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 100
    alone = [min(each, 19000)] if each < 100000 else []
    lines = []
    for count in sorted({n for n in STEPS if n <= most} | set(alone)):
        if not room_for((KERNEL + 9000) * count):
            print(f"{count:,} connections: too little memory", file=sys.stderr)
            break
        lines.append(connection_line(built, count, each * 9 // 10 if count > each else each))
    return table(["connections", "processes", "bytes each", "in the kernel, both ends",
                  "µs to accept and echo once", "ns an echo, all busy"], lines)


def limits():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = {"fs.nr_open": "fs/nr_open", "fs.file-max": "fs/file-max",
             "vm.max_map_count": "vm/max_map_count",
             "net.ipv4.ip_local_port_range": "net/ipv4/ip_local_port_range",
             "net.core.somaxconn": "net/core/somaxconn"}
    values = [f"RLIMIT_NOFILE {soft:,} (hard: {hard:,})"]
    values += [f"{name} {pathlib.Path('/proc/sys', path).read_text().strip()}".replace("\t", " to ")
               for name, path in files.items()]
    return ", ".join(values)


def about():
    where = machine.described()
    return (f"Measured on {datetime.date.today():%Y-%m-%d}: {where['processor']}, "
            f"{where['processors']} processors, {where['memory']}; {where['system']}, "
            f"{where['kernel']}; load average {os.getloadavg()[0]:.1f}. {limits()}.")


def put(name, text, into):
    """Between the two marks of that name."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, rest = into.split(begin)
    return f"{before}{begin}\n{text}\n{end}{rest.split(end)[1]}"


def main():
    given = options()
    os.environ["ARUN"] = str(given.build.absolute() / "arun")
    global machine, rows
    import machine
    import rows
    built = given.build.absolute() / "tests" / "bench"
    parts = {"circumstances": about(), "tasks": tasks(built / "tasks.so", given.most)}
    print(parts["circumstances"], parts["tasks"], sep="\n\n", flush=True)
    parts["connections"] = connections(built, given.most)
    print("\n" + parts["connections"])
    if given.write:
        text = PAPER.read_text()
        for name, part in parts.items():
            text = put(name, part, text)
        PAPER.write_text(text)


if __name__ == "__main__":
    main()
