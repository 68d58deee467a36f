/* SPDX-License-Identifier: MIT */
#include "bodies.h"

#include <math.h>
#include <time.h>

static int cancel_it(void *arg) {
	arun_cancel(arg);
	return 0;
}

/* Has another task cancel the caller, and returns when it has. */
static void get_cancelled(void) {
	arun_task *task = arun_spawn(cancel_it, arun_self());
	ARUN_SHIELD(FOREVER);
	joined(task);
}

/* Sleep ---------------------------------------------------------------------------------------- */

CLAIM(sleep_takes_at_least_its_time) {
	double before = arun_now();
	ck_assert_int_eq(arun_sleep(0.02), 0);
	ck_assert_double_ge(arun_now() - before, 0.02);
}

static double monotonic(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

START_TEST(without_a_run_now_is_read_at_each_call) {
	double before = monotonic();
	double now = arun_now();
	ck_assert_double_ge(now, before);
	ck_assert_double_le(now, monotonic());
}
END_TEST

CLAIM(sleep_of_0_lets_every_other_task_run_once) {
	arun_task *a = arun_spawn(note_letter, WORD("a"));
	arun_task *b = arun_spawn(note_letter, WORD("b"));
	ck_assert_int_eq(arun_sleep(0), 0);
	assert_trace("ab");
	joined(a);
	joined(b);
}

/* The one place where all sleep. */
static int nap(double seconds) {
	return arun_sleep(seconds);
}

static int nap_often(void *arg) {
	int sum = 0;
	for (int i = 0; i < 300; i++) {
		sum += nap(i % 3 ? 0 : *(double *)arg) != 0;
	}
	return sum;
}

CLAIM(sleeps_in_one_place_all_return_0) {
	arun_task *tasks[4];
	double seconds[4] = {0, 1e-6, 1e-5, 0};
	for (int i = 0; i < 4; i++) {
		tasks[i] = arun_spawn(nap_often, &seconds[i]);
	}
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(joined(tasks[i]), 0);
	}
}

CLAIM(sleep_of_less_than_0_is_a_sleep_of_0) {
	arun_task *task = arun_spawn(note_letter, WORD("a"));
	ck_assert_int_eq(arun_sleep(-5), 0);
	assert_trace("a");
	joined(task);
}

CLAIM(sleep_of_no_number_is_EINVAL) {
	assert_fails(arun_sleep(NAN), EINVAL);
}

struct sleeper {
	double seconds;
	char letter;
};

static int sleep_and_note(void *arg) {
	const struct sleeper *sleeper = arg;
	ck_assert_int_eq(arun_sleep(sleeper->seconds), 0);
	note(sleeper->letter);
	return 0;
}

CLAIM(sleepers_wake_in_the_order_of_their_times) {
	struct sleeper sleepers[] = {{0.2, 'c'}, {0, 'a'}, {0.1, 'b'}};
	ARUN_GROUP(group);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(
			arun_group_spawn(group, sleep_and_note, &sleepers[i]), 0);
	}
	ck_assert_int_eq(arun_group_wait(group), 0);
	assert_trace("abc");
}

static int sleep_for_ever(void *arg) {
	(void)arg;
	return arun_sleep(INFINITY);
}

CLAIM(an_infinite_sleep_ends_by_a_cancel) {
	arun_task *task = arun_spawn(sleep_for_ever, NULL);
	ck_assert_int_eq(arun_sleep(0.001), 0);
	arun_cancel(task);
	ck_assert_int_eq(joined(task), -ECANCELED);
}

CLAIM(the_plain_function_does_what_the_macro_does) {
	int (*f)(double) = arun_sleep;
	ck_assert_int_eq(f(0.001), 0);
	assert_fails(f(NAN), EINVAL);
}

CLAIM(now_never_goes_back_and_passes_with_the_loop) {
	double last = arun_now();
	for (int i = 0; i < 5; i++) {
		ck_assert_int_eq(arun_sleep(0.001), 0);
		ck_assert_double_gt(arun_now(), last);
		last = arun_now();
	}
}

/* Timeouts ------------------------------------------------------------------------------------- */

CLAIM(a_wait_past_a_timeout_fails_with_ETIMEDOUT) {
	double before = arun_now();
	ARUN_TIMEOUT(0.02);
	assert_fails(arun_sleep(FOREVER), ETIMEDOUT);
	ck_assert_double_ge(arun_now() - before, 0.02);
}

CLAIM(each_later_wait_fails_and_the_others_run_in_between) {
	ARUN_TIMEOUT(0);
	assert_fails(arun_sleep(FOREVER), ETIMEDOUT);
	arun_task *a = arun_spawn(note_letter, WORD("a"));
	assert_fails(arun_sleep(0), ETIMEDOUT);
	assert_trace("a");
	arun_task *b = arun_spawn(note_letter, WORD("b"));
	assert_fails(arun_sleep(FOREVER), ETIMEDOUT);
	assert_trace("ab");
	joined(a);
	joined(b);
}

