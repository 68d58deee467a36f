# SPDX-License-Identifier: MIT
"""The run that gdb looks at: its objects, and its tasks."""
import itertools
import math
import re
import struct
import time

import gdb

from .memory import STRUCT, Copy, Layout, Memory
from .text import peer, say, seconds

LISTS, OBJECTS = 64, 1 << 22
TOLD = 5  # of what a task waits for the first of, as in the reports


class Site:
    def __init__(self, program, address):
        self.file = program.text("site.file", address)
        self.function = program.text("site.function", address)
        self.line = program.number("site.line", address)

    def __str__(self):
        return f"{self.file}:{self.line}" if self.file else "-"


class Object:
    def __init__(self, program, copy):
        self.program, self.address, self.id = program, copy.address, copy["id"]
        self.word = program.text("kind.word", copy["kind"])
        self.kind, self.site = copy["kind"], program.site(copy["site"])
        self.age = program.now - copy.time("born")
        # A task that has ended is listed until it is joined.
        task = self.address - program.layout.offset("task.object")
        self.over = (self.word == "task" and program.number("task.state", task)
                     == program.layout.offset("TASK_ENDED"))

    def whole(self, name):
        """A copy of the struct that it is in; None where that cannot be read."""
        start = self.program.layout.offset(name + ".object")
        copy = Copy(self.program, name, self.address - start)
        return copy if copy.bytes else None

    def __str__(self):
        title = self.program.text("kind.title", self.kind) or self.word
        if self.word == "connection":
            copy = self.whole("connection")
            address = peer(copy.raw("peer")[:copy["peer_length"]]) if copy else ""
            return f"{title} #{self.id}" + (f" {address}" if address else "")
        if self.word == "task":
            copy = self.whole("task")
            name = self.program.memory.string(copy["name"]) if copy else None
            return f'{title} "{name or ""}" #{self.id}'
        if self.word == "channel":
            return f'{title} "{self.site.function or ""}" #{self.id}'
        return f"{title} #{self.id}"


