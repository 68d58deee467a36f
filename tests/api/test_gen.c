/* SPDX-License-Identifier: MIT */
#include "generators.h"

/* Items and the end ---------------------------------------------------------------------------- */

CLAIM(next_returns_the_items_in_order_then_NULL_with_errno_0) {
	int three = 3;
	arun_gen *gen = arun_gen_new(count_to, &three);
	ck_assert_int_eq(next_number(gen), 1);
	ck_assert_int_eq(next_number(gen), 2);
	ck_assert_int_eq(next_number(gen), 3);
	assert_null(arun_gen_next(gen), 0);
	assert_null(arun_gen_next(gen), 0);
	ck_assert_int_eq(arun_gen_close(gen), 0);
}

CLAIM(the_body_runs_only_while_an_item_is_wanted) {
	arun_gen *gen = arun_gen_new(note_steps, WORD("x"));
	let_others_run(2);
	note('a');
	ck_assert_ptr_nonnull(arun_gen_next(gen));
	let_others_run(2);
	note('b');
	ck_assert_ptr_nonnull(arun_gen_next(gen));
	note('c');
	assert_null(arun_gen_next(gen), 0);
	assert_trace("a1b2c3");
	ck_assert_int_eq(arun_gen_close(gen), 0);
}

static int sleep_and_yield(void *arg) {
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(arun_sleep(0.001), 0);
		ck_assert_int_eq(arun_gen_yield(arg), 0);
	}
	return 0;
}

CLAIM(the_body_may_wait_before_it_yields) {
	arun_gen *gen = arun_gen_new(sleep_and_yield, WORD("x"));
	for (int i = 0; i < 3; i++) {
		ck_assert_str_eq(arun_gen_next(gen), "x");
	}
	assert_null(arun_gen_next(gen), 0);
	ck_assert_int_eq(arun_gen_close(gen), 0);
}

static int yield_then_fail(void *arg) {
	arun_gen_yield(arg);
	errno = EXDEV;
	return -1;
}

CLAIM(next_fails_with_the_errno_of_a_body_that_failed) {
	arun_gen *gen = arun_gen_new(yield_then_fail, WORD("x"));
	ck_assert_str_eq(arun_gen_next(gen), "x");
	assert_null(arun_gen_next(gen), EXDEV);
	assert_null(arun_gen_next(gen), EXDEV);
	assert_fails(arun_gen_close(gen), EXDEV);
}

static int connect_to_nobody(void *arg) {
	arun_conn *conn = arun_connect(arg);
	return conn ? 0 : -1;
}

/* Hands on what another generator makes. */
static int hand_on(void *arg) {
	arun_gen *gen = arun_gen_new(connect_to_nobody, arg);
	while (arun_gen_next(gen)) {
	}
	return arun_gen_close(gen);
}

CLAIM(why_tells_of_what_a_body_failed) {
	arun_gen *gen = arun_gen_new(connect_to_nobody, WORD("unix:@arun-nobody"));
	assert_null(arun_gen_next(gen), ECONNREFUSED);
	ck_assert_str_eq(arun_why(), "gen_next connect_to_nobody: connect "
				     "unix:@arun-nobody: Connection refused");
	assert_null(arun_connect("unix:@arun-other"), ECONNREFUSED);
	assert_fails(arun_gen_close(gen), ECONNREFUSED);
	ck_assert_str_eq(arun_why(), "gen_close connect_to_nobody: connect "
				     "unix:@arun-nobody: Connection refused");
}

CLAIM(why_tells_through_generators_of_generators) {
	arun_gen *gen = arun_gen_new(hand_on, WORD("unix:@arun-nobody"));
	assert_null(arun_gen_next(gen), ECONNREFUSED);
	assert_contains(arun_why(), "gen_next hand_on: gen_close connect_to_nobody: "
				    "connect unix:@arun-nobody: Connection refused");
	assert_fails(arun_gen_close(gen), ECONNREFUSED);
}

static int fail_twice(void *arg) {
	(void)arg;
	ck_assert_int_eq(arun_gen_yield(NULL), -1);
	errno = EXDEV;
	return -1;
}

