#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every kind of object, left open alone and with others: as text, as JSON, in ps and in tree."""
import json
import re
import signal
import socket
import subprocess
import time

import schema
from needs import lacking
from plugins import FOLDER, SOURCE, built
from tap import ARUN, DEADLINE, arun, claim, contains, environment, equal, main

SO = built(SOURCE / "tests/fixtures/golden/kinds.c")
LEAVES = SOURCE / "tests/fixtures/kinds/leaves.c"
WATCHERS = SOURCE / "tests/fixtures/kinds/watchers.c"
REPORT = FOLDER / "report.json"

# Of each kind: its line behind the place, what becomes of it, and the members of its "detail".
KINDS = {
    "task": (r'task "sleeps" \(#\d+\) still running', "cancelled",
             {"switches", "stack_size", "cancelled"}),
    "server": (r'server "greet" 127\.0\.0\.1:\d+ \(fd \d+\) not closed', "closed",
               {"local", "accepted", "open", "failed"}),
    "connection": (r"connection 127\.0\.0\.1:\d+ \(fd \d+\) not closed", "closed",
                   {"local", "remote", "in", "out", "unsent"}),
    "generator": (r'generator "counts" \(#\d+\) not closed', "closed", {"yielded"}),
    "timer": (r'timer "tick" \(#\d+\) .*not stopped', "stopped",
              {"every_ms", "fired", "next_ms"}),
    "process": (r'process "sleep 3600" \(pid \d+\) ', "killed", {"pid", "argv"}),
    "lock": (r'lock "leave_lock" \(#\d+\) .*still held', "closed", {"holder", "holder_ended"}),
    "channel": (r'channel "leave_channel" \(#\d+\) with 1 item and 0 waiting not freed', "closed",
                {"capacity", "items", "waiting"}),
    "signals": (r"signals .*not closed", "closed", {"signals", "pending"}),
    "job": (r'job "block" \(#\d+\) still running', "closed", {"orphan"}),
    "datagram": (r"datagram .*127\.0\.0\.1:\d+ \(fd \d+\) not closed", "closed",
                 {"local", "received", "sent", "dropped"}),
    "group": (r'group of task "waits_for_group" \(#\d+\) with 1 task not ended', "cancelled",
              {"running", "ended"}),
    "post": (r'post "tick" \(#\d+\) not delivered', "closed", set()),
    "child": (r'child "arun" \(pid \d+, \w+\) not waited for', "abandoned", {"pid"}),
    "fd": (r"fd \d+ /etc/passwd not closed", "abandoned", {"type", "flags", "pos"}),
    "failed": (r'failed: task "fails" \(#\d+\): Inappropriate ioctl for device', "closed",
               {"result", "errno", "why"}),
    "tls": (r"tls context of a client \(#\d+\) with 0 uses not freed", "closed", set()),
    "watcher": (r"foreign watcher \(libev\) still active\n", "stopped", set()),
}
WITHOUT_PLACE = {"child", "fd", "watcher"}  # made past arun


def line_of(kind):
    """FILE:LINE of the line that makes it."""
    lines = LEAVES.read_text().splitlines()
    found = [n for n, line in enumerate(lines, 1) if f"@{kind} " in line]
    equal(len(found), 1, f"@{kind} in {LEAVES.name}")
    return found[0]


def reported(entry, *words, options=()):
    """The run, and the report at its end."""
    REPORT.unlink(missing_ok=True)
    result = arun("--report", str(REPORT), *options, entry, *words)
    found = [json.loads(line) for line in REPORT.read_text().splitlines()]
    for report in found:
        equal(schema.errors(report), [], entry)
    if not found:
        raise AssertionError(f"no report of {entry}: {result.stderr}")
    return result, found[-1]


def leaks_of(entry, *options):
    """The run, and the leaks of its report by kind."""
    result, report = reported(f"{SO}:{entry}", options=options)
    return result, {leak["kind"]: leak for leak in report["leaks"]}


