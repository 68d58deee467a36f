#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a run says it left open: the lines and the JSON, as a user gets them."""
import contextlib
import copy
import json
import os
import re
import resource
import signal
import socket
import subprocess

import schema
from plugins import FOLDER, SOURCE, built, written
from schema import reports
from tap import ARUN, DEADLINE, arun, claim, contains, environment, equal, main

GOLDEN = SOURCE / "tests/fixtures/golden"
# Members whose numbers differ from run to run; a masked number is 0.
NUMBERS = {"id", "fd", "pid", "uptime_ms", "age_ms", "for_ms", "left_ms", "shutdown_ms",
           "switches", "stack_size", "cpu_us", "stack_used"}
TEXTS = {"time": "TIME", "arun": "VERSION", "path": "PATH"}
# Closes all descriptors, as who makes a daemon does, and opens one of its own.
TAKES = """#include <arun.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static void take(const char *when) {
	if (strcmp(getenv("TAKES_AT"), when) == 0) {
		for (int fd = 3; fd < 4; fd++) {
			close(fd);
		}
		open(getenv("TAKES"), O_RDWR | O_CREAT, 0600);
	}
}
__attribute__((constructor)) static void load(void) {
	take("load");
}
static int stay(void *arg) {
	(void)arg;
	return arun_sleep(600);
}
static int takes(int argc, char **argv) {
	(void)argc;
	(void)argv;
	arun_spawn(stay, NULL);
	take("main");
	return 0;
}
ARUN_MAIN(takes)
"""
MANY = """#include <arun.h>
static int many(void *arg) {
	(void)arg;
	return arun_sleep(600);
}
static void spawn(int count, const struct arun_site *site) {
	while (count-- > 0) {
		arun_spawn_at(site, "many", many, NULL);
	}
}
static int spawn_many(int argc, char **argv) {
	(void)argc;
	(void)argv;
%s
	return arun_sleep(0);
}
ARUN_MAIN(spawn_many)
"""
LEAVES = """#include <arun.h>
#include <stdio.h>
#include <stdlib.h>
static int nap(void *arg) {
	(void)arg;
	return arun_sleep(600);
}
static int leaves(void *status) {
	printf("flushed\\n");
	exit(*(int *)status);
}
static int job(void *arg) {
	return arg != NULL;
}
static int leave(int argc, char **argv) {
	static int status;
	status = atoi(argv[1]);
	if (argc > 3) {
		arun_blocking(job, NULL);
	}
	if (argc > 2) {
		arun_spawn(nap, NULL);
	}
	arun_spawn(leaves, &status);
	arun_sleep(600);
	leaves(&status);
	return 1;
}
ARUN_MAIN(leave)
"""
RETURNS = """#include <arun.h>
static int handle(arun_conn *conn, void *arg) {
	(void)conn;
	(void)arg;
	return 0;
}
static int serve(int argc, char **argv) {
	(void)argv;
	return arun_listen("127.0.0.1:0", handle, NULL) && argc == 1 ? 0 : -1;
}
ARUN_SERVER(serve)
static int as_main(int argc, char **argv) {
	return serve(argc, argv);
}
ARUN_MAIN(as_main)
"""
# 10,000 from 30 sites, the lines 14 to 43.
SPAWNS = "\n".join(f"\tspawn({334 if i < 10 else 333}, ARUN_SITE);" for i in range(30))


def plugin(name):
    return built(GOLDEN / f"{name}.c")


def report_of(name):
    return FOLDER / f"{name}.json"


def masked_text(text):
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", text)
    text = re.sub(r"\b[\d.]+ (ms|s|min) old", "AGE old", text)
    return re.sub(r"#\d+", "#N", re.sub(r"\bfd \d+", "fd N", text))


def masked(value, name=None):
    if name == "counts":
        return value
    if isinstance(value, dict):
        return {k: masked(v, k) for k, v in value.items() if k != "build_id"}
    if isinstance(value, list):
        return [masked(item) for item in value]
    if name in NUMBERS and value is not None:
        return 0
    return TEXTS.get(name, masked_text(value)) if isinstance(value, str) else value


def indented(value):
    return json.dumps(value, indent=1, sort_keys=True).splitlines()


