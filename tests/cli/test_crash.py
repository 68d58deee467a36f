#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The last line of a process that crashes: it names the task."""
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import tempfile

import schema
from faults import FIXTURES, Running, fixture, site
from needs import lacking
from plugins import FLAGS, FOLDER, SANITIZED, linked, written
from tap import Skip, arun, claim, contains, equal, main, run

SPAWN = site("faults", "spawn")
HANDLERS = """#include <arun.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
static void own(int signum) {
	_Exit(signum);
}
static int look(int argc, char **argv) {
	const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGXFSZ, SIGUSR1, SIGQUIT,
		SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGRTMAX};
	(void)argc;
	(void)argv;
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
		struct sigaction now;
		sigaction(signals[i], NULL, &now);
		putchar(now.sa_handler == SIG_DFL ? '-' : now.sa_handler == own ? 'o' : 'a');
	}
	return 0;
}
int main(int argc, char **argv) {
	arun_options options = {.struct_size = sizeof options, .signals = argc > 1};
	if (argc > 2) {
		signal(SIGSEGV, own);
	}
	int status = arun_run(look, argc, argv, &options);
	look(argc, argv);
	return status;
}
"""

CLOSES = """#define _GNU_SOURCE
#include <arun.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static int janitor(void *arg) {
	(void)arg;
	return arun_sleep(60);
}
static int nothing(void *arg) {
	(void)arg;
	return 0;
}
/* other: what has its number afterwards; NULL: nothing. */
static int close_the_eventfd(const char *other) {
	char path[64], name[64] = "";
	int opened = other ? open(other, O_RDWR) : -1;
	for (int fd = 3; fd < 100; fd++) {
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		ssize_t size = readlink(path, name, sizeof name - 1);
		if (size > 0 && strncmp(name, "anon_inode:[eventfd]", (size_t)size) == 0) {
			close(fd);
			if (other) {
				dup2(opened, fd);
			}
		}
	}
	return arun_blocking(nothing, NULL);
}
/* argv[1]: how many descriptors are opened after all but the standard ones were closed; argv[2]: libev
 * is to watch another. */
static int closes(int argc, char **argv) {
	arun_spawn(janitor, NULL);
	if (argc > 3) {
		return close_the_eventfd(argv[4]);
	}
	for (int fd = 3; fd < 100; fd++) {
		close(fd);
	}
	for (int i = atoi(argv[1]); i > 0; i--) {
		open("/dev/null", O_RDONLY);
	}
	int ends[2];
	return argc > 2 && pipe(ends) == 0 ? arun_wait_fd(ends[0], ARUN_READABLE) : arun_sleep(60);
}
ARUN_MAIN(closes)
"""


def crashed(what, *options):
    """Its status and stderr."""
    done = arun(*options, f"{fixture('faults')}:faults", what)
    return done.returncode, done.stderr


def not_sanitized():
    if SANITIZED:
        raise Skip("a sanitizer has the signals of faults")


@claim
def each_fault_names_the_task_its_spawn_site_and_its_last_wait():
    not_sanitized()
    for what, signum, about in [
            ("null", signal.SIGSEGV, "SIGSEGV at address 0x0"), ("divide", signal.SIGFPE, "SIGFPE"),
            ("asserts", signal.SIGABRT, "SIGABRT")]:
        status, stderr = crashed(what)
        equal(status, -signum, stderr)
        contains(stderr, f'arun: faults.so: {about} in task "{what}" (#2; spawned at {SPAWN}); '
                 f"last wait at {site('faults', what + '-wait')} (arun_sleep)\n")


@claim
def a_task_that_has_never_waited_is_told_so():
    status, stderr = crashed("aborts")
    equal(status, -signal.SIGABRT, stderr)
    contains(stderr, f'SIGABRT in task "aborts" (#2; spawned at {SPAWN}); it has not waited yet\n')
    not_sanitized()
    status, stderr = crashed("illegal")
    contains([-signal.SIGILL, -signal.SIGTRAP], status)  # what __builtin_trap() is on this CPU


@claim
def an_overflow_of_the_stack_is_called_that():
    not_sanitized()
    status, stderr = crashed("overflows")
    equal(status, -signal.SIGSEGV, stderr)
    contains(stderr, f': stack of task "overflows" (#2) overflowed (64 KiB; spawned at {SPAWN}); '
             f"last wait at {site('faults', 'overflows-wait')} (arun_sleep); "
             "give it a larger stack_size\n")


