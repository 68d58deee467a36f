/* SPDX-License-Identifier: MIT */
#include "bodies.h"

/* Bodies of tasks. */

static int yield_twice(void *arg) {
	(void)arg;
	let_others_run(2);
	return 5;
}

static int join_it(void *arg) {
	int result = -99;
	return arun_join(*(arun_task **)arg, &result) < 0 ? -1 : result;
}

/* Spawn ---------------------------------------------------------------------------------------- */

CLAIM(a_task_runs_when_its_spawner_suspends_and_not_before) {
	arun_task *task = arun_spawn(note_letter, WORD("t"));
	note('m');
	ck_assert_int_eq(joined(task), 0);
	assert_trace("mt");
}

CLAIM(tasks_run_in_the_order_they_were_spawned) {
	arun_task *tasks[] = {arun_spawn(note_letter, WORD("a")),
		arun_spawn(note_letter, WORD("b")), arun_spawn(note_letter, WORD("c"))};
	let_others_run(1);
	assert_trace("abc");
	for (int i = 0; i < 3; i++) {
		joined(tasks[i]);
	}
}

static int spawn_b(void *arg) {
	static char b[] = "b";
	note('a');
	*(arun_task **)arg = arun_spawn(note_letter, b);
	return 0;
}

CLAIM(a_task_spawned_by_a_task_is_queued_behind_all_others) {
	arun_task *inner = NULL;
	arun_task *first = arun_spawn(spawn_b, &inner);
	arun_task *second = arun_spawn(note_letter, WORD("c"));
	joined(first);
	joined(second);
	joined(inner);
	assert_trace("acb");
}

static int note_and_yield(void *arg) {
	for (int i = 0; i < 3; i++) {
		note(*(const char *)arg);
		let_others_run(1);
	}
	return 0;
}

CLAIM(tasks_that_yield_take_turns) {
	arun_task *a = arun_spawn(note_and_yield, WORD("a"));
	arun_task *b = arun_spawn(note_and_yield, WORD("b"));
	joined(a);
	joined(b);
	assert_trace("ababab");
}

CLAIM(the_plain_functions_do_what_the_macros_do) {
	arun_task *(*spawn)(int (*)(void *), void *) = arun_spawn;
	arun_task *(*spawn_with)(int (*)(void *), void *, const arun_spawn_options *) =
		arun_spawn_with;
	int (*join)(arun_task *, int *) = arun_join;
	void (*cancel)(arun_task *) = arun_cancel;
	int seven = 7, result = 0;
	ck_assert_int_eq(join(spawn(return_number, &seven), &result), 0);
	ck_assert_int_eq(result, 7);
	arun_task *task =
		spawn_with(sleep_long, NULL, &(arun_spawn_options){.name = "x"});
	cancel(task);
	ck_assert_int_eq(join(task, &result), 0);
	ck_assert_int_eq(result, -ECANCELED);
}

/* Uses 700 KiB of its stack. */
static int use_much_stack(void *arg) {
	volatile char big[700 * 1024];
	for (size_t i = 0; i < sizeof big; i += 4096) {
		big[i] = (char)i;
	}
	let_others_run(1);
	return *(int *)arg + big[8192];
}

CLAIM(a_stack_has_the_size_that_was_asked_for) {
	int one = 1;
	arun_spawn_options options = {.stack_size = 1024 * 1024};
	arun_task *task = arun_spawn_with(use_much_stack, &one, &options);
	ck_assert_int_eq(joined(task), 1);
}

CLAIM(options_may_be_null) {
	int one = 1;
	ck_assert_int_eq(joined(arun_spawn_with(return_number, &one, NULL)), 1);
}

CLAIM(a_stack_above_1_GiB_is_EINVAL) {
	arun_spawn_options options = {.stack_size = ((size_t)1 << 30) + 1};
	assert_null(arun_spawn_with(sleep_long, NULL, &options), EINVAL);
	assert_contains(arun_why(), "stack_size is at most 1 GiB");
}

CLAIM(spawn_without_memory_for_the_stack_is_ENOMEM) {
	enum { MANY = 10000 };
	static arun_task *tasks[MANY];
	int count = 0, zero = 0;
	struct rlimit old = limit_memory();
	while (count < MANY && (tasks[count] = arun_spawn(return_number, &zero))) {
		count++;
	}
	int error = errno;
	setrlimit(RLIMIT_AS, &old);
	ck_assert_int_lt(count, MANY);
	ck_assert_int_eq(error, ENOMEM);
	while (count-- > 0) {
		joined(tasks[count]);
	}
}

START_TEST(spawn_outside_a_run_is_ESHUTDOWN) {
	assert_null(arun_spawn(sleep_long, NULL), ESHUTDOWN);
	assert_null(arun_spawn_with(sleep_long, NULL, NULL), ESHUTDOWN);
}
END_TEST

/* Join ----------------------------------------------------------------------------------------- */

