/* SPDX-License-Identifier: MIT */
/* When tasks run, and what ends their waits. */
#include "drive.h"
#include "suite.h"

#include <string.h>

static int order[4096];
static int ordered;

static int note(void *arg) {
	order[ordered++] = *(int *)arg;
	return 0;
}

/* Order ------------------------------------------------------------------------------------- */

static int spawn_many(void *arg) {
	enum { COUNT = 3000 };
	static int numbers[COUNT];
	static struct arun_task *tasks[COUNT];
	(void)arg;
	for (int i = 0; i < COUNT; i++) {
		numbers[i] = i;
		tasks[i] = drive_spawn(note, &numbers[i]);
	}
	ck_assert_int_eq(ordered, 0);
	for (int i = 0; i < COUNT; i++) {
		drive_join(tasks[i], 0);
		ck_assert_int_eq(order[i], i);
	}
	return 0;
}

START_TEST(tasks_first_run_when_the_spawner_suspends_and_in_the_order_of_spawning) {
	ck_assert_int_eq(drive(spawn_many, NULL), 0);
	ck_assert_int_eq(ordered, 3000);
}
END_TEST

static int note_and_yield(void *arg) {
	for (int i = 0; i < 3; i++) {
		note(arg);
		drive_yield();
	}
	return 0;
}

static int take_turns(void *arg) {
	static int names[] = {1, 2, 3};
	struct arun_task *tasks[3];
	(void)arg;
	for (int i = 0; i < 3; i++) {
		tasks[i] = drive_spawn(note_and_yield, &names[i]);
	}
	for (int i = 0; i < 3; i++) {
		drive_join(tasks[i], 0);
	}
	return 0;
}

START_TEST(a_yield_lets_every_runnable_task_run_once) {
	const int expected[] = {1, 2, 3, 1, 2, 3, 1, 2, 3};
	drive(take_turns, NULL);
	ck_assert_int_eq(ordered, 9);
	ck_assert_int_eq(memcmp(order, expected, sizeof expected), 0);
}
END_TEST

/* Who has to run next; what tasks do to it follows what the queue should do. */
static struct {
	int next[65536];
	int head, tail;
	int tasks;
} line;

static int stand_in_line(void *arg);

static void enter_line(void) {
	static int numbers[2000];
	int *number = &numbers[line.tasks];
	*number = line.tasks++;
	line.next[line.tail++] = *number;
	arun_detach(drive_spawn(stand_in_line, number));
}

static int stand_in_line(void *arg) {
	int number = *(int *)arg, turns = 3 + number % 20;
	for (int turn = 0; turn < turns; turn++) {
		ck_assert_int_eq(line.next[line.head++], number);
		if (turn % 3 == 1 && line.tasks < 2000) {
			enter_line();
		}
		line.next[line.tail++] = number;
		drive_yield();
	}
	ck_assert_int_eq(line.next[line.head++], number);
	return 0;
}

static int keep_a_line(void *arg) {
	(void)arg;
	for (int i = 0; i < 100; i++) {
		enter_line();
	}
	while (drive_sched()->tasks > 1) {
		drive_yield();
	}
	return 0;
}

START_TEST(tasks_take_turns_in_order_while_ever_more_are_made) {
	drive(keep_a_line, NULL);
	ck_assert_int_eq(line.tasks, 2000);
	ck_assert_int_eq(line.head, line.tail);
}
END_TEST

static int yield_for_ever(void *arg) {
	for (;;) {
		++*(int *)arg;
		drive_yield();
	}
	return 0;
}

START_TEST(the_loop_gets_its_turn_after_256_switches) {
	struct drive drive;
	int switches = 0;
	drive_init(&drive);
	drive_spawn(yield_for_ever, &switches);
	drive_spawn(yield_for_ever, &switches);

	sched_run(&drive.loop.sched);

	ck_assert_int_eq(switches, SCHED_BUDGET);
	ck_assert(sched_runnable(&drive.loop.sched));
	ck_assert_ptr_null(drive.loop.sched.current);
	drive_finish(&drive);
}
END_TEST

static int spoil_errno(void *arg) {
	errno = *(int *)arg;
	drive_yield();
	ck_assert_int_eq(errno, *(int *)arg);
	return 0;
}

