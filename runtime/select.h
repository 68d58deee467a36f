/* SPDX-License-Identifier: MIT */
/*
 * select - a wait for the first of several channels.
 *
 * Design notes. A case has its entry in itself, so that a wait takes no memory and has no limit. The
 * answer of one queue takes the entries out of all others at once: what is in a queue can always be
 * granted, and a channel that is not the one chosen may be freed before the task runs again.
 */
#ifndef SELECT_H
#define SELECT_H

#include "queue.h"

/* A wait. */
struct choice {
	struct queue_several several; /* the task's innermost scope */
	struct arun_chan_case *cases; /* without a channel: shut */
	size_t count;
};

/* What else ends the wait of task, which waits for task->awaits: the first such (0), the second...
 * NULL: there are no more. */
const struct object *select_other(const struct arun_task *task, size_t index);

/* Appends them: ' or channel "answers" (#7)'. */
void select_add_others(struct text *out, const struct arun_task *task);

#endif
