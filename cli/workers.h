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

struct workers_options {
	unsigned count;
	double grace;       /* seconds */
	const char *watch;  /* the file whose change is a new version; NULL: none */
	const char *path;   /* of the plugin */
	const char *report; /* what report_source (--report) names; NULL: nothing */
	const char *report_source;
};

/* How a worker begins. */
struct workers_start {
	int line;      /* to its parent: keeper_lets_say() */
	bool replaces; /* an older one serves meanwhile */
};

/*
 * Starts them and looks after them. Returns in each worker alone. The parent ends the process
 * when it is over.
 */
struct workers_start workers_run(const struct workers_options *options);

#endif
