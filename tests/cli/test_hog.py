#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A task that does not suspend is named while it runs."""
import re
import signal

from faults import Running, fixture, site
from plugins import linked
from tap import arun, claim, contains, equal, main, run


@claim
def a_task_that_spins_is_named_with_its_stack_while_it_does():
    running = Running("--debug", f"{fixture('faults')}:faults", "spins")
    running.complains("without suspending").complains("    #0 ")
    equal(running.process.poll(), None)
    running.until(lambda: running.stderr.endswith("\n"), "whole lines")
    equal(running.stderr.count("without suspending"), 1)
    contains(re.sub(r"\d+ ms|[\d.]+ s\b", "AGE", running.stderr),
             f'arun: faults.so: task "spins" (#2; spawned at {site("faults", "spawn")}) has run for AGE '
             f'without suspending; last wait at {site("faults", "spins-wait")} (arun_sleep)\n')
    contains(re.sub("0x[0-9a-f]+", "0xN", running.stderr), "    #0 spins+0xN (faults.so+0xN)\n")
    running.signal(signal.SIGKILL).end()


@claim
def each_time_it_is_told_of_once_and_how_long_it_took():
    done = arun("--debug", f"{fixture('hogs')}:hogs", "0.5")
    equal((done.returncode, done.stdout), (0, 2 * "burning\n"))
    told = re.findall(r'task "twice" \(#2; spawned at \S+\) (has run|ran) for ([\d.]+) (m?s) ', done.stderr)
    equal([verb for verb, _, _ in told], 2 * ["has run", "ran"], done.stderr)
    for verb, number, unit in told:
        seconds = float(number) / (1000 if unit == "ms" else 1)
        assert seconds >= (0.1 if verb == "has run" else 0.4), done.stderr


@claim
def without_debug_nobody_is_told_of():
    done = arun(f"{fixture('hogs')}:hogs", "0.3")
    equal((done.returncode, done.stderr), (0, ""))


@claim
def tasks_that_take_turns_are_none():
    done = arun("--debug", f"{fixture('hogs')}:shares")
    equal((done.returncode, done.stderr), (0, ""))


@claim
def a_sleep_in_the_system_is_named_and_not_cut_short():
    done = arun("--debug", f"{fixture('hogs')}:sleeps")
    equal((done.returncode, done.stdout), (0, "nanosleep: 0\n"))
    contains(done.stderr, 'arun: hogs.so: main "sleeps" (#1) has run for ')
    contains(done.stderr, " without suspending, in a call that sleeps; it has not waited yet\n")


@claim
def the_watching_thread_does_not_keep_a_deadlock_from_being_told():
    done = arun("--debug", f"{fixture('hogs')}:deadlocks")
    equal(done.returncode, 1)
    contains(done.stderr, ": deadlock: ")


OWN = """#include <arun.h>
#include <stdlib.h>
#include <time.h>
static int burn(int argc, char **argv) {
	clock_t end = clock() + CLOCKS_PER_SEC / 5;
	while (clock() < end) {
	}
	return argc > 9 ? atoi(argv[0]) : 0;
}
int main(int argc, char **argv) {
	arun_options options = {.struct_size = sizeof options, .debug = true,
		.hog = argc > 1 ? atof(argv[1]) : 0};
	return arun_run(burn, argc, argv, &options);
}
"""


@claim
def a_program_of_ones_own_says_how_long_is_too_long():
    program = linked("own", OWN)
    equal(run(program, "60").stderr, "")
    for words in [[], ["0.05"]]:
        done = run(program, *words)
        contains(done.stderr, 'arun: own: main "main" (#1) has run for ')
        assert "#0" not in done.stderr, done.stderr  # the signals are the host's


main()