CLAIM(why_does_not_take_an_older_failure_for_that_of_the_body) {
	arun_gen *gen = arun_gen_new(fail_twice, NULL);
	assert_null(arun_gen_next(gen), EXDEV);
	ck_assert_str_eq(arun_why(), "gen_next fail_twice: Invalid cross-device link");
	assert_fails(arun_gen_close(gen), EXDEV);
}

static int yield_then_fail_mutely(void *arg) {
	arun_gen_yield(arg);
	errno = 0;
	return -1;
}

CLAIM(the_failure_of_a_body_without_an_errno_is_not_its_end) {
	arun_gen *gen = arun_gen_new(yield_then_fail_mutely, WORD("x"));
	ck_assert_str_eq(arun_gen_next(gen), "x");
	assert_null(arun_gen_next(gen), EIO);
	assert_fails(arun_gen_close(gen), EIO);
}

CLAIM(a_million_items_need_no_more_than_one_at_a_time) {
	enum { MANY = 1000000 };
	int many = MANY;
	long sum = 0;
	arun_gen *gen = arun_gen_new(count_to, &many);
	for (const int *item; (item = arun_gen_next(gen));) {
		sum += *item;
	}
	ck_assert_int_eq(sum, (long)MANY * (MANY + 1) / 2);
	ck_assert_int_eq(arun_gen_close(gen), 0);
}

static int yield_doubles(void *arg) {
	arun_gen *inner = arun_gen_new(count_to, arg);
	const int *item;
	while ((item = arun_gen_next(inner))) {
		int twice = *item * 2;
		if (arun_gen_yield(&twice) < 0) {
			break;
		}
	}
	return arun_gen_close(inner);
}

CLAIM(a_generator_may_draw_from_a_generator) {
	int three = 3;
	arun_gen *gen = arun_gen_new(yield_doubles, &three);
	ck_assert_int_eq(next_number(gen), 2);
	ck_assert_int_eq(next_number(gen), 4);
	ck_assert_int_eq(next_number(gen), 6);
	assert_null(arun_gen_next(gen), 0);
	ck_assert_int_eq(arun_gen_close(gen), 0);
}

CLAIM(closing_a_generator_closes_the_one_it_draws_from) {
	int three = 3;
	arun_gen *gen = arun_gen_new(yield_doubles, &three);
	ck_assert_int_eq(next_number(gen), 2);
	ck_assert_int_eq(arun_gen_close(gen), 0);
	assert_trace("c");
}

/* Consumers that are interrupted --------------------------------------------------------------- */

static int yield_when_told(void *arg) {
	const bool *told = arg;
	for (int i = 1; i <= 2; i++) {
		while (!*told) {
			let_others_run(1);
		}
		ck_assert_int_eq(arun_gen_yield(&i), 0);
	}
	return 0;
}

CLAIM(a_consumer_timed_out_gets_that_item_next_time) {
	bool told = false;
	arun_gen *gen = arun_gen_new(yield_when_told, &told);
	{
		ARUN_TIMEOUT(0.001);
		assert_null(arun_gen_next(gen), ETIMEDOUT);
	}
	told = true;
	let_others_run(2);
	ck_assert_int_eq(next_number(gen), 1);
	ck_assert_int_eq(next_number(gen), 2);
	assert_null(arun_gen_next(gen), 0);
	ck_assert_int_eq(arun_gen_close(gen), 0);
}

static int take_one(void *arg) {
	return arun_gen_next(arg) ? 0 : -1;
}

CLAIM(a_consumer_cancelled_leaves_the_item_to_the_next) {
	bool told = false;
	arun_gen *gen = arun_gen_new(yield_when_told, &told);
	arun_task *consumer = arun_spawn(take_one, gen);
	let_others_run(2);
	arun_cancel(consumer);
	ck_assert_int_eq(joined(consumer), -ECANCELED);
	told = true;
	ck_assert_int_eq(next_number(gen), 1);
	ck_assert_int_eq(next_number(gen), 2);
	assert_null(arun_gen_next(gen), 0);
	ck_assert_int_eq(arun_gen_close(gen), 0);
}

CLAIM(the_next_of_NULL_is_EINVAL) {
	assert_null(arun_gen_next(NULL), EINVAL);
}

