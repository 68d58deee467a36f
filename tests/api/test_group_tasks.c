/* SPDX-License-Identifier: MIT */
#include "api.h"

static int return_number(void *arg) {
	return *(int *)arg;
}

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

	TCase *one = tcase_create("one");
	tcase_add_test(one, a_task_that_was_cancelled_by_itself_has_not_failed);
	tcase_add_test(one, first_passes_over_a_task_that_was_cancelled_by_itself);
	tcase_add_test(one, first_is_ECANCELED_where_all_were_cancelled_by_themselves);
	tcase_add_test(one, a_task_may_add_tasks_to_its_group_and_they_are_waited_for);
	suite_add_tcase(suite, one);
	return suite;
}
