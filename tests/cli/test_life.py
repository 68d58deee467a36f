#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The life of a run that nobody disturbs: entries, their statuses, failures and deadlocks."""
import signal

from running import Running, ended, fixture, site
from tap import claim, contains, equal, main


def lacks(text, part):
    assert part not in text, f"{part!r} is in: {text!r}"


@claim
def what_a_main_returns_is_the_exit_status():
    for returned, status in ((0, 0), (7, 7), (255, 255), (256, 255), (300, 255)):
        equal(ended("mains:status", str(returned)), (status, "", ""), returned)


@claim
def a_negative_result_is_1_and_the_reason_is_printed():
    end = ended("mains:fails", "unix:/no/such/folder/some.sock")
    equal((end.status, end.stdout), (1, ""))
    equal(end.stderr, "arun: mains.so: fails failed: connect unix:/no/such/folder/some.sock: "
                      "No such file or directory\n")
    end = ended("mains:fails")
    equal(end, (1, "", "arun: mains.so: fails failed: Not a directory\n"))


@claim
def the_reason_is_not_that_of_another_failure():
    end = ended("mains:fails_otherwise")
    equal(end, (1, "", "arun: mains.so: fails_otherwise failed: Bad message\n"))


@claim
def a_failure_without_an_errno_is_no_success():
    end = ended("mains:fails_without_errno")
    equal(end, (1, "", "arun: mains.so: fails_without_errno failed: "
                       "it returned less than 0, and set no errno\n"))


@claim
def argv_is_the_plugin_as_typed_and_the_words_after_it():
    plugin = fixture("mains")
    end = ended("mains:words", "one", "", "--grace=3", "a b")
    equal(end, (0, f"<{plugin}>\n<one>\n<>\n<--grace=3>\n<a b>\n", ""))


@claim
def stdout_without_an_end_of_line_arrives():
    equal(ended("mains:unfinished"), (0, "no end of line", ""))


@claim
def a_server_that_never_yields_just_ends():
    plugin = fixture("servers")
    equal(ended("servers:yields_never"), (0, f"{plugin}\n", ""))
    equal(ended("servers:yields_never", "300"), (255, f"{plugin}\n", ""))


@claim
def a_server_whose_start_up_fails_says_why():
    end = ended("servers:start_up_fails")
    equal((end.status, end.stdout), (1, ""))
    contains(end.stderr, "start_up_fails failed: connect unix:/no/such/folder/some.sock: "
                         "No such file or directory\n")


@claim
def a_second_yield_is_misuse_and_the_code_after_it_runs():
    run = Running("servers:yields_twice").says("ready").signal(signal.SIGTERM)
    end = run.end()
    equal((end.status, end.stdout),
          (1, "ready\nfirst: 15\nsecond: -1 EALREADY\nsleep: 0\nend\n"))
    contains(end.stderr, site("servers", "second") + ": ")
    contains(end.stderr, "arun_yield()")
    contains(end.stderr, site("servers", "first"))
    equal(end.stderr.count("\n"), 1)


@claim
def a_yield_in_a_main_is_misuse():
    end = ended("mains:yields")
    equal((end.status, end.stdout), (1, "yield: -1 EPERM\nsleep: 0\n"))
    contains(end.stderr, site("mains", "yield") + ": ")


@claim
def a_yield_in_another_task_is_misuse_and_the_server_serves():
    run = Running("servers:yields_elsewhere").says("ready").signal(signal.SIGTERM)
    end = run.end()
    equal((end.status, end.stdout), (1, "task: -1 EPERM\nready\nyield: 15\n"))
    contains(end.stderr, site("servers", "task") + ": ")


@claim
def arun_stop_ends_a_server_and_sets_its_status():
    for words, status in ((["0"], 0), (["5"], 5), (["5", "6"], 5), (["0", "6"], 0), (["300"], 255)):
        equal(ended("servers:is_stopped", *words), (status, "yield: 0\ntask goes on: 0\n", ""), words)


@claim
def arun_stop_cancels_a_main_and_sets_its_status():
    stopped = "stopping: 1\nsleep: -1 ECANCELED\n"
    equal(ended("mains:stops", "5"), (5, stopped, ""))
    equal(ended("mains:stops", "0"), (0, stopped, ""))
    equal(ended("mains:stops", "5", "=0"), (5, stopped, ""))
    equal(ended("mains:stops", "5", "=7"), (7, stopped, ""))
    equal(ended("mains:stops", "5", "6"), (5, "stopping: 1\n" + stopped, ""))


