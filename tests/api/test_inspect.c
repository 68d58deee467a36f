/* SPDX-License-Identifier: MIT */
/* arun_daemon(), arun_mark(), arun_leaks_since(). */
#include "api.h"

#include <stdio.h>
#include <stdlib.h>

static int sleeps(void *arg) {
	(void)arg;
	return arun_sleep(FOREVER);
}

CLAIM(a_mark_tells_what_was_left_open_after_it) {
	arun_task *before = arun_spawn(sleeps, NULL);
	unsigned long mark = arun_mark();
	ck_assert_int_eq(arun_leaks_since(mark, NULL), 0);
	arun_task *after = arun_spawn(sleeps, NULL);
	ck_assert_int_eq(arun_leaks_since(mark, NULL), 1);
	arun_cancel(after);
	arun_join(after, NULL);
	ck_assert_int_eq(arun_leaks_since(mark, NULL), 0);
	arun_cancel(before);
	arun_join(before, NULL);
}

CLAIM(what_is_left_open_is_listed_as_in_the_report) {
	unsigned long mark = arun_mark();
	arun_task *task = arun_spawn(sleeps, NULL);
	arun_sleep(0);
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	ck_assert_ptr_nonnull(out);
	ck_assert_int_eq(arun_leaks_since(mark, out), 1);
	fclose(out);
	ck_assert_ptr_nonnull(strstr(text, ": leak: task \"sleeps\" (#"));
	ck_assert_ptr_nonnull(strstr(text, "1 leak: 1 task"));
	free(text);
	arun_cancel(task);
	arun_join(task, NULL);
}

CLAIM(a_daemon_is_no_leak) {
	unsigned long mark = arun_mark();
	arun_task *task = arun_spawn(sleeps, NULL);
	arun_daemon(task);
	ck_assert_int_eq(arun_leaks_since(mark, NULL), 0);
}

CLAIM(a_daemon_of_null_is_ignored) {
	arun_daemon(NULL);
}

static int no_object;

START_TEST(outside_a_run_there_is_nothing_to_tell) {
	api_body = NULL;
	arun_daemon(&no_object); /* outside a run: ignored */
	ck_assert_int_eq(arun_mark(), 0);
	errno = 0;
	ck_assert_int_eq(arun_leaks_since(0, NULL), -1);
	ck_assert_int_eq(errno, ESHUTDOWN);
}
END_TEST

static void misuses(void) {
	arun_daemon(&no_object);
}

START_TEST(a_daemon_that_is_no_open_object_aborts) {
	run(misuses);
}
END_TEST

Suite *suite(void) {
	Suite *suite = suite_create("inspect");
	TCase *inspect = tcase_create("inspect");
	tcase_add_test(inspect, a_mark_tells_what_was_left_open_after_it);
	tcase_add_test(inspect, what_is_left_open_is_listed_as_in_the_report);
	tcase_add_test(inspect, a_daemon_is_no_leak);
	tcase_add_test(inspect, a_daemon_of_null_is_ignored);
	tcase_add_test(inspect, outside_a_run_there_is_nothing_to_tell);
	tcase_add_test_raise_signal(
		inspect, a_daemon_that_is_no_open_object_aborts, SIGABRT);
	suite_add_tcase(suite, inspect);
	return suite;
}
