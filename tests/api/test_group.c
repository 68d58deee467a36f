/* SPDX-License-Identifier: MIT */
#include "bodies.h"

/* Bodies of tasks. */

/* Fails once all others have run. */
static int fail_later(void *arg) {
	let_others_run(1);
	return fail_with(arg);
}

static int return_later(void *arg) {
	let_others_run(1);
	return return_number(arg);
}

/* What ended the wait of such a task. */
static int sleep_long_and_tell(void *arg) {
	int *error = arg;
	*error = 0;
	if (arun_sleep(FOREVER) < 0) {
		*error = errno;
		return -1;
	}
	return 0;
}

static int count_up(void *arg) {
	let_others_run(1);
	++*(int *)arg;
	return 0;
}

/* Ends of the block ---------------------------------------------------------------------------- */

CLAIM(the_end_of_the_block_cancels_and_joins) {
	int error = 0;
	{
		ARUN_GROUP(group);
		ck_assert_int_eq(arun_group_spawn(group, sleep_long_and_tell, &error), 0);
		let_others_run(1);
	}
	ck_assert_int_eq(error, ECANCELED);
}

CLAIM(break_out_of_the_block_cancels_and_joins) {
	int errors[2] = {0, 0};
	for (int i = 0; i < 2; i++) {
		ARUN_GROUP(group);
		ck_assert_int_eq(
			arun_group_spawn(group, sleep_long_and_tell, &errors[i]), 0);
		if (i == 1) {
			break;
		}
	}
	ck_assert_int_eq(errors[0], ECANCELED);
	ck_assert_int_eq(errors[1], ECANCELED);
}

static int return_from_block(int *error) {
	ARUN_GROUP(group);
	ck_assert_int_eq(arun_group_spawn(group, sleep_long_and_tell, error), 0);
	errno = EXDEV;
	return 7;
}

CLAIM(return_out_of_the_block_cancels_and_joins_and_keeps_errno) {
	int error = 0;
	ck_assert_int_eq(return_from_block(&error), 7);
	ck_assert_int_eq(errno, EXDEV);
	ck_assert_int_eq(error, ECANCELED);
}

CLAIM(goto_out_of_the_block_cancels_and_joins) {
	int error = 0;
	{
		ARUN_GROUP(group);
		ck_assert_int_eq(arun_group_spawn(group, sleep_long_and_tell, &error), 0);
		goto out;
	}
out:
	ck_assert_int_eq(error, ECANCELED);
}

CLAIM(the_end_of_the_block_keeps_errno) {
	int error = 0;
	{
		ARUN_GROUP(group);
		ck_assert_int_eq(arun_group_spawn(group, sleep_long_and_tell, &error), 0);
		errno = EXDEV;
	}
	ck_assert_int_eq(errno, EXDEV);
}

CLAIM(an_empty_group_ends) {
	ARUN_GROUP(group);
	ck_assert_ptr_nonnull(group);
}

static int end_a_group_though_cancelled(void *arg) {
	ARUN_GROUP(group);
	ck_assert_int_eq(arun_group_spawn(group, sleep_long_and_tell, arg), 0);
	assert_fails(arun_sleep(FOREVER), ECANCELED);
	return 0;
}

CLAIM(the_end_of_the_block_joins_in_a_cancelled_task) {
	int error = 0;
	arun_task *task = arun_spawn(end_a_group_though_cancelled, &error);
	let_others_run(1);
	arun_cancel(task);
	ck_assert_int_eq(joined(task), 0);
	ck_assert_int_eq(error, ECANCELED);
}

static int spawn_a_group_of_its_own(void *arg) {
	ARUN_GROUP(inner);
	ck_assert_int_eq(arun_group_spawn(inner, sleep_long_and_tell, arg), 0);
	return arun_group_wait(inner);
}

CLAIM(the_end_of_a_group_ends_the_groups_of_its_tasks) {
	int error = 0;
	{
		ARUN_GROUP(outer);
		ck_assert_int_eq(
			arun_group_spawn(outer, spawn_a_group_of_its_own, &error), 0);
		let_others_run(2);
	}
	ck_assert_int_eq(error, ECANCELED);
}

/* Spawn and wait ------------------------------------------------------------------------------- */

CLAIM(a_task_of_a_group_runs_when_its_spawner_suspends) {
	char letter = 't';
	ARUN_GROUP(group);
	ck_assert_int_eq(arun_group_spawn(group, note_letter, &letter), 0);
	note('m');
	ck_assert_int_eq(arun_group_wait(group), 0);
	assert_trace("mt");
}

CLAIM(wait_returns_0_after_all_have_ended) {
	int count = 0;
	ARUN_GROUP(group);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(arun_group_spawn(group, count_up, &count), 0);
	}
	ck_assert_int_eq(arun_group_wait(group), 0);
	ck_assert_int_eq(count, 3);
}

