/* SPDX-License-Identifier: MIT */
/*
 * workers - a parent that starts processes, starts again those that die, and replaces
 * them one by one, so that somebody serves at any time.
 *
 * Nothing of the plugin is loaded in the parent: each worker finds the file that is there
 * when it starts. A worker is a run like any other; it takes the parent for its service
 * manager (manager.h), and shares its sockets with the others (keeper.h).
 */
#ifndef WORKERS_H
#define WORKERS_H

#include <stdbool.h>
#include <sys/types.h>

/* How a worker begins. */
struct workers_start {
	int line;      /* to its parent: keeper_lets_say() */
	bool replaces; /* an older one serves meanwhile */
	pid_t parent;
};

struct workers_options {
	unsigned count;
	double grace;       /* seconds */
	const char *watch;  /* the file whose change is a new version; NULL: none */
	const char *path;   /* of the plugin */
	const char *report; /* what report_source (--report) names; NULL: nothing */
	const char *report_source;
	/* What a worker does, in a process of its own, which it ends. */
	void (*work)(void *context, const struct workers_start *start)
		__attribute__((noreturn));
	void *context; /* for work() */
};

/* Starts them and looks after them, until it is over; then ends the process. */
_Noreturn void workers_run(const struct workers_options *options);

#endif
