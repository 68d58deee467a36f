/* SPDX-License-Identifier: MIT */
/*
 * group - tasks that end with the block that started them.
 *
 * A group lies on the stack of the task that declared it. Its tasks free themselves when
 * they end; what they returned is counted here.
 */
#ifndef GROUP_H
#define GROUP_H

#include "task.h"

enum { GROUP_WHY = 256 };

/* Which task failed, and what it said of it. */
struct group_words {
	char failure[GROUP_WHY];
	char last[GROUP_WHY];
};

struct group {
	struct object object;
	struct arun_task *parent;
	struct list tasks;     /* arun_task::sibling, newest first */
	struct scope deadline; /* its tasks inherit it */
	bool limited;
	bool closed;    /* no more are started */
	bool cancelled; /* its tasks have been */
	bool waiting;   /* parent waits */
	bool won;       /* some task has succeeded */
	unsigned running;
	unsigned ended;
	int failure;               /* the first one's errno */
	int last;                  /* the last one's */
	int winner;                /* what the first of those returned */
	struct group_words *words; /* of failure and last; NULL: none, or no memory */
};

#endif
