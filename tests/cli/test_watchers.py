#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Watchers of libev that a plugin starts itself, with --debug: who started each, and where."""
import json
import re
import signal
import subprocess
import tempfile

import schema
from needs import lacking
from plugins import FOLDER, SOURCE, built, line_of
from tap import ARUN, DEADLINE, arun, claim, environment, equal, main, until

FIXTURE = SOURCE / "tests/fixtures/kinds/watching.c"
SO = built(FIXTURE, "-g")
REPORT = FOLDER / "report.json"
TYPES = "io timer periodic signal stat idle prepare check fork cleanup async".split()
TITLE = r"foreign watcher \(libev\)"


def line(mark):
    return line_of(FIXTURE, mark)


# The mark of each start, and the watcher's name; one of ev_cleanup is none that anything waits for.
STARTED = {**{f"ev_{type}": f"ev_{type}" for type in TYPES}, "again": "ev_timer", "once": "ev_timer"}
LEFT = {mark: name for mark, name in STARTED.items() if mark != "ev_cleanup"}


def reported(entry, *options):
    REPORT.unlink(missing_ok=True)
    # What ev_once() has taken is libev's to free, and the loop ends before.
    done = arun("--debug", "--report", str(REPORT), *options, f"{SO}:{entry}",
                env={"ASAN_OPTIONS": "detect_leaks=0"})
    if "no libdw.so.1" in done.stderr:
        lacking("no libdw")
    found = [json.loads(text) for text in REPORT.read_text().splitlines()] if REPORT.exists() else []
    for report in found:
        equal(schema.errors(report), [], entry)
    return done, found[-1] if found else None


def every_fd(report):
    for leak in report["leaks"]:
        if leak["kind"] == "fd":
            yield leak
            yield from leak.get("also", ())


@claim
def each_type_is_a_line_with_the_place_of_its_start():
    done, _ = reported("leave_each")
    equal(done.returncode, 0, done.stderr)
    told = re.findall(rf"^watching\.c:(\d+): leak: {TITLE} (\w+) \((?:#|fd )\d+\) still active\n"
                      r"( +\d+ \| .*)\n", done.stderr, re.M)
    equal({(int(n), name) for n, name, _ in told},
          {(line(mark), name) for mark, name in LEFT.items()}, done.stderr)
    for number, _, source in told:
        assert "_start(" in source or "ev_timer_again(" in source or "ev_once(" in source, source
    assert re.search(r" 12 foreign watchers \(libev\)", done.stderr), done.stderr


@claim
def each_type_is_an_object_in_JSON_with_the_place_of_its_start():
    _, report = reported("leave_each")
    leaks = [leak for leak in report["leaks"] if leak["kind"] == "watcher"]
    equal({(leak["created"]["line"], leak["name"]) for leak in leaks},
          {(line(mark), name) for mark, name in LEFT.items()})
    equal({leak["created"]["file"] for leak in leaks}, {"watching.c"})
    equal({(leak["state"], leak["outcome"]) for leak in leaks}, {("active", "stopped")})
    # What an ev_io watches is left open as well.
    equal(sum(leak["detail"]["type"] == "pipe" for leak in every_fd(report)), 2)
    once = next(leak for leak in leaks if leak["created"]["line"] == line("once"))
    equal([call["func"] for call in once["created_stack"]][-2:], ["begin", "leave_each"])


@claim
def what_was_stopped_or_is_of_another_loop_is_not_told_of():
    done, report = reported("leave_few")
    leak, = report["leaks"]
    equal((leak["kind"], leak["created"]["line"]), ("watcher", line("here")))
    equal((leak["count"], report["total"]), (2, 2), done.stderr)


@claim
def watchers_that_ended_by_themselves_or_count_for_nothing_are_no_leaks():
    done, report = reported("leave_none", "--leaks=error")
    equal((done.returncode, done.stderr, report), (0, "", None))


@claim
def without_debug_they_are_counted():
    done = arun(f"{SO}:leave_each")
    assert re.search(r"^watching\.so: leak: 12 foreign watchers \(libev\) still active$",
                     done.stderr, re.M), done.stderr


@claim
def a_dump_and_ps_and_tree_list_them():
    with tempfile.TemporaryFile(dir=FOLDER) as errors:
        process = subprocess.Popen([ARUN, "--debug", f"{SO}:keep_each"], env=environment(),
                                   stdout=subprocess.PIPE, stderr=errors)
        text = lambda: errors.seek(0) or errors.read().decode()
        try:
            equal(process.stdout.readline(), b"open\n")
            process.send_signal(signal.SIGUSR1)
            until(lambda: "end of dump" in text(), "a dump")
            dumped = text()
            listed = json.loads(arun("ps", "-j", str(process.pid)).stdout)
            head = arun("ps", str(process.pid)).stdout.splitlines()[0]
            tree = arun("tree", str(process.pid)).stdout
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(DEADLINE)
    names = sorted(STARTED.values())
    lines = re.findall(rf"{TITLE} (\w+) \((?:#|fd )\d+\) active; .* old\n"
                       r"      = made by: (\w+)\+0x", dumped)
    equal(sorted(name for name, _ in lines), names, dumped)
    equal({function for _, function in lines}, {"start_all"})
    equal(schema.errors(listed), [])
    watchers = [o for o in listed["objects"] if o["kind"] == "watcher"]
    equal(sorted(o["name"] for o in watchers), names)
    equal([o["fd"] >= 0 for o in watchers if o["name"] == "ev_io"], [True])
    assert "  13 foreign watchers (libev)" in head, head
    equal(sorted(re.findall(rf"{TITLE} (\w+)", tree)), names, tree)


main()
