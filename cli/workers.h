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

struct workers_options {
	unsigned count;
	double grace;       /* seconds */
	const char *watch;  /* the file whose change is a new version; NULL: none */
	const char *path;   /* of the plugin */
	const char *report; /* what report_source (--report) names; NULL: nothing */
	const char *report_source;
};

/* How a worker begins. */
enum workers_start {
	WORKERS_FIRST,   /* with all others: they are not ready yet */
	WORKERS_AGAIN,   /* in place of one that has ended */
	WORKERS_REPLACE, /* an older one serves meanwhile */
};

/*
 * Starts them and looks after them. Returns in each worker alone. The parent ends the process
 * when it is over.
 */
enum workers_start workers_run(const struct workers_options *options);

#endif