CLAIM(a_task_that_only_yields_is_late_too) {
	ARUN_TIMEOUT(0.01);
	while (arun_sleep(0) == 0) {
	}
	ck_assert_int_eq(errno, ETIMEDOUT);
}

CLAIM(waits_before_the_end_of_a_timeout_work) {
	ARUN_TIMEOUT(FOREVER);
	ck_assert_int_eq(arun_sleep(0.001), 0);
	ck_assert_int_eq(arun_sleep(0), 0);
}

CLAIM(a_timeout_ends_with_its_block) {
	{
		ARUN_TIMEOUT(0);
		assert_fails(arun_sleep(FOREVER), ETIMEDOUT);
	}
	ck_assert_int_eq(arun_sleep(0.001), 0);
}

CLAIM(a_timeout_that_ran_out_unnoticed_leaves_nothing_behind) {
	for (int i = 0; i < 1; i++) {
		ARUN_TIMEOUT(0);
	}
	ck_assert_int_eq(arun_sleep(0.001), 0);
}

CLAIM(an_inner_timeout_shortens) {
	ARUN_TIMEOUT(FOREVER);
	{
		ARUN_TIMEOUT(0.001);
		assert_fails(arun_sleep(FOREVER), ETIMEDOUT);
	}
	ck_assert_int_eq(arun_sleep(0.001), 0);
}

CLAIM(an_inner_timeout_does_not_lengthen) {
	ARUN_TIMEOUT(0.001);
	{
		ARUN_TIMEOUT(FOREVER);
		assert_fails(arun_sleep(FOREVER), ETIMEDOUT);
	}
	assert_fails(arun_sleep(0), ETIMEDOUT);
}

CLAIM(why_names_the_timeout_that_ended_the_wait) {
	char outer[256], inner[256];
	ARUN_TIMEOUT(0.025);
	snprintf(outer, sizeof outer, "%s:%d", __FILE__, __LINE__ - 1);
	{
		ARUN_TIMEOUT(0.001);
		snprintf(inner, sizeof inner, "%s:%d", __FILE__, __LINE__ - 1);
		assert_fails(arun_sleep(FOREVER), ETIMEDOUT);
		assert_contains(arun_why(), "ARUN_TIMEOUT of 1 ms");
		assert_contains(arun_why(), inner);
	}
	{
		ARUN_TIMEOUT(FOREVER);
		assert_fails(arun_sleep(FOREVER), ETIMEDOUT);
	}
	assert_contains(arun_why(), "ARUN_TIMEOUT of 25 ms");
	assert_contains(arun_why(), outer);
}

CLAIM(break_ends_a_timeout) {
	for (int i = 0; i < 3; i++) {
		ARUN_TIMEOUT(0);
		if (i == 1) {
			break;
		}
	}
	ck_assert_int_eq(arun_sleep(0.001), 0);
}

static int return_from_timeout(void) {
	ARUN_TIMEOUT(0);
	return arun_sleep(FOREVER);
}

CLAIM(return_ends_a_timeout_and_keeps_errno) {
	assert_fails(return_from_timeout(), ETIMEDOUT);
	ck_assert_int_eq(arun_sleep(0.001), 0);
}

CLAIM(goto_ends_a_timeout) {
	{
		ARUN_TIMEOUT(0);
		goto out;
	}
out:
	ck_assert_int_eq(arun_sleep(0.001), 0);
}

CLAIM(the_ends_of_timeout_and_shield_keep_errno) {
	{
		ARUN_TIMEOUT(FOREVER);
		ARUN_SHIELD(FOREVER);
		errno = EXDEV;
	}
	ck_assert_int_eq(errno, EXDEV);
}

CLAIM(a_timeout_of_no_number_is_over_at_once) {
	ARUN_TIMEOUT(NAN);
	assert_fails(arun_sleep(FOREVER), ETIMEDOUT);
}

CLAIM(a_timeout_of_0_is_over_at_once) {
	ARUN_TIMEOUT(0);
	assert_fails(arun_sleep(0), ETIMEDOUT);
}

/* Shields -------------------------------------------------------------------------------------- */

CLAIM(a_shield_outlasts_a_cancel_that_came_before_it) {
	get_cancelled();
	{
		ARUN_SHIELD(FOREVER);
		ck_assert_int_eq(arun_sleep(0.001), 0);
	}
	assert_fails(arun_sleep(0), ECANCELED);
}

CLAIM(a_shield_outlasts_a_cancel_that_comes_after_it) {
	{
		ARUN_SHIELD(FOREVER);
		get_cancelled();
		ck_assert_int_eq(arun_sleep(0.001), 0);
	}
	assert_fails(arun_sleep(0), ECANCELED);
}

