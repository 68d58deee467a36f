/* SPDX-License-Identifier: MIT */
/* job - a call on a thread of the pool, and how reports show it. */
#ifndef JOB_H
#define JOB_H

#include "loop.h"

struct pool_job {
	struct list link;     /* pool_queue::jobs, then pool::ended */
	struct object object; /* listed where it has a name */
	const char *name;
	struct pool_queue *queue;
	int (*fn)(void *);
	void *arg;
	void (*release)(void *arg);
	struct arun_task *waiter; /* NULL: an orphan; for the loop's thread alone */
	int result, error;
	bool started; /* a thread has taken it */
	bool dropped; /* it never ran */
	bool done;    /* it has been collected */
};

/* Lists one that is waited for, where it has a name; takes it out again. */
void job_list(struct loop *loop, struct pool_job *job);
void job_unlist(struct pool_job *job);

/* Nobody waits for it any more. */
void job_orphan(struct pool_job *job);

#endif