def check_text(kind, errors):
    line = KINDS[kind][0]
    place = r"\w+\.so" if kind in WITHOUT_PLACE else rf"leaves\.c:{line_of(kind)}"
    mark = "" if kind == "failed" else "leak: "  # it is told of as soon as the run ends
    assert re.search(rf"^{place}: {mark}{line}", errors, re.M), f"no {line} in\n{errors}"
    assert re.search(r": 1 leak: 1 ", errors), errors


def check_JSON(kind, report):
    _, outcome, detail = KINDS[kind]
    equal((report["counts"], report["total"]), ({kind: 1}, 1))
    leak, = report["leaks"]
    equal((leak["kind"], leak["outcome"]), (kind, outcome))
    equal(set(leak.get("detail", {})), detail, kind)
    assert leak["hint"], leak
    if kind in WITHOUT_PLACE:
        equal(leak["created"], None)
    else:
        created = leak["created"]
        equal((created["file"], created["line"]), ("leaves.c", line_of(kind)))


def leaves(kind, *words):
    plugin = built(WATCHERS if kind == "watcher" else LEAVES)
    if kind == "tls" and "without TLS" in arun(f"{plugin}:leave_tls").stderr:
        lacking("built without TLS")
    # A group is left with its task.
    rules = FOLDER / "rules"
    rules.write_text("task:waits_for_group\n" if kind == "group" else "")
    result, report = reported(f"{plugin}:leave_{kind}", *words,
                              options=["--leaks=error", f"--suppress={rules}"])
    check_text(kind, result.stderr)
    check_JSON(kind, report)
    # A task that failed unseen is an error by itself.
    equal(result.returncode, 1 if kind == "failed" else 23, result.stderr)


def claim_of(kind):
    def alone():
        if kind == "connection":
            with socket.create_server(("127.0.0.1", 0)) as listening:
                leaves(kind, f"127.0.0.1:{listening.getsockname()[1]}")
        else:
            leaves(kind)
    alone.__name__ = f"a_{kind}_alone_is_one_line_and_one_object_with_its_place"
    claim(alone)


for each in KINDS:
    claim_of(each)


@claim
def a_group_of_a_task_in_the_background_is_no_leak():
    result = arun("--leaks=error", f"{built(LEAVES)}:group_in_background")
    equal((result.returncode, result.stderr), (0, ""))


@claim
def the_kinds_are_those_of_the_schema():
    root = json.loads(schema.FILE.read_text())
    equal(set(KINDS), set(root["$defs"]["kind"]["enum"]))


@claim
def the_kinds_are_those_of_the_runtime():
    sources = "".join(path.read_text() for path in (SOURCE / "runtime").glob("*.c"))
    equal(set(KINDS), set(re.findall(r'\.word = "(\w+)"', sources)))


@claim
def the_README_has_a_line_of_each_kind():
    sources = "".join(path.read_text() for path in (SOURCE / "runtime").glob("*.c"))
    table = (SOURCE / "README.md").read_text()
    for title in set(re.findall(r'\.title = "([^"(]+)', sources)) - {"failed task"}:
        assert re.search(rf"leak: (\d+ )?{title.strip()}", table), title
    contains(table, "failed: task ")


@claim
def each_kind_can_be_suppressed():
    rules = FOLDER / "rules"
    rules.write_text("".join(f"{kind}:*\n" for kind in KINDS))
    result = arun(f"--suppress={rules}", f"{built(LEAVES)}:group_in_background")
    equal((result.returncode, result.stderr), (0, ""))


@claim
def the_manual_has_each_kind_and_each_member_of_its_detail():
    page = (SOURCE / "man/arun-report.5").read_text()
    kinds = re.search(r"^\.SS Kinds\n(.*?)^\.SS", page, re.S | re.M)[1]
    equal(set(re.findall(r"^\.TP\n\.B (\w+)$", kinds, re.M)), set(KINDS))
    details = re.search(r"^\.I detail\n.*?^\.RS\n(.*?)^\.RE", page, re.S | re.M)[1]
    told = dict(re.findall(r"^\.TP\n(\w+)\n(.*?)(?=^\.TP|\Z)", details, re.S | re.M))
    for kind, (_, _, members) in KINDS.items():
        named = set(re.findall(r"^\.IR? (\w+)", told.get(kind, ""), re.M))
        assert members <= named, f"{kind}: {members - named}"


