/* SPDX-License-Identifier: MIT */
#include "drive.h"
#include "suite.h"

#include <ev.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

static int order[8];
static int ordered;

static void join(struct arun_task *task) {
	ck_assert_int_eq(arun_join(task, NULL), 0);
}

/* Time -------------------------------------------------------------------------------------- */

struct sleeper {
	double time;
	int name;
};

static int sleep_and_note(void *arg) {
	const struct sleeper *self = arg;
	drive_sleep_until(self->time);
	ck_assert_double_ge(loop_clock(), self->time);
	order[ordered++] = self->name;
	return 0;
}

static int sleep_three(void *arg) {
	double now = loop_clock();
	struct sleeper sleepers[] = {{now + 0.06, 3}, {now + 0.02, 1}, {now + 0.04, 2}};
	struct arun_task *tasks[3];
	(void)arg;
	for (int i = 0; i < 3; i++) {
		tasks[i] = drive_spawn(sleep_and_note, &sleepers[i]);
	}
	for (int i = 0; i < 3; i++) {
		join(tasks[i]);
	}
	return 0;
}

START_TEST(sleepers_wake_in_the_order_of_their_times_and_not_before) {
	const int expected[] = {1, 2, 3};
	drive(sleep_three, NULL);
	ck_assert_int_eq(memcmp(order, expected, sizeof expected), 0);
}
END_TEST

static int look_at_clock(void *arg) {
	(void)arg;
	double before = arun_now();
	ck_assert_double_eq(before, drive_sched()->registry.now);
	drive_sleep_until(loop_clock() + 0.02);
	ck_assert_double_ge(arun_now(), before + 0.02);
	ck_assert_double_le(arun_now(), loop_clock());
	return 0;
}

START_TEST(now_is_the_clock_of_the_last_turn) {
	drive(look_at_clock, NULL);
}
END_TEST

static unsigned fired;

static void count_timer(struct loop_timer *timer) {
	ck_assert(!timer->active);
	ck_assert_ptr_null(drive_sched()->current);
	fired++;
}

static int run_timers(void *arg) {
	struct loop_timer one = {.active = false}, stopped = {.active = false};
	(void)arg;
	loop_timer_start(drive_loop(), &one, 0.01, count_timer);
	loop_timer_start(drive_loop(), &stopped, 0.005, count_timer);
	ck_assert(one.active);
	loop_timer_stop(drive_loop(), &stopped);
	loop_timer_stop(drive_loop(), &stopped);
	drive_until(fired == 1);
	drive_sleep_until(loop_clock() + 0.03);
	ck_assert_uint_eq(fired, 1);
	ck_assert(!one.active);

	loop_timer_start(drive_loop(), &one, 0, count_timer);
	drive_until(fired == 2);
	return 0;
}

START_TEST(a_timer_fires_once_in_the_loop_and_a_stopped_one_never) {
	drive(run_timers, NULL);
}
END_TEST

static void spin_until(double time) {
	while (loop_clock() < time) {
	}
}

static int restart_timer(void *arg) {
	struct loop_timer timer = {.active = false};
	(void)arg;
	loop_timer_start(drive_loop(), &timer, 0.001, count_timer);
	spin_until(loop_clock() + 0.03);
	double start = loop_clock();
	loop_timer_start(drive_loop(), &timer, 0.04, count_timer);
	drive_until(fired == 1);
	ck_assert_double_ge(loop_clock() - start, 0.0399);
	return 0;
}

START_TEST(a_timer_counts_from_its_last_start_whatever_tasks_did_before) {
	drive(restart_timer, NULL);
}
END_TEST

static int yield_until_fired(void *arg) {
	(void)arg;
	while (!fired) {
		drive_yield();
	}
	return 0;
}

static int crowd_out(void *arg) {
	struct loop_timer timer = {.active = false};
	loop_timer_start(drive_loop(), &timer, 0.005, count_timer);
	struct arun_task *one = drive_spawn(yield_until_fired, arg);
	struct arun_task *two = drive_spawn(yield_until_fired, arg);
	join(one);
	join(two);
	return 0;
}

START_TEST(tasks_that_are_always_runnable_do_not_hold_up_time) {
	drive(crowd_out, NULL);
	ck_assert_uint_eq(fired, 1);
}
END_TEST

static int yield_many(void *arg) {
	(void)arg;
	for (int i = 0; i < 100 * SCHED_BUDGET; i++) {
		drive_yield();
	}
	return 0;
}

