/* SPDX-License-Identifier: MIT */
/*
 * drive - runs a function as the first task of a loop, for tests of what suspends.
 *
 * drive(fn, arg) makes a loop, runs fn(arg) in a task, and ends the loop when fn has
 * returned. Where nothing can happen any more the test fails. Hooks of the loop may be
 * set in fn, at drive_loop().
 */
#ifndef DRIVE_H
#define DRIVE_H

#include "loop.h"

#include <check.h>

struct drive {
	struct loop loop; /* first: loop_here() */
	int result, error;
	unsigned failures; /* tasks that failed with nobody waiting */
	unsigned ignorers; /* tasks that ignored too many cancels */
};

static inline struct drive *drive_here(void) {
	return (struct drive *)(void *)sched_current;
}

static inline struct loop *drive_loop(void) {
	return &drive_here()->loop;
}

static inline struct sched *drive_sched(void) {
	return sched_current;
}

static inline bool drive_stuck(struct loop *loop) {
	ck_abort_msg("nothing can happen any more, with %u tasks", loop->sched.tasks);
	return true;
}

static inline void drive_woken(struct loop *loop) {
	(void)loop;
}

static inline void drive_failed(struct arun_task *task) {
	(void)task;
	drive_here()->failures++;
}

static inline void drive_ignores(struct arun_task *task) {
	(void)task;
	drive_here()->ignorers++;
}

static inline void drive_ended(struct arun_task *task) {
	struct drive *self = task->owner;
	self->result = task->result;
	self->error = task->error;
	self->loop.quit = true;
	task_free(&self->loop.sched, task);
}

/* host: the libev loop to use; NULL: one of its own. */
static inline void drive_init_with(struct drive *self, struct ev_loop *host) {
	*self = (struct drive){.result = 0};
	ck_assert_int_eq(loop_init(&self->loop, host, NULL), 0);
	self->loop.woken = drive_woken;
	self->loop.stuck = drive_stuck;
	self->loop.sched.failed = drive_failed;
	self->loop.sched.ignores = drive_ignores;
	sched_current = &self->loop.sched;
}

static inline void drive_init(struct drive *self) {
	drive_init_with(self, NULL);
}

static inline void drive_finish(struct drive *self) {
	loop_finish(&self->loop);
	sched_current = NULL;
}

/* Queues the task whose end ends drive_run(). */
static inline struct arun_task *drive_start(
	struct drive *self, int (*fn)(void *), void *arg) {
	struct arun_task *task =
		task_make(&self->loop.sched, "drive", 256 * 1024, fn, arg);
	ck_assert_ptr_nonnull(task);
	task_own(task, NULL, drive_ended, self);
	task_start(&self->loop.sched, task, NULL);
	return task;
}

/* Returns what fn returned, with its errno. */
static inline int drive_run(struct drive *self, int (*fn)(void *), void *arg) {
	drive_start(self, fn, arg);
	self->loop.quit = false;
	loop_run(&self->loop);
	errno = self->error;
	return self->result;
}

static inline int drive(int (*fn)(void *), void *arg) {
	struct drive self;
	drive_init(&self);
	int result = drive_run(&self, fn, arg);
	int error = errno;
	drive_finish(&self);
	errno = error;
	return result;
}

/* For fn of a task: spawns another one, which must work. */
static inline struct arun_task *drive_spawn(int (*fn)(void *), void *arg) {
	struct arun_task *task = task_make(sched_current, "spawned", 0, fn, arg);
	ck_assert_ptr_nonnull(task);
	task_start(sched_current, task, NULL);
	return task;
}

/* Joins task, which must have returned that (-errno in place of -1). */
static inline void drive_join(struct arun_task *task, int expected) {
	int result = -999;
	ck_assert_int_eq(arun_join(task, &result), 0);
	ck_assert_int_eq(result, expected);
}

/* Suspends the running task until it is woken. Returns 0, or what ended that. */
static inline int drive_suspend(bool interruptible) {
	return task_suspend(sched_current, arun_self(), INFINITY, interruptible);
}

/* Lets all that is runnable run, and the loop have a turn if its budget is spent. */
static inline void drive_yield(void) {
	sched_yield_task(sched_current, sched_current->current);
}

/* Suspends the running task until the loop's clock is time. */
static inline void drive_sleep_until(double time) {
	struct sched *sched = sched_current;
	ck_assert_int_eq(task_suspend(sched, sched->current, time, false), ETIME);
}

/* Waits, for 10 s at most, until condition is so; the loop turns meanwhile. */
#define drive_until(condition)                                                           \
	do {                                                                             \
		double drive_end_ = loop_clock() + 10;                                   \
		while (!(condition)) {                                                   \
			ck_assert_msg(loop_clock() < drive_end_, "not so in 10 s: %s",   \
				#condition);                                             \
			drive_sleep_until(sched_current->registry.now + 0.001);          \
		}                                                                        \
	} while (0)

#endif
