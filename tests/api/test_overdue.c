/* SPDX-License-Identifier: MIT */
/* Timeouts and shields that are over while their task runs, before the loop has had a turn. */
#include "api.h"

#include <time.h>

static double clock_time(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* The task does not let go of the processor. */
static void keep_busy(double seconds) {
	double end = clock_time() + seconds;
	while (clock_time() < end) {
	}
}

CLAIM(a_timeout_fails_the_next_wait) {
	ARUN_TIMEOUT(0.01);
	keep_busy(0.011);
	assert_fails(arun_sleep(0), ETIMEDOUT);
	assert_contains(arun_why(), "ARUN_TIMEOUT of 10 ms");
	assert_fails(arun_sleep(0), ETIMEDOUT);
}

CLAIM(a_timeout_fails_a_wait_that_need_not_wait) {
	arun_event event = ARUN_EVENT_INIT;
	arun_event_set(&event);
	{
		ARUN_TIMEOUT(0.05);
		keep_busy(0.051);
		assert_fails(arun_event_wait(&event), ETIMEDOUT);
	}
	ck_assert_int_eq(arun_event_wait(&event), 0);
}

CLAIM(a_timeout_that_is_not_over_fails_nothing) {
	ARUN_TIMEOUT(60);
	keep_busy(0.05);
	ck_assert_int_eq(arun_sleep(0), 0);
}

CLAIM(a_shield_holds_nothing_off) {
	arun_cancel(arun_self());
	ARUN_SHIELD(0.01);
	keep_busy(0.011);
	assert_fails(arun_sleep(0), ECANCELED);
}

CLAIM(a_shield_holds_no_timeout_off) {
	ARUN_TIMEOUT(0);
	ARUN_SHIELD(0.01);
	keep_busy(0.011);
	assert_fails(arun_sleep(0), ETIMEDOUT);
}

Suite *suite(void) {
	Suite *suite = suite_create("overdue");
	TCase *all = tcase_create("all");
	tcase_add_test(all, a_timeout_fails_the_next_wait);
	tcase_add_test(all, a_timeout_fails_a_wait_that_need_not_wait);
	tcase_add_test(all, a_timeout_that_is_not_over_fails_nothing);
	tcase_add_test(all, a_shield_holds_nothing_off);
	tcase_add_test(all, a_shield_holds_no_timeout_off);
	suite_add_tcase(suite, all);
	return suite;
}
