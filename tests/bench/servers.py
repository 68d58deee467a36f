#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures the example servers against the programs that do their work, one core for each server.

	tests/bench/servers.py [--rounds N] [--seconds S] [--json] FOLDER

FOLDER holds the plugins that were built from plugins/; $ARUN is the launcher. Peers run interleaved;
the load is made on another core, and needs about as much of it as the server of its own.
"""
import argparse
import contextlib
import json
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import tempfile
import time

from run import ARUN, COLUMNS, MEASURED, OTHER, Table, on

BODY = "0123456789" * 20  # as long as what the example answers
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


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def load(*words):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True,
                          preexec_fn=on(OTHER), check=True)
    return done.stdout.replace("\r", "\n")


class Server:
    """A program that serves at a port; the work may be done by a child of it."""

    def __init__(self, words, port):
        self.port = port
        self.process = subprocess.Popen([str(w) for w in words], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, preexec_fn=on(MEASURED))
        end = time.monotonic() + 10
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{words[0]} does not serve")
            time.sleep(0.01)

    def answers(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def cpu(self):
        """Nanoseconds of processor time so far."""
        pid = self.process.pid
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return sum(int(pathlib.Path(f"/proc/{p}/schedstat").read_text().split()[0])
                   for p in [pid, *children])

    def end(self):
        self.process.terminate()
        self.process.wait()


@contextlib.contextmanager
def servers(commands):
    """name to a function of a port that returns the words of a command."""
    started = {}
    try:
        for name, words in commands.items():
            port = free_port()
            started[name] = Server(words(port), port)
        yield started
    finally:
        for server in started.values():
            server.end()


def compare(title, own, peer, started, rounds, measure):
    """measure(server): how many requests, and requests a second."""
    rates, costs = {own: [], peer: []}, {own: [], peer: []}
    for _ in range(rounds):
        for name, server in started.items():
            before = server.cpu()
            requests, rate = measure(server)
            costs[name].append((server.cpu() - before) / requests)
            rates[name].append(rate)
    table = Table(title)
    for what, seen in ("requests a second", rates), ("the server's ns a request", costs):
        table.add(what, statistics.median(seen[own]), statistics.median(seen[peer]), peer)
    return table


def lacks(table, *programs):
    missing = [p for p in programs if not shutil.which(str(p)) and not pathlib.Path(p).exists()]
    return [Table(f"{table} (not measured: no {', '.join(map(str, missing))})")] if missing else []


def http(plugins, rounds, seconds):
    plugin = plugins / "07-http.so"
    missing = lacks("HTTP/1.1", plugin, "nginx", "wrk")
    if missing:
        return missing

    def wrk(connections):
        def measure(server):
            text = load("wrk", "-t1", f"-c{connections}", f"-d{seconds}",
                        f"http://127.0.0.1:{server.port}/plain")
            if "Socket errors" in text or "Non-2xx" in text:
                raise RuntimeError(text)
            return (int(re.search(r"(\d+) requests in", text)[1]),
                    float(re.search(r"Requests/sec:\s*([\d.]+)", text)[1]))
        return measure

    with tempfile.TemporaryDirectory() as folder:
        def nginx(port):
            path = pathlib.Path(folder, "nginx.conf")
            path.write_text(NGINX.format(folder=folder, port=port, body=BODY))
            return ["nginx", "-c", path]

        commands = {"arun": lambda port: [ARUN, plugin, f"127.0.0.1:{port}"], "nginx": nginx}
        with servers(commands) as started:
            return [compare(f"HTTP/1.1, 200 bytes, kept alive, {n} connections", "arun", "nginx",
                            started, rounds, wrk(n)) for n in (64, 256)]


def resp(plugins, rounds, seconds):
    plugin = plugins / "08-resp.so"
    missing = lacks("RESP", plugin, "redis-server", "redis-benchmark")
    if missing:
        return missing

    def benchmark(test, pipeline):
        def measure(server):
            count = seconds * (200_000 if pipeline > 1 else 20_000)
            text = load("redis-benchmark", "-p", server.port, "-q", "-n", count, "-P", pipeline,
                        "-r", 10_000, "-t", test)
            return count, float(re.search(r": ([\d.]+) requests per second", text)[1])
        return measure

    def redis(port):
        return ["redis-server", "--bind", "127.0.0.1", "--port", port, "--save", ""]

    commands = {"arun": lambda port: [ARUN, plugin, f"127.0.0.1:{port}"], "redis-server": redis}
    with servers(commands) as started:
        return [compare(f"RESP, {test.upper()}, 50 connections, {p} in one packet", "arun",
                        "redis-server", started, rounds, benchmark(test, p))
                for p in (1, 16) for test in ("set", "get", "incr")]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=pathlib.Path, help="of the built plugins")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=1, help="of each load, about")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    for part in http, resp:
        for table in part(given.folder.absolute(), given.rounds, given.seconds):
            if given.json:
                print(json.dumps({"title": table.title,
                                  "rows": [dict(zip(COLUMNS, r)) for r in table.rows]}))
            else:
                table.print()


if __name__ == "__main__":
    main()