/* However fast or slow the machine is: as many turns as there were pauses, and those at the ends. */
static int count_turns(void *arg) {
	double begin = loop_clock();
	unsigned before = ev_iteration(drive_loop()->ev);
	struct arun_task *one = drive_spawn(yield_many, arg);
	struct arun_task *two = drive_spawn(yield_many, arg);
	join(one);
	join(two);
	double turns = ev_iteration(drive_loop()->ev) - before;
	ck_assert_double_ge(turns, 1);
	ck_assert_double_le(turns, (loop_clock() - begin) / LOOP_PAUSE + 3);
	return 0;
}

START_TEST(libev_has_its_turns_at_a_distance_while_tasks_can_run) {
	ck_assert_int_eq(drive(count_turns, NULL), 0);
}
END_TEST

/* Wake-ups ------------------------------------------------------------------------------------ */

static struct arun_task *waiter;
static unsigned woken;

static void wake_waiter(struct loop *loop) {
	woken++;
	ck_assert_ptr_null(loop->sched.current);
	if (waiter) {
		task_wake(&loop->sched, waiter);
	}
}

/* Waits for a wake-up with nothing else under way that could end the turn. */
static void wait_for_wakeup(void) {
	waiter = arun_self();
	drive_loop()->woken = wake_waiter;
	drive_loop()->pending++;
	ck_assert_int_eq(task_suspend(drive_sched(), waiter, INFINITY, false), 0);
	drive_loop()->pending--;
	ck_assert_uint_ge(woken, 1);
}

/* Ends only when the loop has slept for a while, so that it is woken out of its wait. */
static void *wake_from_thread(void *arg) {
	struct timespec pause = {0, 20000000};
	nanosleep(&pause, NULL);
	loop_wakeup(arg);
	return NULL;
}

static int wait_for_thread(void *arg) {
	pthread_t thread;
	(void)arg;
	ck_assert_int_eq(
		pthread_create(&thread, NULL, wake_from_thread, drive_loop()), 0);
	wait_for_wakeup();
	pthread_join(thread, NULL);
	return 0;
}

START_TEST(another_thread_ends_the_wait_of_the_loop) {
	drive(wait_for_thread, NULL);
}
END_TEST

static void wake_from_handler(int signum) {
	(void)signum;
	loop_wakeup(loop_here());
}

static int wait_for_signal(void *arg) {
	struct itimerspec soon = {.it_value.tv_nsec = 20000000};
	timer_t timer;
	(void)arg;
	signal(SIGALRM, wake_from_handler);
	ck_assert_int_eq(timer_create(CLOCK_MONOTONIC, NULL, &timer), 0);
	ck_assert_int_eq(timer_settime(timer, 0, &soon, NULL), 0);
	wait_for_wakeup();
	timer_delete(timer);
	return 0;
}

START_TEST(a_signal_handler_ends_the_wait_of_the_loop) {
	drive(wait_for_signal, NULL);
}
END_TEST

static int wake_often(void *arg) {
	(void)arg;
	drive_loop()->woken = wake_waiter;
	for (int i = 0; i < 1000; i++) {
		loop_wakeup(drive_loop());
	}
	drive_until(woken > 0);
	drive_sleep_until(loop_clock() + 0.01);
	ck_assert_uint_eq(woken, 1);
	loop_wakeup(drive_loop());
	drive_until(woken == 2);
	return 0;
}

START_TEST(wakeups_before_a_turn_are_one) {
	drive(wake_often, NULL);
}
END_TEST

/* Stuck ---------------------------------------------------------------------------------------- */

static unsigned stuck;

static bool wake_stuck(struct loop *loop) {
	stuck++;
	task_wake(&loop->sched, waiter);
	return true;
}

static int wait_for_nothing(void *arg) {
	(void)arg;
	waiter = arun_self();
	drive_loop()->stuck = wake_stuck;
	ck_assert_int_eq(task_suspend(drive_sched(), waiter, INFINITY, false), 0);
	return 0;
}

START_TEST(the_loop_is_stuck_when_all_wait_for_each_other) {
	drive(wait_for_nothing, NULL);
	ck_assert_uint_eq(stuck, 1);
}
END_TEST

static int sleep_only(void *arg) {
	(void)arg;
	drive_loop()->stuck = wake_stuck;
	drive_sleep_until(loop_clock() + 0.02);
	ck_assert_uint_eq(stuck, 0);
	return 0;
}

START_TEST(a_loop_with_a_sleeper_is_not_stuck) {
	drive(sleep_only, NULL);
}
END_TEST

static void wake_from_foreign_timer(struct ev_loop *ev, ev_timer *timer, int events) {
	(void)ev;
	(void)events;
	ck_assert_uint_eq(stuck, 0);
	task_wake(sched_current, timer->data);
}

