/* SPDX-License-Identifier: MIT */
#include "bodies.h"

/* Bodies of tasks. */

static int tell_self(void *arg) {
	*(arun_task **)arg = arun_self();
	let_others_run(3);
	return 0;
}

static int tell_why(void *arg) {
	arun_sleep(FOREVER);
	strncpy(arg, arun_why(), 255);
	return 0;
}

/* Names, self, detach -------------------------------------------------------------------------- */

CLAIM(self_is_the_running_task) {
	arun_task *inner = NULL;
	arun_task *task = arun_spawn(tell_self, &inner);
	joined(task);
	ck_assert_ptr_eq(inner, task);
	ck_assert_ptr_nonnull(arun_self());
	ck_assert_ptr_ne(arun_self(), task);
}

START_TEST(self_is_NULL_outside_a_task) {
	ck_assert_ptr_null(arun_self());
}
END_TEST

/* The name under which the caller cancels others, as arun_why() tells them. */
static void assert_name(const char *name) {
	char why[256] = "";
	arun_task *task = arun_spawn(tell_why, why);
	arun_cancel(task);
	joined(task);
	assert_contains(why, name);
}

CLAIM(set_name_of_NULL_names_the_caller) {
	arun_set_name(NULL, "%s-%d", "worker", 7);
	assert_name("by worker-7 (");
}

CLAIM(a_name_is_cut_after_31_bytes) {
	arun_set_name(NULL, "0123456789012345678901234567890123456789");
	assert_name("by 0123456789012345678901234567890 (");
}

static int assert_own_name(void *arg) {
	assert_name(arg);
	return 0;
}

CLAIM(a_task_is_named_after_its_function) {
	joined(arun_spawn(assert_own_name, WORD("by assert_own_name (")));
}

CLAIM(the_name_in_the_options_is_copied) {
	char name[] = "first";
	arun_spawn_options options = {.name = name};
	arun_task *task = arun_spawn_with(assert_own_name, WORD("by first ("), &options);
	strcpy(name, "other");
	joined(task);
}

CLAIM(a_detached_task_is_cancelled_when_the_run_ends_and_is_no_leak) {
	arun_detach(arun_spawn(sleep_long, NULL));
	let_others_run(1);
}

CLAIM(a_detached_task_ends_by_itself) {
	arun_detach(arun_spawn(note_letter, WORD("d")));
	let_others_run(1);
	assert_trace("d");
}

CLAIM(an_ended_task_may_be_detached) {
	arun_task *task = arun_spawn(note_letter, WORD("d"));
	let_others_run(1);
	arun_detach(task);
	assert_trace("d");
}

static int yield_twice(void *arg) {
	let_others_run(2);
	return *(int *)arg;
}

static int join_given(void *arg) {
	return joined(arg);
}

CLAIM(an_ended_task_that_is_detached_before_its_joiner_runs_stays_for_that) {
	int seven = 7;
	arun_task *task = arun_spawn(yield_twice, &seven);
	arun_task *joiner = arun_spawn(join_given, task);
	/* It ends right before this task runs again, and its joiner runs after that. */
	let_others_run(3);
	arun_detach(task);
	ck_assert_int_eq(joined(joiner), 7);
}

CLAIM(detach_takes_NULL) {
	arun_detach(NULL);
}

static int detach_self(void *arg) {
	(void)arg;
	arun_detach(arun_self());
	note('d');
	let_others_run(1);
	note('e');
	return 0;
}

CLAIM(a_task_may_detach_itself) {
	arun_spawn(detach_self, NULL);
	let_others_run(3);
	assert_trace("de");
}

static void leave_a_failed_detached_task(void) {
	int error = EXDEV;
	arun_detach(arun_spawn(fail_with, &error));
	let_others_run(2);
}

START_TEST(a_failure_of_a_detached_task_is_reported_with_its_spawn_site) {
	FILE *file = catch_stderr();
	run(leave_a_failed_detached_task);
	assert_contains(read_stderr(file), __FILE__);
	assert_contains(read_stderr(file), "fail_with");
	assert_contains(read_stderr(file), strerror(EXDEV));
}
END_TEST