CLAIM(join_stores_what_the_function_returned) {
	int number = 42, result = 0;
	ck_assert_int_eq(arun_join(arun_spawn(return_number, &number), &result), 0);
	ck_assert_int_eq(result, 42);
}

CLAIM(join_stores_minus_errno_in_place_of_minus_one) {
	int error = EXDEV;
	ck_assert_int_eq(joined(arun_spawn(fail_with, &error)), -EXDEV);
}

static int fail_mutely(void *arg) {
	(void)arg;
	errno = 0;
	return -1;
}

CLAIM(join_takes_a_failure_without_an_errno_for_no_success) {
	ck_assert_int_eq(joined(arun_spawn(fail_mutely, NULL)), -EIO);
}

CLAIM(join_stores_other_negative_results_as_they_are) {
	int number = -7;
	ck_assert_int_eq(joined(arun_spawn(return_number, &number)), -7);
}

static int connects_to_nobody(void *arg) {
	(void)arg;
	return arun_connect("unix:/nowhere/nobody") ? 0 : -1;
}

/* A main that fails with what a task of it failed with says why, then. */
CLAIM(join_has_arun_why_tell_of_what_the_task_failed) {
	ck_assert_int_eq(joined(arun_spawn(connects_to_nobody, NULL)), -ENOENT);
	ck_assert_str_eq(arun_why(), "task \"connects_to_nobody\" (#2): connect "
				     "unix:/nowhere/nobody: No such file or directory");
}

CLAIM(join_of_one_that_obeyed_a_cancel_is_no_failure_to_tell_of) {
	arun_task *task = arun_spawn(sleep_long, NULL);
	arun_sleep(0);
	arun_cancel(task);
	ck_assert_int_eq(joined(task), -ECANCELED);
	ck_assert_str_eq(arun_why(), "");
}

CLAIM(join_takes_NULL_for_the_result) {
	int zero = 0;
	ck_assert_int_eq(arun_join(arun_spawn(return_number, &zero), NULL), 0);
}

CLAIM(join_of_a_task_that_has_ended_returns_at_once) {
	int zero = 0;
	arun_task *task = arun_spawn(return_number, &zero);
	let_others_run(1);
	arun_task *other = arun_spawn(note_letter, WORD("o"));
	joined(task);
	assert_trace("");
	joined(other);
}

CLAIM(join_waits_for_the_end) {
	ck_assert_int_eq(joined(arun_spawn(yield_twice, NULL)), 5);
}

CLAIM(a_task_joined_by_two_gives_both_the_result) {
	arun_task *task = arun_spawn(yield_twice, NULL);
	arun_task *first = arun_spawn(join_it, &task);
	arun_task *second = arun_spawn(join_it, &task);
	ck_assert_int_eq(joined(first), 5);
	ck_assert_int_eq(joined(second), 5);
}

CLAIM(one_of_two_joiners_that_is_cancelled_leaves_the_other_its_result) {
	arun_task *task = arun_spawn(yield_twice, NULL);
	arun_task *first = arun_spawn(join_it, &task);
	arun_task *second = arun_spawn(join_it, &task);
	let_others_run(1);
	arun_cancel(first);
	ck_assert_int_eq(joined(first), -ECANCELED);
	ck_assert_int_eq(joined(second), 5);
}

CLAIM(join_of_oneself_is_EDEADLK) {
	assert_fails(arun_join(arun_self(), NULL), EDEADLK);
}

CLAIM(join_of_NULL_is_EINVAL) {
	assert_fails(arun_join(NULL, NULL), EINVAL);
}

CLAIM(join_of_a_detached_task_is_EINVAL) {
	arun_task *task = arun_spawn(sleep_long, NULL);
	arun_detach(task);
	assert_fails(arun_join(task, NULL), EINVAL);
}

static int tell_self(void *arg) {
	*(arun_task **)arg = arun_self();
	let_others_run(3);
	return 0;
}

CLAIM(join_of_a_task_of_a_group_is_EINVAL) {
	arun_task *task = NULL;
	ARUN_GROUP(group);
	ck_assert_int_eq(arun_group_spawn(group, tell_self, &task), 0);
	let_others_run(1);
	assert_fails(arun_join(task, NULL), EINVAL);
	ck_assert_int_eq(arun_group_wait(group), 0);
}

CLAIM(join_cut_short_by_a_timeout_leaves_the_handle_valid) {
	arun_task *task = arun_spawn(sleep_long, NULL);
	{
		ARUN_TIMEOUT(0.001);
		assert_fails(arun_join(task, NULL), ETIMEDOUT);
	}
	arun_cancel(task);
	ck_assert_int_eq(joined(task), -ECANCELED);
}