@claim
def the_entry_ends_first_then_tasks_and_generators_newest_first():
    order = ["task 3: -1 ECANCELED", "task 2: -1 ECANCELED", "task 1: -1 ECANCELED",
             "generator 2: -1 ECANCELED", "generator 1: -1 ECANCELED"]
    end = ended("tasks:leaves_everything")
    lines = end.stdout.splitlines()
    equal(lines[0], "main ends")
    equal([l for l in lines if "detached" not in l][1:], order)
    equal(lines.index("detached task: -1 ECANCELED"), 1)
    equal(end.status, 0)

    end = Running("tasks:serves_and_leaves").says("ready").signal(signal.SIGTERM).end()
    lines = end.stdout.splitlines()
    equal(lines[:3], ["ready", "yield: 15", "clean-up: 0"])
    equal([l for l in lines if "detached" not in l][3:], order)
    equal(end.status, 0)


@claim
def what_is_left_is_reported_as_it_was_before_it_was_closed():
    end = ended("tasks:leaves_everything")
    lines = end.stderr.splitlines()
    equal(len(lines), 6, end.stderr)
    for number in (1, 2, 3):
        line, = [l for l in lines if l.startswith(site("tasks", f"task-{number}") + ": leak: task ")]
        contains(line, "still running")
        contains(line, f"waits at {site('tasks', 'left')}")
    for number in (1, 2):
        line, = [l for l in lines if l.startswith(site("tasks", f"generator-{number}"))]
        contains(line, f"suspended at {site('tasks', 'suspended')}")
    equal(lines[-1], "arun: tasks.so: 5 leaks: 3 tasks, 2 generators")


@claim
def a_task_spawned_in_the_sweep_ends_too():
    end = ended("tasks:spawns_in_the_sweep")
    equal((end.status, end.stdout), (0, "parent: -1 ECANCELED\nlate child: -1 ECANCELED\n"))
    equal(end.stderr.count("\n"), 2, end.stderr)
    contains(end.stderr, site("tasks", "parent"))


@claim
def a_clean_up_that_waits_for_a_cancelled_task_ends():
    done = "worker's clean-up: 0\njoin: 0\nworker: 3\n"
    for words in ([], ["already"]):
        end = ended("tasks:joins_in_the_sweep", *words)
        equal((end.status, end.stdout), (0, done), words)


@claim
def a_failed_task_is_named_while_main_goes_on_and_the_status_is_1():
    line = (site("tasks", "unseen") + ': failed: task "fail" (#2): connect '
            "unix:/no/such/folder/some.sock: No such file or directory\n")
    run = Running("tasks:leaves_a_failure").complains(line)
    equal(run.process.poll(), None)
    end = run.tell().end()
    equal(end.status, 1)
    equal(end.stderr.count(line), 1)
    end = Running("tasks:leaves_a_failure", "7").complains(line).tell().end()
    equal(end.status, 1, "1 wins over what main returned")


@claim
def a_failed_task_is_named_also_where_main_ends_at_once():
    end = ended("tasks:ends_with_a_failure")
    equal(end.status, 1)
    contains(end.stderr, site("tasks", "at-once") + ': failed: task "fail"')
    end = ended("tasks:ends_with_a_failure", options=["--leaks=off"])
    equal(end.status, 1)
    contains(end.stderr, site("tasks", "at-once") + ': failed: task "fail"')


@claim
def a_failed_task_that_is_joined_is_no_failure_of_the_run():
    equal(ended("tasks:joins_soon"), (0, "result: ENOENT\n", ""))
    named = site("tasks", "late") + ': failed: task "fail"'
    end = Running("tasks:joins_late").complains(named).tell().end()
    equal((end.status, end.stdout), (0, "result: ENOENT\n"))
    equal(end.stderr.count("\n"), 1)


@claim
def a_detached_task_that_fails_is_named_at_once_and_the_status_is_1():
    run = Running("tasks:detaches").complains(site("tasks", "detached") + ': failed: task "fail"')
    end = run.tell().end()
    equal((end.status, end.stderr.count("\n")), (1, 1))