CLAIM(wait_for_an_empty_group_is_0) {
	ARUN_GROUP(group);
	ck_assert_int_eq(arun_group_wait(group), 0);
}

CLAIM(a_group_may_be_filled_again_after_a_wait_that_went_well) {
	int count = 0;
	ARUN_GROUP(group);
	for (int i = 1; i <= 3; i++) {
		ck_assert_int_eq(arun_group_spawn(group, count_up, &count), 0);
		ck_assert_int_eq(arun_group_wait(group), 0);
		ck_assert_int_eq(count, i);
	}
}

CLAIM(the_first_failure_cancels_the_rest_and_is_the_result) {
	int error = 0, wrong = EXDEV;
	ARUN_GROUP(group);
	ck_assert_int_eq(arun_group_spawn(group, sleep_long_and_tell, &error), 0);
	ck_assert_int_eq(arun_group_spawn(group, fail_later, &wrong), 0);
	assert_fails(arun_group_wait(group), EXDEV);
	ck_assert_int_eq(error, ECANCELED);
}

CLAIM(a_failure_without_an_errno_is_a_failure) {
	int error = 0, none = 0;
	ARUN_GROUP(group);
	ck_assert_int_eq(arun_group_spawn(group, sleep_long_and_tell, &error), 0);
	ck_assert_int_eq(arun_group_spawn(group, fail_later, &none), 0);
	assert_fails(arun_group_wait(group), EIO);
	ck_assert_int_eq(error, ECANCELED);
}

CLAIM(a_second_failure_does_not_change_the_result) {
	int first = EXDEV, second = EDOM;
	ARUN_GROUP(group);
	ck_assert_int_eq(arun_group_spawn(group, fail_later, &first), 0);
	ck_assert_int_eq(arun_group_spawn(group, fail_later, &second), 0);
	assert_fails(arun_group_wait(group), EXDEV);
}

CLAIM(a_failure_before_the_wait_counts) {
	int wrong = EXDEV, error = 0;
	ARUN_GROUP(group);
	ck_assert_int_eq(arun_group_spawn(group, fail_with, &wrong), 0);
	ck_assert_int_eq(arun_group_spawn(group, sleep_long_and_tell, &error), 0);
	let_others_run(2);
	assert_fails(arun_group_wait(group), EXDEV);
	ck_assert_int_eq(error, ECANCELED);
}

CLAIM(a_failed_task_of_a_group_leaves_the_exit_status_alone) {
	int wrong = EXDEV;
	ARUN_GROUP(group);
	ck_assert_int_eq(arun_group_spawn(group, fail_with, &wrong), 0);
	let_others_run(1);
}

CLAIM(spawn_after_a_wait_that_failed_is_ECANCELED) {
	int wrong = EXDEV;
	ARUN_GROUP(group);
	ck_assert_int_eq(arun_group_spawn(group, fail_with, &wrong), 0);
	assert_fails(arun_group_wait(group), EXDEV);
	assert_fails(arun_group_spawn(group, note_letter, WORD("x")), ECANCELED);
	assert_trace("");
}

CLAIM(spawn_after_there_is_a_winner_is_ECANCELED) {
	int seven = 7;
	ARUN_GROUP(group);
	ck_assert_int_eq(arun_group_spawn(group, return_number, &seven), 0);
	ck_assert_int_eq(arun_group_first(group), 7);
	assert_fails(arun_group_spawn(group, note_letter, WORD("x")), ECANCELED);
	assert_trace("");
}

struct waiter {
	int error;   /* of its task in the group */
	int running; /* whether that had not ended when the wait returned */
};

static int wait_for_a_group(void *arg) {
	struct waiter *waiter = arg;
	ARUN_GROUP(group);
	ck_assert_int_eq(arun_group_spawn(group, sleep_long_and_tell, &waiter->error), 0);
	int result = arun_group_wait(group), saved = errno;
	waiter->running = waiter->error == 0;
	assert_fails(arun_group_spawn(group, note_letter, WORD("x")), ECANCELED);
	errno = saved;
	return result;
}

CLAIM(a_wait_interrupted_by_a_cancel_cancels_and_joins_all) {
	struct waiter waiter = {0, 1};
	arun_task *task = arun_spawn(wait_for_a_group, &waiter);
	let_others_run(2);
	arun_cancel(task);
	ck_assert_int_eq(joined(task), -ECANCELED);
	ck_assert_int_eq(waiter.error, ECANCELED);
	ck_assert_int_eq(waiter.running, 0);
}

