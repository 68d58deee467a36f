# SPDX-License-Identifier: MIT
"""What is measured: a trial runs some subjects in turns, A B C C B A, and keeps each round's figures."""
import contextlib
import pathlib
import re
import select
import shutil
import subprocess
import tempfile

import machine
import peers as peer
from machine import ARUN, OTHER, Server, Silent, Unable, output, serving

TUNED = "asyncio, tuned malloc"
PYTHON = {"asyncio": ("asyncio", peer.STOCK), TUNED: ("asyncio", peer.TUNED),
          "uvloop": ("uvloop", peer.STOCK)}
COMPILED = {"libdill": "dill", "state-threads": "st", "boost.fiber": "boost",
            "boost.context": "boost", "bare switch": "bare", "array of pointers": "bare"}


class Context:
    """What a trial needs to know."""

    def __init__(self, peers, built, plugins, quick):
        self.peers, self.built, self.plugins = peers, pathlib.Path(built), pathlib.Path(plugins)
        self.rounds, self.seconds = (2, 0.3) if quick else (7, 1.0)
        self.scale, self.quick = 0.2 if quick else 1, quick

    def count(self, full):
        return int(full * self.scale)


def interleaved(rounds, subjects):
    """subjects: name to a function that returns figures by name. (figures, why there are none)

    Each second round goes backwards: what the machine does meanwhile, and what one subject leaves to
    the next, then befalls all alike.
    """
    seen, skipped = {}, {}
    for turn in range(rounds):
        for name, measure in list(subjects.items())[::-1 if turn % 2 else 1]:
            if name in skipped:
                continue
            try:
                figures = measure()
            except (Unable, subprocess.TimeoutExpired) as reason:
                skipped[name] = str(reason)
                seen.pop(name, None)
                continue
            for metric, value in figures.items():
                seen.setdefault(name, {}).setdefault(metric, []).append(value)
    return seen, skipped


# Programs that run one bench --------------------------------------------------------------------------


def command(context, subject):
    """(words, environment) of the program that has a subject's benches."""
    if subject.startswith("arun"):
        return [ARUN, *subject.split()[1:], context.built / "tasks.so"], {}
    if subject == "Go":
        return [context.peers.program("go")], peer.GO
    if subject in PYTHON:
        loop, environment = PYTHON[subject]
        return context.peers.aio(loop), environment
    return [context.peers.program(COMPILED[subject])], {}


def run_bench(context, subject, name, count):
    words, environment = command(context, subject)
    text = output(*words, name, max(context.count(count), 1000), 3, env=environment)
    cpu, wall = machine.columns(machine.lines_of(text))
    return {"cpu": cpu, "wall": wall}


def benches(subjects):
    """A trial of {subject: (bench, operations)}."""
    def trial(context):
        return interleaved(context.rounds, {
            subject: lambda subject=subject, words=words: run_bench(context, subject, *words)
            for subject, words in subjects.items()})
    return trial