static int keep_errno(void *arg) {
	static int numbers[] = {ENOENT, EPERM};
	(void)arg;
	struct arun_task *one = drive_spawn(spoil_errno, &numbers[0]);
	struct arun_task *two = drive_spawn(spoil_errno, &numbers[1]);
	errno = EDOM;
	drive_yield();
	ck_assert_int_eq(errno, EDOM);
	drive_join(one, 0);
	drive_join(two, 0);
	return 0;
}

START_TEST(each_task_has_its_own_errno) {
	ck_assert_int_eq(drive(keep_errno, NULL), 0);
}
END_TEST

/* Cancels -------------------------------------------------------------------------------------- */

static int wait_thrice(void *arg) {
	int *why = arg;
	for (int i = 0; i < 3; i++) {
		why[i] = drive_suspend(true);
	}
	return 0;
}

static int cancel_waiting(void *arg) {
	struct arun_task *task = drive_spawn(wait_thrice, arg);
	drive_yield();
	arun_cancel(task);
	drive_join(task, 0);
	return 0;
}

START_TEST(a_cancel_ends_the_wait_under_way_and_every_later_one) {
	int why[3] = {0};
	drive(cancel_waiting, why);
	ck_assert_int_eq(why[0], ECANCELED);
	ck_assert_int_eq(why[1], ECANCELED);
	ck_assert_int_eq(why[2], ECANCELED);
}
END_TEST

static int cancel_before_run(void *arg) {
	struct arun_task *task = drive_spawn(wait_thrice, arg);
	arun_cancel(task);
	drive_join(task, 0);
	return 0;
}

START_TEST(a_task_cancelled_before_it_ran_still_runs) {
	int why[3] = {0};
	drive(cancel_before_run, why);
	ck_assert_int_eq(why[0], ECANCELED);
}
END_TEST

static int wait_firmly(void *arg) {
	*(int *)arg = drive_suspend(false);
	note(arg);
	return 0;
}

static int cancel_firm_wait(void *arg) {
	struct arun_task *task = drive_spawn(wait_firmly, arg);
	drive_yield();
	arun_cancel(task);
	drive_yield();
	ck_assert_int_eq(ordered, 0);
	task_wake(drive_sched(), task);
	drive_join(task, 0);
	return 0;
}

START_TEST(a_wait_that_is_not_interruptible_ends_by_its_wake_alone) {
	int why = -1;
	drive(cancel_firm_wait, &why);
	ck_assert_int_eq(why, 0);
	ck_assert_int_eq(ordered, 1);
}
END_TEST

static int wake_and_cancel(void *arg) {
	struct arun_task *task = drive_spawn(wait_thrice, arg);
	drive_yield();
	task_wake(drive_sched(), task);
	arun_cancel(task);
	drive_join(task, 0);
	return 0;
}

START_TEST(a_wake_before_a_cancel_is_not_lost) {
	int why[3] = {-1, -1, -1};
	drive(wake_and_cancel, why);
	ck_assert_int_eq(why[0], 0);
	ck_assert_int_eq(why[1], ECANCELED);
}
END_TEST

static int wait_until_cancelled(void *arg) {
	*(int *)arg = drive_suspend(true);
	errno = *(int *)arg;
	return -1;
}

static int wake_early(void *arg) {
	struct arun_task *task = drive_spawn(wait_until_cancelled, arg);
	task_wake(drive_sched(), task);
	drive_yield();
	drive_yield();
	ck_assert_int_eq(task->state, TASK_WAITING);
	arun_cancel(task);
	drive_join(task, -ECANCELED);
	return 0;
}

START_TEST(a_wake_of_a_task_that_does_not_wait_is_not_kept) {
	int why = -1;
	ck_assert_int_eq(drive(wake_early, &why), 0);
	ck_assert_int_eq(why, ECANCELED);
}
END_TEST

static int ignore_cancels(void *arg) {
	(void)arg;
	arun_cancel(arun_self());
	for (int i = 0; i < 1500; i++) {
		ck_assert_uint_eq(drive_here()->ignorers, i >= 1000);
		ck_assert_int_eq(task_interrupted(drive_sched(), arun_self()), ECANCELED);
	}
	task_uncancel(arun_self());
	ck_assert_int_eq(task_interrupted(drive_sched(), arun_self()), 0);
	return 0;
}

