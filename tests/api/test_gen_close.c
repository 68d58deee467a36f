/* SPDX-License-Identifier: MIT */
#include "generators.h"

static int yield_then_fail(void *arg) {
	arun_gen_yield(arg);
	errno = EXDEV;
	return -1;
}

/* Close ---------------------------------------------------------------------------------------- */

CLAIM(close_runs_the_clean_up_of_the_body) {
	int three = 3;
	arun_gen *gen = arun_gen_new(count_to, &three);
	ck_assert_int_eq(next_number(gen), 1);
	assert_trace("");
	ck_assert_int_eq(arun_gen_close(gen), 0);
	assert_trace("c");
}

CLAIM(close_of_one_never_started_is_0_and_runs_nothing) {
	ck_assert_int_eq(arun_gen_close(arun_gen_new(note_steps, WORD("x"))), 0);
	assert_trace("");
}

CLAIM(close_takes_NULL) {
	ck_assert_int_eq(arun_gen_close(NULL), 0);
}

static int yield_and_return_5(void *arg) {
	arun_gen_yield(arg);
	return 5;
}

CLAIM(close_returns_what_the_body_returned) {
	arun_gen *gen = arun_gen_new(yield_and_return_5, WORD("x"));
	ck_assert_str_eq(arun_gen_next(gen), "x");
	ck_assert_int_eq(arun_gen_close(gen), 5);
}

CLAIM(close_fails_with_the_errno_of_a_clean_up_that_failed) {
	arun_gen *gen = arun_gen_new(yield_then_fail, WORD("x"));
	ck_assert_str_eq(arun_gen_next(gen), "x");
	assert_fails(arun_gen_close(gen), EXDEV);
}

static int clean_up_slowly(void *arg) {
	assert_fails(arun_gen_yield(arg), ECANCELED);
	ck_assert_int_eq(arun_sleep(0.001), 0);
	assert_fails(arun_gen_yield(arg), ECANCELED);
	ck_assert_int_eq(arun_sleep(0), 0);
	assert_fails(arun_gen_yield(arg), ECANCELED);
	note('d');
	return 0;
}

CLAIM(after_close_every_yield_is_ECANCELED_while_other_waits_work) {
	arun_gen *gen = arun_gen_new(clean_up_slowly, WORD("x"));
	ck_assert_str_eq(arun_gen_next(gen), "x");
	ck_assert_int_eq(arun_gen_close(gen), 0);
	assert_trace("d");
}

static int close_it(void *arg) {
	return arun_gen_close(arg);
}

CLAIM(a_close_while_another_task_closes_is_EBUSY) {
	arun_gen *gen = arun_gen_new(clean_up_slowly, WORD("x"));
	ck_assert_str_eq(arun_gen_next(gen), "x");
	arun_task *task = arun_spawn(close_it, gen);
	let_others_run(1);
	assert_fails(arun_gen_close(gen), EBUSY);
	ck_assert_int_eq(joined(task), 0);
	assert_trace("d");
}

static int close_though_cancelled(void *arg) {
	assert_fails(arun_sleep(FOREVER), ECANCELED);
	return arun_gen_close(arg);
}

CLAIM(close_does_its_work_in_a_cancelled_task) {
	arun_gen *gen = arun_gen_new(clean_up_slowly, WORD("x"));
	ck_assert_str_eq(arun_gen_next(gen), "x");
	arun_task *task = arun_spawn(close_though_cancelled, gen);
	arun_cancel(task);
	ck_assert_int_eq(joined(task), 0);
	assert_trace("d");
}

static int draw_cancelled(void *arg) {
	arun_cancel(arun_self());
	assert_null(arun_gen_next(arg), ECANCELED);
	assert_contains(arun_why(), "clean_up_slowly");
	return 0;
}

/* It lets the others run before it would wait. */
CLAIM(a_close_while_a_cancelled_task_draws_leaves_it_its_words) {
	arun_gen *gen = arun_gen_new(clean_up_slowly, WORD("x"));
	arun_task *task = arun_spawn(draw_cancelled, gen);
	arun_task *other = arun_spawn(close_it, gen);
	ck_assert_int_eq(joined(other), 0);
	ck_assert_int_eq(joined(task), 0);
}

/* At a stop ------------------------------------------------------------------------------------ */

static int wait_for_ever_in_the_clean_up(void *arg) {
	assert_fails(arun_gen_yield(arg), ECANCELED);
	assert_fails(arun_sleep(FOREVER), ECANCELED);
	note('d');
	return 0;
}

static arun_gen *endless(void) {
	static char item[] = "x";
	arun_gen *gen = arun_gen_new(wait_for_ever_in_the_clean_up, item);
	ck_assert_str_eq(arun_gen_next(gen), "x");
	return gen;
}

static int stop_it(void *arg) {
	(void)arg;
	arun_stop(0);
	return 0;
}