@claim
def a_task_that_fails_when_it_is_swept_is_named_and_the_status_is_1():
    for words in ([], ["detached"]):
        end = ended("tasks:fails_in_the_sweep", *words)
        equal(end.status, 1, words)
        contains(end.stderr, site("tasks", "sweep-failure") + ': failed: task "fail_when_cancelled"')
        contains(end.stderr, "Broken pipe")


@claim
def two_tasks_that_join_one_both_get_its_result():
    equal(ended("tasks:two_join_one"), (0, "joined: 0, result: 42\n" * 2, ""))


@claim
def a_main_that_returns_while_a_server_listens_gets_a_hint():
    end = ended("tasks:listens_in_a_main")
    equal(end.status, 0)
    hint, = [l for l in end.stderr.splitlines() if "ARUN_SERVER" in l]
    contains(hint, "arun_yield()")
    contains(end.stderr, 'leak: server "no_handler"')


@claim
def leaks_are_23_only_where_the_status_would_have_been_0():
    error = ["--leaks=error"]
    equal(ended("tasks:leaves_everything", options=error).status, 23)
    equal(ended("tasks:leaves_everything", "7", options=error).status, 7)
    equal(ended("tasks:leaves_a_failure_and_a_task", options=error).status, 1)
    equal(ended("mains:status", options=error).status, 0)


def deadlocked(entry, *places):
    """Each of the tasks of the pair is named, and so is what waits for them."""
    end = ended(f"stuck:{entry}")
    equal(end.status, 1, end.stderr)
    lines = [l for l in end.stderr.splitlines() if ": deadlock: " in l]
    for name in ("chicken", "egg"):
        line, = [l for l in lines if f'deadlock: task "{name}"' in l]
        contains(line, site("stuck", "join"))
    for place in places:
        contains("\n".join(lines), site("stuck", place) + ": deadlock: ")
    return end


@claim
def two_tasks_that_wait_for_each_other_are_a_deadlock():
    end = deadlocked("waits_for_pair", "main")
    contains(end.stderr, 'deadlock: main "waits_for_pair"')


@claim
def a_main_that_waits_for_a_group_that_cannot_go_on_is_deadlocked():
    deadlocked("waits_for_group", "group")


@claim
def a_main_that_waits_for_a_generator_that_cannot_go_on_is_deadlocked():
    end = deadlocked("waits_for_gen", "gen")
    contains(end.stdout, "item: ECANCELED")
    contains(end.stderr, 'deadlock: task "join_other" ')


@claim
def a_server_that_has_yielded_is_never_deadlocked():
    run = Running("stuck:serves_a_pair").says("ready").idle()
    end = run.signal(signal.SIGHUP).says("pong").idle().signal(signal.SIGTERM).end()
    equal((end.status, end.stdout), (0, "ready\npong\nyield: 15\n"))
    lacks(end.stderr, "deadlock")
    contains(end.stderr, 'leak: task "chicken"')


@claim
def a_thread_of_the_plugin_holds_the_verdict_off_until_it_ends():
    run = Running("stuck:has_a_thread").says("thread").idle()
    lacks(run.stderr, "deadlock")
    end = run.tell().says("thread ends").complains("deadlock").end()
    equal(end.status, 1)


def forked(how):
    end = ended("children:forks", how)
    equal(end.status, 7, end)
    contains(end.stderr, f'{site("children", "left")}: leak: task "sleep_long"')
    equal(end.stderr.count("leak: task"), 1, "the report is the parent's alone")
    equal(end.stdout.splitlines()[-1], "sleep: 0")
    return end


@claim
def a_child_that_exits_leaves_the_parent_alone():
    equal(forked("exit").stdout, "parent\nchild: exited with 3\nsleep: 0\n")
    equal(forked("_exit").stdout, "parent\nchild: exited with 4\nsleep: 0\n")
    equal(forked("stop").stdout, "parent\nchild: exited with 4\nsleep: 0\n")


@claim
def a_child_that_suspends_or_returns_aborts_with_one_line():
    died = f"parent\nchild: died of {int(signal.SIGABRT)}\nsleep: 0\n"
    end = forked("sleep")
    equal(end.stdout, died)
    contains(end.stderr, site("children", "child") + ": misuse: arun_sleep() in a forked child")
    equal(end.stderr.count("\n"), 3)
    end = forked("return")
    equal(end.stdout, died)
    contains(end.stderr, "misuse: a task's function returns in a forked child, which is no run: ")


main()
