# SPDX-License-Identifier: MIT
"""The commands."""
import re
import struct

import gdb

from .core import add_stacks
from .program import Program
from .stacks import SAVED, selection_kept, show_stack
from .text import say, short_seconds


class Arun(gdb.Command):
    """The tasks of a program of arun, of a process or of a core file."""

    def __init__(self):
        super().__init__("arun", gdb.COMMAND_STACK, gdb.COMPLETE_NONE, True)


class Ps(gdb.Command):
    """arun ps: what each task waits for, where and since when, and where it was started.

In a core file, times are those of the loop's last turn."""

    def __init__(self):
        super().__init__("arun ps", gdb.COMMAND_STACK, gdb.COMPLETE_NONE)

    def invoke(self, argument, from_tty):
        if argument:
            raise gdb.GdbError("arun ps: takes no argument")
        program = Program()
        tasks = program.tasks()
        rows = [("ID", "STATE", "FOR", "AGE", "RUNS", "TASK", "WAITS AT", "STARTED AT")]
        for task in tasks:
            waited = short_seconds(program.now - task.since) if task.waits else "-"
            rows.append((str(task.id), task.state, waited, short_seconds(task.age), str(task.runs),
                         task.name, task.wait(), str(task.site)))
        say(program.head(tasks))
        widths = [max(map(len, column)) for column in zip(*rows)]
        for row in rows:
            cells = (cell.rjust(width) if i in (0, 2, 3, 4) else cell.ljust(width)
                     for i, (cell, width) in enumerate(zip(row, widths)))
            say("  " + "  ".join(cells).rstrip())
        program.warn()


class Bt(gdb.Command):
    """arun bt [OPTION]... ID...|all: the stacks of tasks, by their numbers in `arun ps`.

OPTION is one of backtrace, such as -full. Frames are numbered for reading: they cannot be
selected."""

    def __init__(self):
        super().__init__("arun bt", gdb.COMMAND_STACK, gdb.COMPLETE_NONE)

    def invoke(self, argument, from_tty):
        words = gdb.string_to_argv(argument)
        flags = [word for word in words if word.startswith("-")]
        ids = [word.lstrip("#") for word in words if not word.startswith("-")]
        if not ids or not (ids == ["all"] or all(re.fullmatch("[0-9]+", word) for word in ids)):
            raise gdb.GdbError("arun bt: which tasks? `arun bt ID...' or `arun bt all'")
        program = Program()
        tasks = {task.id: task for task in program.tasks()}
        missing = [word for word in ids if word != "all" and int(word) not in tasks]
        if missing:
            raise gdb.GdbError(f"arun bt: there is no task {missing[0]}; see `arun ps'")
        if gdb.newest_frame().architecture().name() not in SAVED:
            raise gdb.GdbError("arun bt: this is neither x86-64 nor aarch64")
        chosen = tasks.values() if ids == ["all"] else [tasks[int(word)] for word in ids]
        with selection_kept():
            for i, task in enumerate(chosen):
                say(("\n" if i else "") + task.head())
                try:
                    show_stack(task, flags)
                except gdb.error as error:
                    say(f"its stack cannot be read: {error}")
        program.warn()


class Gcore(gdb.Command):
    """arun gcore [FILE]: what generate-core-file does, and the stacks of tasks.

Below each stack are pages that nobody can read, and gdb leaves out all that is mapped with them.
What the kernel writes when a program dies is whole."""

    def __init__(self):
        super().__init__("arun gcore", gdb.COMMAND_FILES, gdb.COMPLETE_FILENAME)

    def invoke(self, argument, from_tty):
        program = Program()
        tasks = program.tasks()
        words = gdb.string_to_argv(argument) or [f"core.{gdb.selected_inferior().pid}"]
        if len(words) > 1:
            raise gdb.GdbError("arun gcore: one file at a time")
        gdb.execute(f"generate-core-file {words[0]}")
        try:
            with open(words[0], "r+b") as core:
                added = add_stacks(program, tasks, core)
        except (OSError, struct.error) as error:
            raise gdb.GdbError(f"arun gcore: {error}")
        say(f"The stacks of {added} tasks are in it, too")
        program.warn()


def register():
    for command in Arun, Ps, Bt, Gcore:
        command()
