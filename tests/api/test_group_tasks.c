/* SPDX-License-Identifier: MIT */
#include "bodies.h"

static int sleep_long_and_tell(void *arg) {
	int *error = arg;
	*error = 0;
	if (arun_sleep(FOREVER) < 0) {
		*error = errno;
		return -1;
	}
	return 0;
}

/* Deadlines ------------------------------------------------------------------------------------ */

CLAIM(tasks_inherit_the_deadline_in_force_where_the_group_was_declared) {
	int error = 0;
	ARUN_TIMEOUT(0.001);
	ARUN_GROUP(group);
	ck_assert_int_eq(arun_group_spawn(group, sleep_long_and_tell, &error), 0);
	/* The wait itself is not cut short: the task is late by its own. */
	ARUN_SHIELD(FOREVER);
	assert_fails(arun_group_wait(group), ETIMEDOUT);
	ck_assert_int_eq(error, ETIMEDOUT);
}

static int sleep_a_little(void *arg) {
	(void)arg;
	return arun_sleep(0.01);
}

CLAIM(tasks_do_not_inherit_a_deadline_declared_after_the_group) {
	int count = 0;
	ARUN_GROUP(group);
	{
		ARUN_TIMEOUT(0);
		ck_assert_int_eq(arun_group_spawn(group, sleep_a_little, &count), 0);
	}
	ck_assert_int_eq(arun_group_wait(group), 0);
}

CLAIM(arun_spawn_inherits_no_deadline) {
	arun_task *task = NULL;
	{
		ARUN_TIMEOUT(0);
		task = arun_spawn(sleep_a_little, NULL);
	}
	ck_assert_int_eq(joined(task), 0);
}

CLAIM(tasks_do_not_inherit_a_deadline_that_a_shield_holds_off) {
	ARUN_TIMEOUT(0);
	assert_fails(arun_sleep(FOREVER), ETIMEDOUT);
	ARUN_SHIELD(FOREVER);
	ARUN_GROUP(group);
	ck_assert_int_eq(arun_group_spawn(group, sleep_a_little, NULL), 0);
	ck_assert_int_eq(arun_group_wait(group), 0);
}

/* Failures ------------------------------------------------------------------------------------- */

static int nap_until_late(void *arg) {
	(void)arg;
	ARUN_TIMEOUT(0);
	return arun_sleep(FOREVER);
}

static int lack_a_program(void *arg) {
	char name[] = "/nonexistent", *words[] = {name, NULL};
	(void)arg;
	return arun_exec(words, NULL) ? 0 : -1;
}

CLAIM(wait_says_which_task_failed_first_and_why) {
	ARUN_GROUP(group);
	ck_assert_int_eq(arun_group_spawn(group, lack_a_program, NULL), 0);
	ck_assert_int_eq(arun_group_spawn(group, nap_until_late, NULL), 0);
	assert_fails(arun_group_wait(group), ENOENT);
	assert_contains(arun_why(), "group_wait: task \"lack_a_program\" (#");
	assert_contains(arun_why(), "): exec /nonexistent: No such file");
}

CLAIM(first_says_which_task_failed_last_and_why) {
	ARUN_GROUP(group);
	ck_assert_int_eq(arun_group_spawn(group, lack_a_program, NULL), 0);
	ck_assert_int_eq(arun_group_spawn(group, nap_until_late, NULL), 0);
	assert_fails(arun_group_first(group), ETIMEDOUT);
	assert_contains(arun_why(), "group_first: task \"nap_until_late\" (#");
	assert_contains(arun_why(), "ARUN_TIMEOUT of 0 ");
}

CLAIM(a_wait_that_is_late_itself_says_so) {
	int error = 0;
	ARUN_GROUP(group);
	ck_assert_int_eq(arun_group_spawn(group, sleep_long_and_tell, &error), 0);
	ARUN_TIMEOUT(0);
	assert_fails(arun_group_wait(group), ETIMEDOUT);
	assert_contains(arun_why(), "group_wait: timed out: ARUN_TIMEOUT");
}

/* Why they are cancelled ----------------------------------------------------------------------- */

static int sleep_and_tell_why(void *arg) {
	int result = arun_sleep(FOREVER);
	strncpy(arg, arun_why(), 255);
	return result;
}

/* A group of one task, which tells why; waited for. */
static int wait_for_one(void *arg) {
	ARUN_GROUP(group);
	ck_assert_int_eq(arun_group_spawn(group, sleep_and_tell_why, arg), 0);
	return arun_group_wait(group);
}

static int wait_two_deep(void *arg) {
	ARUN_GROUP(group);
	ck_assert_int_eq(arun_group_spawn(group, wait_for_one, arg), 0);
	return arun_group_wait(group);
}

/* The block ends, and nobody has waited. */
static int leave_the_block(void *arg) {
	ARUN_GROUP(group);
	ck_assert_int_eq(arun_group_spawn(group, wait_for_one, arg), 0);
	return arun_sleep(FOREVER);
}

static int stop_at_once(void *where) {
	arun_stop(0);
	snprintf(where, 256, "%s:%d", __FILE__, __LINE__ - 1);
	return 0;
}

CLAIM(a_stop_is_named_by_tasks_three_groups_deep) {
	char why[256] = "", where[256] = "", both[512];
	ARUN_GROUP(group);
	ck_assert_int_eq(arun_group_spawn(group, wait_two_deep, why), 0);
	let_others_run(3);
	ck_assert_int_eq(arun_group_spawn(group, stop_at_once, where), 0);
	assert_fails(arun_group_wait(group), ECANCELED);
	snprintf(both, sizeof both, "sleep: cancelled by arun_stop() (%s)", where);
	ck_assert_str_eq(why, both);
}

