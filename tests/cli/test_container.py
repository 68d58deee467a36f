#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""arun as process 1 of a namespace of processes."""
import os
import pathlib
import re
import shutil
import signal
import subprocess

from service import plugin
from tap import ARUN, DEADLINE, Skip, claim, environment, equal, main, run, until

ORPHANS = 1000


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
    if not shutil.which("unshare") or run("unshare", "-pf", "--mount-proc", "true").returncode != 0:
        raise Skip("no namespace of processes can be made here")
    process = subprocess.Popen(
        ["unshare", "-pf", "--mount-proc", "--kill-child", ARUN, plugin("orphans"), str(ORPHANS)],
        env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True)
    equal(process.stdout.readline(), "made\n")
    first, = children(process.pid)
    assert len(children(first)) > 1, "there are orphans"
    until(lambda: list(children(first).values()) == ["Z"], "only the child that nobody has waited for")
    os.kill(int(first), signal.SIGTERM)
    out, errors = process.communicate(timeout=DEADLINE)
    equal((process.returncode, out, errors), (0, "status 7\n", ""))


main()
