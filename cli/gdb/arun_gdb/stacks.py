# SPDX-License-Identifier: MIT
"""The stacks of tasks, as gdb shows stacks."""
import contextlib
import itertools
import re

import gdb
import gdb.unwinder

from .text import say

DEPTH, FRAMES = 64, 256

# What context_switch() saves at a suspended task's stack pointer: the bytes, and each register's
# place in them; see runtime/context_*.S. The last two are the stack pointer and the next
# instruction.
SAVED = {
    "i386:x86-64": (56, {"r15": 0, "r14": 8, "r13": 16, "r12": 24, "rbx": 32, "rbp": 40,
                         "rip": 48}, "rsp", "rip"),
    "aarch64": (160, {**{f"x{19 + i}": 8 * i for i in range(12)}, "pc": 88}, "sp", "pc"),
}


class Unwinder(gdb.unwinder.Unwinder):
    """Answers for the innermost frame of the selected thread: that a task's are its callers."""

    def __init__(self, task):
        super().__init__("arun-task")
        size, places, self.sp, self.pc = SAVED[gdb.newest_frame().architecture().name()]
        raw = task.program.memory.read(task.sp, size)
        self.registers = {name: int.from_bytes(raw[at:at + 8], "little")
                          for name, at in places.items()}
        self.registers[self.sp] = task.sp + size
        self.inner = task.sp
        frame = gdb.newest_frame()
        self.thread = [int(frame.read_register(name)) for name in (self.sp, self.pc)]

    def __call__(self, pending):
        if [int(pending.read_register(name)) for name in (self.sp, self.pc)] != self.thread:
            return None
        values = {name: gdb.Value(value).cast(pending.read_register(name).type)
                  for name, value in self.registers.items()}
        # Its id must be inside of all of the task's frames.
        inner = gdb.Value(self.inner).cast(values[self.sp].type)
        info = pending.create_unwind_info(FrameId(inner, values[self.pc]))
        for name, value in values.items():
            info.add_saved_register(name, value)
        return info


class FrameId:
    def __init__(self, sp, pc):
        self.sp, self.pc = sp, pc


def frames_of_thread():
    frame = gdb.newest_frame()
    while frame:
        yield frame
        frame = frame.older()


def frames_before():
    """How many frames are the thread's own: the innermost one, and what is inlined there."""
    folded = gdb.INLINE_FRAME, gdb.TAILCALL_FRAME
    return 1 + sum(1 for _ in itertools.takewhile(lambda f: f.type() in folded, frames_of_thread()))


@contextlib.contextmanager
def unwound(task):
    """Until its end, the selected thread's frames are those of a suspended task, from that
    of the number that it gives on."""
    unwinder = Unwinder(task)
    gdb.frame_unwinders.insert(0, unwinder)
    gdb.invalidate_cached_frames()
    try:
        first = frames_before()
        outer = next(itertools.islice(frames_of_thread(), first, None), None)
        if not outer or outer.pc() != unwinder.registers[unwinder.pc]:
            raise gdb.GdbError("gdb does not take its registers")
        yield first
    finally:
        gdb.frame_unwinders.remove(unwinder)
        gdb.invalidate_cached_frames()


@contextlib.contextmanager
def setting(name, value):
    old = gdb.parameter(name)
    gdb.execute(f"set {name} {value}")
    try:
        yield
    finally:
        gdb.execute(f"set {name} {'on' if old else 'off'}")


@contextlib.contextmanager
def selection_kept():
    thread, frame = gdb.selected_thread(), gdb.selected_frame()
    try:
        yield
    finally:
        thread.switch()
        if frame.is_valid():
            frame.select()


def backtrace(flags, first):
    """Prints gdb's own from a frame on, numbered from 0."""
    with setting("backtrace past-main", "on"):
        text = gdb.execute(" ".join(["backtrace", *flags, str(FRAMES + first)]), to_string=True)
    start = re.search(rf"(?m)^#{first}\b", text)
    if not start:
        raise gdb.GdbError("no frame of it can be read")
    say(re.sub(r"(?m)^#(\d+)( +)", lambda m: f"#{int(m[1]) - first:<{len(m[0]) - 1}}",
               text[start.start():].rstrip("\n")))


def runs_on(task):
    """Whether the selected thread is on a task's stack; a handler of signals may be on top."""
    frames = itertools.islice(frames_of_thread(), DEPTH)
    _, _, sp, _ = SAVED[gdb.newest_frame().architecture().name()]
    return any(0 <= int(f.read_register(sp)) - task.stack <= task.stack_size for f in frames)


def show_running(task, flags):
    for thread in gdb.selected_inferior().threads():
        thread.switch()
        if runs_on(task):
            backtrace(flags, 0)
            return
    say("no thread is on its stack")


def show_stack(task, flags):
    size, *_ = SAVED[gdb.newest_frame().architecture().name()]
    last = task.stack + task.stack_size - size
    if task.running:
        show_running(task, flags)
    elif not task.runs:
        say("it has not begun")
    elif task.sp % 8 or not task.stack <= task.sp <= last or \
            not task.program.memory.read(task.sp, size):
        say("its stack cannot be read: its stack pointer is wrong")
    else:
        with unwound(task) as first:
            backtrace(flags, first)
