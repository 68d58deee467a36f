/* SPDX-License-Identifier: MIT */
#include "ratelimit.h"
#include "suite.h"

static struct ratelimit limit;

static void setup(void) {
	limit = (struct ratelimit){0};
}

/* How many of count pass at that time. */
static int passing(int count, double now) {
	int passed = 0;
	for (int i = 0; i < count; i++) {
		passed += ratelimit_pass(&limit, now);
	}
	return passed;
}

START_TEST(so_many_pass_and_the_others_are_counted) {
	ck_assert_int_eq(passing(RATELIMIT_LINES, 5), RATELIMIT_LINES);
	ck_assert_uint_eq(ratelimit_missed(&limit), 0);
	ck_assert_int_eq(passing(3, 5), 0);
	ck_assert_uint_eq(ratelimit_missed(&limit), 3);
	ck_assert_uint_eq(ratelimit_missed(&limit), 0);
}
END_TEST

START_TEST(the_time_counts_from_the_first_that_passed) {
	ck_assert_int_eq(passing(1, 5), 1);
	ck_assert_int_eq(passing(RATELIMIT_LINES, 14.9), RATELIMIT_LINES - 1);
	ck_assert_int_eq(passing(RATELIMIT_LINES + 1, 15), RATELIMIT_LINES);
	ck_assert_uint_eq(ratelimit_missed(&limit), 2);
	ck_assert_int_eq(passing(1, 24.9), 0);
	ck_assert_int_eq(passing(1, 1000), 1);
}
END_TEST

Suite *suite(void) {
	Suite *suite = suite_create("ratelimit");
	TCase *all = tcase_create("all");
	tcase_add_checked_fixture(all, setup, NULL);
	tcase_add_test(all, so_many_pass_and_the_others_are_counted);
	tcase_add_test(all, the_time_counts_from_the_first_that_passed);
	suite_add_tcase(suite, all);
	return suite;
}