static int sleep_in_a_shield(void *arg) {
	ARUN_SHIELD(FOREVER);
	let_others_run(1);
	*(bool *)arg = true;
	return arun_sleep(0.01);
}

CLAIM(a_cancel_does_not_end_a_wait_in_a_shield) {
	bool asleep = false;
	arun_task *task = arun_spawn(sleep_in_a_shield, &asleep);
	while (!asleep) {
		let_others_run(1);
	}
	arun_cancel(task);
	ck_assert_int_eq(joined(task), 0);
}

CLAIM(the_seconds_of_a_shield_count_from_a_cancel_that_comes_later) {
	ARUN_SHIELD(0.05);
	ck_assert_int_eq(arun_sleep(0.06), 0);
	double before = arun_now();
	arun_cancel(arun_self());
	assert_fails(arun_sleep(FOREVER), ECANCELED);
	ck_assert_double_ge(arun_now() - before, 0.05);
}

CLAIM(the_seconds_of_a_shield_count_from_its_declaration_if_that_is_later) {
	arun_cancel(arun_self());
	{
		ARUN_SHIELD(FOREVER);
		ck_assert_int_eq(arun_sleep(0.06), 0);
	}
	double before = arun_now();
	ARUN_SHIELD(0.05);
	assert_fails(arun_sleep(FOREVER), ECANCELED);
	ck_assert_double_ge(arun_now() - before, 0.05);
}

CLAIM(the_seconds_of_a_shield_count_from_the_timeout_that_it_holds_off) {
	double before = arun_now();
	ARUN_TIMEOUT(0.03);
	ARUN_SHIELD(0.03);
	assert_fails(arun_sleep(FOREVER), ETIMEDOUT);
	ck_assert_double_ge(arun_now() - before, 0.06);
}

CLAIM(a_shield_without_anything_to_hold_off_does_not_end_waits) {
	ARUN_SHIELD(0);
	ck_assert_int_eq(arun_sleep(0.01), 0);
}

CLAIM(a_shield_of_0_holds_nothing_off) {
	arun_cancel(arun_self());
	ARUN_SHIELD(0);
	assert_fails(arun_sleep(0), ECANCELED);
	assert_fails(arun_sleep(FOREVER), ECANCELED);
}

CLAIM(a_shield_of_0_holds_no_timeout_off) {
	ARUN_TIMEOUT(0);
	ARUN_SHIELD(0);
	assert_fails(arun_sleep(0), ETIMEDOUT);
}

CLAIM(the_end_of_an_inner_shield_leaves_the_outer_one_in_force) {
	arun_cancel(arun_self());
	{
		ARUN_SHIELD(FOREVER);
		{
			ARUN_SHIELD(FOREVER);
			ck_assert_int_eq(arun_sleep(0.001), 0);
		}
		ck_assert_int_eq(arun_sleep(0.001), 0);
	}
	assert_fails(arun_sleep(0), ECANCELED);
}

CLAIM(an_inner_shield_that_ran_out_leaves_the_outer_one_in_force) {
	arun_cancel(arun_self());
	ARUN_SHIELD(FOREVER);
	ARUN_SHIELD(0);
	ck_assert_int_eq(arun_sleep(0.01), 0);
}

CLAIM(an_inner_shield_outlasts_an_outer_one_that_ran_out) {
	arun_cancel(arun_self());
	ARUN_SHIELD(0);
	ARUN_SHIELD(FOREVER);
	ck_assert_int_eq(arun_sleep(0.01), 0);
}

CLAIM(a_shield_holds_off_timeouts_declared_outside_it) {
	ARUN_TIMEOUT(0);
	{
		ARUN_SHIELD(FOREVER);
		ck_assert_int_eq(arun_sleep(0.01), 0);
	}
	assert_fails(arun_sleep(0), ETIMEDOUT);
}

CLAIM(a_shield_does_not_hold_off_timeouts_declared_inside_it) {
	ARUN_SHIELD(FOREVER);
	ARUN_TIMEOUT(0.001);
	assert_fails(arun_sleep(FOREVER), ETIMEDOUT);
}

#define BRIEFLY                                                                          \
	ARUN_SHIELD(FOREVER);                                                            \
	ARUN_TIMEOUT(0.01);                                                              \
	ARUN_TIMEOUT(FOREVER)

CLAIM(a_macro_may_declare_a_shield_and_timeouts) {
	get_cancelled();
	for (int i = 0; i < 2; i++) {
		BRIEFLY;
		assert_fails(arun_sleep(FOREVER), ETIMEDOUT);
		if (i == 1) {
			break;
		}
	}
	assert_fails(arun_sleep(0), ECANCELED);
}

