/* SPDX-License-Identifier: MIT */
#include "notify.h"

#include <stdlib.h>

#include "drive.h"
#include "suite.h"

/* Seconds between two messages to a watchdog of so many microseconds. */
static double beats_each(const char *microseconds) {
	struct drive drive;
	struct notify notify;
	drive_init(&drive);
	unsetenv("NOTIFY_SOCKET");
	setenv("WATCHDOG_USEC", microseconds, 1);
	notify_init(&notify, &drive.loop, true);
	double seconds = notify.watchdog;
	notify_finish(&notify);
	drive_finish(&drive);
	return seconds;
}

START_TEST(a_watchdog_is_fed_at_half_its_time) {
	ck_assert_double_eq_tol(beats_each("400000"), 0.2, 1e-9);
	ck_assert_double_eq_tol(beats_each("2000"), 0.001, 1e-9);
}
END_TEST

START_TEST(one_that_nobody_can_satisfy_is_fed_each_millisecond) {
	ck_assert_double_eq_tol(beats_each("1"), 0.001, 1e-9);
	ck_assert_double_eq_tol(beats_each("10"), 0.001, 1e-9);
	ck_assert_double_eq_tol(beats_each("1999"), 0.001, 1e-9);
}
END_TEST

START_TEST(what_is_no_time_is_no_watchdog) {
	ck_assert_double_eq(beats_each("0"), 0);
	ck_assert_double_eq(beats_each("1us"), 0);
}
END_TEST

Suite *suite(void) {
	Suite *suite = suite_create("notify");
	TCase *all = tcase_create("all");
	tcase_add_test(all, a_watchdog_is_fed_at_half_its_time);
	tcase_add_test(all, one_that_nobody_can_satisfy_is_fed_each_millisecond);
	tcase_add_test(all, what_is_no_time_is_no_watchdog);
	suite_add_tcase(suite, all);
	return suite;
}
