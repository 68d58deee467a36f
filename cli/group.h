/* SPDX-License-Identifier: MIT */
/* group - the workers and the state that they are in: who is started, replaced, stopped. */
#ifndef GROUP_H
#define GROUP_H

#include "changes.h"
#include "manager.h"
#include "worker.h"
#include "workers.h"

#include <poll.h>
#include <stddef.h>

/* One of the N. */
struct slot {
	double pause; /* before the next start */
	double due;   /* when that is; 0: it is not to be started */
	bool used;    /* counted: somebody is, or is to come */
};

struct group {
	const struct workers_options *options;
	struct slot *slots;
	struct worker *workers;
	struct pollfd *polled;
	size_t count, room; /* of workers */
	struct keeper keeper;
	struct manager manager;
	struct changes changes;
	int signals; /* a signalfd(2) */
	sigset_t mask;
	double now;
	bool ready;    /* all were, once */
	bool terminal; /* stdin was one */
	unsigned roll; /* the slot that is being replaced; count: none */
	bool wanted;   /* to be replaced all, once they are ready */
	int stop;      /* the signal to stop by; 0: none */
	bool over;     /* told to stop, or failed at the start */
	double since;  /* when that was */
	double beat;   /* when to tell the watchdog; 0: never */
	int status;    /* waitpid(2)'s, that the parent ends with */
};

/* Of times, which are never NaN. */
static inline double earlier(double a, double b) {
	return a < b ? a : b;
}

enum { POLLED_FIRST = 3 }; /* what stands in group->polled before the workers */

/* NULL: it is none of them. */
struct worker *group_find(struct group *group, pid_t pid);

/* Whether one is in that state. */
bool group_has(const struct group *group, enum worker_state state);

/* Starts one in a slot: a process that has nothing of the parent's left, and does not return. */
void group_start(struct group *group, unsigned slot, bool replaces);

/* Starts one in a slot where none is on its way. */
void group_restart(struct group *group, unsigned slot);

/* Replaces all, one after the other; from the beginning, where that is under way. Before
 * they are ready: sets group->wanted. */
void group_roll(struct group *group);

/* A worker is ready: where all are being replaced, the next one is started. */
void group_on_ready(struct group *group, struct worker *worker);

/* One has ended, and is none of group->workers any more. */
void group_on_end(struct group *group, const struct worker *worker, int status);

/* Stops all, by that signal. */
void group_stop(struct group *group, int signum);

/* Counts an end, waitpid(2)'s, for the status of the group. */
void group_note_end(struct group *group, int status);

/* Says what cannot be done, and why by errno, also to the service manager, and ends the process with
 * STATUS_FAILED. group: NULL: there is none yet. */
_Noreturn void group_fail(struct group *group, const char *what);

#endif
