/* SPDX-License-Identifier: MIT */
/*
 * closeup - what --debug adds to the copy of an object: how it was made, where its task is.
 *
 * Design notes. It is taken with the snapshot, before anything is cancelled, and holds
 * addresses: names and lines are found when the report is written.
 */
#ifndef CLOSEUP_H
#define CLOSEUP_H

#include "backtrace.h"
#include "sched.h"

struct closeup {
	bool taken;
	const struct calls *made; /* NULL: not known */
	struct calls stack;       /* of its task; none: it is not suspended */

	bool has_task;
	unsigned long runs;
	double ran; /* seconds */
	size_t stack_used, stack_size;

	/* Of a task: what it waits for, and what that waits for, and so on. Of a raw
	 * descriptor: how it was opened. */
	char words[256];
};

/* Does nothing without --debug. Async-signal-safe. */
void closeup_take(struct closeup *closeup, const struct registry *registry,
	const struct object *object);

/* The same of a raw descriptor. */
void closeup_take_fd(struct closeup *closeup, int fd);

/* Whether both were made by the same calls, which are known. */
bool closeup_same_made(const struct closeup *a, const struct closeup *b);

#endif