def common(name, own, **more):
    """The subjects that all have a bench of that name."""
    counts = {"arun": own, "libdill": own, "Go": own // 4, "state-threads": own // 4,
              "boost.fiber": own // 4, "asyncio": own // 60, "uvloop": own // 60}
    counts.update(more)
    return {subject: (name, count) for subject, count in counts.items() if count}


def idle(count, *subjects):
    """Bytes of a task that sleeps, and the mappings of all."""
    def measure(context, subject):
        wanted = count * 5500 + 2**30
        if machine.available() < wanted:
            raise Unable(f"less than {wanted / 2**30:.0f} GiB of memory are available")
        words, environment = command(context, subject)
        size, maps, cpu = machine.numbers(output(*words, "idle", count, env=environment))[:3]
        return {"bytes": size, "mappings": maps, "cpu": cpu}

    def trial(context):
        return interleaved(1 if context.quick or count > 500000 else 3, {
            subject: lambda subject=subject: measure(context, subject) for subject in subjects})
    return trial


# Echo servers -------------------------------------------------------------------------------------------


def echo_server(context, subject):
    """(words, environment) of an echo server that prints its port."""
    if subject.startswith("arun"):
        return [ARUN, *subject.split()[1:], context.built / "echo_arun.so"], {}
    if subject == "Go":
        return [context.peers.program("go"), "echo"], peer.GO
    if subject == "state-threads":
        return [context.peers.program("st"), "echo"], {}
    kind = {"protocol": "protocol", "streams": "streams"}.get(subject.split(",")[0].split()[-1])
    if kind:
        loop, environment = PYTHON[subject.replace(" " + kind, "")]
        return [*context.peers.aio(loop), kind], environment
    return [context.peers.program({"epoll": "echo_epoll", "libev": "echo_libev",
                                   "libuv": "echo_uv"}[subject])], {}


def load(server, program, connections, seconds, *words):
    """Figures of a server under a load."""
    text = output(program, server.port, connections, seconds, server.pid, *words, cpu=OTHER)
    rate, cpu, middle, late, broken, _ = machine.numbers(text)
    if broken:
        raise Unable(f"{broken:.0f} connections broke")
    return {"rate": rate, "cpu": cpu, "p50": middle, "p99": late}


def echo(connections, subjects, *words, part=1):
    """A server of each round's own under the load of so many connections. Both processors are in use,
    and what else the machine does shows: shorter rounds, and more of them, bear that better."""
    def measure(context, subject):
        server, environment = echo_server(context, subject)
        seconds = context.seconds * part * 0.6
        with serving(server, env=environment) as running:
            return load(running, context.built / "loadgen", connections, seconds, *words)

    def trial(context):
        return interleaved(2 * context.rounds, {
            subject: lambda subject=subject: measure(context, subject) for subject in subjects})
    return trial


def tls(context):
    """Against OpenSSL and epoll alone. One connection each is made before the clock runs."""
    with tempfile.TemporaryDirectory() as folder:
        def measure(words):
            certificate = certify(folder)
            program = context.peers.program("loadgen_tls")
            with serving([*words(), certificate]) as server:
                return load(server, program, 50, context.seconds)

        return interleaved(context.rounds, {
            "arun": lambda: measure(lambda: [ARUN, context.built / "echo_arun.so"]),
            "OpenSSL on epoll": lambda: measure(lambda: [context.peers.program("echo_tls")]),
        })


def certify(folder):
    """A certificate with its key, in one file."""
    path = pathlib.Path(folder, "both.pem")
    if not path.exists():
        peer.found("openssl")
        output("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
               "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost", "-days", "30",
               "-keyout", f"{path}.key", "-out", path)
        path.write_text(path.read_text() + pathlib.Path(f"{path}.key").read_text())
    return path


@contextlib.contextmanager
def held(context, port, connections, rounds, cpu=OTHER, policy=None):
    """So many connections that have had so many echoes each, and are open."""
    client = subprocess.Popen(
        machine.words_of([context.built / "hold", port, connections, rounds]),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=machine.on(cpu, policy))
    try:
        select.select([client.stdout], [], [], 120)
        if client.stdout.readline() != b"ready\n":
            raise Unable(f"no {connections:,} connections could be made")
        yield
    finally:
        client.communicate()


def connection(context):
    """Bytes that a server has more for a connection that is idle, after one echo."""
    count = 2000 if context.quick else 10000

    def measure(subject):
        words, environment = echo_server(context, subject)
        with serving(words, env=environment) as server:
            with held(context, server.port, 10, 1):
                before = machine.memory(server.pid)
                with held(context, server.port, count, 1):
                    return {"bytes": (machine.memory(server.pid) - before) / count}

    return interleaved(1 if context.quick else 3, {
        subject: lambda subject=subject: measure(subject)
        for subject in ("arun", "Go", "libev", "asyncio streams")})


def system_calls(context):
    """Of a server under the load of 50 connections, each request's; counted by the kernel, or by strace
    (which slows the server, so that it finds more at a time)."""
    def count(server):
        words = [context.built / "loadgen", server.port, 50, max(context.seconds, 0.5), server.pid]
        done = subprocess.run(
            machine.words_of(["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "-p",
                              server.pid, *words]),
            capture_output=True, text=True, preexec_fn=machine.on(OTHER))
        calls, requests = done.stderr.split(",")[0], done.stdout.split()
        if not calls.isdigit() or len(requests) != 6:
            raise Unable("perf may not count system calls")
        return {"calls": int(calls) / int(requests[5])}

    def measure(subject):
        peer.found("perf")
        words, environment = echo_server(context, subject)
        with serving(words, env=environment) as server:
            return count(server)

    return interleaved(1 if context.quick else 3, {
        subject: lambda subject=subject: measure(subject)
        for subject in ("arun", "epoll", "libev", "Go", "asyncio streams")})


# Starts -----------------------------------------------------------------------------------------------


def start(context):
    def measure(words, count):
        text = output(context.built / "startup", count, *words())
        cpu, wall = machine.columns(machine.lines_of(text))
        return {"cpu": cpu, "wall": wall}

    def asyncio():
        return [context.peers.program("python"), peer.SOURCES / "nothing_aio.py"]

    return interleaved(context.rounds, {
        "arun": lambda: measure(lambda: [ARUN, context.built / "nothing_arun.so"], 100),
        "an empty C program": lambda: measure(lambda: [context.built / "nothing"], 100),
        "asyncio.run()": lambda: measure(asyncio, 5),
    })


# Services -----------------------------------------------------------------------------------------------

NGINX = """
worker_processes 1;
daemon off;
pid {folder}/pid;
error_log /dev/null;
events {{ worker_connections 4096; }}
http {{
	access_log off;
	keepalive_requests 1000000000;
	client_body_temp_path {folder}/1;
	proxy_temp_path {folder}/2;
	fastcgi_temp_path {folder}/3;
	uwsgi_temp_path {folder}/4;
	scgi_temp_path {folder}/5;
	server {{
		listen 127.0.0.1:{port};
		location = /plain {{ default_type text/plain; return 200 "{body}"; }}
	}}
}}
"""
BODY = "0123456789" * 20  # as long as what the example answers


def services(context, commands, measure):
    """Servers that all run, and are loaded in turns. commands: name to words by port."""
    with contextlib.ExitStack() as stack:
        started = {}

        def figures(name):
            if name not in started:
                port = machine.free_port()
                started[name] = Silent(commands[name](port), port)
                stack.callback(started[name].end)
            server = started[name]
            before = machine.processor_time(server.pid)
            requests, rate = measure(server)
            return {"rate": rate,
                    "cpu": (machine.processor_time(server.pid) - before) / requests}

        return interleaved(context.rounds, {
            name: lambda name=name: figures(name) for name in commands})


def plugin(context, name):
    path = context.plugins / name
    if not path.exists():
        raise Unable(f"{name} was not built")
    return path


def http(context):
    def wrk(server):
        peer.found("wrk")
        text = output("wrk", "-t1", "-c64", f"-d{max(1, round(context.seconds))}",
                      f"http://127.0.0.1:{server.port}/plain", cpu=OTHER)
        if "Socket errors" in text or "Non-2xx" in text:
            raise Unable("wrk saw errors")
        return (int(re.search(r"(\d+) requests in", text)[1]),
                float(re.search(r"Requests/sec:\s*([\d.]+)", text)[1]))

    with tempfile.TemporaryDirectory() as folder:
        def nginx(port):
            program = shutil.which("nginx") or peer.found("/usr/sbin/nginx")
            path = pathlib.Path(folder, "nginx.conf")
            path.write_text(NGINX.format(folder=folder, port=port, body=BODY))
            return [program, "-c", path]

        return services(context, {
            "arun": lambda port: [ARUN, plugin(context, "07-http.so"), f"127.0.0.1:{port}"],
            "nginx": nginx,
        }, wrk)


def resp(test, pipeline):
    def trial(context):
        def benchmark(server):
            peer.found("redis-benchmark")
            count = context.count(600_000 if pipeline > 1 else 100_000)
            text = output("redis-benchmark", "-p", server.port, "-q", "-n", count, "-P", pipeline,
                          "-r", 10_000, "-t", test, cpu=OTHER)
            rates = re.findall(r"([\d.]+) requests per second", text)
            if not rates:
                raise Unable("redis-benchmark printed no rate")
            return count, float(rates[-1])

        return services(context, {
            "arun": lambda port: [ARUN, plugin(context, "08-resp.so"), f"127.0.0.1:{port}"],
            "Redis": lambda port: [peer.found("redis-server"), "--port", port, "--bind",
                                   "127.0.0.1", "--save", "", "--appendonly", "no"],
        }, benchmark)
    return trial


ECHO = ["arun", "epoll", "libev", "libuv", "state-threads", "Go", "uvloop protocol",
        "uvloop streams", "asyncio streams", "asyncio streams, tuned malloc"]

TRIALS = {
    "yield": benches({**common("yield", 2000000), "boost.context": ("switch", 2000000),
                      "bare switch": ("switch", 2000000)}),
    "crowd": benches({"arun": ("crowd", 2000000), "array of pointers": ("crowd", 2000000)}),
    "channel": benches({s: c for s, c in common("channel", 600000).items()
                        if s not in ("state-threads", "boost.fiber")}),
    "spawn": benches(common("spawn", 1000000, **{TUNED: 16000})),
    "batch": benches(common("batch", 1000000)),
    "idle-100000": idle(100000, "arun", "Go", "asyncio"),
    "idle-1000000": idle(1000000, "arun", "Go"),
    "connection": connection,
    "echo-50": echo(50, ECHO),
    "echo-1000": echo(1000, ["arun", "epoll", "libev", "libuv", "Go", "uvloop protocol"]),
    "echo-10000": echo(10000, ["arun", "epoll", "libev", "Go"], part=1.5),
    "syscalls": system_calls,
    "accept": echo(50, ["arun", "epoll", "libev", "Go"], "close"),
    "start": start,
    "http": http,
    "resp-set": resp("set", 1),
    "resp-get": resp("get", 1),
    "resp-set-16": resp("set", 16),
    "resp-get-16": resp("get", 16),
    "tls": tls,
    "debug-spawn": benches({"arun --debug": ("spawn", 200000), "arun": ("spawn", 200000)}),
    "debug-echo": echo(50, ["arun --debug", "arun"]),
}