/* What a plugin registers with libev itself. */
static int wait_for_foreign_timer(void *arg) {
	ev_timer timer;
	(void)arg;
	ev_timer_init(&timer, wake_from_foreign_timer, 0.02, 0);
	timer.data = waiter = arun_self();
	ck_assert_ptr_eq(arun_loop(), drive_loop()->ev);
	ev_timer_start(arun_loop(), &timer);
	drive_loop()->stuck = wake_stuck;
	ck_assert_int_eq(task_suspend(drive_sched(), waiter, INFINITY, false), 0);
	return 0;
}

START_TEST(a_loop_with_a_foreign_watcher_is_not_stuck) {
	drive(wait_for_foreign_timer, NULL);
	ck_assert_uint_eq(stuck, 0);
}
END_TEST

static bool decline_stuck(struct loop *loop) {
	return ++stuck == 2 && wake_stuck(loop);
}

static int wait_while_declined(void *arg) {
	double start = loop_clock();
	(void)arg;
	waiter = arun_self();
	drive_loop()->stuck = decline_stuck;
	ck_assert_int_eq(task_suspend(drive_sched(), waiter, INFINITY, false), 0);
	ck_assert_double_ge(loop_clock() - start, 0.9);
	return 0;
}

START_TEST(a_verdict_that_is_declined_is_asked_for_again_after_a_second) {
	drive(wait_while_declined, NULL);
}
END_TEST

/* Whose loop ----------------------------------------------------------------------------------- */

static unsigned host_calls;

static void count_host(struct ev_loop *ev, ev_timer *timer, int events) {
	(void)ev;
	(void)timer;
	(void)events;
	host_calls++;
}

static int sleep_briefly(void *arg) {
	(void)arg;
	drive_sleep_until(loop_clock() + 0.02);
	return 5;
}

START_TEST(the_loop_of_a_host_is_used_and_left_as_it_was) {
	struct ev_loop *host = ev_loop_new(EVBACKEND_EPOLL);
	ev_timer timer;
	struct drive drive;
	ev_timer_init(&timer, count_host, 0.001, 0);
	ev_timer_start(host, &timer);
	drive_init_with(&drive, host);
	ck_assert_ptr_eq(arun_loop(), host);
	ck_assert_int_eq(drive_run(&drive, sleep_briefly, NULL), 5);
	drive_finish(&drive);

	ck_assert_uint_eq(host_calls, 1);
	ck_assert_uint_eq(ev_pending_count(host), 0);
	ck_assert_int_eq(ev_run(host, EVRUN_NOWAIT), 0);
	ev_loop_destroy(host);
}
END_TEST

START_TEST(there_is_no_loop_outside_a_run) {
	ck_assert_ptr_null(arun_loop());
	double now = arun_now();
	ck_assert_double_gt(now, 0);
	ck_assert_double_le(now, loop_clock());
}
END_TEST

START_TEST(one_loop_after_another_can_be_run) {
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(drive(sleep_briefly, NULL), 5);
	}
}
END_TEST

Suite *suite(void) {
	Suite *suite = suite_create("loop");
	TCase *core = tcase_create("core");
	tcase_add_test(core, sleepers_wake_in_the_order_of_their_times_and_not_before);
	tcase_add_test(core, now_is_the_clock_of_the_last_turn);
	tcase_add_test(core, a_timer_fires_once_in_the_loop_and_a_stopped_one_never);
	tcase_add_test(
		core, a_timer_counts_from_its_last_start_whatever_tasks_did_before);
	tcase_add_test(core, tasks_that_are_always_runnable_do_not_hold_up_time);
	tcase_add_test(core, libev_has_its_turns_at_a_distance_while_tasks_can_run);
	tcase_add_test(core, another_thread_ends_the_wait_of_the_loop);
	tcase_add_test(core, a_signal_handler_ends_the_wait_of_the_loop);
	tcase_add_test(core, wakeups_before_a_turn_are_one);
	tcase_add_test(core, the_loop_is_stuck_when_all_wait_for_each_other);
	tcase_add_test(core, a_loop_with_a_sleeper_is_not_stuck);
	tcase_add_test(core, a_loop_with_a_foreign_watcher_is_not_stuck);
	tcase_add_test(
		core, a_verdict_that_is_declined_is_asked_for_again_after_a_second);
	tcase_add_test(core, the_loop_of_a_host_is_used_and_left_as_it_was);
	tcase_add_test(core, there_is_no_loop_outside_a_run);
	tcase_add_test(core, one_loop_after_another_can_be_run);
	suite_add_tcase(suite, core);
	return suite;
}
