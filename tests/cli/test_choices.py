#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a task waits for in arun_chan_select(), in every view of it from outside and from inside."""
import json
import re
import signal

import schema
from looking import CHOICES, Open, channels, looked, opened, plugin, site, told
from plugins import FOLDER
from tap import ARUN, claim, equal, main, until

def waits(report):
    """What each task and each connection waits for, by their names."""
    for o in report["objects"]:
        for at in [o, *o.get("also", [])]:
            if at.get("waiting", {}).get("op") == "arun_chan_select":
                wait = at["waiting"]
                yield o["kind"], at.get("name", o["name"]), [wait["awaits"], *wait.get("or", [])]


def dumped(server, file):
    """What the process tells of itself."""
    server.process.send_signal(signal.SIGUSR1)
    until(lambda: file.exists() and file.read_text().endswith("\n"), "it is written")
    return json.loads(file.read_text())


@claim
def a_line_names_the_first_five():
    server = opened("choices").until_state("S")
    ways = channels(json.loads(looked("ps", "-j", server.pid)))
    equal(len(ways), max(CHOICES.values()))
    for command in "ps", "tree":
        text = looked(command, server.pid)
        for name, count in CHOICES.items():
            line, = re.findall(rf"(?m)^.*\b{name} .*{site('select')} .*$", text)
            wanted = told(ways[-count:])
            assert re.search(rf" {re.escape(wanted)}(  |, )", line), (wanted, line)
    server.end(signal.SIGTERM)


@claim
def json_names_all_as_the_reports_do():
    file = FOLDER / "choices.json"
    server = Open(ARUN, f"--report={file}", f"{plugin}:choices").until_state("S")
    seen = json.loads(looked("ps", "-j", server.pid))
    report = dumped(server, file)
    equal((schema.errors(seen), schema.errors(report)), ([], []))
    ways, found = channels(seen), sorted(map(str, waits(seen)))
    equal(found, sorted(map(str, waits(report))))
    names = [("connection", "on_choice")] + [("task", name) for name in CHOICES]
    equal(found, sorted(
        str((kind, name, [{"kind": "channel", "id": n} for n in ways[-CHOICES[name]:]]))
        for kind, name in names))
    server.end(signal.SIGTERM)


main()
