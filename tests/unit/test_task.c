/* SPDX-License-Identifier: MIT */
/* task and spawn: the life of a task. */
#include "drive.h"
#include "suite.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

/* Joins ------------------------------------------------------------------------------------- */

static int return_it(void *arg) {
	errno = ENOTTY;
	return *(int *)arg;
}

static int join_each(void *arg) {
	static int results[] = {0, 7, -1, -2};
	const int expected[] = {0, 7, -ENOTTY, -2};
	(void)arg;
	for (int i = 0; i < 4; i++) {
		drive_join(drive_spawn(return_it, &results[i]), expected[i]);
	}
	ck_assert_uint_eq(drive_here()->failures, 0);
	ck_assert_uint_eq(drive_sched()->tasks, 1);
	return 0;
}

START_TEST(join_stores_what_the_task_returned_and_errno_for_minus_one) {
	ck_assert_int_eq(drive(join_each, NULL), 0);
}
END_TEST

static int join_shared(void *arg) {
	drive_join(*(struct arun_task **)arg, 7);
	return 0;
}

static int join_by_three(void *arg) {
	static int seven = 7;
	static struct arun_task *shared;
	(void)arg;
	shared = drive_spawn(return_it, &seven);
	struct arun_task *one = drive_spawn(join_shared, &shared);
	struct arun_task *two = drive_spawn(join_shared, &shared);
	drive_join(shared, 7);
	drive_join(one, 0);
	drive_join(two, 0);
	ck_assert_uint_eq(drive_sched()->tasks, 1);
	return 0;
}

START_TEST(all_who_join_a_task_get_its_result) {
	ck_assert_int_eq(drive(join_by_three, NULL), 0);
}
END_TEST

static int join_wrongly(void *arg) {
	static int zero;
	(void)arg;
	ck_assert_int_eq(arun_join(NULL, NULL), -1);
	ck_assert_int_eq(errno, EINVAL);
	struct arun_task *detached = drive_spawn(return_it, &zero);
	arun_detach(detached);
	ck_assert_int_eq(arun_join(detached, NULL), -1);
	ck_assert_int_eq(errno, EINVAL);
	return 0;
}

START_TEST(join_of_nothing_and_of_a_detached_task_is_EINVAL) {
	ck_assert_int_eq(drive(join_wrongly, NULL), 0);
}
END_TEST

static int join_oneself(void *arg) {
	(void)arg;
	ck_assert_int_eq(arun_join(arun_self(), NULL), -1);
	ck_assert_int_eq(errno, EDEADLK);
	return 3;
}

static int spawn_self_joiner(void *arg) {
	drive_join(drive_spawn(join_oneself, arg), 3);
	return 0;
}

START_TEST(join_of_oneself_is_EDEADLK) {
	ck_assert_int_eq(drive(spawn_self_joiner, NULL), 0);
}
END_TEST

static int wait_until_cancelled(void *arg) {
	*(int *)arg = drive_suspend(true);
	errno = *(int *)arg;
	return -1;
}

static int join_cut_short(void *arg) {
	struct arun_task **sleeper = arg;
	ck_assert_int_eq(arun_join(*sleeper, NULL), -1);
	ck_assert_int_eq(errno, ECANCELED);
	return 0;
}

static int join_again(void *arg) {
	static int why;
	static struct arun_task *sleeper;
	(void)arg;
	sleeper = drive_spawn(wait_until_cancelled, &why);
	struct arun_task *joiner = drive_spawn(join_cut_short, &sleeper);
	drive_yield();
	arun_cancel(joiner);
	drive_join(joiner, 0);
	arun_cancel(sleeper);
	drive_join(sleeper, -ECANCELED);
	return 0;
}

START_TEST(a_join_cut_short_leaves_the_handle_valid) {
	ck_assert_int_eq(drive(join_again, NULL), 0);
}
END_TEST

static int end_slowly(void *arg) {
	int *steps = arg;
	drive_suspend(true);
	for (int i = 0; i < 5; i++) {
		++*steps;
		drive_yield();
	}
	return 0;
}

static int join_while_cancelled(void *arg) {
	static int steps;
	(void)arg;
	struct arun_task *child = drive_spawn(end_slowly, &steps);
	drive_yield();
	arun_cancel(arun_self());
	arun_cancel(child);
	drive_join(child, 0);
	ck_assert_int_eq(steps, 5);
	task_uncancel(arun_self());
	return 0;
}

