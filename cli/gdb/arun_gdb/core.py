# SPDX-License-Identifier: MIT
"""Core files with the stacks of tasks."""
import bisect
import struct

from .memory import PAGE

RED_ZONE, STACK = 128, 1 << 30


def segments(core):
    """(address, size, place in the file) of each part of the memory in a core file."""
    core.seek(0)
    header = core.read(64)
    start, = struct.unpack_from("<Q", header, 32)
    size, count = struct.unpack_from("<HH", header, 54)
    core.seek(start)
    for raw in struct.iter_unpack("<IIQQQQQQ", core.read(size * count)):
        kind, _, place, address, _, stored, _, _ = raw
        if kind == 1 and stored:  # PT_LOAD
            yield address, stored, place


def used_pages(task):
    """The addresses of those pages of a task's stack that are in use."""
    end = task.stack + min(task.stack_size, STACK)
    inside = not task.running and task.stack <= task.sp < end
    return pages(task.sp - RED_ZONE if inside else task.stack, end)


def own_pages(task):
    """The same of one that has ended: it lies there itself, at the top."""
    return pages(task.address, task.stack + min(task.stack_size, STACK))


def pages(low, end):
    return range(low - low % PAGE, end, PAGE)


def add_stacks(program, tasks, core):
    """Puts the stacks into a core file where gdb left them out; returns those of how many."""
    parts = sorted(segments(core))
    starts = [part[0] for part in parts]

    def add(addresses):
        done = False
        for at in addresses:
            start, size, place = parts[max(bisect.bisect_right(starts, at) - 1, 0)]
            raw = program.memory.read(at, PAGE) if start <= at <= start + size - PAGE else None
            if raw is not None:
                core.seek(place + at - start)
                core.write(raw)
                done = True
        return done

    for task in program.ended():
        add(own_pages(task))
    return sum(add(used_pages(task)) for task in tasks)
