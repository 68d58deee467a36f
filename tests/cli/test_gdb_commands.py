#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`arun ps` and `arun bt` in gdb: the tasks of a process and of a core file."""
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import subprocess

import load
from installed import Installed
from looking import (CHOICES, FIXTURES, Open, channels, compiled, looked, opened, plugin, site,
                     stripped, table, told)
from needs import tool
from plugins import FOLDER, link
from tap import ARUN, Skip, claim, contains, equal, main, run, until

COMMANDS = load.SOURCE / "cli" / "gdb" / "arun-gdb.py"
TASKS = load.build(load.SOURCE / "tests" / "fixtures" / "gdb" / "tasks.c", *load.PLUGIN, "-O0")
SETTINGS = ("set confirm off", "set debuginfod enabled off", "set width 0",
            "set print frame-arguments none")
CROWD = 1000
TASK = re.compile(r'(?m)^task (\d+) "(\w+)"  .*$')
BAD = "corrupt stack", "Backtrace stopped", "previous frame", "Traceback", "Python Exception"


def gdb(*words, commands=COMMANDS, before=()):
    """What gdb prints with these words: a command begins with a colon."""
    tool("gdb")
    if run("gdb", "-nx", "-batch", "-ex", "python print(6 * 7)").stdout != "42\n":
        raise Skip("gdb is built without Python")
    words = [part for word in words for part in
             (("-ex", word[1:]) if str(word).startswith(":") else (word,))]
    settings = [part for line in SETTINGS for part in ("-ex", line)]
    extension = ["-x", commands] if commands else []
    said = run("gdb", "-nx", "-batch", *before, *settings, *extension, *words,
               stderr=subprocess.STDOUT).stdout
    if re.search(r"ptrace: Operation not permitted|Could not attach", said):
        raise Skip("this machine does not let gdb trace")
    return said


def rows(text):
    """ID, STATE, RUNS, TASK and STARTED AT of each task."""
    lines = re.findall(r"(?m)^ +(\d+)  (\w+) +(?:[\d.]+\w|-) +[\d.]+\w +(\d+)  (\w+) .* (\S+)$", text)
    return [(int(number), *rest) for number, *rest in lines]