START_TEST(a_cancelled_task_still_joins_a_cancelled_task) {
	ck_assert_int_eq(drive(join_while_cancelled, NULL), 0);
}
END_TEST

/* Failures ------------------------------------------------------------------------------------- */

static int fail_unseen(void *arg) {
	static int minus = -5;
	(void)arg;
	struct arun_task *task = drive_spawn(return_it, &minus);
	drive_yield();
	ck_assert_uint_eq(drive_here()->failures, 1);
	drive_join(task, -5);
	return 0;
}

START_TEST(a_task_that_fails_with_nobody_waiting_is_told_of_and_can_be_joined_late) {
	ck_assert_int_eq(drive(fail_unseen, NULL), 0);
}
END_TEST

static char why_at_end[64];

static void fail_at_end(struct arun_task *task) {
	task_fail(EIO, "close", "what it had");
	snprintf(why_at_end, sizeof why_at_end, "%s", arun_why());
	task_free(drive_sched(), task);
}

static int fail_and_go_on(void *arg) {
	(void)arg;
	task_fail(ENOENT, "open", "it");
	return 0;
}

static int own_one(void *arg) {
	(void)arg;
	struct arun_task *task =
		task_make(drive_sched(), "owned", 0, fail_and_go_on, NULL);
	task_own(task, NULL, fail_at_end, NULL);
	task_start(drive_sched(), task, NULL);
	drive_yield();
	ck_assert_str_eq(why_at_end, "close what it had: Input/output error");
	return 0;
}

START_TEST(what_an_end_records_is_kept_and_freed) {
	ck_assert_int_eq(drive(own_one, NULL), 0);
}
END_TEST

static int fail_detached(void *arg) {
	static int minus = -5, zero;
	(void)arg;
	arun_detach(drive_spawn(return_it, &zero));
	drive_yield();
	ck_assert_uint_eq(drive_here()->failures, 0);
	arun_detach(drive_spawn(return_it, &minus));
	drive_yield();
	ck_assert_uint_eq(drive_here()->failures, 1);
	ck_assert_uint_eq(drive_sched()->tasks, 1);
	return 0;
}

START_TEST(a_detached_task_frees_itself_and_only_its_failure_is_told_of) {
	ck_assert_int_eq(drive(fail_detached, NULL), 0);
}
END_TEST

static int cancel_quietly(void *arg) {
	static int why;
	(void)arg;
	struct arun_task *task = drive_spawn(wait_until_cancelled, &why);
	drive_yield();
	arun_cancel(task);
	drive_yield();
	ck_assert_uint_eq(drive_here()->failures, 0);
	drive_join(task, -ECANCELED);
	return 0;
}

START_TEST(to_end_with_ECANCELED_when_cancelled_is_no_failure) {
	ck_assert_int_eq(drive(cancel_quietly, NULL), 0);
}
END_TEST

static int fail_cancelled(void *arg) {
	(void)arg;
	int why = drive_suspend(true);
	ck_assert_int_eq(task_fail(why, "arun_read", "127.0.0.1:80"), -1);
	ck_assert_int_eq(errno, ECANCELED);
	ck_assert_str_eq(arun_why(), "read 127.0.0.1:80: cancelled by boss (srv.c:7)");
	return 0;
}

static int cancel_with_words(void *arg) {
	static const struct arun_site site = {"srv.c", "serve", 7};
	arun_set_name(NULL, "bo%s", "ss");
	struct arun_task *task = drive_spawn(fail_cancelled, arg);
	drive_yield();
	arun_cancel_at(&site, task);
	drive_join(task, 0);
	return 0;
}

START_TEST(why_tells_who_cancelled_and_where) {
	ck_assert_int_eq(drive(cancel_with_words, NULL), 0);
}
END_TEST

/* Names, memory, misuse ------------------------------------------------------------------------ */

static int name_oneself(void *arg) {
	(void)arg;
	arun_set_name(NULL, "%s", "a name of thirty-two bytes or more");
	ck_assert_str_eq(arun_self()->name, "a name of thirty-two bytes or m");
	arun_set_name(arun_self(), "task %d", 7);
	ck_assert_str_eq(arun_self()->name, "task 7");
	return 0;
}

START_TEST(names_are_copied_and_cut_at_31_bytes) {
	ck_assert_int_eq(drive(name_oneself, NULL), 0);
}
END_TEST

