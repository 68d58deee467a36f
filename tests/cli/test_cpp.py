# SPDX-License-Identifier: MIT
"""A plugin in C++20: exceptions and destructors in tasks that change places, and a server."""
import os
import pathlib
import re
import signal

from load import PLUGIN, build, connect, not_sanitized, read_to_end, serving
from plugins import compiler_of
from tap import Skip, arun, claim, contains, equal, main, run


def plugin(_built=[]):
    """Built at its first use, so that a machine without a C++ compiler skips."""
    if not _built:
        _built.append(build(pathlib.Path("throws.cc")))
    return _built[0]


@claim
def each_task_catches_its_own_exceptions():
    for _ in range(3):
        done = arun(f"{plugin()}:throws")
        equal((done.returncode, done.stdout, done.stderr), (0, "done\n", ""))


@claim
def destructors_run_in_a_task_that_is_cancelled():
    done = arun(f"{plugin()}:cancels")
    equal((done.returncode, done.stdout, done.stderr), (0, "destroyed\n", ""))


@claim
def a_sanitizer_that_is_loaded_with_the_library_of_the_language_knows_its_exceptions():
    not_sanitized("and needs no other")
    compiler = compiler_of(pathlib.Path("throws.cc"))
    libraries = [run(*compiler, f"-print-file-name={name}").stdout.strip()
                 for name in ("libasan.so", "libstdc++.so.6")]
    if "clang" in compiler[-2] or not all(map(os.path.isabs, libraries)):
        raise Skip("the compiler has no libasan.so")
    sanitized = build(pathlib.Path("throws.cc"), *PLUGIN, "-fsanitize=address",
                      to="sanitized.so")
    done = arun(f"{sanitized}:throws", env={"LD_PRELOAD": " ".join(libraries)})
    equal((done.returncode, done.stdout, done.stderr), (0, "done\n", ""))


@claim
def a_crash_names_functions_as_the_source_does():
    not_sanitized("which tells of crashes itself")
    done = arun("--debug", f"{plugin()}:crashes")
    equal(done.returncode, -signal.SIGSEGV, done.stderr)
    for part in (r"throws.so: at deep::Well::fall\+0x", r"\n    #0 deep::Well::fall\+0x",
                 r"\n    #1 deep::Pit<\.\.\.>::operator\[\]\+0x", r"\n    #2 crashes\+0x"):
        assert re.search(part, done.stderr), f"{part} is not in {done.stderr}"


@claim
def its_entries_are_declared_as_in_C():
    done = arun("--check", plugin())
    equal((done.returncode, done.stderr), (0, ""))
    for part in ("throws", "throws and catches", "cancels", "serve", "a server in C++"):
        contains(done.stdout, part)


@claim
def a_server_in_it_serves_and_stops():
    with serving(f"{plugin()}:serve", "--grace=5") as server:
        client = connect(server.port())
        client.sendall(b"hello")
        equal(client.recv(5), b"hello")
        equal(read_to_end(client), b"")
        client.close()
        equal(server.stop()[::2], (0, ""))


main()