@contextlib.contextmanager
def serving(*words):
    """A server that has printed its address: the process and the address."""
    process = subprocess.Popen([ARUN, *map(str, words)], env=environment(), text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        line = process.stdout.readline()
        if not line:
            raise AssertionError(process.communicate(timeout=DEADLINE)[1])
        host, port = line.strip().rsplit(":", 1)
        yield process, (host, int(port))
    finally:
        process.kill()
        process.communicate()


@contextlib.contextmanager
def connected(address):
    """A connection whose handler has greeted; in the end it sees the server's close."""
    with socket.create_connection(address, DEADLINE) as client, client.makefile() as file:
        equal(file.readline(), "hello\n")
        yield
        equal(file.read(), "")


def run_leaves(*options):
    """Runs the plugin that leaves everything open; returns its status and stderr."""
    with serving(*options, plugin("leaves")) as (process, address):
        with connected(address), connected(address):
            process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=DEADLINE)
    return process.returncode, stderr


@claim
def the_validator_refuses_what_the_schema_does():
    good = json.loads((GOLDEN / "leaves.json").read_text())
    good["time"] = "2026-11-22T12:00:41.204311Z"
    equal(schema.errors(good), [])
    for path, value in [(["kind"], "leak"), (["pid"], "1"), (["time"], "noon"),
                        (["counts", "task"], "x"), (["leaks", 0, "kind"], "thing"),
                        (["leaks", 0, "created", "line"], None), (["leaks"], {}),
                        (["leaks", 2, "waiting", "file"], 1), (["schema"], "arun-report/2"),
                        (["new"], 1), (["leaks", 0, "detail", "new"], 1)]:
        bad = copy.deepcopy(good)
        place = bad
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value
        equal(len(schema.errors(bad)), 1, str(path))
    del good["plugin"]["path"], good["leaks"][0]["state"]
    equal(len(schema.errors(good)), 2)


@claim
def every_member_that_the_sources_write_is_in_the_schema():
    logs = {"log.c", "say.c"}  # of another form
    sources = "".join(path.read_text() for folder in ("runtime", "cli")
                      for path in sorted((SOURCE / folder).glob("*.c")) if path.name not in logs)
    written = set(re.findall(r'\\"(\w+)\\": ', sources))
    written |= set(re.findall(r'\b(?:add|print)_(?:string|milliseconds)\(out, "(\w+)",', sources))
    written |= set(re.findall(r'\baddress_member\(out, "(\w+)",', sources))
    assert {"fd", "hint", "age_ms", "remote"} <= written, written
    equal(written - schema.members(), set())


@claim
def a_report_that_cannot_be_written_is_said():
    with open("/dev/full", "w") as full:
        ended = arun(f"--report=fd:{full.fileno()}", plugin("fails"), pass_fds=[full.fileno()])
    contains(ended.stderr, "arun: the report could not be written: No space left on device\n")
    contains(ended.stderr, "leak: ")


@claim
def a_file_that_has_got_the_number_of_the_reports_is_left_alone():
    taking = written("takes", TAKES)
    for when, why in (("main", "arun: the report could not be written: Bad file descriptor\n"),
                      ("load", "its constructor has closed the file of --report: there is none\n")):
        data, report = FOLDER / when, report_of(when)
        ended = arun(f"--report={report}", taking, env={"TAKES": str(data), "TAKES_AT": when})
        contains(ended.stderr, why)
        contains(ended.stderr, 'leak: task "stay"')
        equal((ended.returncode, data.read_bytes(), report.read_bytes()), (0, b"", b""), when)


@claim
def a_report_for_which_there_is_no_room_leaves_no_half_of_a_line():
    def limited():
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    file = FOLDER / "no_room"
    file.write_text("{}\n")
    with open(file, "r+") as there:
        os.lseek(there.fileno(), 3, os.SEEK_SET)
        for to in file, f"fd:{there.fileno()}":
            ended = arun(f"--report={to}", plugin("fails"), preexec_fn=limited,
                         pass_fds=[there.fileno()])
            contains(ended.stderr, "arun: the report could not be written: File too large\n")
            equal((file.read_text(), os.lseek(there.fileno(), 0, os.SEEK_CUR)), ("{}\n", 3))