@claim
def the_least_stack_is_enough_for_the_C_library():
    done = arun(f"{fixture('faults')}:narrow")
    equal((done.returncode, done.stdout), (0, f"0 {1e30:.3f}\n"), done.stderr)
    contains(done.stderr, f"{1e30:.1f} told\n")


@claim
def a_stack_that_is_too_large_is_refused_with_the_limit():
    done = arun(f"{fixture('faults')}:vast")
    equal((done.returncode, done.stderr),
          (1, "arun: faults.so: vast failed: its stack: stack_size is at most 1 GiB\n"))


@claim
def the_entry_is_a_task_like_others():
    not_sanitized()
    done = arun(f"{fixture('faults')}:entry_crashes")
    equal(done.returncode, -signal.SIGSEGV)
    contains(done.stderr, 'SIGSEGV at address 0x0 in main "entry_crashes" (#1); last wait at faults.c:')


@claim
def with_debug_the_stack_follows():
    not_sanitized()
    status, stderr = crashed("null", "--debug")
    equal(status, -signal.SIGSEGV, stderr)
    contains(re.sub(r"0x[0-9a-f]+", "0xN", stderr), "    #0 null+0xN (faults.so+0xN)\n")
    equal(re.findall(r"^    #\d+ 0x0$", stderr, re.MULTILINE), [])  # who calls a stack's first
    assert "#0" not in crashed("null")[1]


@claim
def the_report_of_a_crash_has_all_objects():
    not_sanitized()
    file = FOLDER / "crash.json"
    crashed("overflows", f"--report={file}")
    report, = map(json.loads, file.read_text().splitlines())
    equal(schema.errors(report), [])
    equal((report["kind"], report["end"]),
          ("crash", {"reason": "crash", "signal": "SIGSEGV", "status": 139}))
    equal((report["crash"]["task"], report["crash"]["overflow"], report["crash"]["changed"]),
          (2, True, False))
    equal([(o["name"], o["state"]) for o in report["objects"]],
          [("faults", "join"), ("overflows", "running")])


@claim
def a_signal_from_outside_names_the_task_that_spins():
    running = Running(f"{fixture('faults')}:faults", "spins").says("spinning")
    status, stderr = running.signal(signal.SIGABRT).end()
    equal(status, -signal.SIGABRT)
    contains(stderr, f'SIGABRT sent by pid {os.getpid()} in task "spins" (#2; spawned at {SPAWN}); '
             f"last wait at {site('faults', 'spins-wait')} (arun_sleep)\n")


@claim
def a_crash_of_another_thread_is_not_blamed_on_a_task():
    not_sanitized()
    done = arun(f"{fixture('faults')}:thread_crashes")
    equal(done.returncode, -signal.SIGSEGV)
    assert re.search(r"SIGSEGV at address 0x0 in thread \d+, which runs no task\n", done.stderr), done.stderr


@claim
def a_crash_of_a_job_names_it_and_its_call():
    not_sanitized()
    file = FOLDER / "job.json"
    done = arun(f"--report={file}", f"{fixture('faults')}:job_crashes")
    equal(done.returncode, -signal.SIGSEGV)
    contains(done.stderr, f'SIGSEGV at address 0x0 in job "faults_in_job" (#2; called at {site("faults", "job")} '
             "by task #1)\n")
    report, = map(json.loads, file.read_text().splitlines())
    equal(schema.errors(report), [])
    equal((report["crash"]["job"], "task" in report["crash"]), (2, False))
    done = arun(f"{fixture('faults')}:job_aborts")
    equal(done.returncode, -signal.SIGABRT)
    contains(done.stderr, 'SIGABRT in job "aborts_in_job" (#2; called at ')


@claim
def a_plugin_that_has_closed_the_loop_s_descriptors_is_told_so():
    plugin = written("closes", CLOSES)
    why = r"arun: closes.so: the plugin has closed descriptor \d+, which is the loop's\n"
    for opened in 0, 9:
        done = arun(plugin, opened)
        equal(done.returncode, -signal.SIGABRT, done.stderr)
        assert re.match(why + r'closes.c:\d+: leak: task "janitor" \(#2\) still running', done.stderr), done.stderr
        contains(done.stderr, "arun: closes.so: SIGABRT in the loop, outside tasks\n")
        equal(len(re.findall(why, done.stderr)), 1)
    # Wake-ups would be lost: of a job's end on a thread, and of a signal.
    done = arun(plugin, 0, "blocks", "blocks")
    equal(done.returncode, -signal.SIGABRT, done.stderr)
    equal(len(re.findall(why, done.stderr)), 1, done.stderr)
    # One that has the number now would get what wakes the loop.
    other = FOLDER / "other"
    other.write_bytes(b"")
    done = arun(plugin, 0, "blocks", "blocks", other)
    equal((done.returncode, other.read_bytes()), (-signal.SIGABRT, b""), done.stderr)
    equal(len(re.findall(why, done.stderr)), 1, done.stderr)
    # A new watcher of libev's own is an assertion of it.
    done = arun(plugin, 0, "watches")
    equal(done.returncode, -signal.SIGABRT, done.stderr)
    equal(len(re.findall(why, done.stderr)), 1, done.stderr)