CLAIM(join_cut_short_by_a_cancel_leaves_the_handle_valid) {
	arun_task *task = arun_spawn(sleep_long, NULL);
	arun_task *joiner = arun_spawn(join_it, &task);
	let_others_run(1);
	arun_cancel(joiner);
	ck_assert_int_eq(joined(joiner), -ECANCELED);
	arun_cancel(task);
	ck_assert_int_eq(joined(task), -ECANCELED);
}

/* As a clean-up does. */
static int cancel_and_join(void *arg) {
	arun_task *task = *(arun_task **)arg;
	assert_fails(arun_sleep(FOREVER), ECANCELED);
	arun_cancel(task);
	ck_assert_int_eq(joined(task), 5);
	return 0;
}

CLAIM(join_of_a_cancelled_task_does_its_work_in_a_cancelled_task) {
	arun_task *task = arun_spawn(linger, NULL);
	arun_task *joiner = arun_spawn(cancel_and_join, &task);
	arun_cancel(joiner);
	ck_assert_int_eq(joined(joiner), 0);
}

CLAIM(join_of_a_cancelled_task_does_its_work_past_a_timeout) {
	ARUN_TIMEOUT(0);
	assert_fails(arun_sleep(FOREVER), ETIMEDOUT);
	arun_task *task = arun_spawn(linger, NULL);
	arun_cancel(task);
	ck_assert_int_eq(joined(task), 5);
}

CLAIM(two_cancelled_tasks_that_join_each_other_end) {
	arun_task *tasks[2];
	tasks[0] = arun_spawn(join_it, &tasks[1]);
	tasks[1] = arun_spawn(join_it, &tasks[0]);
	arun_task *first = arun_spawn(join_it, &tasks[0]);
	arun_task *second = arun_spawn(join_it, &tasks[1]);
	let_others_run(1);
	arun_cancel(tasks[0]);
	arun_cancel(tasks[1]);
	ck_assert_int_eq(joined(first), -ECANCELED);
	ck_assert_int_eq(joined(second), -ECANCELED);
}

static void add_spawn(Suite *suite) {
	TCase *spawn = tcase_create("spawn");
	tcase_add_test(spawn, a_task_runs_when_its_spawner_suspends_and_not_before);
	tcase_add_test(spawn, tasks_run_in_the_order_they_were_spawned);
	tcase_add_test(spawn, a_task_spawned_by_a_task_is_queued_behind_all_others);
	tcase_add_test(spawn, tasks_that_yield_take_turns);
	tcase_add_test(spawn, the_plain_functions_do_what_the_macros_do);
	tcase_add_test(spawn, a_stack_has_the_size_that_was_asked_for);
	tcase_add_test(spawn, options_may_be_null);
	tcase_add_test(spawn, a_stack_above_1_GiB_is_EINVAL);
	if (!API_ASAN) {
		tcase_add_test(spawn, spawn_without_memory_for_the_stack_is_ENOMEM);
	}
	tcase_add_test(spawn, spawn_outside_a_run_is_ESHUTDOWN);
	suite_add_tcase(suite, spawn);
}

static void add_join(Suite *suite) {
	TCase *join = tcase_create("join");
	tcase_add_test(join, join_stores_what_the_function_returned);
	tcase_add_test(join, join_stores_minus_errno_in_place_of_minus_one);
	tcase_add_test(join, join_takes_a_failure_without_an_errno_for_no_success);
	tcase_add_test(join, join_stores_other_negative_results_as_they_are);
	tcase_add_test(join, join_has_arun_why_tell_of_what_the_task_failed);
	tcase_add_test(join, join_of_one_that_obeyed_a_cancel_is_no_failure_to_tell_of);
	tcase_add_test(join, join_takes_NULL_for_the_result);
	tcase_add_test(join, join_of_a_task_that_has_ended_returns_at_once);
	tcase_add_test(join, join_waits_for_the_end);
	tcase_add_test(join, a_task_joined_by_two_gives_both_the_result);
	tcase_add_test(
		join, one_of_two_joiners_that_is_cancelled_leaves_the_other_its_result);
	tcase_add_test(join, join_of_oneself_is_EDEADLK);
	tcase_add_test(join, join_of_NULL_is_EINVAL);
	tcase_add_test(join, join_of_a_detached_task_is_EINVAL);
	tcase_add_test(join, join_of_a_task_of_a_group_is_EINVAL);
	tcase_add_test(join, join_cut_short_by_a_timeout_leaves_the_handle_valid);
	tcase_add_test(join, join_cut_short_by_a_cancel_leaves_the_handle_valid);
	tcase_add_test(join, join_of_a_cancelled_task_does_its_work_in_a_cancelled_task);
	tcase_add_test(join, join_of_a_cancelled_task_does_its_work_past_a_timeout);
	tcase_add_test(join, two_cancelled_tasks_that_join_each_other_end);
	suite_add_tcase(suite, join);
}

Suite *suite(void) {
	Suite *suite = suite_create("task");
	add_spawn(suite);
	add_join(suite);
	return suite;
}
