/* SPDX-License-Identifier: MIT */
/*
 * gen - generators: a body in a task of its own hands items to whoever asks.
 *
 * Design notes. The body runs from one arun_gen_next() to its next arun_gen_yield(). An
 * item that was handed out while its consumer was interrupted waits in the generator for
 * the next consumer. What a body waits for in its clean-up is cut short by a stop's clock,
 * before it is over.
 */
#ifndef GEN_H
#define GEN_H

#include "task.h"

struct arun_gen {
	struct object object;
	const char *name;
	int (*fn)(void *);
	void *arg;
	struct arun_task *body;     /* NULL: not started, or ended */
	struct arun_task *consumer; /* waits in arun_gen_next() */
	struct arun_task *closer;   /* waits in arun_gen_close() */
	struct arun_task *sweeper;  /* waits in gen_close_all() for the closer */
	void *item;
	bool full;      /* item has not been taken */
	bool suspended; /* the body waits in arun_gen_yield() */
	bool wanted;    /* the next item is */
	bool started, ended, closed;
	unsigned long yielded;
	int result, error;
	char *why; /* of that, in the words of the body; NULL: it has none */
};

/* Closes every generator, newest first, and waits for their clean-up. From a task. Suspends. */
void gen_close_all(struct sched *sched, struct arun_task *self);

/* A stop has begun: whoever waits for a clean-up does not wait for ever. */
void gen_stopping(struct sched *sched);

#endif
