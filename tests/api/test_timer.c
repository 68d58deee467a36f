/* SPDX-License-Identifier: MIT */
#include "misuse.h"

#include <math.h>

struct ticker {
	arun_timer *timer;
	int count, stop_at;
	double times[16];
	double block; /* seconds that the first call takes */
};

static void tick(void *arg) {
	struct ticker *self = arg;
	if (self->count < 16) {
		self->times[self->count] = arun_now();
	}
	self->count++;
	if (self->count == 1 && self->block > 0) {
		usleep((useconds_t)(self->block * 1e6));
	}
	if (self->count == self->stop_at) {
		arun_timer_stop(self->timer);
		self->timer = NULL;
	}
}

/* Waits, 10 s at most, until so many calls were made. */
static void await_count(const struct ticker *self, int count) {
	ARUN_TIMEOUT(10);
	while (self->count < count) {
		ck_assert_int_eq(arun_sleep(0.001), 0);
	}
}

CLAIM(a_timer_fires_once_after_its_time_and_can_be_stopped_then) {
	struct ticker self = {.count = 0};
	double start = arun_now();
	self.timer = arun_timer_start(0.02, 0, tick, &self);
	await_count(&self, 1);
	ck_assert_double_ge(self.times[0], start + 0.0199);
	ck_assert_int_eq(arun_sleep(0.05), 0);
	ck_assert_int_eq(self.count, 1);
	arun_timer_stop(self.timer);
}

CLAIM(one_that_has_fired_for_the_last_time_is_no_leak) {
	struct ticker self = {.count = 0};
	ck_assert_ptr_nonnull((arun_timer_start)(-1, 0, tick, &self));
	await_count(&self, 1);
}

CLAIM(one_that_repeats_does_not_drift) {
	struct ticker self = {.stop_at = 8};
	double start = arun_now();
	self.timer = arun_timer_start(0.01, 0.01, tick, &self);
	await_count(&self, 8);
	for (int i = 0; i < 8; i++) {
		ck_assert_double_ge(self.times[i], start + 0.01 * (i + 1) - 0.0005);
	}
	ck_assert_ptr_null(self.timer);
}

CLAIM(times_that_were_missed_are_skipped_and_the_rhythm_is_kept) {
	struct ticker self = {.stop_at = 3, .block = 0.075};
	self.timer = arun_timer_start(0.02, 0.02, tick, &self);
	await_count(&self, 3);
	double first = self.times[0];
	for (int i = 1; i < 3; i++) {
		double beats = (self.times[i] - first) / 0.02;
		ck_assert_double_ge(beats, 3.5);
		ck_assert_double_gt(self.times[i], self.times[i - 1] + 0.001);
	}
}

CLAIM(a_stopped_timer_does_not_fire) {
	struct ticker self = {.count = 0};
	self.timer = arun_timer_start(0.01, 0.01, tick, &self);
	arun_timer_stop(self.timer);
	arun_timer_stop(NULL);
	ck_assert_int_eq(arun_sleep(0.03), 0);
	ck_assert_int_eq(self.count, 0);
}

CLAIM(a_timer_may_stop_itself_and_start_another) {
	struct ticker self = {.stop_at = 1};
	for (int i = 0; i < 3; i++) {
		self.count = 0;
		self.timer = arun_timer_start(0, 0.001, tick, &self);
		await_count(&self, 1);
		ck_assert_ptr_null(self.timer);
	}
}

CLAIM(what_is_no_time_is_EINVAL) {
	struct ticker self = {.count = 0};
	assert_null(arun_timer_start(NAN, 0, tick, &self), EINVAL);
	assert_null(arun_timer_start(INFINITY, 0, tick, &self), EINVAL);
	assert_null(arun_timer_start(0, NAN, tick, &self), EINVAL);
	assert_null(arun_timer_start(0, -1, tick, &self), EINVAL);
	assert_null(arun_timer_start(0, 0, NULL, &self), EINVAL);
	assert_contains(arun_why(), "timer_start");
}

START_TEST(outside_a_run_there_are_no_timers) {
	assert_null(arun_timer_start(1, 0, tick, NULL), ESHUTDOWN);
}
END_TEST

CLAIM(without_memory_it_is_ENOMEM) {
	static struct ticker selves[200000];
	static arun_timer *timers[200000];
	struct rlimit old = limit_memory();
	int count = 0, error = 0;
	while (API_LIMITS && count < 200000 && !error) {
		timers[count] = arun_timer_start(FOREVER, 0, tick, &selves[count]);
		error = timers[count] ? 0 : errno;
		count += timers[count] != NULL;
	}
	setrlimit(RLIMIT_AS, &old);
	for (int i = 0; i < count; i++) {
		arun_timer_stop(timers[i]);
	}
	ck_assert(!API_LIMITS || error == ENOMEM);
}

static void leave_timers(void) {
	static struct ticker self;
	arun_timer_start(FOREVER, 0, tick, &self);
	arun_timer_start(FOREVER, 2, tick, &self);
}

START_TEST(a_timer_that_is_armed_at_the_end_is_a_leak) {
	const char *text = run_reported(leave_timers, 23);
	assert_contains(text, "leak: timer \"tick\" (#2) not stopped");
	assert_contains(text, "leak: timer \"tick\" (#3) every 2 s not stopped");
	assert_contains(text, "2 leaks: 2 timers\n");
}
END_TEST

static int stop_in_clean_up(void *arg) {
	arun_sleep(FOREVER);
	arun_timer_stop(arg);
	return 0;
}

static void leave_to_clean_up(void) {
	static struct ticker self;
	arun_detach(
		arun_spawn(stop_in_clean_up, arun_timer_start(FOREVER, 1, tick, &self)));
	let_others_run(1);
}

START_TEST(a_task_that_is_swept_may_stop_its_timer) {
	run_reported(leave_to_clean_up, 23);
}
END_TEST

static void suspend(void *arg) {
	(void)arg;
	arun_sleep(0);
}

MISUSE(a_timer_that_suspends_is_misuse,
	"in a callback of the loop: only a task can suspend") {
	arun_timer_start(0, 0, suspend, NULL);
	arun_sleep(FOREVER);
}

Suite *suite(void) {
	Suite *suite = suite_create("timer");
	TCase *timer = tcase_create("timer");
	tcase_add_test(timer, a_timer_fires_once_after_its_time_and_can_be_stopped_then);
	tcase_add_test(timer, one_that_has_fired_for_the_last_time_is_no_leak);
	tcase_add_test(timer, one_that_repeats_does_not_drift);
	tcase_add_test(timer, times_that_were_missed_are_skipped_and_the_rhythm_is_kept);
	tcase_add_test(timer, a_stopped_timer_does_not_fire);
	tcase_add_test(timer, a_timer_may_stop_itself_and_start_another);
	tcase_add_test(timer, what_is_no_time_is_EINVAL);
	tcase_add_test(timer, outside_a_run_there_are_no_timers);
	tcase_add_test(timer, without_memory_it_is_ENOMEM);
	tcase_add_test(timer, a_timer_that_is_armed_at_the_end_is_a_leak);
	tcase_add_test(timer, a_task_that_is_swept_may_stop_its_timer);
	tcase_add_test(timer, a_timer_that_suspends_is_misuse);
	suite_add_tcase(suite, timer);
	return suite;
}