class Task:
    """A task, and what it waits for."""

    def __init__(self, program, found, copy):
        layout, state = program.layout, copy["state"]
        self.program, self.id, self.site, self.age = program, found.id, found.site, found.age
        self.address = copy.address
        self.name = program.memory.string(copy["name"]) or ""
        self.sp, self.stack, self.stack_size = copy["sp"], copy["stack"], copy["stack_size"]
        self.runs, self.at, self.awaits = copy["runs"], program.site(copy["at"]), copy["awaits"]
        self.scopes = copy["scopes"]
        self.op = program.memory.string(copy["op"]) or ""
        self.since = copy.time("since")
        self.until = copy.time("until") if copy["timed"] else 0
        self.waits = state == layout.offset("TASK_WAITING") and self.op != ""
        self.running = copy.address == program.number("run.current", program.run)
        self.state = (re.sub("^arun_", "", self.op) if self.waits else "running" if self.running
                      else "ready" if state == layout.offset("TASK_READY") else "waiting")

    def others(self):
        """The channels of a wait for the first of several but the one that it awaits."""
        program, layout = self.program, self.program.layout
        if not self.scopes or not program.number("scope.several", self.scopes):
            return
        choice, size = self.scopes - layout.offset("choice.scope"), layout.size("case.")
        cases = program.number("choice.cases", choice)
        for i in range(min(program.number("choice.count", choice), STRUCT // size)):
            chan = program.number("case.chan", cases + i * size)
            address = chan + layout.offset("channel.object")
            if chan and address != self.awaits and address in program.objects:
                yield program.objects[address]

    def awaited(self):
        """'task "janitor" #3'; 'channel "a" #4 or channel "b" #5 or others'"""
        first = self.program.objects.get(self.awaits)
        found = [str(o) for o in itertools.chain([first], self.others())] if first else []
        return " or ".join(found[:TOLD] + ["others"] * (len(found) > TOLD))

    def wait(self):
        """'srv.c:7 task "janitor" #3  58 s to go'"""
        if not self.waits:
            return "-"
        awaited, left = self.awaited(), self.until - self.program.now
        return (str(self.at) + (f" {awaited}" if awaited else "")
                + (f"  {seconds(left)} to go" if self.until > 0 and left < math.inf else ""))

    def head(self):
        doing = f"waits in {self.op} at {self.wait()}" if self.waits else self.state
        started = f"  (started at {self.site})" if self.site.file else ""
        return f'task {self.id} "{self.name}"  {doing}{started}'


class Program:
    """The run that gdb looks at. Raises gdb.GdbError where there is none."""

    def __init__(self):
        self.memory, self.sites = Memory(), {}
        if not gdb.selected_inferior().threads():
            raise gdb.GdbError("arun: nothing to look at: run, attach to or load a program first")
        try:
            table, place = (int(gdb.parse_and_eval(f"(unsigned long) &{name}"))
                            for name in ("arun_layout", "arun_process_run"))
        except gdb.error as error:
            raise gdb.GdbError(f"arun: not a program of arun, or not with its file: {error}")
        self.layout = Layout(self.memory, table)
        self.run = self.memory.number(place)
        if not self.run:
            raise gdb.GdbError("arun: nothing runs in it: not yet, or not any more")
        self.now = self.clock()
        self.objects, self.damaged = {}, False
        self.walk()

    def number(self, field, address):
        offset, size = self.layout.at[field]
        return self.memory.number(address + offset, size) if address else 0

    def text(self, field, address):
        return self.memory.string(self.number(field, address))

    def site(self, address):
        if address not in self.sites:
            self.sites[address] = Site(self, address)
        return self.sites[address]

    def clock(self):
        """Now, by the loop's clock; of a core file, when the loop had its last turn."""
        connection = getattr(gdb.selected_inferior(), "connection", None)
        if connection is not None and connection.type == "native":
            return time.monotonic()
        return self.seconds("run.now")

    def seconds(self, field):
        return struct.unpack("<d", self.number(field, self.run).to_bytes(8, "little"))[0]

    def walk(self):
        offset, size = self.layout.at["run.objects"]
        each = self.layout.size("list.")
        for i in range(min(size // each, LISTS)):
            self.walk_list(self.run + offset + i * each)

    def walk_list(self, head):
        link = self.layout.offset("object.link")
        at = self.layout.offset("list.next")
        following = self.memory.number(head + at)
        while following != head:
            copy = Copy(self, "object", following - link)
            if (not copy.bytes or not copy["id"] or copy.address in self.objects
                    or not self.text("kind.word", copy["kind"]) or len(self.objects) == OBJECTS):
                self.damaged = True
                return
            self.objects[copy.address] = Object(self, copy)
            following = int.from_bytes(copy.bytes[link + at:link + at + 8], "little")

    def tasks(self):
        return self.tasks_of(o for o in self.objects.values() if o.word == "task" and not o.over)

    def ended(self):
        """The tasks that nobody has joined yet."""
        return self.tasks_of(o for o in self.objects.values() if o.over or o.word == "failed")

    def tasks_of(self, objects):
        found = sorted(objects, key=lambda o: o.id)
        copies = ((o, o.whole("task")) for o in found)
        return [Task(self, o, copy) for o, copy in copies if copy]

    def counts(self):
        kinds = sorted((o for o in self.objects.values() if not o.over), key=lambda o: o.kind)
        for kind, group in itertools.groupby(kinds, key=lambda o: o.kind):
            count, title = len(list(group)), self.text("kind.title", kind) or "?"
            yield f"{count} " + (title if count == 1 else
                                 self.text("kind.plural", kind) or title + "s")

    def head(self, tasks):
        current = self.number("run.current", self.run)
        task = next((t for t in tasks if t.address == current), None)
        words = (f"arun {gdb.selected_inferior().pid} {self.text('run.plugin_path', self.run) or '?'}"
                 f":{self.text('run.entry', self.run) or '?'}",
                 f"up {seconds(self.now - self.seconds('run.started'))}",
                 f'in task {task.id} "{task.name}"' if task else "in the loop")
        return "  ".join([*words, *self.counts()])

    def warn(self):
        if self.damaged:
            say("arun: a list of its objects is damaged: not all that it has is listed")
