# SPDX-License-Identifier: MIT
"""A program of one's own, linked with -larun."""
import re

from plugins import FOLDER, SOURCE, link
from tap import claim, contains, equal, main, run

PROGRAM = FOLDER / "embed"
FLAGS = "-Wall -Wextra -Wpedantic -Werror".split()


@claim
def it_is_built_with_the_header_and_the_library_alone():
    link(SOURCE / "tests" / "fixtures" / "embed" / "embed.c", *FLAGS)


@claim
def two_runs_give_both_results_and_leave_the_handlers_of_signals():
    done = run(PROGRAM, "3", "4")
    equal((done.returncode, done.stdout, done.stderr), (0, "5 5 kept\n", ""))


@claim
def a_run_that_fails_says_why_and_the_next_goes_on():
    done = run(PROGRAM, "*", "4")
    equal((done.returncode, done.stdout), (0, "1 5 kept\n"))
    contains(done.stderr, "main failed")


@claim
def the_manuals_test_of_leaks_with_libcheck_runs():
    page = (SOURCE / "man" / "arun_inspect.3").read_text()
    example = next(text for text in re.findall(r"^\.EX\n(.*?)^\.EE$", page, re.M | re.S)
                   if "check.h" in text)
    source = FOLDER / "checked.c"
    source.write_text(example.replace("\\-", "-"))
    found = run("pkg-config", "--cflags", "--libs", "check")
    equal(found.returncode, 0, found.stderr)
    program = link(source, *FLAGS, libraries=found.stdout.split())
    done = run(program, env={"CK_VERBOSITY": "normal"})
    equal(done.returncode, 0, done.stdout + done.stderr)
    contains(done.stdout, "100%: Checks: 2, Failures: 0, Errors: 0\n")


main()
