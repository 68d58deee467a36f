/* SPDX-License-Identifier: MIT */
/*
 * pool - threads for calls that block.
 *
 * Threads start when a job finds none idle, at most POOL_THREADS a lane, and end after
 * POOL_IDLE seconds without work. They block all signals.
 */
#ifndef POOL_H
#define POOL_H

#include "loop.h"

enum { POOL_THREADS = 4, POOL_IDLE = 5 };

/* Each has threads of its own, so that neither starves the other. */
enum pool_lane { POOL_JOBS, POOL_LOOKUPS, POOL_LANES };

/* EAGAIN of the calls below, in words. */
#define POOL_NO_THREAD "no thread can be started"

struct pool_request {
	enum pool_lane lane;
	const char *name; /* for the reports; NULL: it is not listed */
	int (*fn)(void *);
	void *arg;
	void (*release)(void *arg); /* may be NULL; must not suspend */
	bool orphaned; /* out: it was running when the wait was cut short, and goes on */
};

/*
 * Runs fn(arg) on a thread of lane, and waits for it. Returns 0 with *result = what fn
 * returned and errno as fn left it. Otherwise why there is no result, and arg is given
 * away: release(arg) has been called, or, where fn is running by then, will be called on the
 * loop's thread when it has ended. ECANCELED, ETIMEDOUT: the wait was cut short; ENOMEM, EAGAIN:
 * no thread can be started. Suspends.
 */
int pool_call(struct arun_task *self, struct pool_request *request, int *result);

/* Wakes those whose jobs have ended. To be called on the loop's thread after
 * loop_wakeup(). */
void pool_collect(struct loop *loop);

/* Whether a job is under way, waited for or not. */
bool pool_busy(const struct loop *loop);

/* Whether a name is looked up on some thread, waited for or not. */
bool pool_looks_up(const struct loop *loop);

/* The job of arun_blocking() that this thread runs; NULL: none. It lasts as long as that. */
struct pool_job *pool_job_here(void);

/* In a forked child: its thread runs no job. */
void pool_forked(void);

/* How many threads of this process are the pool's. */
unsigned pool_threads(const struct loop *loop);

/*
 * Ends the pool. Jobs that have not started are dropped, those that run are waited for
 * until loop_clock() is deadline. Returns whether all have ended; false: their threads
 * are abandoned, and what they use stays allocated for ever.
 */
bool pool_finish(struct loop *loop, double deadline);

#endif