CLAIM(a_timeout_in_a_shield_ends_the_wait_of_a_cancelled_task_with_ETIMEDOUT) {
	arun_cancel(arun_self());
	{
		ARUN_SHIELD(FOREVER);
		ARUN_TIMEOUT(0.001);
		assert_fails(arun_sleep(FOREVER), ETIMEDOUT);
	}
	assert_fails(arun_sleep(0), ECANCELED);
}

CLAIM(ECANCELED_wins_over_ETIMEDOUT) {
	ARUN_TIMEOUT(0);
	assert_fails(arun_sleep(FOREVER), ETIMEDOUT);
	get_cancelled();
	assert_fails(arun_sleep(0), ECANCELED);
	assert_fails(arun_sleep(FOREVER), ECANCELED);
}

Suite *suite(void) {
	Suite *suite = suite_create("time");

	TCase *sleep = tcase_create("sleep");
	tcase_add_test(sleep, sleep_takes_at_least_its_time);
	tcase_add_test(sleep, without_a_run_now_is_read_at_each_call);
	tcase_add_test(sleep, sleep_of_0_lets_every_other_task_run_once);
	tcase_add_test(sleep, sleeps_in_one_place_all_return_0);
	tcase_add_test(sleep, sleep_of_less_than_0_is_a_sleep_of_0);
	tcase_add_test(sleep, sleep_of_no_number_is_EINVAL);
	tcase_add_test(sleep, sleepers_wake_in_the_order_of_their_times);
	tcase_add_test(sleep, an_infinite_sleep_ends_by_a_cancel);
	tcase_add_test(sleep, the_plain_function_does_what_the_macro_does);
	tcase_add_test(sleep, now_never_goes_back_and_passes_with_the_loop);
	suite_add_tcase(suite, sleep);

	TCase *timeout = tcase_create("timeout");
	tcase_add_test(timeout, a_wait_past_a_timeout_fails_with_ETIMEDOUT);
	tcase_add_test(timeout, each_later_wait_fails_and_the_others_run_in_between);
	tcase_add_test(timeout, a_task_that_only_yields_is_late_too);
	tcase_add_test(timeout, waits_before_the_end_of_a_timeout_work);
	tcase_add_test(timeout, a_timeout_ends_with_its_block);
	tcase_add_test(timeout, a_timeout_that_ran_out_unnoticed_leaves_nothing_behind);
	tcase_add_test(timeout, an_inner_timeout_shortens);
	tcase_add_test(timeout, an_inner_timeout_does_not_lengthen);
	tcase_add_test(timeout, why_names_the_timeout_that_ended_the_wait);
	tcase_add_test(timeout, break_ends_a_timeout);
	tcase_add_test(timeout, return_ends_a_timeout_and_keeps_errno);
	tcase_add_test(timeout, goto_ends_a_timeout);
	tcase_add_test(timeout, the_ends_of_timeout_and_shield_keep_errno);
	tcase_add_test(timeout, a_timeout_of_no_number_is_over_at_once);
	tcase_add_test(timeout, a_timeout_of_0_is_over_at_once);
	suite_add_tcase(suite, timeout);

	TCase *shield = tcase_create("shield");
	tcase_add_test(shield, a_shield_outlasts_a_cancel_that_came_before_it);
	tcase_add_test(shield, a_shield_outlasts_a_cancel_that_comes_after_it);
	tcase_add_test(shield, a_cancel_does_not_end_a_wait_in_a_shield);
	tcase_add_test(
		shield, the_seconds_of_a_shield_count_from_a_cancel_that_comes_later);
	tcase_add_test(shield,
		the_seconds_of_a_shield_count_from_its_declaration_if_that_is_later);
	tcase_add_test(
		shield, the_seconds_of_a_shield_count_from_the_timeout_that_it_holds_off);
	tcase_add_test(shield, a_shield_without_anything_to_hold_off_does_not_end_waits);
	tcase_add_test(shield, a_shield_of_0_holds_nothing_off);
	tcase_add_test(shield, a_shield_of_0_holds_no_timeout_off);
	tcase_add_test(shield, the_end_of_an_inner_shield_leaves_the_outer_one_in_force);
	tcase_add_test(
		shield, an_inner_shield_that_ran_out_leaves_the_outer_one_in_force);
	tcase_add_test(shield, an_inner_shield_outlasts_an_outer_one_that_ran_out);
	tcase_add_test(shield, a_shield_holds_off_timeouts_declared_outside_it);
	tcase_add_test(shield, a_shield_does_not_hold_off_timeouts_declared_inside_it);
	tcase_add_test(shield, a_macro_may_declare_a_shield_and_timeouts);
	tcase_add_test(shield,
		a_timeout_in_a_shield_ends_the_wait_of_a_cancelled_task_with_ETIMEDOUT);
	tcase_add_test(shield, ECANCELED_wins_over_ETIMEDOUT);
	suite_add_tcase(suite, shield);
	return suite;
}
