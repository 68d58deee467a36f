#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""arun as process 1 of a namespace of processes."""
import os
import pathlib
import re
import shutil
import signal
import subprocess

from group import all_workers, lines, plugin as workers
from load import running
from service import plugin
from tap import ARUN, DEADLINE, Skip, claim, environment, equal, main, run, until

ORPHANS = 1000
FIRST = ("unshare", "-pf", "--mount-proc")


def can_be_first():
    return shutil.which("unshare") and run(*FIRST, "true").returncode == 0


def children(pid):
    """The numbers and states of a process' children."""
    found = {}
    for folder in pathlib.Path("/proc").iterdir():
        try:
            text = (folder / "status").read_text() if folder.name.isdigit() else ""
        except (FileNotFoundError, ProcessLookupError):
            continue
        fields = dict(re.findall(r"^(\w+):\s*(\S+)", text, re.M))
        if fields.get("PPid") == str(pid):
            found[folder.name] = fields["State"]
    return found


@claim
def orphans_are_reaped_and_its_own_children_left():
    if not can_be_first():
        raise Skip("no namespace of processes can be made here")
    process = subprocess.Popen(
        [*FIRST, "--kill-child", ARUN, plugin("orphans"), str(ORPHANS)],
        env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True)
    equal(process.stdout.readline(), "made\n")
    first, = children(process.pid)
    assert len(children(first)) > 1, "there are orphans"
    until(lambda: list(children(first).values()) == ["Z"], "only the child that nobody has waited for")
    os.kill(int(first), signal.SIGTERM)
    out, errors = process.communicate(timeout=DEADLINE)
    equal((process.returncode, out, errors), (0, "status 7\n", ""))


@claim
def it_is_asked_from_within():
    if not shutil.which("nsenter") or not can_be_first():
        raise Skip("no namespace of processes can be made here")
    with running(*FIRST, "--kill-child", ARUN, "-w", "2", workers(), "tcp:127.0.0.1:0") as process:
        lines(process, 2)
        first, = all_workers(process)
        done = run("nsenter", "-t", str(first), "-p", "-m", "-r", ARUN, "ps", "--ready", "1")
        equal((done.returncode, done.stdout, done.stderr), (0, "", ""))
        os.kill(first, signal.SIGTERM)
        equal(process.ended()[0], 0)


main()
