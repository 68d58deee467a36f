#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What --debug adds to reports: source lines, stacks, what a task used, who opened a descriptor."""
import json
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import struct
import subprocess
import tempfile
import time

import schema
from plugins import FOLDER, SOURCE, build, line_of
from tap import ARUN, arun, claim, contains, environment, equal, main, until

FIXTURES = SOURCE / "tests/fixtures/debug"
DEBUG = ("-g", "-O0")
PLAIN = ("-O2", "-fomit-frame-pointer")
CALLS = ("open openat fopen mkstemp memfd_create socket socketpair pipe pipe2 dup dup2 dup3 fcntl "
         "eventfd timerfd_create signalfd epoll_create1 inotify_init1").split()
HELP = "      = help: arun_cancel() and arun_join() it, or spawn it in a group"
_built = {}


def plugin(*flags, name="leaves.c", folder=None):
    """A fixture, built in a folder of its own beside a copy of its source."""
    key = (flags, name, folder)
    if key not in _built:
        home = pathlib.Path(folder or tempfile.mkdtemp(dir=FOLDER))
        shutil.copyfile(FIXTURES / name, home / name)
        _built[key] = build(home, home / name, "-Wno-unused-result", *flags)
    return _built[key]


def line(mark, name="leaves.c"):
    return line_of(FIXTURES / name, mark)


def source(mark, name="leaves.c"):
    number = line(mark, name)
    text = (FIXTURES / name).read_text().splitlines()[number - 1].expandtabs(8)
    return f"{number:5} | {text}"


def debug(path, entry, *options, **more):
    done = arun("--debug", *options, f"{path}:{entry}", **more)
    equal(done.returncode, 0, done.stderr)
    return done.stderr


def masked(text):
    text = re.sub(r"\b[\d.]+ ms old", "AGE old", text)
    text = re.sub(r"\b(\d+ us|[\d.]+ ms) of CPU", "TIME of CPU", text)
    text = re.sub(r"\b(599\.\d+|9\.\d+|10|599|600) (s|min) to go", "LEFT to go", text)
    return re.sub(r"\b[\d.]+ of (64|256) KiB", "N of 64 KiB", text)


def every(objects):
    """Each of them, also those that are folded into others."""
    for one in objects:
        yield one
        yield from ({**one, **other} for other in one.get("also", ()))


@claim
def a_task_is_told_of_with_its_lines_its_stack_and_its_end():
    text = masked(debug(plugin(*DEBUG), "tasks"))
    at = {mark: f"leaves.c:{line(mark)}" for mark in
          ("start", "naps", "janitor", "tasks", "waiter", "spawn")}
    equal(text.splitlines(), [
        f'{at["start"]}: leak: task "janitor" (#2) still running, AGE old',
        source("start"),
        f'{at["naps"]}: note: it waits here in arun_sleep, LEFT to go',
        source("naps"),
        f'      = stack: naps {at["naps"]} <- janitor {at["janitor"]} <- task',
        "      = used: ran 1 time, TIME of CPU, N of 64 KiB of stack",
        f'      = made by: start {at["start"]} <- tasks {at["tasks"]}',
        HELP,
        "      = end: arun cancelled it",
        f'{at["spawn"]}: leak: task "waiter" (#3) still running, AGE old',
        source("spawn"),
        f'{at["waiter"]}: note: it waits here in arun_join',
        source("waiter"),
        f'      = stack: waiter {at["waiter"]} <- task',
        '      = waits for: task "janitor" (#2), which waits in arun_sleep',
        "      = used: ran 1 time, TIME of CPU, N of 64 KiB of stack",
        HELP,
        "      = end: arun cancelled it",
        "arun: leaves.so: 2 leaks: 2 tasks",
    ])


@claim
def a_small_limit_of_the_stack_costs_no_lines():
    def limited():
        hard = resource.getrlimit(resource.RLIMIT_STACK)[1]
        resource.setrlimit(resource.RLIMIT_STACK, (128 << 10, hard))
    equal(masked(debug(plugin(*DEBUG), "tasks", preexec_fn=limited)),
          masked(debug(plugin(*DEBUG), "tasks")))