@claim
def foreign_watchers_are_counted_beside_the_runtimes_own():
    plugin = built(WATCHERS)
    result, report = reported(f"{plugin}:leave_watchers")
    contains(result.stderr, "watchers.so: leak: 2 foreign watchers (libev) still active\n"
                            "arun: watchers.so: 2 leaks: 2 foreign watchers (libev)\n")
    equal(report["counts"], {"watcher": 2})
    result = arun("--leaks=error", f"{plugin}:leave_none")
    equal((result.returncode, result.stderr), (0, ""))


@claim
def each_kind_is_a_line_with_its_place():
    result, _ = leaks_of("leave_all", "--leaks=error")
    equal(result.returncode, 23)
    for pattern in (
        r'kinds\.c:34: leak: timer "tick" \(#\d+\) every 60 s not stopped',
        r'kinds\.c:35: leak: channel "leave" \(#\d+\) with 2 items and 0 waiting not freed',
        r'kinds\.c:17: leak: lock "lock_and_end" \(#\d+\) of task #\d+, which has ended, still held',
        r'kinds\.c:45: leak: post "tick" \(#\d+\) not delivered',
        r"arun: kinds\.so: 4 leaks: 1 timer, 1 lock, 1 channel, 1 post\n",
    ):
        assert re.search(pattern, result.stderr), f"no {pattern} in\n{result.stderr}"


@claim
def each_kind_is_an_object_in_JSON_with_what_became_of_it():
    _, leaks = leaks_of("leave_all")
    equal({kind: leak["outcome"] for kind, leak in leaks.items()},
          {"timer": "stopped", "lock": "closed", "channel": "closed", "post": "closed"})
    left = leaks["timer"]["detail"].pop("next_ms")
    assert 0 < left <= 60000, left
    equal(leaks["timer"]["detail"], {"every_ms": 60000, "fired": 0})
    equal(leaks["channel"]["detail"], {"capacity": 3, "items": 2, "waiting": 0})
    equal(leaks["lock"]["detail"]["holder_ended"], True)
    equal(leaks["lock"]["created"]["line"], 17)


@claim
def a_job_that_blocks_is_named_while_it_is_waited_for_and_abandoned_at_the_end():
    start = time.monotonic()
    result, leaks = leaks_of("leave_a_job", "--grace=1.5")
    assert time.monotonic() - start < 5, "it was waited for beyond the clock"
    equal(result.returncode, 124)
    contains(result.stderr, 'arun: stopping; ')
    contains(result.stderr, 'is over; abandoned: job "block" (#')
    pattern = r'kinds\.c:28: leak: job "block" \(#\d+\) still running'
    assert re.search(pattern, result.stderr), result.stderr
    job = leaks["job"]
    equal((job["outcome"], job["detail"]), ("abandoned", {"orphan": True}))


@claim
def ps_and_tree_list_them_with_how_to_close_them():
    command = [ARUN, "--grace=0.1", f"{SO}:keep_all"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                               env=environment(), text=True)
    try:
        equal(process.stdout.readline(), "ready\n")
        for command in ("ps", "tree"):
            listing = arun(command, str(process.pid))
            equal((listing.returncode, listing.stderr), (0, ""), command)
            for word in ("timer", "lock", "channel", "job"):
                assert re.search(rf"\b{word}\b", listing.stdout), f"no {word} in\n{listing.stdout}"
            listed = json.loads(arun(command, "-j", str(process.pid)).stdout)
            kinds = set(re.findall(r'"kind": "(\w+)"', json.dumps(listed)))
            assert {"timer", "lock", "channel", "job"} <= kinds, kinds
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(DEADLINE)


main()
