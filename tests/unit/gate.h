/* SPDX-License-Identifier: MIT */
/* gate - jobs of the pool that end when they are told to. */
#ifndef GATE_H
#define GATE_H

#include "drive.h"
#include "pool.h"

#include <semaphore.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A job that ends when it is told to. */
struct gate {
	sem_t first, entered, open;
	int result;
	unsigned released; /* by the pool */
	int interrupted;   /* what pool_call() returned */
	pid_t thread;      /* the first that entered */
};

static inline void gate_init(struct gate *gate) {
	*gate = (struct gate){.result = -1};
	sem_init(&gate->first, 0, 1);
	sem_init(&gate->entered, 0, 0);
	sem_init(&gate->open, 0, 0);
}

static inline int gate_pass(void *arg) {
	struct gate *gate = arg;
	if (!sem_trywait(&gate->first)) {
		gate->thread = (pid_t)syscall(SYS_gettid);
	}
	sem_post(&gate->entered);
	while (sem_wait(&gate->open) < 0) {
	}
	return 7;
}

static inline void gate_release(void *arg) {
	struct gate *gate = arg;
	gate->released++;
}

static inline int gate_count(struct gate *gate) {
	int count = 0;
	sem_getvalue(&gate->entered, &count);
	return count;
}

static inline int call(enum pool_lane lane, int (*fn)(void *), void *arg, int *result) {
	struct pool_request request = {.lane = lane, .fn = fn, .arg = arg};
	return pool_call(sched_current->current, &request, result);
}

static inline void wait_at(struct gate *gate, enum pool_lane lane) {
	struct pool_request request = {
		.lane = lane, .fn = gate_pass, .arg = gate, .release = gate_release};
	gate->interrupted = pool_call(sched_current->current, &request, &gate->result);
}

/* The task of one job at a gate. */
static inline int wait_at_gate(void *arg) {
	wait_at(arg, POOL_JOBS);
	return 0;
}

static inline int wait_at_gate_of_lookups(void *arg) {
	wait_at(arg, POOL_LOOKUPS);
	return 0;
}

/* Runs fn in a task of a loop that collects, and ends the pool. */
static inline void with_pool(int (*fn)(void *), void *arg) {
	struct drive drive;
	drive_init(&drive);
	drive.loop.woken = pool_collect;
	ck_assert_int_eq(drive_run(&drive, fn, arg), 0);
	ck_assert(pool_finish(&drive.loop, loop_clock() + 10));
	ck_assert_ptr_null(drive.loop.pool);
	drive_finish(&drive);
}

#endif