CLAIM(two_consumers_at_once_are_EBUSY) {
	bool told = false;
	arun_gen *gen = arun_gen_new(yield_when_told, &told);
	arun_task *consumer = arun_spawn(take_one, gen);
	let_others_run(1);
	assert_null(arun_gen_next(gen), EBUSY);
	told = true;
	ck_assert_int_eq(joined(consumer), 0);
	ck_assert_int_eq(next_number(gen), 2);
	assert_null(arun_gen_next(gen), 0);
	ck_assert_int_eq(arun_gen_close(gen), 0);
}

CLAIM(consumers_may_take_turns) {
	int two = 2;
	arun_gen *gen = arun_gen_new(count_to, &two);
	ck_assert_int_eq(joined(arun_spawn(take_one, gen)), 0);
	ck_assert_int_eq(next_number(gen), 2);
	ck_assert_int_eq(arun_gen_close(gen), 0);
}

static int close_it(void *arg) {
	return arun_gen_close(arg);
}

static int yield_late(void *arg) {
	while (!*(bool *)arg) {
		let_others_run(1);
	}
	return arun_gen_yield(WORD("late"));
}

CLAIM(a_close_wakes_the_consumer_with_EBADF) {
	bool told = false;
	arun_gen *gen = arun_gen_new(yield_late, &told);
	arun_task *consumer = arun_spawn(take_one, gen);
	let_others_run(2);
	arun_task *closer = arun_spawn(close_it, gen);
	ck_assert_int_eq(joined(consumer), -EBADF);
	told = true;
	ck_assert_int_eq(joined(closer), 0);
}

/* The body's own calls ------------------------------------------------------------------------- */

static arun_gen *itself;

static int close_itself(void *arg) {
	assert_fails(arun_gen_close(itself), EDEADLK);
	ck_assert_int_eq(arun_gen_yield(arg), 0);
	return 0;
}

CLAIM(close_by_the_body_is_EDEADLK) {
	itself = arun_gen_new(close_itself, WORD("x"));
	ck_assert_str_eq(arun_gen_next(itself), "x");
	assert_null(arun_gen_next(itself), 0);
	ck_assert_int_eq(arun_gen_close(itself), 0);
}

static int draw_from_itself(void *arg) {
	assert_null(arun_gen_next(itself), EDEADLK);
	ck_assert_int_eq(arun_gen_yield(arg), 0);
	return 0;
}

CLAIM(next_by_the_body_is_EDEADLK) {
	itself = arun_gen_new(draw_from_itself, WORD("x"));
	ck_assert_str_eq(arun_gen_next(itself), "x");
	assert_null(arun_gen_next(itself), 0);
	ck_assert_int_eq(arun_gen_close(itself), 0);
}

CLAIM(yield_outside_a_body_is_EPERM) {
	assert_fails(arun_gen_yield(WORD("x")), EPERM);
}

static int yield_from_helper(void *arg) {
	return arun_gen_yield(arg);
}

static int let_a_helper_yield(void *arg) {
	ck_assert_int_eq(joined(arun_spawn(yield_from_helper, arg)), -EPERM);
	return 0;
}

CLAIM(yield_in_a_task_of_the_body_is_EPERM) {
	arun_gen *gen = arun_gen_new(let_a_helper_yield, WORD("x"));
	assert_null(arun_gen_next(gen), 0);
	ck_assert_int_eq(arun_gen_close(gen), 0);
}

static int yield_nothing(void *arg) {
	assert_fails(arun_gen_yield(NULL), EINVAL);
	return arun_gen_yield(arg);
}

CLAIM(yield_of_NULL_is_EINVAL) {
	arun_gen *gen = arun_gen_new(yield_nothing, WORD("x"));
	ck_assert_str_eq(arun_gen_next(gen), "x");
	ck_assert_int_eq(arun_gen_close(gen), 0);
}

static int yield_in_a_timeout(void *arg) {
	{
		ARUN_TIMEOUT(0.001);
		assert_fails(arun_gen_yield(arg), ETIMEDOUT);
	}
	ck_assert_int_eq(arun_gen_yield(arg), 0);
	return 0;
}