def stacks(text):
    """The functions of each task's frames, by the task's name; and that each stack is whole."""
    for bad in BAD:
        assert bad not in text, text
    heads = list(TASK.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    found = {}
    for head, end in zip(heads, ends):
        frames = re.findall(r"(?m)^#(\d+) +(?:0x\w+ in )?(\S+) \(", text[head.end():end])
        equal([int(n) for n, _ in frames], list(range(len(frames))), text)
        found[head[2]] = [name for _, name in frames]
    return found


def ends_at_its_entry(frames, *functions):
    """frames end with functions, below which are arun's own, from where a task begins."""
    equal(frames[-1:], ["context_start"], frames)
    own = frames.index(functions[-1])
    equal(frames[own - len(functions) + 1:own + 1], list(functions))
    assert len(frames) - own <= 6, frames


def core_of(process, name, tasks):
    """Of a process that goes on."""
    load.not_sanitized("whose memory is too large for a core file")
    core = FOLDER / name
    said = gdb("-p", process.pid, f":arun gcore {core}", ":detach")
    contains(said, f"The stacks of {tasks} tasks are in it, too\n")
    return core


# A process


@claim
def it_lists_the_tasks_that_arun_ps_does():
    server = opened("all").until_state("S")
    text = gdb("-p", server.pid, ":arun ps")
    equal(rows(text), rows(looked("ps", server.pid)))
    equal(len(rows(text)), 8)
    head = next(line for line in text.splitlines() if line.startswith("arun "))
    assert re.match(rf"arun {server.pid} {plugin}:all  up \S+ m?s  in the loop  ", head), head
    for part in ("1 server", "2 connections", "8 tasks"):
        contains(head, part)
    assert re.search(r'  open\.c:\d+ task "janitor" #\d+ ', text), text
    assert re.search(r"  open\.c:\d+ connection #\d+ 127\.0\.0\.1:\d+ ", text), text
    assert re.search(r"  open\.c:\d+  \d+ min to go ", text), text
    equal(server.end(signal.SIGTERM)[0], 0)


@claim
def who_waits_for_the_first_of_several_is_shown_with_them():
    server = opened("choices").until_state("S")
    ways = channels(json.loads(looked("ps", "-j", server.pid)))
    text = gdb("-p", server.pid, ":arun ps", ":arun bt all")
    for name, count in CHOICES.items():
        wait = re.escape(f"{site('select')} {told(ways[-count:])}") + r"  \d+ min to go "
        assert re.search(rf"(?m)^ +\d+  .* {name} +{wait}", text), (name, wait, text)
        assert re.search(rf'(?m)^task \d+ "{name}"  waits in arun_chan_select at {wait}', text), text
    server.end(signal.SIGTERM)


@claim
def every_stack_ends_at_its_tasks_entry():
    server = opened("all").until_state("S")
    found = stacks(gdb("-p", server.pid, ":arun bt all"))
    equal(sorted(found), ["all", "janitor", "joiner", "leader", "lines", "member", "nested", "on_conn"])
    for name, frames in found.items():
        ends_at_its_entry(frames, name)
    server.end(signal.SIGTERM)


@claim
def the_task_that_runs_has_the_frames_of_its_thread():
    busy = opened("busy")
    text = gdb("-p", busy.pid, ":arun ps", ":arun bt all")
    equal([(row[1], row[3]) for row in rows(text)], [("yield", "busy"), ("running", "crunch")])
    contains(text, '  in task 2 "crunch"  2 tasks')
    found = stacks(text)
    ends_at_its_entry(found["crunch"], "crunch")
    equal(found["crunch"][0], "crunch")
    ends_at_its_entry(found["busy"], "busy")
    busy.process.kill()


@claim
def a_task_that_has_not_begun_has_no_stack():
    fresh = Open(ARUN, f"{TASKS}:fresh").until_state("S")
    text = gdb("-p", fresh.pid, ":arun bt all")
    assert re.search(r'(?m)^task 2 "deep"  ready  .*\nit has not begun$', text), text
    equal(stacks(text)["deep"], [])
    fresh.process.kill()


@claim
def options_are_those_of_backtrace():
    server = Open(ARUN, f"{TASKS}:crowd").until_state("S")
    text = gdb("-p", server.pid, ":arun bt -full 3")
    ends_at_its_entry(stacks(text)["deep"], *["descend"] * 4, "deep")
    equal(re.findall(r"twice = (\d)", text), ["0", "2", "4", "6"])
    server.end(signal.SIGTERM)


@claim
def nothing_of_the_process_or_of_what_is_selected_changes():
    server = opened("all").until_state("S")
    look = ":up", ":info registers", ":frame"
    text = gdb("-p", server.pid, *look, ":echo ==\\n", ":arun bt all", ":arun bt 1", ":echo ==\\n",
               *look[1:], ":echo ==\\n")
    before, between, after, _ = text.split("==\n")
    contains(before, after.strip())
    assert "context_start" in between and "context_start" not in after, text
    equal(server.end(signal.SIGTERM)[0], 0)


@claim
def what_cannot_be_shown_is_told_in_one_line():
    server = opened("all").until_state("S")
    lines = gdb("-p", server.pid, ":echo ==\\n", ":arun bt", ":arun bt 999", ":arun bt x",
                ":arun ps 1").split("==\n")[1].splitlines()
    usage = "arun bt: which tasks? `arun bt ID...' or `arun bt all'"
    equal(lines[:4], [usage, "arun bt: there is no task 999; see `arun ps'", usage,
                      "arun ps: takes no argument"])
    server.end(signal.SIGTERM)
    contains(gdb(ARUN, ":arun ps"), "arun: nothing to look at: run, attach to or load a program first")
    contains(gdb(ARUN, ":starti", ":arun bt all", ":kill"),
             "arun: nothing runs in it: not yet, or not any more")
    contains(gdb(shutil.which("sleep"), ":starti", ":arun ps", ":kill"),
             "arun: not a program of arun, or not with its file: ")


@claim
def a_program_of_ones_own_is_read():
    own = link(FIXTURES / "own.c")
    program = Open(own).until_state("S")
    text = gdb("-p", program.pid, ":arun ps", ":arun bt all")
    equal([row[1:2] + row[3:4] for row in rows(text)], [("sleep", "waits")])
    ends_at_its_entry(stacks(text)["waits"], "waits")
    program.process.kill()


# Core files


@claim
def a_core_of_a_thousand_connections_lists_a_thousand_tasks():
    load.not_sanitized("whose memory is too large for a core file")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2 * CROWD:
        raise Skip(f"only {hard} descriptors are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * CROWD), hard))
    server = Open(ARUN, f"{TASKS}:crowd")
    host, port = server.process.stdout.readline().strip().split(":")
    clients = [socket.create_connection((host, int(port))) for _ in range(CROWD)]
    until(lambda: looked("ps", server.pid).count(" read ") == CROWD, "all are served")
    server.until_state("S")
    core = core_of(server, "core.crowd", CROWD + 2)
    server.process.kill()
    text = gdb(ARUN, core, ":arun ps")
    handlers = [row for row in rows(text) if row[1:2] + row[3:4] == ("read", "chatter")]
    equal((len(handlers), len(rows(text))), (CROWD, CROWD + 2))
    peers = {f"127.0.0.1:{client.getsockname()[1]}" for client in clients}
    equal(set(re.findall(r"connection #\d+ (\S+)", text)), peers)
    number = handlers[CROWD // 2][0]
    ends_at_its_entry(stacks(gdb(ARUN, core, f":arun bt {number}"))["chatter"], "chatter")
    every = gdb(ARUN, core, ":arun bt all")
    equal(len(TASK.findall(every)), CROWD + 2)
    equal(len(re.findall(r"(?m)^#\d+ .*\bchatter \(", every)), CROWD)
    stacks(every)
    for client in clients:
        client.close()


@claim
def a_core_of_a_crash_shows_the_task_that_died_and_those_that_waited():
    load.not_sanitized("whose memory is too large for a core file")
    pattern = pathlib.Path("/proc/sys/kernel/core_pattern").read_text().strip()
    if "/" in pattern or "|" in pattern or not pattern:
        raise Skip(f"cores go elsewhere: {pattern}")
    place = FOLDER / "fatal"
    place.mkdir()
    limits = resource.getrlimit(resource.RLIMIT_CORE)
    if limits[1] == 0:
        raise Skip("no core is allowed")

    def allow_core():
        os.chdir(place)
        resource.setrlimit(resource.RLIMIT_CORE, (limits[1], limits[1]))
    done = run(ARUN, f"{TASKS}:fatal", preexec_fn=allow_core)
    equal((done.returncode, done.stdout), (-signal.SIGABRT, "open\n"), done.stderr)
    core, = place.iterdir()
    text = gdb(ARUN, core, ":arun ps", ":arun bt all")
    equal([(row[1], row[3]) for row in rows(text)],
          [("join", "fatal"), ("sleep", "deep"), ("running", "dies")])
    found = stacks(text)
    contains(" ".join(found["dies"]), "abort")
    ends_at_its_entry(found["dies"], "dies")
    ends_at_its_entry(found["deep"], *["descend"] * 4, "deep")
    ends_at_its_entry(found["fatal"], "fatal")


@claim
def a_stripped_arun_is_read_alive_and_in_a_core():
    copy = stripped()
    server = Open(copy, f"{plugin}:all").until_state("S")

    def shown(*words):
        text = gdb(*words, ":arun ps", ":arun bt all")
        found = stacks(text)
        equal((len(rows(text)), len(found)), (8, 8))
        for name, frames in found.items():
            # arun's own functions have no names, and the last is where a task begins.
            assert 1 <= len(frames) - frames.index(name) <= 6, (name, frames)
    shown("-p", server.pid)
    if not load.SANITIZED:
        shown(copy, core_of(server, "core.stripped", 8))
    equal(server.end(signal.SIGTERM)[0], 0)


# What lies


def lied_to(*words):
    target = Open(compiled("hostile"), *words)
    mark = ":echo ==\\n"
    text = gdb("-p", target.pid, mark, ":arun ps", ":arun bt all", mark).split("==\n")[1]
    target.process.kill()
    for bad in ("Traceback", "Python Exception"):
        assert bad not in text, text
    assert not re.search(r"[^\n\x20-\x7e]", text), text
    return text


@claim
def a_process_that_lies_does_no_harm():
    entries = list(table())
    for word in ("task", "connection", "server", "failed", "\033]0;\a"):
        text = lied_to(word, *entries)
        contains(text, "arun: a list of its objects is damaged: not all that it has is listed")
    text = lied_to("task", *entries)
    contains(text, r'"\x0a"<script>\xff"')
    contains(text, "its stack cannot be read: its stack pointer is wrong")


SCRIBBLE = """python
from arun_gdb.program import Program
task = [t for t in Program().tasks() if t.name == "deep"][0]
fill = {}
size = task.stack + task.stack_size - 4096 - task.sp
gdb.selected_inferior().write_memory(task.sp, (fill * size)[:size])
end
"""


@claim
def a_stack_that_was_written_over_does_no_harm():
    script = FOLDER / "scribble.gdb"
    fills = ("bytes(1)", "bytes([255])", "task.sp.to_bytes(8, 'little')",
             "(task.sp + 64).to_bytes(8, 'little') + task.stack.to_bytes(8, 'little')",
             "gdb.newest_frame().pc().to_bytes(8, 'little')", "bytes(range(256))")
    for fill in fills:
        script.write_text(SCRIBBLE.replace("{}", fill))
        server = Open(ARUN, f"{TASKS}:crowd").until_state("S")
        text = gdb("-p", server.pid, "-x", script, ":arun bt 3", ":arun bt 1")
        server.process.kill()
        for bad in ("Traceback", "Python Exception", "Error occurred"):
            assert bad not in text, (fill, text)
        wrong, right = text[text.index('task 3 "deep"'):].split('task 1 "crowd"')
        assert len(re.findall("(?m)^#", wrong)) <= 256, (fill, wrong)
        ends_at_its_entry(stacks('task 1 "crowd"' + right)["crowd"], "crowd")


@claim
def another_version_is_told_so():
    entries = list(table())
    for name, change in (("task.op", "task.op 8 4"), ("task.op", "task.op 4294967290 8"),
                         ("task.", "task. 0 1000000"), ("kind.plural", "x.x 0 8")):
        lies = [change if entry.split()[0] == name else entry for entry in entries]
        contains(lied_to("task", *lies), "arun: a program of another version of arun, 6.6.6\n")


# Where it is installed


@claim
def gdb_loads_it_with_the_installed_arun():
    root = FOLDER / "root"
    user = Installed(root)
    scripts = FOLDER / "scripts"
    # gdb looks below the folder for the full path of the program, which is below root here.
    below = scripts / str(root).lstrip("/")
    below.parent.mkdir(parents=True)
    below.symlink_to(user.prefix / "share" / "gdb" / "auto-load")
    before = ["-iex", "set auto-load safe-path /", "-iex",
              f"add-auto-load-scripts-directory {scripts}"]
    program = user.prefix / "bin" / "arun"
    for file in (program, next(user.prefix.rglob("libarun.so.0.*[0-9]"))):
        text = gdb(file, ":help arun ps", commands=None, before=before)
        contains(text, "what each task waits for")
    server = Open(program, f"{plugin}:all").until_state("S")
    equal(len(rows(gdb("-p", server.pid, ":arun ps", commands=None, before=before))), 8)
    server.end(signal.SIGTERM)


main()
