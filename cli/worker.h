/* SPDX-License-Identifier: MIT */
/* worker - one process of a group: how it begins, and how it ended. */
#ifndef WORKER_H
#define WORKER_H

#include "keeper.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

enum worker_state {
	WORKER_STARTING, /* is not ready */
	WORKER_SERVING,
	WORKER_LEAVING, /* was told to stop */
	WORKER_GONE,
};

struct worker {
	pid_t pid;
	unsigned slot; /* which of the N it is */
	enum worker_state state;
	bool replaces;        /* an older one of the slot serves on */
	bool ready;           /* it has said so */
	double started, beat; /* seconds; its last sign of life */
	double limit; /* when it is killed; 0: not at all; far away: it cannot be */
	struct keeper_line line;
};

/* Forks. mask: the signals that the child blocks. Returns 0 in the parent, with *worker, 1
 * in the child, with its end of the line; -1 with errno. */
int worker_start(struct worker *worker, const sigset_t *mask);

/* Tells it to end; it is killed at limit. */
void worker_stop(struct worker *worker, int signum, double limit);

/* "died of signal 9 (Killed)", "ended with status 1"; status is waitpid(2)'s. */
void worker_tell_end(char *out, size_t size, int status);

#endif