START_TEST(the_thousandth_ignored_cancel_is_told_of_once) {
	ck_assert_int_eq(drive(ignore_cancels, NULL), 0);
}
END_TEST

/* Deadlines ----------------------------------------------------------------------------------- */

static int wait_in_scopes(void *arg) {
	struct arun_task *self = arun_self();
	double now = loop_clock();
	struct scope outer = {.task = self, .seconds = 0.02, .time = now + 0.02};
	struct scope inner = {
		.outer = &outer, .task = self, .seconds = 60, .time = now + 60};
	(void)arg;
	task_set_scopes(self, &inner);
	ck_assert_int_eq(drive_suspend(true), ETIMEDOUT);
	ck_assert_double_ge(loop_clock(), outer.time);
	ck_assert_ptr_eq(task_late_scope(drive_sched(), self), &outer);
	ck_assert_int_eq(drive_suspend(true), ETIMEDOUT);
	task_set_scopes(self, NULL);
	return 0;
}

START_TEST(an_inner_timeout_cannot_lengthen_the_outer_one) {
	ck_assert_int_eq(drive(wait_in_scopes, NULL), 0);
}
END_TEST

static int wait_in_shield(void *arg) {
	struct arun_task *self = arun_self();
	double now = loop_clock();
	struct scope timeout = {.task = self, .seconds = 0, .time = now};
	struct scope shield = {.outer = &timeout,
		.task = self,
		.seconds = 0.03,
		.time = now,
		.shield = true};
	(void)arg;
	task_set_scopes(self, &shield);
	arun_cancel(self);
	drive_sleep_until(now + 0.001);
	ck_assert_int_eq(task_pending(drive_sched(), self), 0);
	ck_assert_int_eq(drive_suspend(true), ECANCELED);
	ck_assert_double_ge(loop_clock(), now + 0.03);
	task_uncancel(self);
	ck_assert_int_eq(drive_suspend(true), ETIMEDOUT);
	task_set_scopes(self, NULL);
	return 0;
}

START_TEST(a_shield_holds_cancels_and_outer_timeouts_off_for_its_seconds) {
	ck_assert_int_eq(drive(wait_in_shield, NULL), 0);
}
END_TEST

static int wait_past_clock(void *arg) {
	struct arun_task *self = arun_self();
	struct scope shield = {
		.task = self, .seconds = 60, .time = loop_clock(), .shield = true};
	(void)arg;
	task_set_scopes(self, &shield);
	drive_sched()->clock_end = loop_clock() + 0.02;
	arun_cancel(self);
	ck_assert_int_eq(drive_suspend(true), ECANCELED);
	ck_assert_double_ge(loop_clock(), drive_sched()->clock_end);
	task_set_scopes(self, NULL);
	return 0;
}

START_TEST(a_shield_does_not_outlast_the_clock_of_a_stop) {
	ck_assert_int_eq(drive(wait_past_clock, NULL), 0);
}
END_TEST

Suite *suite(void) {
	Suite *suite = suite_create("sched");
	TCase *core = tcase_create("core");
	tcase_add_test(core,
		tasks_first_run_when_the_spawner_suspends_and_in_the_order_of_spawning);
	tcase_add_test(core, a_yield_lets_every_runnable_task_run_once);
	tcase_add_test(core, tasks_take_turns_in_order_while_ever_more_are_made);
	tcase_add_test(core, the_loop_gets_its_turn_after_256_switches);
	tcase_add_test(core, each_task_has_its_own_errno);
	tcase_add_test(core, a_cancel_ends_the_wait_under_way_and_every_later_one);
	tcase_add_test(core, a_task_cancelled_before_it_ran_still_runs);
	tcase_add_test(core, a_wait_that_is_not_interruptible_ends_by_its_wake_alone);
	tcase_add_test(core, a_wake_before_a_cancel_is_not_lost);
	tcase_add_test(core, a_wake_of_a_task_that_does_not_wait_is_not_kept);
	tcase_add_test(core, the_thousandth_ignored_cancel_is_told_of_once);
	tcase_add_test(core, an_inner_timeout_cannot_lengthen_the_outer_one);
	tcase_add_test(
		core, a_shield_holds_cancels_and_outer_timeouts_off_for_its_seconds);
	tcase_add_test(core, a_shield_does_not_outlast_the_clock_of_a_stop);
	suite_add_tcase(suite, core);
	return suite;
}
