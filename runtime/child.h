/* SPDX-License-Identifier: MIT */
/*
 * child - the children that a plugin has forked past the runtime.
 *
 * Those that are there at the end, were not at the start, and are no process of
 * arun_exec(). They are nobody's to kill: the report names them, and that is all.
 */
#ifndef CHILD_H
#define CHILD_H

#include "registry.h"

#include <sys/types.h>

enum { CHILD_MAX = 32, CHILD_NAME = 32 };

struct child {
	struct object object;
	pid_t pid;
	char name[CHILD_NAME]; /* of its program */
	char state;            /* as in /proc/PID/stat: 'Z' is a zombie */
};

struct children {
	pid_t known[CHILD_MAX]; /* at the start: execve(2) keeps a process' children */
	unsigned knows;
	/* Where orphans are children, too: what was forked here. NULL: all of them. */
	const pid_t *made;
	unsigned makes;
	struct child found[CHILD_MAX];
	unsigned count;
};

/* Remembers those that are there now. */
void child_baseline(struct children *children);

/* Lists those that have come since, CHILD_MAX at most, and takes them out again; none where the
 * run is not alone, as they may be another's. */
void child_list(struct children *children, struct registry *registry, bool alone);
void child_unlist(struct children *children);

/* Calls found() with each child of this process. Where there is none it costs one system call. */
void child_each(void (*found)(void *context, const struct child *child), void *context);

#endif