@claim
def a_limit_of_the_size_of_files_costs_no_more_than_the_file():
    def limited():
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    wanted = arun(plugin("fails"))
    ended = arun(f"--report={report_of('limited')}", plugin("fails"), preexec_fn=limited)
    equal(ended.returncode, wanted.returncode, ended.stderr)
    contains(ended.stderr, "arun: the report could not be written: File too large\n")
    contains(ended.stderr, "leak: ")
    with open(FOLDER / "out", "w") as out:
        ended = arun("--version", stdout=out, preexec_fn=limited)
    equal((ended.returncode, ended.stderr), (1, "arun: standard output: File too large\n"))


@claim
def one_of_each_kind_left_open_is_told_of_as_the_manual_has_it():
    file = report_of("leaves")
    status, stderr = run_leaves(f"--report={file}")
    equal(status, 0, stderr)
    equal(masked_text(stderr), (GOLDEN / "leaves.txt").read_text())
    report, = reports(file)
    golden = json.loads((GOLDEN / "leaves.json").read_text())
    equal(indented(masked(report)), indented(golden))


@claim
def the_calls_of_the_loop_are_left_out_with_debug():
    file = report_of("calls")
    status, stderr = run_leaves("--debug", f"--report={file}")
    equal(status, 0, stderr)
    contains(stderr, "leak: 2 connections of server ")
    assert "ev_" not in stderr and '"ev_' not in file.read_text(), stderr


@claim
def ten_thousand_leaks_from_thirty_sites_are_twenty_lines_and_a_count():
    file = report_of("many")
    done = arun(f"--report={file}", written("many", MANY % SPAWNS))
    lines = done.stderr.splitlines()
    equal(done.returncode, 0)
    equal(len(lines), 22, done.stderr)
    contains(lines[0], 'many.c:14: leak: 334 tasks "many" still running: #2, #3, ')
    contains(lines[0], " and 326 more")
    contains(lines[19], 'many.c:33: leak: 333 tasks "many" still running: ')
    equal(lines[20:], ["arun: many.so: and 3330 more leaks",
                       "arun: many.so: 10000 leaks: 10000 tasks"])
    report, = reports(file)
    equal([leak["count"] for leak in report["leaks"]], 10 * [334] + 20 * [333])
    equal((report["total"], report["counts"]), (10000, {"task": 10000}))


@claim
def a_clean_run_says_nothing_and_writes_nothing():
    file = report_of("clean")
    done = arun(f"--report={file}", "--leaks=error", plugin("clean"))
    equal((done.returncode, done.stdout, done.stderr), (0, "", ""))
    equal(reports(file), [])


@claim
def leaks_off_says_nothing_and_writes_nothing():
    file = report_of("off")
    equal(run_leaves("--leaks=off", f"--report={file}"), (0, ""))
    equal(reports(file), [])


@claim
def leaks_error_is_status_23_where_it_would_have_been_0():
    file = report_of("error")
    status, stderr = run_leaves("--leaks=error", f"--report={file}")
    equal(status, 23)
    equal(masked_text(stderr), (GOLDEN / "leaves.txt").read_text())
    report, = reports(file)
    equal(report["end"]["status"], 23)


@claim
def a_deadlock_names_every_task_and_is_status_1():
    file = report_of("deadlock")
    done = arun(f"--report={file}", plugin("deadlock"))
    equal(done.returncode, 1, done.stderr)
    contains(masked_text(done.stderr), (GOLDEN / "deadlock.txt").read_text())
    report = reports(file)[0]
    equal((report["kind"], report["end"]["reason"], report["total"]), ("deadlock", "deadlock", 3))
    equal(sorted(task["name"] for task in report["objects"]), ["a", "b", "deadlock"])
    equal([task["name"] for task in report["objects"] if task["owner"] is None], ["deadlock"])


