#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a file of suppressions leaves out of the reports."""
import json
import re

from plugins import FOLDER, written
from plugins import SOURCE as TREE
from tap import arun, claim, contains, equal, main

SOURCE = """#include <arun.h>
#include <fcntl.h>
static int janitor(void *arg) {
	(void)arg;
	return arun_sleep(600);
}
static int items(void *arg) {
	return arun_gen_yield(arg);
}
static int leaves(int argc, char **argv) {
	(void)argc;
	arun_spawn(janitor, NULL);
	arun_gen_next(arun_gen_new(items, argv));
	open("/etc/passwd", O_RDONLY);
	return 0;
}
ARUN_MAIN(leaves)
"""


FAILS = """#include <arun.h>
#include <errno.h>
static int fail(void *arg) {
	(void)arg;
	errno = EIO;
	return -1;
}
static int fails(int argc, char **argv) {
	(void)argc;
	(void)argv;
	arun_task *joined = arun_spawn(fail, NULL);
	arun_set_name(joined, "joined");
	arun_task *detached = arun_spawn(fail, NULL);
	arun_set_name(detached, "detached");
	arun_detach(detached);
	return arun_sleep(0);
}
ARUN_MAIN(fails)
"""


def plugin():
    return written("leaves", SOURCE)


def rules(text):
    path = FOLDER / "rules"
    path.write_text(text)
    return path


@claim
def objects_that_fit_a_rule_are_left_out():
    report = FOLDER / "report.json"
    ended = arun("-s", rules("task:jan*\n*:leaves\n"), f"--report={report}", plugin())
    contains(ended.stderr, "1 leak: 1 fd")
    assert "janitor" not in ended.stderr and "generator" not in ended.stderr, ended.stderr
    equal(json.loads(report.read_text())["suppressed"], 2)


@claim
def a_task_that_failed_is_left_out_with_its_line_and_fails_the_run_all_the_same():
    for words, told in ((), ("joined", "detached")), (("failed:joined",), ("detached",)), \
            (("failed:detached", "failed:nobody"), ("joined",)), (("failed:*",), ()), (("*:*",), ()):
        report = FOLDER / "fails.json"
        report.unlink(missing_ok=True)
        ended = arun("-s", rules("\n".join((*words, ""))), f"--report={report}", written("fails", FAILS))
        lines = re.findall(r": failed: task \"(\w+)\"", ended.stderr)
        equal((ended.returncode, sorted(lines)), (1, sorted(told)), ended.stderr)
        equal("1 failed task" in ended.stderr, "joined" in told, ended.stderr)
        counts = [json.loads(line)["counts"] for line in report.read_text().splitlines()]
        equal(counts, [{"failed": 1}] if "joined" in told else [])


@claim
def a_file_that_is_none_is_told_of_in_the_form_of_the_log():
    ended = arun("--log-format=json", "-s", rules("nonsense\n"), plugin())
    equal(ended.returncode, 125)
    equal(json.loads(ended.stderr)["message"],
          f"--suppress: {FOLDER}/rules:1: \"nonsense\" is not KIND:PATTERN")


@claim
def descriptors_are_matched_by_their_path():
    ended = arun("-s", rules("fd:/etc/*\ntask:*\ngenerator:*\n"), "--leaks=error", plugin())
    equal((ended.stderr, ended.returncode), ("", 0))


@claim
def the_environment_names_the_file_too():
    ended = arun(plugin(), env={"ARUN_SUPPRESS": str(rules("*:*\n"))})
    equal(ended.stderr, "")


@claim
def a_bad_rule_is_one_line_and_125():
    path = rules("task:a\nno rule\n")
    ended = arun("-s", path, plugin())
    equal((ended.stderr, ended.returncode),
          (f'arun: --suppress: {path}:2: "no rule" is not KIND:PATTERN\n', 125))


@claim
def a_kind_that_does_not_exist_is_one_line_and_125():
    path = rules("# mine\ntaks:jan*\n")
    ended = arun("-s", path, plugin())
    equal((ended.stderr, ended.returncode),
          (f'arun: --suppress: {path}:2: there is no kind "taks" (see arun-report(5))\n', 125))


@claim
def every_kind_of_the_reports_may_be_named():
    schema = (TREE / "tests/fixtures/arun-report-1.schema.json").read_text()
    kinds, = (json.loads(words) for words in re.findall(r'"enum": (\[[^]]*\])', schema) if '"fd"' in words)
    ended = arun("-s", rules("".join(f"{kind}:*\n" for kind in kinds)), plugin())
    equal((ended.stderr, ended.returncode), ("", 0))


@claim
def a_file_that_never_ends_is_one_line_and_125():
    ended = arun("-s", "/dev/zero", plugin())
    equal((ended.returncode, ended.stdout), (125, ""), ended.stderr)
    equal(ended.stderr, "arun: --suppress: /dev/zero:1: a zero byte: this is no text\n")


@claim
def a_missing_file_is_one_line_and_125():
    for source, ended in (("--suppress", arun("--suppress=/nonexistent", plugin())),
                          ("$ARUN_SUPPRESS", arun(plugin(), env={"ARUN_SUPPRESS": "/nonexistent"}))):
        equal((ended.stderr, ended.returncode),
              (f"arun: {source}: /nonexistent: No such file or directory\n", 125))


@claim
def debug_names_the_rules_that_matched_nothing():
    path = rules("*:*\ntask:nobody\n")
    ended = arun("--debug", "-s", path, plugin())
    contains(ended.stderr, f"arun: {path}:2: task:nobody matched nothing\n")
    assert "*:* matched" not in ended.stderr, ended.stderr


main()