CLAIM(a_wait_interrupted_by_a_timeout_cancels_and_joins_all) {
	int errors[3] = {0, 0, 0};
	ARUN_GROUP(group);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(
			arun_group_spawn(group, sleep_long_and_tell, &errors[i]), 0);
	}
	ARUN_TIMEOUT(0.001);
	assert_fails(arun_group_wait(group), ETIMEDOUT);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(errors[i], ECANCELED);
	}
}

static int first_of_a_group(void *arg) {
	ARUN_GROUP(group);
	ck_assert_int_eq(arun_group_spawn(group, sleep_long_and_tell, arg), 0);
	return arun_group_first(group);
}

CLAIM(a_first_interrupted_by_a_cancel_cancels_and_joins_all) {
	int error = 0;
	arun_task *task = arun_spawn(first_of_a_group, &error);
	let_others_run(2);
	arun_cancel(task);
	ck_assert_int_eq(joined(task), -ECANCELED);
	ck_assert_int_eq(error, ECANCELED);
}

CLAIM(a_first_interrupted_by_a_timeout_is_ETIMEDOUT) {
	int error = 0;
	ARUN_GROUP(group);
	ck_assert_int_eq(arun_group_spawn(group, sleep_long_and_tell, &error), 0);
	ARUN_TIMEOUT(0.001);
	assert_fails(arun_group_first(group), ETIMEDOUT);
	ck_assert_int_eq(error, ECANCELED);
}

CLAIM(a_group_of_10000_ends) {
	int count = 0;
	ARUN_GROUP(group);
	int failed = 0;
	for (int i = 0; i < 10000; i++) {
		failed += arun_group_spawn(group, count_up, &count) < 0;
	}
	ck_assert_int_eq(failed, 0);
	ck_assert_int_eq(arun_group_wait(group), 0);
	ck_assert_int_eq(count, 10000);
}

CLAIM(a_group_of_10000_that_sleep_is_cancelled_by_one_failure) {
	enum { MANY = 10000 };
	static int errors[MANY];
	int wrong = EXDEV, failed = 0, cancelled = 0;
	ARUN_GROUP(group);
	for (int i = 0; i < MANY; i++) {
		failed += arun_group_spawn(group, sleep_long_and_tell, &errors[i]) < 0;
	}
	ck_assert_int_eq(failed, 0);
	ck_assert_int_eq(arun_group_spawn(group, fail_with, &wrong), 0);
	assert_fails(arun_group_wait(group), EXDEV);
	for (int i = 0; i < MANY; i++) {
		cancelled += errors[i] == ECANCELED;
	}
	ck_assert_int_eq(cancelled, MANY);
}

/* The first success ---------------------------------------------------------------------------- */

CLAIM(first_returns_what_the_first_success_returned_and_cancels_the_rest) {
	int seven = 7, error = 0;
	ARUN_GROUP(group);
	ck_assert_int_eq(arun_group_spawn(group, sleep_long_and_tell, &error), 0);
	ck_assert_int_eq(arun_group_spawn(group, return_later, &seven), 0);
	ck_assert_int_eq(arun_group_first(group), 7);
	ck_assert_int_eq(error, ECANCELED);
}

CLAIM(first_passes_over_a_failure) {
	int seven = 7, wrong = EXDEV;
	ARUN_GROUP(group);
	ck_assert_int_eq(arun_group_spawn(group, fail_with, &wrong), 0);
	ck_assert_int_eq(arun_group_spawn(group, return_later, &seven), 0);
	ck_assert_int_eq(arun_group_first(group), 7);
}

CLAIM(first_is_what_the_earlier_of_two_returned) {
	int seven = 7, eight = 8;
	ARUN_GROUP(group);
	ck_assert_int_eq(arun_group_spawn(group, return_later, &seven), 0);
	ck_assert_int_eq(arun_group_spawn(group, return_number, &eight), 0);
	ck_assert_int_eq(arun_group_first(group), 8);
}

CLAIM(a_success_of_0_wins) {
	int zero = 0, seven = 7;
	ARUN_GROUP(group);
	ck_assert_int_eq(arun_group_spawn(group, return_number, &zero), 0);
	ck_assert_int_eq(arun_group_spawn(group, return_later, &seven), 0);
	ck_assert_int_eq(arun_group_first(group), 0);
}

CLAIM(first_fails_with_the_last_errno_where_none_succeeded) {
	int first = EXDEV, last = EDOM;
	ARUN_GROUP(group);
	ck_assert_int_eq(arun_group_spawn(group, fail_later, &last), 0);
	ck_assert_int_eq(arun_group_spawn(group, fail_with, &first), 0);
	assert_fails(arun_group_first(group), EDOM);
}

CLAIM(first_of_a_task_that_fails_without_an_errno_is_EIO) {
	int none = 0;
	ARUN_GROUP(group);
	ck_assert_int_eq(arun_group_spawn(group, fail_with, &none), 0);
	assert_fails(arun_group_first(group), EIO);
}

