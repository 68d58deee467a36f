/* SPDX-License-Identifier: MIT */
#include "entries.h"

static int yielded = -99, yield_error;

static int yield_until_stopped(void) {
	stop_soon(0);
	yielded = arun_yield();
	note('c');
	return arun_sleep(0.001);
}

START_TEST(yield_returns_0_for_a_stop_and_the_clean_up_may_wait) {
	ck_assert_int_eq(run_server(yield_until_stopped, STRICT), 0);
	ck_assert_int_eq(yielded, 0);
	assert_trace("c");
}
END_TEST

static int yield_until_stop_6(void) {
	stop_soon(6);
	return arun_yield();
}

START_TEST(the_status_of_a_stop_is_that_of_the_server) {
	ck_assert_int_eq(run_server(yield_until_stop_6, STRICT), 6);
}
END_TEST

static int stop_then_yield(void) {
	arun_stop(0);
	assert_fails(arun_sleep(FOREVER), ECANCELED);
	ck_assert_int_eq(arun_yield(), 0);
	return arun_sleep(0.001);
}

START_TEST(yield_after_a_stop_returns_at_once_and_ends_the_cancellation) {
	ck_assert_int_eq(run_server(stop_then_yield, STRICT), 0);
}
END_TEST

static int return_without_yield(void) {
	return 4;
}

START_TEST(a_server_that_returns_before_it_yields_just_ends) {
	ck_assert_int_eq(run_server(return_without_yield, STRICT), 4);
}
END_TEST

static int yield_twice(void) {
	stop_soon(0);
	ck_assert_int_eq(arun_yield(), 0);
	assert_fails(arun_yield(), EALREADY);
	ck_assert_int_eq(arun_sleep(0.001), 0);
	note('l');
	return 0;
}

START_TEST(a_second_yield_is_EALREADY_and_makes_the_status_1) {
	FILE *file = catch_stderr();
	ck_assert_int_eq(run_server(yield_twice, STRICT), 1);
	assert_trace("l");
	const char *first = strstr(read_stderr(file), __FILE__);
	ck_assert_ptr_nonnull(first);
	assert_contains(first + 1, __FILE__);
}
END_TEST

static int yield_in_task(void *arg) {
	(void)arg;
	assert_fails(arun_yield(), EPERM);
	return 0;
}

static int let_a_task_yield(void) {
	joined(arun_spawn(yield_in_task, NULL));
	stop_soon(0);
	return arun_yield();
}

START_TEST(a_yield_of_another_task_is_EPERM_and_makes_the_status_1) {
	FILE *file = catch_stderr();
	ck_assert_int_eq(run_server(let_a_task_yield, STRICT), 1);
	assert_contains(read_stderr(file), "arun_yield()");
}
END_TEST

static int yield_in_main(void) {
	assert_fails(arun_yield(), EPERM);
	return 0;
}

START_TEST(a_yield_of_a_main_is_EPERM_and_makes_the_status_1) {
	FILE *file = catch_stderr();
	ck_assert_int_eq(run_main(yield_in_main, STRICT), 1);
	assert_contains(read_stderr(file), "arun_yield()");
}
END_TEST

static int yield_and_tell(void) {
	yielded = arun_yield();
	yield_error = errno;
	return 0;
}

static int cancel_it(void *arg) {
	arun_cancel(arg);
	return 0;
}

static int yield_until_cancelled(void) {
	arun_detach(arun_spawn(cancel_it, arun_self()));
	return yield_and_tell();
}

START_TEST(yield_ends_with_ECANCELED_by_a_cancel) {
	ck_assert_int_eq(run_server(yield_until_cancelled, STRICT), 0);
	ck_assert_int_eq(yielded, -1);
	ck_assert_int_eq(yield_error, ECANCELED);
}
END_TEST

static int yield_until_late(void) {
	ARUN_TIMEOUT(0.001);
	return yield_and_tell();
}

START_TEST(yield_ends_with_ETIMEDOUT_by_a_timeout) {
	ck_assert_int_eq(run_server(yield_until_late, STRICT), 0);
	ck_assert_int_eq(yielded, -1);
	ck_assert_int_eq(yield_error, ETIMEDOUT);
}
END_TEST

static int yield_by_pointer(void) {
	int (*yield)(void) = arun_yield;
	void (*stop)(int) = arun_stop;
	stop(2);
	return yield();
}

START_TEST(the_plain_functions_do_what_the_macros_do) {
	ck_assert_int_eq(run_server(yield_by_pointer, STRICT), 2);
}
END_TEST

static void add_yield(Suite *suite) {
	TCase *yield = tcase_create("yield");
	tcase_add_test(yield, yield_returns_0_for_a_stop_and_the_clean_up_may_wait);
	tcase_add_test(yield, the_status_of_a_stop_is_that_of_the_server);
	tcase_add_test(
		yield, yield_after_a_stop_returns_at_once_and_ends_the_cancellation);
	tcase_add_test(yield, a_server_that_returns_before_it_yields_just_ends);
	tcase_add_test(yield, a_second_yield_is_EALREADY_and_makes_the_status_1);
	tcase_add_test(yield, a_yield_of_another_task_is_EPERM_and_makes_the_status_1);
	tcase_add_test(yield, a_yield_of_a_main_is_EPERM_and_makes_the_status_1);
	tcase_add_test(yield, yield_ends_with_ECANCELED_by_a_cancel);
	tcase_add_test(yield, yield_ends_with_ETIMEDOUT_by_a_timeout);
	tcase_add_test(yield, the_plain_functions_do_what_the_macros_do);
	suite_add_tcase(suite, yield);
}

Suite *suite(void) {
	Suite *suite = suite_create("yield");
	add_yield(suite);
	return suite;
}
