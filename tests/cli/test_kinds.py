#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Locks, channels, timers, jobs and posts: in the report as text and as JSON, in ps and in tree."""
import json
import pathlib
import re
import signal
import subprocess
import tempfile
import time

import schema
from plugins import SOURCE, build
from tap import ARUN, DEADLINE, arun, claim, contains, environment, equal, main

FOLDER = tempfile.TemporaryDirectory(prefix="arun-kinds-")
SO = build(FOLDER.name, SOURCE / "tests/fixtures/golden/kinds.c")
REPORT = pathlib.Path(FOLDER.name, "report.json")


def leaks_of(entry, *options):
    """The run, and the leaks of its report by kind."""
    REPORT.unlink(missing_ok=True)
    result = arun("--report", str(REPORT), *options, f"{SO}:{entry}")
    found = [json.loads(line) for line in REPORT.read_text().splitlines()]
    for report in found:
        equal(schema.errors(report), [])
    return result, {leak["kind"]: leak for leak in found[-1]["leaks"]}


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