CLAIM(first_of_an_empty_group_is_EINVAL) {
	ARUN_GROUP(group);
	assert_fails(arun_group_first(group), EINVAL);
}

CLAIM(spawn_without_memory_for_the_stack_is_ENOMEM) {
	int zero = 0, count = 0, error = 0;
	ARUN_GROUP(group);
	struct rlimit old = limit_memory();
	while (!error && count < 10000) {
		error = arun_group_spawn(group, return_number, &zero) < 0 ? errno : 0;
		count += !error;
	}
	setrlimit(RLIMIT_AS, &old);
	ck_assert_int_eq(error, ENOMEM);
	ck_assert_int_eq(arun_group_wait(group), 0);
}

/* For pointers --------------------------------------------------------------------------------- */

CLAIM(the_plain_functions_do_what_the_macros_do) {
	int (*spawn)(arun_group *, int (*)(void *), void *) = arun_group_spawn;
	int (*wait)(arun_group *) = arun_group_wait;
	int (*first)(arun_group *) = arun_group_first;
	int seven = 7;
	ARUN_GROUP(group);
	ck_assert_int_eq(spawn(group, return_number, &seven), 0);
	ck_assert_int_eq(wait(group), 0);
	ck_assert_int_eq(first(group), 7);
}

Suite *suite(void) {
	Suite *suite = suite_create("group");

	TCase *end = tcase_create("end of the block");
	tcase_add_test(end, the_end_of_the_block_cancels_and_joins);
	tcase_add_test(end, break_out_of_the_block_cancels_and_joins);
	tcase_add_test(end, return_out_of_the_block_cancels_and_joins_and_keeps_errno);
	tcase_add_test(end, goto_out_of_the_block_cancels_and_joins);
	tcase_add_test(end, the_end_of_the_block_keeps_errno);
	tcase_add_test(end, an_empty_group_ends);
	tcase_add_test(end, the_end_of_the_block_joins_in_a_cancelled_task);
	tcase_add_test(end, the_end_of_a_group_ends_the_groups_of_its_tasks);
	suite_add_tcase(suite, end);

	TCase *wait = tcase_create("wait");
	tcase_add_test(wait, a_task_of_a_group_runs_when_its_spawner_suspends);
	tcase_add_test(wait, wait_returns_0_after_all_have_ended);
	tcase_add_test(wait, wait_for_an_empty_group_is_0);
	tcase_add_test(wait, a_group_may_be_filled_again_after_a_wait_that_went_well);
	tcase_add_test(wait, the_first_failure_cancels_the_rest_and_is_the_result);
	tcase_add_test(wait, a_failure_without_an_errno_is_a_failure);
	tcase_add_test(wait, a_second_failure_does_not_change_the_result);
	tcase_add_test(wait, a_failure_before_the_wait_counts);
	tcase_add_test(wait, a_failed_task_of_a_group_leaves_the_exit_status_alone);
	tcase_add_test(wait, spawn_after_a_wait_that_failed_is_ECANCELED);
	tcase_add_test(wait, spawn_after_there_is_a_winner_is_ECANCELED);
	tcase_add_test(wait, a_wait_interrupted_by_a_cancel_cancels_and_joins_all);
	tcase_add_test(wait, a_wait_interrupted_by_a_timeout_cancels_and_joins_all);
	tcase_add_test(wait, a_group_of_10000_ends);
	tcase_add_test(wait, a_group_of_10000_that_sleep_is_cancelled_by_one_failure);
	if (!API_ASAN) {
		tcase_add_test(wait, spawn_without_memory_for_the_stack_is_ENOMEM);
	}
	suite_add_tcase(suite, wait);

	TCase *first = tcase_create("first");
	tcase_add_test(first,
		first_returns_what_the_first_success_returned_and_cancels_the_rest);
	tcase_add_test(first, first_passes_over_a_failure);
	tcase_add_test(first, first_is_what_the_earlier_of_two_returned);
	tcase_add_test(first, a_success_of_0_wins);
	tcase_add_test(first, first_fails_with_the_last_errno_where_none_succeeded);
	tcase_add_test(first, first_of_a_task_that_fails_without_an_errno_is_EIO);
	tcase_add_test(first, first_of_an_empty_group_is_EINVAL);
	tcase_add_test(first, a_first_interrupted_by_a_cancel_cancels_and_joins_all);
	tcase_add_test(first, a_first_interrupted_by_a_timeout_is_ETIMEDOUT);
	suite_add_tcase(suite, first);

	TCase *pointers = tcase_create("pointers");
	tcase_add_test(pointers, the_plain_functions_do_what_the_macros_do);
	suite_add_tcase(suite, pointers);
	return suite;
}