@claim
def what_is_open_is_told_of_also_where_the_plugin_calls_exit():
    file, library = report_of("exits"), written("exits", LEAVES)
    for options, status, wanted in (([], 7, 7), ([], 0, 0), (["--leaks=error"], 0, 23),
                                    (["--leaks=error", "--debug"], 7, 7)):
        done = arun(f"--report={file}", *options, library, status, "task")
        equal((done.returncode, done.stdout), (wanted, "flushed\n"), done.stderr)
        contains(masked_text(done.stderr), 'exits.c:22: leak: task "nap" (#N) still running')
        contains(done.stderr, "arun: exits.so: 1 leak: 1 task\n")
        report = reports(file)[-1]
        equal((report["end"]["reason"], report["end"]["status"], report["counts"]),
              ("return", wanted, {"task": 1}))
    equal(len(reports(file)), 4)
    done = arun("--leaks=error", library, 0)
    equal((done.returncode, done.stdout, done.stderr), (0, "flushed\n", ""))


@claim
def so_it_is_where_a_thread_of_it_calls_exit():
    file = report_of("threads")
    for how in "job", "thread":
        for options, status, wanted in (([], 7, 7), ([], 0, 0), (["--leaks=error"], 0, 23),
                                        (["--leaks=error", "--debug"], 7, 7)):
            done = arun(f"--report={file}", *options, plugin("departs"), status, how, "task")
            equal((done.returncode, done.stdout.split("\n")[0]), (wanted, "flushed"), done.stderr)
            contains(masked_text(done.stderr), 'leak: task "nap" (#N) still running')
            contains(done.stderr, "arun: departs.so: 1 leak: 1 task\n")
            report = reports(file)[-1]
            equal((report["end"]["reason"], report["end"]["status"], report["counts"]),
                  ("return", wanted, {"task": 1}))
        done = arun("--leaks=error", plugin("departs"), 0, how)
        equal((done.returncode, done.stdout, done.stderr), (0, "flushed\nlast\n", ""))
    equal(len(reports(file)), 8)


@claim
def where_the_loop_does_not_turn_there_is_a_line_that_names_the_job():
    done = arun(plugin("departs"), 7, "late", "task")
    equal((done.returncode, done.stdout, done.stderr),
          (7, "flushed\nlast\n",
           'arun: exit() in job "leaves", and the loop does not turn: there is no report\n'))


@claim
def a_child_that_a_job_has_forked_exits_without_a_word():
    done = arun(plugin("departs"), 7, "forked")
    equal(done.returncode, 5)
    assert "arun:" not in done.stderr, done.stderr


@claim
def where_pthread_exit_has_left_the_stacks_there_is_no_report():
    library = written("threads", LEAVES.replace("exit(*(int *)status)", "pthread_exit(status)")
                      .replace("stdlib.h", "pthread.h>\n#include <stdlib.h"))
    # The threads of --debug, and of arun_blocking(), do not keep the process.
    for words in (library, 0, "task"), (library, 0), ("--debug", library, 0, "task"), (library, 0, "", "job"):
        done = arun(*words)
        equal((done.returncode, done.stdout, done.stderr),
              (0, "flushed\n", "arun: pthread_exit() in a task: there is no report\n"))


@claim
def a_task_that_failed_unseen_is_a_leak_of_the_report():
    file = report_of("fails")
    done = arun(f"--report={file}", plugin("fails"))
    equal(done.returncode, 1, done.stderr)
    contains(masked_text(done.stderr), 'fails.c:15: failed: task "janitor" (#N): Input/output error\n')
    report, = reports(file)
    equal((report["counts"], report["end"]["reason"]), ({"failed": 1}, "return"))
    equal(report["leaks"][0]["detail"]["errno"], 5)


@claim
def a_report_is_added_to_what_the_file_has():
    file = report_of("twice")
    for _ in range(2):
        run_leaves(f"--report={file}")
    equal([report["total"] for report in reports(file)], [6, 6])


@claim
def who_returns_while_servers_listen_is_told_how_a_server_waits():
    there = written("returns", RETURNS)
    as_main, as_server = (arun(f"{there}:{name}") for name in ("as_main", "serve"))
    equal((as_main.returncode, as_main.stderr.splitlines()[-1]),
          (0, "arun: returns.so: a server is declared with ARUN_SERVER, and waits in "
              "arun_yield(); as_main is a main and has returned"))
    equal((as_server.returncode, as_server.stderr.splitlines()[-1]),
          (0, "arun: returns.so: a server waits in arun_yield() until it is to stop; "
              "serve has returned without"))
    failed = arun(f"{there}:serve", "fail").stderr
    contains(failed, "serve failed: ")
    assert "arun_yield" not in failed, failed


main()
