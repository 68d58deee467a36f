/* SPDX-License-Identifier: MIT */
/* Many tasks that do everything at once, by chance but the same in each run. */
#include "api.h"

enum { MIXED = 600, STEPS = 20, ITEMS = 50 };

/* A number below count. */
static unsigned chance(unsigned *seed, unsigned count) {
	*seed = *seed * 1103515245 + 12345;
	return (*seed >> 16) % count;
}

static int yield_once(void *arg) {
	(void)arg;
	return arun_sleep(0);
}

/* What a task may do in a step; each may be cut short. */

static void step_yield(unsigned *seed) {
	(void)seed;
	arun_sleep(0);
}

static void step_sleep(unsigned *seed) {
	arun_sleep(0.0005 * chance(seed, 4));
}

static void step_timeout(unsigned *seed) {
	ARUN_TIMEOUT(0.0003 * chance(seed, 5));
	arun_sleep(0.001);
}

static void step_shield(unsigned *seed) {
	ARUN_SHIELD(0.0003 * chance(seed, 5));
	arun_sleep(0.001);
}

static void step_group(unsigned *seed) {
	ARUN_GROUP(group);
	for (int i = 0; i < 3; i++) {
		arun_group_spawn(group, yield_once, NULL);
	}
	if (chance(seed, 2)) {
		arun_group_wait(group);
	}
}

static void step_first(unsigned *seed) {
	ARUN_TIMEOUT(0.0003 * chance(seed, 5));
	ARUN_GROUP(group);
	arun_group_spawn(group, yield_once, NULL);
	arun_group_first(group);
}

static void step_join(unsigned *seed) {
	arun_task *task = arun_spawn(yield_once, NULL);
	if (chance(seed, 2)) {
		arun_cancel(task);
	}
	while (arun_join(task, NULL) < 0) {
		arun_cancel(task);
	}
}

static void step_detach(unsigned *seed) {
	(void)seed;
	arun_task *task = arun_spawn(yield_once, NULL);
	/* Cancelled with the run, it has not failed. */
	arun_detach(task);
}

static void (*const steps[])(unsigned *) = {step_yield, step_sleep, step_timeout,
	step_shield, step_group, step_first, step_join, step_detach};

static int ended;

static int take_steps(void *arg) {
	unsigned seed = *(unsigned *)arg;
	for (int i = 0; i < STEPS; i++) {
		steps[chance(&seed, sizeof steps / sizeof *steps)](&seed);
	}
	ended++;
	return 0;
}

/* Yields numbers that rise, some late, some in a hurry. */
static int count_by_chance(void *arg) {
	unsigned seed = *(unsigned *)arg;
	for (int i = 1;; i++) {
		if (chance(&seed, 7) == 0) {
			arun_sleep(0.0005);
		}
		ARUN_TIMEOUT(chance(&seed, 11) ? FOREVER : 0.0002);
		if (arun_gen_yield(&i) < 0 && errno == ECANCELED) {
			return i;
		}
	}
}

static int draw_by_chance(void *arg) {
	unsigned seed = *(unsigned *)arg;
	int last = 0;
	arun_gen *gen = arun_gen_new(count_by_chance, arg);
	for (int i = 0; i < ITEMS; i++) {
		ARUN_TIMEOUT(chance(&seed, 3) ? FOREVER : 0.0004);
		const int *item = arun_gen_next(gen);
		ck_assert(!item || *item > last);
		last = item ? *item : last;
	}
	ck_assert_int_ge(arun_gen_close(gen), 0);
	ended++;
	return 0;
}

CLAIM(many_tasks_that_do_everything_at_once_end_and_leave_nothing) {
	static unsigned seeds[MIXED];
	static arun_task *tasks[MIXED];
	unsigned seed = 1;
	for (unsigned i = 0; i < MIXED; i++) {
		seeds[i] = i * 7919 + 1;
		tasks[i] = arun_spawn(i % 3 ? take_steps : draw_by_chance, &seeds[i]);
		ck_assert_ptr_nonnull(tasks[i]);
	}
	for (int i = 0; i < MIXED / 2; i++) {
		arun_cancel(tasks[chance(&seed, MIXED)]);
		step_sleep(&seed);
	}
	for (int i = 0; i < MIXED; i++) {
		ck_assert_int_eq(joined(tasks[i]), 0);
	}
	ck_assert_int_eq(ended, MIXED);
}

Suite *suite(void) {
	Suite *suite = suite_create("mixture");
	TCase *mixture = tcase_create("mixture");
	tcase_add_test(
		mixture, many_tasks_that_do_everything_at_once_end_and_leave_nothing);
	suite_add_tcase(suite, mixture);
	return suite;
}