CLAIM(a_timeout_in_the_body_ends_its_yield_and_does_not_reach_the_consumer) {
	arun_gen *gen = arun_gen_new(yield_in_a_timeout, WORD("x"));
	ck_assert_str_eq(arun_gen_next(gen), "x");
	ck_assert_int_eq(arun_sleep(0.01), 0);
	ck_assert_str_eq(arun_gen_next(gen), "x");
	assert_null(arun_gen_next(gen), 0);
	ck_assert_int_eq(arun_gen_close(gen), 0);
}

static int yield_in_a_shield(void *arg) {
	ARUN_SHIELD(FOREVER);
	while (arun_gen_yield(arg) == 0) {
	}
	return 0;
}

CLAIM(a_shield_in_the_body_does_not_reach_the_consumer) {
	arun_gen *gen = arun_gen_new(yield_in_a_shield, WORD("x"));
	ck_assert_str_eq(arun_gen_next(gen), "x");
	{
		ARUN_TIMEOUT(0);
		assert_fails(arun_sleep(FOREVER), ETIMEDOUT);
	}
	arun_cancel(arun_self());
	assert_null(arun_gen_next(gen), ECANCELED);
	ck_assert_int_eq(arun_gen_close(gen), 0);
}

CLAIM(the_body_does_not_inherit_the_timeout_of_its_consumer) {
	int two = 2;
	arun_gen *gen = arun_gen_new(count_to, &two);
	{
		ARUN_TIMEOUT(0.01);
		ck_assert_int_eq(next_number(gen), 1);
		assert_fails(arun_sleep(FOREVER), ETIMEDOUT);
	}
	ck_assert_int_eq(next_number(gen), 2);
	ck_assert_int_eq(arun_gen_close(gen), 0);
}

Suite *suite(void) {
	Suite *suite = suite_create("gen");

	TCase *items = tcase_create("items");
	tcase_add_test(items, next_returns_the_items_in_order_then_NULL_with_errno_0);
	tcase_add_test(items, the_body_runs_only_while_an_item_is_wanted);
	tcase_add_test(items, the_body_may_wait_before_it_yields);
	tcase_add_test(items, next_fails_with_the_errno_of_a_body_that_failed);
	tcase_add_test(items, why_tells_of_what_a_body_failed);
	tcase_add_test(items, why_tells_through_generators_of_generators);
	tcase_add_test(items, why_does_not_take_an_older_failure_for_that_of_the_body);
	tcase_add_test(items, the_failure_of_a_body_without_an_errno_is_not_its_end);
	tcase_add_test(items, a_million_items_need_no_more_than_one_at_a_time);
	tcase_add_test(items, a_generator_may_draw_from_a_generator);
	tcase_add_test(items, closing_a_generator_closes_the_one_it_draws_from);
	suite_add_tcase(suite, items);

	TCase *consumers = tcase_create("consumers");
	tcase_add_test(consumers, a_consumer_timed_out_gets_that_item_next_time);
	tcase_add_test(consumers, a_consumer_cancelled_leaves_the_item_to_the_next);
	tcase_add_test(consumers, the_next_of_NULL_is_EINVAL);
	tcase_add_test(consumers, two_consumers_at_once_are_EBUSY);
	tcase_add_test(consumers, consumers_may_take_turns);
	tcase_add_test(consumers, a_close_wakes_the_consumer_with_EBADF);
	suite_add_tcase(suite, consumers);

	TCase *body = tcase_create("body");
	tcase_add_test(body, close_by_the_body_is_EDEADLK);
	tcase_add_test(body, next_by_the_body_is_EDEADLK);
	tcase_add_test(body, yield_outside_a_body_is_EPERM);
	tcase_add_test(body, yield_in_a_task_of_the_body_is_EPERM);
	tcase_add_test(body, yield_of_NULL_is_EINVAL);
	tcase_add_test(body,
		a_timeout_in_the_body_ends_its_yield_and_does_not_reach_the_consumer);
	tcase_add_test(body, a_shield_in_the_body_does_not_reach_the_consumer);
	tcase_add_test(body, the_body_does_not_inherit_the_timeout_of_its_consumer);
	suite_add_tcase(suite, body);
	return suite;
}