@claim
def without_debug_information_a_stack_has_functions_and_offsets():
    text = debug(plugin(*PLAIN), "tasks")
    stack = re.search(r"= stack: (.*)", text)[1]
    assert re.fullmatch(r"naps\S*\+0x[0-9a-f]+ in leaves\.so <- "
                        r"janitor\+0x[0-9a-f]+ in leaves\.so <- task", stack), stack
    contains(text, source("naps"))


@claim
def a_stripped_plugin_has_at_least_offsets():
    text = debug(plugin(*PLAIN, "-s"), "tasks")
    stack = re.search(r"= stack: (.*)", text)[1]
    assert re.fullmatch(r"\S+\+0x[0-9a-f]+( in leaves\.so)? <- \S+\+0x[0-9a-f]+( in leaves\.so)? "
                        r"<- task", stack), stack


@claim
def optimised_code_without_frame_pointers_has_its_lines():
    text = debug(plugin("-g", *PLAIN), "tasks")
    contains(text, f'leaves.c:{line("naps")} <- janitor leaves.c:{line("janitor")} <- task\n')


@claim
def functions_of_C_plus_plus_are_called_by_their_names():
    text = debug(plugin(*DEBUG, name="names.cc"), "names")
    contains(text, f'= stack: shop::naps(int volatile&) names.cc:{line("cpp", "names.cc")} <- '
                   "janitor(void*) names.cc:")


@claim
def every_call_that_makes_a_descriptor_is_named_by_its_line():
    text = debug(plugin(*DEBUG), "files")
    # The loop of the report ends after 20 lines: there are 3 pairs, each of one line.
    for mark in CALLS:
        contains(text, f"leaves.c:{line(mark)}: leak: ")
        contains(text, source(mark))
    number = line("open")
    assert re.search(rf"leaves\.c:{number}: leak: fd \d+ /dev/null not closed\n {{1,4}}{number} \| .*"
                     r"\n      = opened O_WRONLY\|O_APPEND by files\+0x[0-9a-f]+ in leaves\.so\n"
                     r"      = help: close\(\)\n", text), text
    assert re.search(rf"leaves\.c:{line('pipe2')}: leak: 2 fds not closed: \d+ pipe, \d+ pipe\n",
                     text), text


@claim
def builds_that_call_other_names_are_found_too():
    for flags in (("-D_FILE_OFFSET_BITS=64",), ("-D_FORTIFY_SOURCE=2", "-O1")):
        text = debug(plugin("-g", *flags), "files")
        for mark in CALLS:
            contains(text, f"leaves.c:{line(mark)}: leak: ")


@claim
def without_lines_a_descriptor_has_its_function():
    text = debug(plugin(*PLAIN), "files")
    assert re.search(r"leaves\.so: leak: fd \d+ /dev/null not closed\n"
                     r"      = opened O_WRONLY\|O_APPEND by files\+0x[0-9a-f]+ in leaves\.so\n",
                     text), text


@claim
def what_was_closed_is_forgotten_and_one_line_is_told_of_once():
    text = debug(plugin(*DEBUG), "closes")
    contains(text, f"leaves.c:{line('thrice')}: leak: 3 fds not closed: ")
    equal(len(re.findall(r": leak: ", text)), 1, text)


@claim
def without_debug_no_line_is_known():
    done = arun(f"{plugin(*DEBUG)}:closes")
    equal(len(re.findall(r"leaves\.so: leak: fd \d+ /etc/passwd not closed "
                         r"\(run with --debug for the line\)", done.stderr)), 3, done.stderr)