/* Who cancelled such a task, and where, is what those of its groups say. */
static void cancel_and_compare(int (*fn)(void *)) {
	char why[256] = "", both[512];
	arun_set_name(NULL, "the boss");
	arun_task *task = arun_spawn(fn, why);
	let_others_run(3);
	arun_cancel(task);
	snprintf(both, sizeof both, "sleep: cancelled by the boss (%s:%d)", __FILE__,
		__LINE__ - 2);
	ck_assert_int_eq(joined(task), -ECANCELED);
	ck_assert_str_eq(why, both);
}

CLAIM(who_cancelled_the_parent_is_named_by_the_tasks) {
	cancel_and_compare(wait_two_deep);
}

CLAIM(who_cancelled_the_parent_is_named_where_its_block_ends_unwaited_for) {
	cancel_and_compare(leave_the_block);
}

CLAIM(the_timeout_of_the_parent_is_named_by_the_tasks) {
	char why[256] = "", both[512];
	ARUN_GROUP(group);
	ck_assert_int_eq(arun_group_spawn(group, wait_for_one, why), 0);
	let_others_run(2);
	ARUN_TIMEOUT(0);
	snprintf(both, sizeof both, "sleep: cancelled by ARUN_TIMEOUT of 0 ms (%s:%d)",
		__FILE__, __LINE__ - 2);
	assert_fails(arun_group_wait(group), ETIMEDOUT);
	ck_assert_str_eq(why, both);
}

CLAIM(the_end_of_the_block_is_named_where_nothing_else_ended_it) {
	char why[256] = "", both[512];
	{
		ARUN_GROUP(group);
		snprintf(both, sizeof both,
			"sleep: cancelled by the end of its group (%s:%d)", __FILE__,
			__LINE__ - 3);
		ck_assert_int_eq(arun_group_spawn(group, wait_for_one, why), 0);
		let_others_run(2);
	}
	ck_assert_str_eq(why, both);
}

/* One task by itself --------------------------------------------------------------------------- */

static int cancel_oneself(void *arg) {
	(void)arg;
	arun_cancel(arun_self());
	return arun_sleep(FOREVER);
}

CLAIM(a_task_that_was_cancelled_by_itself_has_not_failed) {
	ARUN_GROUP(group);
	ck_assert_int_eq(arun_group_spawn(group, cancel_oneself, NULL), 0);
	ck_assert_int_eq(arun_group_spawn(group, sleep_a_little, NULL), 0);
	ck_assert_int_eq(arun_group_wait(group), 0);
}

CLAIM(first_passes_over_a_task_that_was_cancelled_by_itself) {
	int seven = 7;
	ARUN_GROUP(group);
	ck_assert_int_eq(arun_group_spawn(group, cancel_oneself, NULL), 0);
	ck_assert_int_eq(arun_group_spawn(group, return_number, &seven), 0);
	ck_assert_int_eq(arun_group_first(group), 7);
}

CLAIM(first_is_ECANCELED_where_all_were_cancelled_by_themselves) {
	ARUN_GROUP(group);
	ck_assert_int_eq(arun_group_spawn(group, cancel_oneself, NULL), 0);
	assert_fails(arun_group_first(group), ECANCELED);
}

static int fill_the_group(void *arg) {
	static int count;
	if (++count < 5) {
		ck_assert_int_eq(arun_group_spawn(arg, fill_the_group, arg), 0);
	}
	note('x');
	return 0;
}

CLAIM(a_task_may_add_tasks_to_its_group_and_they_are_waited_for) {
	ARUN_GROUP(group);
	ck_assert_int_eq(arun_group_spawn(group, fill_the_group, group), 0);
	ck_assert_int_eq(arun_group_wait(group), 0);
	assert_trace("xxxxx");
}

Suite *suite(void) {
	Suite *suite = suite_create("group tasks");

	TCase *deadline = tcase_create("deadline");
	tcase_add_test(deadline,
		tasks_inherit_the_deadline_in_force_where_the_group_was_declared);
	tcase_add_test(
		deadline, tasks_do_not_inherit_a_deadline_declared_after_the_group);
	tcase_add_test(deadline, tasks_do_not_inherit_a_deadline_that_a_shield_holds_off);
	tcase_add_test(deadline, arun_spawn_inherits_no_deadline);
	suite_add_tcase(suite, deadline);

	TCase *failures = tcase_create("failures");
	tcase_add_test(failures, wait_says_which_task_failed_first_and_why);
	tcase_add_test(failures, first_says_which_task_failed_last_and_why);
	tcase_add_test(failures, a_wait_that_is_late_itself_says_so);
	suite_add_tcase(suite, failures);

	TCase *why = tcase_create("why");
	tcase_add_test(why, a_stop_is_named_by_tasks_three_groups_deep);
	tcase_add_test(why, who_cancelled_the_parent_is_named_by_the_tasks);
	tcase_add_test(
		why, who_cancelled_the_parent_is_named_where_its_block_ends_unwaited_for);
	tcase_add_test(why, the_timeout_of_the_parent_is_named_by_the_tasks);
	tcase_add_test(why, the_end_of_the_block_is_named_where_nothing_else_ended_it);
	suite_add_tcase(suite, why);

	TCase *one = tcase_create("one");
	tcase_add_test(one, a_task_that_was_cancelled_by_itself_has_not_failed);
	tcase_add_test(one, first_passes_over_a_task_that_was_cancelled_by_itself);
	tcase_add_test(one, first_is_ECANCELED_where_all_were_cancelled_by_themselves);
	tcase_add_test(one, a_task_may_add_tasks_to_its_group_and_they_are_waited_for);
	suite_add_tcase(suite, one);
	return suite;
}
