# SPDX-License-Identifier: MIT
"""Stacks that overflow, and very many of them."""
import os
import re
import signal

from load import build, not_sanitized
from tap import Skip, arun, claim, equal, main

MEMORY = build("memory.c")
OVERFLOW = build("overflow.c")
NO_MLOCKALL = 77


def kernel():
    return tuple(int(n) for n in re.findall(r"\d+", os.uname().release)[:2])


def overflows(plugin, entry, said):
    done = arun(f"{plugin}:{entry}")
    if done.returncode == NO_MLOCKALL:
        raise Skip("mlockall() is not allowed")
    equal((done.returncode, done.stdout), (-signal.SIGSEGV, said))


def numbers(words):
    """Runs an entry, and returns the numbers in what it prints."""
    done = arun(*words)
    if done.returncode == NO_MLOCKALL:
        raise Skip("mlockall() is not allowed")
    equal(done.returncode, 0, f"{done.stdout}{done.stderr}")
    print(f"# {words[0].rpartition(':')[2]}: {done.stdout.strip()}".replace("\n", ", "))
    return [int(n) for n in re.findall(r"-?\d+", done.stdout)]


@claim
def a_recursion_without_end_dies_by_SIGSEGV_and_touches_no_neighbour():
    not_sanitized("whose stacks are others")
    overflows(OVERFLOW, "recursion", "intact\n")


@claim
def an_array_as_large_as_the_stack_dies_by_SIGSEGV_and_touches_no_neighbour():
    not_sanitized("whose stacks are others")
    overflows(OVERFLOW, "array", "intact\n")


@claim
def a_guard_of_locked_memory_holds_too():
    not_sanitized("whose stacks are others")
    overflows(OVERFLOW, "locked", "intact\n")


@claim
def a_neighbour_that_is_touched_would_be_seen():
    not_sanitized("whose stacks are others")
    overflows(OVERFLOW, "touches", "touched\n")


@claim
def a_hundred_thousand_tasks_sleep_at_once_and_end():
    not_sanitized("whose stacks are larger")
    if kernel() < (6, 13):
        raise Skip("each guard is a mapping before Linux 6.13")
    asleep, size, mappings, ended = numbers([f"{MEMORY}:memory", 100_000])
    equal((asleep, ended), (100_000, 100_000))
    assert size < 100_000 * 8192, f"{size / asleep} bytes a task"
    assert mappings < 1000, f"{mappings} mappings"


@claim
def ten_thousand_tasks_sleep_at_once_on_any_kernel():
    asleep, _, _, ended = numbers([f"{MEMORY}:memory", 10_000])
    equal((asleep, ended), (10_000, 10_000))


@claim
def a_report_of_very_many_tasks_takes_under_2_s_and_bounded_memory():
    not_sanitized("whose stacks are larger")
    count = 1_000_000 if os.environ.get("ARUN_SLOW_TESTS") == "1" else 100_000
    if kernel() < (6, 13):
        count = 10_000
    leaks, took, size = numbers([f"{MEMORY}:reported", count])
    equal(leaks, count)
    assert took < 2000, f"{took} ms"
    assert size < 16 << 20, f"{size} bytes"


@claim
def a_million_tasks_one_after_another_leave_memory_where_it_was():
    not_sanitized("which keeps what was freed")
    ended, resident, mapped = numbers([f"{MEMORY}:in_turn", 1_000_000])
    equal(ended, 1_000_000)
    assert resident < 1 << 20 and mapped < 1 << 20, (resident, mapped)


@claim
def where_memory_is_limited_a_spawn_fails_and_the_plugin_goes_on():
    not_sanitized("which needs terabytes of addresses")
    done = arun(f"{MEMORY}:limited")
    equal((done.returncode, done.stdout),
          (0, "begins\nmade 1 ENOMEM why 1\nended 1\nagain 10\n"), done.stderr)


@claim
def a_thousand_tasks_of_locked_memory_have_guards_of_mprotect():
    not_sanitized("whose guards are mprotect's in any case")
    asleep, _, mappings, ended = numbers([f"{MEMORY}:locked", 1000])
    equal((asleep, ended), (1000, 1000))
    assert mappings >= 1000, f"{mappings} mappings: no guard has one of its own"


main()
