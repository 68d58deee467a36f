/* SPDX-License-Identifier: MIT */
/*
 * gen - generators: a body in a task of its own hands items to whoever asks.
 *
 * Design notes. The body runs from one arun_gen_next() to its next arun_gen_yield(). An
 * item that was handed out while its consumer was interrupted waits in the generator for
 * the next consumer.
 */
#ifndef GEN_H
#define GEN_H

#include "task.h"

/*
 * Closes every generator, newest first, and waits for their clean-up; at the time
 * patience, bodies that still run are cancelled. From a task. Suspends.
 */
void gen_close_all(struct sched *sched, struct arun_task *self, double patience);

#endif
