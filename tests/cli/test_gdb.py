# SPDX-License-Identifier: MIT
"""What looks at a plugin from outside: gdb, AddressSanitizer in the plugin alone, Valgrind."""
import os
import re
import shutil

from load import PLUGIN, SANITIZED, SOURCE, build, not_sanitized
from plugins import CC
from needs import tool
from tap import ARUN, Skip, arun, claim, contains, equal, main, run

DEEP = build("deep.c", *PLUGIN, "-O0")
HEAP = build("heap.c")
HELLO = build(SOURCE / "plugins" / "01-hello.c")
CLEAN = (0, "clean\n", "")


def needs(program):
    if not shutil.which(program):
        raise Skip(f"{program} is not installed")


# A debugger


def backtrace(entry):
    """gdb's, where the fixture has come to stop_here(): the functions, innermost first."""
    tool("gdb")
    commands = ("set confirm off", "set debuginfod enabled off", "set width 0",
                "set disable-randomization off", "set breakpoint pending on",
                "break stop_here", "run", "bt", "kill")
    words = [word for command in commands for word in ("-ex", command)]
    done = run("gdb", "-nx", "-batch", *words, "--args", ARUN, f"{DEEP}:{entry}")
    said = done.stdout + done.stderr
    if re.search(r"ptrace: Operation not permitted|Couldn't get registers", said):
        raise Skip("this machine does not let gdb trace")
    for bad in ("Backtrace stopped", "corrupt stack", "previous frame"):
        assert bad not in said, said
    frames = re.findall(r"(?m)^#\d+ +(?:0x\w+ in )?(\w+) \(", done.stdout)
    assert frames[:1] == ["stop_here"], said
    return frames, said


def ends_at_the_entry_of(entry, body, depth):
    frames, said = backtrace(entry)
    equal(frames[:depth + 3], ["stop_here"] + ["climb"] * (depth + 1) + [body], said)
    # Below it are arun's own: from where a task begins, and no caller of that.
    assert 1 <= len(frames[depth + 3:]) <= 4, said
    equal(frames[-1], "context_start", said)


@claim
def a_backtrace_in_a_task_ends_at_its_entry():
    ends_at_the_entry_of("deep", "task_entry", 3)


@claim
def a_backtrace_in_a_generator_ends_at_its_entry():
    ends_at_the_entry_of("in_generator", "body_entry", 2)


@claim
def a_backtrace_in_the_entry_ends_there():
    ends_at_the_entry_of("in_entry", "in_entry", 2)


# AddressSanitizer in the plugin


def instrumented():
    """The plugin, and what makes arun load it; as the manual says for gcc."""
    if SANITIZED:
        raise Skip("arun is built with AddressSanitizer itself")
    if "clang" in CC[-1] or "gcc" not in run(*CC, "-v").stderr:
        raise Skip("the compiler is not gcc")
    library = run(*CC, "-print-file-name=libasan.so").stdout.strip()
    if not os.path.isabs(library):
        raise Skip("libasan is not installed")
    plugin = build("heap.c", *PLUGIN, "-fsanitize=address", to="instrumented.so")
    return plugin, {"LD_PRELOAD": library}


@claim
def an_instrumented_plugin_that_is_right_runs_clean():
    plugin, variables = instrumented()
    done = arun(f"{plugin}:heap", env=variables)
    equal((done.returncode, done.stdout, done.stderr), CLEAN)


@claim
def a_heap_overflow_in_a_task_is_reported_with_its_stack():
    plugin, variables = instrumented()
    done = arun(f"{plugin}:overflows", env=variables)
    assert done.returncode not in (0, 124, 125, 126, 127), done
    contains(done.stderr, "AddressSanitizer: heap-buffer-overflow")
    first = done.stderr.partition("is located")[0]
    for number, name in enumerate(("write_behind", "wrong")):
        assert re.search(rf"#{number} 0x\w+ in {name}\b.*heap\.c:\d+", first), done.stderr


# Valgrind


def under_valgrind(*words):
    not_sanitized("which Valgrind does not run")
    needs("valgrind")
    done = run("valgrind", "-q", "--error-exitcode=99", ARUN, *words)
    if done.stderr.startswith("valgrind: ") or "debuginfo reader" in done.stderr:
        raise Skip("Valgrind does not understand what is built here: " + done.stderr.splitlines()[0])
    return done.returncode, done.stdout, done.stderr


@claim
def valgrind_finds_nothing_in_hello():
    equal(under_valgrind(HELLO, "you"), (0, "hello, you\nand good-bye\n", ""))


@claim
def valgrind_finds_nothing_in_tasks_and_generators():
    equal(under_valgrind(f"{HEAP}:heap"), CLEAN)


main()