@claim
def what_a_task_used_is_its_own():
    text = debug(plugin(*DEBUG), "uses")
    found = dict((name, (float(cpu) * (1000 if unit == "ms" else 1e6 if unit == "s" else 1),
                         float(stack)))
                 for name, cpu, unit, stack in re.findall(
                     r'task "(\w+)" (?:.*\n)*?.* ([\d.]+) (us|ms|s) of CPU, ([\d.]+) of (?:64|256) KiB', text))
    equal(set(found), {"idle", "busy"}, text)
    assert found["busy"][0] >= 15000 and 20 <= found["busy"][1] < 40, text
    assert found["idle"][0] < 15000 and found["idle"][1] < 20, text


@claim
def JSON_has_the_stacks_and_keeps_to_the_schema():
    file = FOLDER / "report.json"
    debug(plugin(*DEBUG), "tasks", f"--report={file}")
    debug(plugin(*DEBUG), "files", f"--report={file}")
    tasks, files = [json.loads(text) for text in file.read_text().splitlines()]
    equal(schema.errors(tasks) + schema.errors(files), [])
    first = tasks["leaks"][0]
    equal([(call["func"], call["file"], call["line"], call["module"]) for call in first["stack"]],
          [(name, "leaves.c", line(name), "leaves.so") for name in ("naps", "janitor")])
    equal([call["func"] for call in first["created_stack"]], ["start", "tasks"])
    assert all(re.fullmatch("0x[0-9a-f]+", call["offset"]) for call in first["stack"])
    assert first["detail"]["cpu_us"] > 0 and 500 < first["detail"]["stack_used"] < 20000, first
    created = {leak["created"]["line"]: leak["created"]["func"] for leak in files["leaks"]}
    equal({created.get(line(mark)) for mark in CALLS}, {"files"})


@claim
def a_deadlock_shows_the_stacks():
    done = arun("--debug", f"{plugin(*DEBUG)}:deadlock")
    equal(done.returncode, 1, done.stderr)
    contains(done.stderr, f'      = stack: joins leaves.c:{line("joins")} <- task\n')
    contains(done.stderr, '= waits for: task "joins" (#2), which waits for task "joins" (#3), which ')
    contains(done.stderr, "arun: leaves.so: 2 leaks: 2 tasks\n")  # none of libdw's files


@claim
def JSON_has_who_waits_for_whom():
    file = FOLDER / "chain.json"
    arun(f"--report={file}", f"{plugin(*DEBUG)}:deadlock")
    deadlock = json.loads(file.read_text().splitlines()[0])
    equal((schema.errors(deadlock), deadlock["kind"]), ([], "deadlock"))
    waits = {o["id"]: o["waiting"].get("awaits") for o in every(deadlock["objects"])}
    equal({number: awaits and awaits["id"] for number, awaits in waits.items()}, {1: 2, 2: 3, 3: 2})


@claim
def a_dump_shows_functions_and_offsets():
    with tempfile.TemporaryFile(dir=FOLDER) as errors:
        process = subprocess.Popen([ARUN, "--debug", plugin(*DEBUG, name="ready.c")],
                                   env=environment(), stdout=subprocess.PIPE, stderr=errors)
        try:
            equal(process.stdout.readline(), b"ready\n")
            process.send_signal(signal.SIGUSR1)
            until(lambda: b"end of dump" in os.pread(errors.fileno(), 1 << 20, 0), "a dump")
            text = os.pread(errors.fileno(), 1 << 20, 0).decode()
        finally:
            process.kill()
            process.communicate()
    assert re.search(r"      = stack: sleeps\+0x[0-9a-f]+ in ready\.so <- task\n", text), text


@claim
def a_source_that_is_newer_than_the_plugin_is_not_shown():
    folder = tempfile.mkdtemp(dir=FOLDER)
    path = plugin(*DEBUG, folder=folder)
    contains(debug(path, "tasks"), source("naps"))
    later = time.time() + 3600
    os.utime(path.with_suffix(".c"), (later, later))
    text = debug(path, "tasks")
    contains(text, f'      = stack: naps leaves.c:{line("naps")}')
    assert " | " not in text, text


