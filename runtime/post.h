/* SPDX-License-Identifier: MIT */
/*
 * post - functions that other threads hand to the loop.
 *
 * Posts go onto a stack by one compare-and-swap, and come off it all at once, so that no
 * thread waits for another one. Who finds the stack empty wakes the loop. A thread that
 * posts counts itself in, so that the end of the run can wait until nobody looks at it.
 */
#ifndef POST_H
#define POST_H

#include "loop.h"

/* Takes posts for loop from now on; process: also those of threads without a run.
 * Returns 0; -1/ENOMEM. */
int post_init(struct loop *loop, bool process);

/* No more are taken: who posts gets ESHUTDOWN. What has come is still delivered. */
void post_shut(struct loop *loop);
void post_finish(struct loop *loop);

/* Runs what was posted, or a part of it, and then wakes the loop again. In the loop, after
 * loop_wakeup(). */
void post_deliver(struct loop *loop);

/* Whether something is to be delivered. */
bool post_waiting(const struct loop *loop);

/* Lists what is to be delivered, for the reports. */
void post_list(struct loop *loop);

/* In a forked child: there is no run. */
void post_forked(void);

#endif
