/* SPDX-License-Identifier: MIT */
/* arun_daemon(), arun_dump(), arun_mark(), arun_leaks_since(). */
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

/* Of the one leak since mark; to be freed. */
static char *report_since(unsigned long mark) {
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	ck_assert_ptr_nonnull(out);
	ck_assert_int_eq(arun_leaks_since(mark, out), 1);
	fclose(out);
	return text;
}

CLAIM(what_is_left_open_is_listed_as_in_the_report) {
	unsigned long mark = arun_mark();
	arun_task *task = arun_spawn(sleeps, NULL);
	arun_sleep(0);
	char *text = report_since(mark);
	ck_assert_ptr_nonnull(strstr(text, ": leak: task \"sleeps\" (#"));
	ck_assert_ptr_nonnull(strstr(text, "1 leak: 1 task"));
	free(text);
	arun_cancel(task);
	arun_join(task, NULL);
}

static int fails_without_errno(void *arg) {
	errno = arg ? EIO : 0;
	return -1;
}

CLAIM(a_task_that_failed_without_an_errno_is_no_success) {
	unsigned long mark = arun_mark();
	arun_task *task = arun_spawn(fails_without_errno, NULL);
	arun_sleep(0);
	char *text = report_since(mark);
	ck_assert_ptr_nonnull(
		strstr(text, ": it returned less than 0, and set no errno"));
	free(text);
	arun_join(task, NULL);
}

/* What arun_dump() writes; the caller's. */
static char *dumped(void) {
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	ck_assert_ptr_nonnull(out);
	arun_dump(out);
	fclose(out);
	ck_assert_ptr_nonnull(text);
	return text;
}

static void is_whole(const char *text) {
	static const char end[] = "\narun: end of dump\n";
	ck_assert_int_eq(strncmp(text, "arun: dump of ", 14), 0);
	ck_assert_uint_gt(strlen(text), sizeof end);
	ck_assert_str_eq(text + strlen(text) - (sizeof end - 1), end);
}

CLAIM(a_dump_lists_what_there_is_and_where_it_waits) {
	arun_task *task = arun_spawn(sleeps, NULL);
	int line = __LINE__ - 1;
	arun_sleep(0);
	char *text = dumped(), place[64];
	is_whole(text);
	snprintf(place, sizeof place, "test_inspect.c:%d: task \"sleeps\" (#", line);
	ck_assert_ptr_nonnull(strstr(text, place));
	ck_assert_ptr_nonnull(strstr(text, "in arun_sleep for "));
	ck_assert_ptr_nonnull(strstr(text, "arun: loop running in main \"main\""));
	free(text);
	arun_cancel(task);
	arun_join(task, NULL);
	text = dumped();
	is_whole(text);
	ck_assert_ptr_null(strstr(text, "task \"sleeps\""));
	free(text);
}

static char *from_callback;

static void dumps(void *arg) {
	(void)arg;
	from_callback = dumped();
}

CLAIM(a_callback_can_dump) {
	arun_timer *timer = arun_timer_start(0, 0, dumps, NULL);
	arun_sleep(0.001);
	while (!from_callback) {
		arun_sleep(0.001);
	}
	is_whole(from_callback);
	ck_assert_ptr_nonnull(strstr(from_callback, " in arun_sleep for "));
	free(from_callback);
	arun_timer_stop(timer);
}

CLAIM(a_dump_to_null_is_on_stderr) {
	int pipes[2], kept = dup(STDERR_FILENO);
	char start[15] = "";
	ck_assert_int_eq(pipe(pipes), 0);
	dup2(pipes[1], STDERR_FILENO);
	arun_dump(NULL);
	dup2(kept, STDERR_FILENO);
	ck_assert_int_eq(read(pipes[0], start, sizeof start - 1), sizeof start - 1);
	ck_assert_str_eq(start, "arun: dump of ");
	close(pipes[0]);
	close(pipes[1]);
	close(kept);
}

CLAIM(a_daemon_is_no_leak) {
	unsigned long mark = arun_mark();
	arun_task *task = arun_spawn(sleeps, NULL);
	arun_daemon(task);
	ck_assert_int_eq(arun_leaks_since(mark, NULL), 0);
}

static int ignore_it(arun_conn *conn, void *arg) {
	char byte;
	*(bool *)arg = true;
	return (int)arun_read(conn, &byte, 1);
}

CLAIM(what_a_daemon_serves_is_no_leak) {
	bool served = false;
	arun_server *server = arun_listen("127.0.0.1:0", ignore_it, &served);
	arun_daemon(server);
	arun_conn *conn = arun_connect(arun_server_address(server));
	arun_daemon(conn);
	while (!served) {
		ck_assert_int_eq(arun_sleep(0.001), 0);
	}
	ck_assert_int_eq(arun_leaks_since(0, NULL), 0);
}

CLAIM(a_daemon_of_null_is_ignored) {
	arun_daemon(NULL);
}

static int no_object;

START_TEST(outside_a_run_there_is_nothing_to_tell) {
	api_body = NULL;
	arun_daemon(&no_object); /* outside a run: ignored */
	char *text = dumped();
	ck_assert_str_eq(text, "");
	free(text);
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
	tcase_add_test(inspect, a_task_that_failed_without_an_errno_is_no_success);
	tcase_add_test(inspect, a_dump_lists_what_there_is_and_where_it_waits);
	tcase_add_test(inspect, a_callback_can_dump);
	tcase_add_test(inspect, a_dump_to_null_is_on_stderr);
	tcase_add_test(inspect, a_daemon_is_no_leak);
	tcase_add_test(inspect, what_a_daemon_serves_is_no_leak);
	tcase_add_test(inspect, a_daemon_of_null_is_ignored);
	tcase_add_test(inspect, outside_a_run_there_is_nothing_to_tell);
	tcase_add_test_raise_signal(
		inspect, a_daemon_that_is_no_open_object_aborts, SIGABRT);
	suite_add_tcase(suite, inspect);
	return suite;
}