@claim
def a_source_is_found_from_the_working_directory_too():
    folder = pathlib.Path(tempfile.mkdtemp(dir=FOLDER))
    path = plugin(*PLAIN, folder=str(folder))
    other = pathlib.Path(tempfile.mkdtemp(dir=FOLDER))
    moved = other / "leaves.so"
    shutil.copy2(path, moved)
    assert " | " not in debug(moved, "tasks", cwd=other)
    contains(debug(moved, "tasks", cwd=folder), source("naps"))


@claim
def a_fifo_in_the_place_of_a_source_does_not_hold_the_report_up():
    folder = tempfile.mkdtemp(dir=FOLDER)
    path = plugin(*DEBUG, folder=folder)
    path.with_suffix(".c").unlink()
    os.mkfifo(path.with_suffix(".c"))
    contains(debug(path, "tasks"), "arun: leaves.so: 2 leaks: 2 tasks\n")


@claim
def without_libdw_a_line_says_so_and_the_rest_is_there():
    folder = pathlib.Path(tempfile.mkdtemp(dir=FOLDER))
    (folder / "libdw.so.1").write_bytes(b"")
    paths = [str(folder), os.environ.get("LD_LIBRARY_PATH", "")]
    text = debug(plugin(*DEBUG), "tasks",
                 env={"LD_LIBRARY_PATH": ":".join(filter(None, paths))})
    contains(text, "arun: note: no lines in stacks and of descriptors: there is no libdw.so.1 ")
    assert re.search(r"= stack: naps\+0x[0-9a-f]+ in leaves\.so <- janitor\+0x", text), text
    contains(text, source("naps"))


def debug_sections(data):
    """Offset and size of each section called .debug_..."""
    table, size, count, names = struct.unpack_from("<Q10xHHH", data, 40)
    entries = [struct.unpack_from("<IIQQQQ", data, table + i * size) for i in range(count)]
    strings = entries[names][4]
    for name, _, _, _, offset, length in entries:
        if data[strings + name:].startswith(b".debug_") and length:
            yield offset, length


@claim
def damaged_debug_information_does_no_harm():
    path = plugin(*DEBUG)
    good = path.read_bytes()
    sections = list(debug_sections(good))
    assert len(sections) >= 4, sections
    folder = pathlib.Path(tempfile.mkdtemp(dir=FOLDER))
    bad = folder / "leaves.so"
    for seed in range(40):
        chance = random.Random(seed)
        data = bytearray(good)
        for offset, length in sections:
            if seed % 4 == 0:  # cut off: the rest is zeros
                cut = chance.randrange(length)
                data[offset + cut:offset + length] = bytes(length - cut)
                continue
            for _ in range(1 + length // (8 << seed % 4 * 2)):
                data[offset + chance.randrange(length)] = chance.randrange(256)
        bad.write_bytes(data)
        done = arun("--debug", f"{bad}:tasks", cwd=folder)
        equal(done.returncode, 0, f"seed {seed}: {done.stderr}")
        contains(done.stderr, "arun: leaves.so: 2 leaks: 2 tasks\n")
        bad.unlink()


@claim
def tasks_that_ended_well_and_were_never_joined_are_counted_by_place():
    path = plugin(*DEBUG, name="unjoined.c")
    at = {mark: f'unjoined.c:{line(mark, "unjoined.c")}' for mark in ("three", "one", "leak")}
    lines = debug(path, "forgets").splitlines()
    equal(lines[:2], [f'{at["three"]}: note: 3 tasks "ends" ended well, and were never joined',
                      f'{at["one"]}: note: task "sleeps" ended well, and was never joined'])
    contains(lines[2], f'{at["leak"]}: leak: task "sleeps"')
    equal(lines[-1], "arun: unjoined.so: 1 leak: 1 task")
    for options in ("--leaks=off", "--debug"), ("--leaks=warn",):
        text = arun(*options, f"{path}:forgets").stderr
        equal("never joined" in text, False, text)
    rules = pathlib.Path(path).with_name("rules")
    rules.write_text("task:ends\n")
    equal("3 tasks" in debug(path, "forgets", f"--suppress={rules}"), False)


main()