@claim
def a_forked_child_crashes_without_a_word():
    not_sanitized()
    done = arun(f"{fixture('faults')}:child_crashes")
    equal((done.returncode, done.stdout, done.stderr), (0, f"child: {signal.SIGSEGV:d}\n", ""))


@claim
def a_plugin_that_was_written_over_while_it_ran_is_told_of():
    not_sanitized()
    with tempfile.TemporaryDirectory() as folder:
        plugin = shutil.copy(fixture("faults"), folder)
        other = pathlib.Path(folder, "other")
        other.write_bytes(b"short")
        running = Running(f"{plugin}:faults", "overwritten").says("ready")
        run("cp", other, plugin)
        status, stderr = running.end()
    equal(status, -signal.SIGBUS, stderr)
    contains(stderr, 'SIGBUS at address 0x')
    contains(stderr, ' in task "overwritten" (#2; spawned at ')
    contains(stderr, "arun: faults.so changed on disk while it ran\n")


def sanitizer():
    """What builds with AddressSanitizer, and the library of it that arun is to load: $CC, or gcc,
    as a clang may have come without its own."""
    for compiler, flags, name in (
            (os.environ["CC"], "-shared-libasan", f"libclang_rt.asan-{os.uname().machine}.so"),
            (os.environ["CC"], "-shared", "libasan.so"), ("gcc", "-shared", "libasan.so")):
        command = shlex.split(compiler)
        library = run(*command, f"-print-file-name={name}").stdout.strip()
        # clang finds gcc's.
        if os.path.isabs(library) and ("clang_rt" in name) == ("clang" in command[-1]):
            return [*command, flags], library
    return lacking("no compiler has its AddressSanitizer")


def sanitized(source, name):
    """The plugin with AddressSanitizer, and the environment that it needs."""
    compiler, library = sanitizer()
    plugin = FOLDER / name
    done = run(*compiler, *FLAGS, "-g", "-fsanitize=address", "-I" + os.environ["ARUN_INCLUDE"],
               "-w", "-o", plugin, source, cwd=FIXTURES)
    equal(done.returncode, 0, done.stderr)
    return plugin, {"LD_PRELOAD": library, "ASAN_OPTIONS": "detect_leaks=0"}


@claim
def a_sanitizer_that_ends_the_process_is_followed_by_the_task():
    not_sanitized()
    plugin, environment = sanitized("faults.c", "freed.so")
    done = arun(f"{plugin}:faults", "uses_freed", env=environment)
    assert done.returncode != 0
    contains(done.stderr, "heap-use-after-free")
    contains(done.stderr, f'arun: freed.so: the sanitizer ended task "uses_freed" (#2; spawned at {SPAWN}); '
             f"last wait at {site('faults', 'freed-wait')} (arun_sleep)\n")


@claim
def a_sanitizer_is_told_of_the_end_of_each_task():
    not_sanitized()
    plugin, environment = sanitized("fakes.c", "fakes.so")
    environment["ASAN_OPTIONS"] += ":detect_stack_use_after_return=1"
    done = arun(plugin, env=environment)
    equal((done.returncode, done.stdout, done.stderr), (0, "as large as before\n", ""))


@claim
def handlers_are_the_host_s_where_it_says_so_and_as_before_afterwards():
    not_sanitized()
    program = linked("handlers", HANDLERS)
    for words, inside, after in [([], 13 * "-", 13 * "-"), (["x"], 13 * "a", 13 * "-"),
                                 (["x", "x"], 7 * "a" + "o" + 5 * "a", 7 * "-" + "o" + 5 * "-")]:
        done = run(program, *words)
        equal((done.returncode, done.stdout), (0, inside + after), str(words))


main()