/* Seconds; a clean-up has 7/8 of it, and the rest is time enough for a machine under load. */
static const double CLEAN_UP_GRACE = 1.6;

/* Before, after, and at the end of the time that a clean-up has. */
static void close_after_the_stop(void) {
	arun_gen *gen = endless();
	arun_stop(0);
	ck_assert_int_eq(arun_gen_close(gen), 0);
}

static void close_before_the_stop(void) {
	arun_gen *gen = endless();
	arun_detach(arun_spawn(stop_it, NULL));
	ck_assert_int_eq(arun_gen_close(gen), 0);
}

static void close_late(void) {
	arun_gen *gen = endless();
	arun_stop(0);
	{
		ARUN_SHIELD(FOREVER);
		arun_sleep(CLEAN_UP_GRACE * 0.89);
	}
	ck_assert_int_eq(arun_gen_close(gen), 0);
}

static void close_in_a_task_that_is_left(void) {
	arun_detach(arun_spawn(close_it, endless()));
	let_others_run(1);
}

START_TEST(a_clean_up_that_waits_is_cancelled_before_the_grace_time_is_over) {
	static void (*const bodies[])(void) = {close_after_the_stop,
		close_before_the_stop, close_late, close_in_a_task_that_is_left};
	arun_options options = {.struct_size = sizeof options, .grace = CLEAN_UP_GRACE};
	api_body = bodies[_i];
	ck_assert_int_eq(arun_run(api_entry, 0, NULL, &options), 0);
	assert_trace("d");
}
END_TEST

/* Making one ----------------------------------------------------------------------------------- */

START_TEST(a_generator_outside_a_run_is_ESHUTDOWN) {
	assert_null(arun_gen_new(count_to, NULL), ESHUTDOWN);
}
END_TEST

CLAIM(a_generator_without_memory_is_ENOMEM) {
	enum { MANY = 100000 };
	static arun_gen *gens[MANY];
	int count = 0;
	struct rlimit old = limit_memory();
	while (count < MANY && (gens[count] = arun_gen_new(note_steps, NULL))) {
		count++;
	}
	int error = errno;
	setrlimit(RLIMIT_AS, &old);
	ck_assert_int_lt(count, MANY);
	ck_assert_int_eq(error, ENOMEM);
	while (count-- > 0) {
		arun_gen_close(gens[count]);
	}
}

CLAIM(the_plain_functions_do_what_the_macros_do) {
	arun_gen *(*make)(int (*)(void *), void *) = arun_gen_new;
	void *(*next)(arun_gen *) = arun_gen_next;
	int (*close)(arun_gen *) = arun_gen_close;
	int (*yield)(void *) = arun_gen_yield;
	assert_fails(yield(WORD("x")), EPERM);
	arun_gen *gen = make(yield_and_return_5, WORD("x"));
	ck_assert_str_eq(next(gen), "x");
	ck_assert_int_eq(close(gen), 5);
}

static void leave_a_generator(void) {
	static int three = 3;
	next_number(arun_gen_new(count_to, &three));
	arun_sleep(0);
}

START_TEST(a_generator_left_open_is_a_leak_and_its_body_is_told_to_end) {
	assert_contains(
		run_reported(leave_a_generator, 23), "leak: generator \"count_to\"");
	assert_trace("c");
}
END_TEST

Suite *suite(void) {
	Suite *suite = suite_create("gen close");

	TCase *close = tcase_create("close");
	tcase_add_test(close, close_runs_the_clean_up_of_the_body);
	tcase_add_test(close, close_of_one_never_started_is_0_and_runs_nothing);
	tcase_add_test(close, close_takes_NULL);
	tcase_add_test(close, close_returns_what_the_body_returned);
	tcase_add_test(close, close_fails_with_the_errno_of_a_clean_up_that_failed);
	tcase_add_test(
		close, after_close_every_yield_is_ECANCELED_while_other_waits_work);
	tcase_add_test(close, a_close_while_another_task_closes_is_EBUSY);
	tcase_add_test(close, close_does_its_work_in_a_cancelled_task);
	tcase_add_test(close, a_close_while_a_cancelled_task_draws_leaves_it_its_words);
	suite_add_tcase(suite, close);

	TCase *stop = tcase_create("stop");
	tcase_add_loop_test(stop,
		a_clean_up_that_waits_is_cancelled_before_the_grace_time_is_over, 0, 4);
	suite_add_tcase(suite, stop);

	TCase *make = tcase_create("new");
	tcase_add_test(make, a_generator_outside_a_run_is_ESHUTDOWN);
	if (!API_ASAN) {
		tcase_add_test(make, a_generator_without_memory_is_ENOMEM);
	}
	tcase_add_test(make, the_plain_functions_do_what_the_macros_do);
	tcase_add_test(make, a_generator_left_open_is_a_leak_and_its_body_is_told_to_end);
	suite_add_tcase(suite, make);
	return suite;
}