static int name_oneself_by_characters(void *arg) {
	static const char tail[] = "\xf0\x9f\xa6\x8a"; /* one character */
	char name[64], kept[64];
	(void)arg;
	for (int before = 26; before <= 31; before++) {
		snprintf(name, sizeof name, "%0*d%s", before, 0, tail);
		snprintf(
			kept, sizeof kept, "%0*d%s", before, 0, before <= 27 ? tail : "");
		arun_set_name(NULL, "%s", name);
		ck_assert_str_eq(arun_self()->name, kept);
	}
	/* In Latin-1 these are letters: no more is given up than a character may have. */
	memset(name, 0xbf, sizeof name);
	name[sizeof name - 1] = '\0';
	arun_set_name(NULL, "%s", name);
	ck_assert_uint_ge(strlen(arun_self()->name), 28);
	return 0;
}

START_TEST(names_are_not_cut_in_the_middle_of_a_character) {
	ck_assert_int_eq(drive(name_oneself_by_characters, NULL), 0);
}
END_TEST

static int spawn_one_by_one(void *arg) {
	static int zero;
	(void)arg;
	for (int i = 0; i < 20000; i++) {
		drive_join(drive_spawn(return_it, &zero), 0);
	}
	size_t made = 0;
	for (int i = 0; i < STACK_CLASSES; i++) {
		made += drive_sched()->stacks.classes[i].made;
	}
	ck_assert_uint_le(made, 3);
	return 0;
}

START_TEST(tasks_one_after_another_use_the_same_stack) {
	ck_assert_int_eq(drive(spawn_one_by_one, NULL), 0);
}
END_TEST

static int spawn_huge(void *arg) {
	static int zero;
	const arun_spawn_options options = {.stack_size = ((size_t)1 << 30) + 1};
	(void)arg;
	ck_assert_ptr_null(arun_spawn_with(return_it, &zero, &options));
	ck_assert_int_eq(errno, EINVAL);
	return 0;
}

START_TEST(a_stack_above_one_gibibyte_is_EINVAL) {
	ck_assert_int_eq(drive(spawn_huge, NULL), 0);
}
END_TEST

START_TEST(a_spawn_outside_a_run_is_ESHUTDOWN) {
	static int zero;
	ck_assert_ptr_null(arun_spawn(return_it, &zero));
	ck_assert_int_eq(errno, ESHUTDOWN);
	ck_assert_ptr_null(arun_self());
	ck_assert_str_eq(arun_why(), "");
}
END_TEST

START_TEST(suspending_outside_a_task_aborts) {
	arun_join(NULL, NULL);
}
END_TEST

static int join_twice(void *arg) {
	static int zero;
	(void)arg;
	struct arun_task *task = drive_spawn(return_it, &zero);
	drive_join(task, 0);
	arun_join(task, NULL);
	return 0;
}

START_TEST(joining_a_task_twice_aborts) {
	drive(join_twice, NULL);
}
END_TEST

Suite *suite(void) {
	Suite *suite = suite_create("task");
	TCase *core = tcase_create("core");
	tcase_add_test(core, join_stores_what_the_task_returned_and_errno_for_minus_one);
	tcase_add_test(core, all_who_join_a_task_get_its_result);
	tcase_add_test(core, join_of_nothing_and_of_a_detached_task_is_EINVAL);
	tcase_add_test(core, join_of_oneself_is_EDEADLK);
	tcase_add_test(core, a_join_cut_short_leaves_the_handle_valid);
	tcase_add_test(core, a_cancelled_task_still_joins_a_cancelled_task);
	tcase_add_test(core,
		a_task_that_fails_with_nobody_waiting_is_told_of_and_can_be_joined_late);
	tcase_add_test(
		core, a_detached_task_frees_itself_and_only_its_failure_is_told_of);
	tcase_add_test(core, what_an_end_records_is_kept_and_freed);
	tcase_add_test(core, to_end_with_ECANCELED_when_cancelled_is_no_failure);
	tcase_add_test(core, why_tells_who_cancelled_and_where);
	tcase_add_test(core, names_are_copied_and_cut_at_31_bytes);
	tcase_add_test(core, names_are_not_cut_in_the_middle_of_a_character);
	tcase_add_test(core, tasks_one_after_another_use_the_same_stack);
	tcase_add_test(core, a_stack_above_one_gibibyte_is_EINVAL);
	tcase_add_test(core, a_spawn_outside_a_run_is_ESHUTDOWN);
	tcase_add_test_raise_signal(core, suspending_outside_a_task_aborts, SIGABRT);
	tcase_add_test_raise_signal(core, joining_a_task_twice_aborts, SIGABRT);
	suite_add_tcase(suite, core);
	return suite;
}