static void leave_a_task(void) {
	arun_spawn(sleep_long, NULL);
	let_others_run(1);
}

START_TEST(a_task_that_still_runs_at_the_end_is_a_leak) {
	assert_contains(run_reported(leave_a_task, 23), "leak: task \"sleep_long\"");
}
END_TEST

static void leave_an_ended_task(void) {
	int zero = 0;
	arun_spawn(return_number, &zero);
	let_others_run(1);
}

START_TEST(a_task_that_ended_well_and_was_never_joined_is_no_leak) {
	ck_assert_int_eq(run(leave_an_ended_task), 0);
}
END_TEST

static void leave_a_failed_task(void) {
	int error = EXDEV;
	arun_spawn(fail_with, &error);
	let_others_run(1);
}

START_TEST(a_failed_task_that_nobody_joined_makes_the_status_1) {
	assert_contains(run_reported(leave_a_failed_task, 1), "fail_with");
}
END_TEST

static void join_a_failed_task_late(void) {
	int error = EXDEV;
	arun_task *task = arun_spawn(fail_with, &error);
	let_others_run(3);
	ck_assert_int_eq(joined(task), -EXDEV);
}

START_TEST(a_failed_task_that_is_joined_late_is_not_told_of) {
	ck_assert_str_eq(run_reported(join_a_failed_task_late, 0), "");
}
END_TEST

static FILE *caught;

static void wait_until_it_is_told_of(void) {
	int error = EXDEV;
	arun_task *task = arun_spawn(fail_with, &error);
	double before = arun_now();
	ARUN_TIMEOUT(30);
	while (!strstr(read_stderr(caught), "fail_with")) {
		ck_assert_int_eq(arun_sleep(0.01), 0);
	}
	ck_assert_double_ge(arun_now() - before, 1);
	ck_assert_int_eq(joined(task), -EXDEV);
}

START_TEST(a_failed_task_that_is_not_joined_is_told_of_after_a_second) {
	caught = catch_stderr();
	ck_assert_int_eq(run(wait_until_it_is_told_of), 0);
	assert_contains(read_stderr(caught), __FILE__);
}
END_TEST

static void add_detach(Suite *suite) {
	TCase *detach = tcase_create("detach");
	tcase_add_test(detach, self_is_the_running_task);
	tcase_add_test(detach, self_is_NULL_outside_a_task);
	tcase_add_test(detach, set_name_of_NULL_names_the_caller);
	tcase_add_test(detach, a_name_is_cut_after_31_bytes);
	tcase_add_test(detach, a_task_is_named_after_its_function);
	tcase_add_test(detach, the_name_in_the_options_is_copied);
	tcase_add_test(
		detach, a_detached_task_is_cancelled_when_the_run_ends_and_is_no_leak);
	tcase_add_test(detach, a_detached_task_ends_by_itself);
	tcase_add_test(detach, an_ended_task_may_be_detached);
	tcase_add_test(detach,
		an_ended_task_that_is_detached_before_its_joiner_runs_stays_for_that);
	tcase_add_test(detach, detach_takes_NULL);
	tcase_add_test(detach, a_task_may_detach_itself);
	tcase_add_test(
		detach, a_failure_of_a_detached_task_is_reported_with_its_spawn_site);
	tcase_add_test(detach, a_task_that_still_runs_at_the_end_is_a_leak);
	tcase_add_test(detach, a_task_that_ended_well_and_was_never_joined_is_no_leak);
	tcase_add_test(detach, a_failed_task_that_nobody_joined_makes_the_status_1);
	tcase_add_test(detach, a_failed_task_that_is_joined_late_is_not_told_of);
	tcase_add_test(
		detach, a_failed_task_that_is_not_joined_is_told_of_after_a_second);
	suite_add_tcase(suite, detach);
}

Suite *suite(void) {
	Suite *suite = suite_create("detach");
	add_detach(suite);
	return suite;
}
