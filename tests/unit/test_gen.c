/* SPDX-License-Identifier: MIT */
#include "gen.h"

#include "drive.h"
#include "queue.h"
#include "suite.h"

static struct arun_task *closer, *sweeper;
static bool swept;

/* A body whose clean-up waits. */
static int clean_up_slowly(void *arg) {
	char item = 'x';
	arun_gen_yield(&item);
	return arun_event_wait(arg);
}

static int close_it(void *arg) {
	return arun_gen_close(arg);
}

static int close_all(void *arg) {
	(void)arg;
	gen_close_all(drive_sched(), sweeper);
	swept = true;
	return 0;
}

static int close_while_it_is_closed(void *arg) {
	arun_event cleaned = ARUN_EVENT_INIT;
	arun_gen *gen = arun_gen_new(clean_up_slowly, &cleaned);
	(void)arg;
	ck_assert_ptr_nonnull(arun_gen_next(gen));
	closer = drive_spawn(close_it, gen);
	drive_until(closer->state == TASK_WAITING);
	sweeper = drive_spawn(close_all, NULL);
	drive_until(sweeper->state == TASK_WAITING);
	ck_assert(!sweeper->timed);
	ck_assert(!swept);

	arun_event_set(&cleaned);
	ck_assert_int_eq(arun_join(closer, NULL), 0);
	ck_assert_int_eq(arun_join(sweeper, NULL), 0);
	ck_assert(swept);
	return 0;
}

START_TEST(closing_all_waits_without_a_clock_for_a_task_that_closes_one) {
	drive(close_while_it_is_closed, NULL);
}
END_TEST

Suite *suite(void) {
	Suite *suite = suite_create("gen");
	TCase *core = tcase_create("core");
	tcase_add_test(
		core, closing_all_waits_without_a_clock_for_a_task_that_closes_one);
	suite_add_tcase(suite, core);
	return suite;
}
