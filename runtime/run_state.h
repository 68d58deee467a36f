/* SPDX-License-Identifier: MIT */
/* run_state - what the parts of a run share, from arun_run() to its return. */
#ifndef RUN_STATE_H
#define RUN_STATE_H

#include "child.h"
#include "crash.h"
#include "dump.h"
#include "hog.h"
#include "notes.h"
#include "notify.h"
#include "orphan.h"
#include "preopen.h"
#include "reaper.h"
#include "report.h"

enum run_end { RUN_RETURNED, RUN_SIGNALLED, RUN_STOPPED, RUN_DEADLOCKED };

struct run {
	struct loop loop; /* first: sched_current is the run of this thread */
	struct handler handler;
	struct notify notify;
	struct orphan orphan;
	struct inherit inherit;
	struct reaper *reaper; /* NULL: this is not process 1 */

	/* What the caller of arun_run() wants. */
	int (*fn)(int, char **);
	int argc;
	char **argv;
	bool server;
	const char *name;
	size_t stack_size;
	int (*reload)(void);

	/* The entry's task, and the one that starts it and sees to its end: driver.h. */
	struct arun_task *driver;
	struct arun_task *entry; /* NULL: not started, or ended */
	int result, error;       /* of the entry; error: or why the run did not start */
	char why[256];           /* error in words */
	bool cancelled;          /* the stop has cancelled the entry */
	bool silent;             /* another worker has said why already */
	const char *lacks;       /* arun_options::lacks */

	/* arun_yield() */
	const struct arun_site *yielded; /* where; NULL: not known, or not called */
	bool has_yielded;
	bool yielding; /* the entry waits in it */
	bool misused;

	/* The stop: stop.h. */
	enum run_end end;
	int signal;              /* that asked for the stop; 0: none did */
	int status;              /* arun_stop()'s */
	struct loop_timer clock; /* the grace time is over */
	/* Looks each second whom the stop waits for, and tells when that has changed; else after
	 * a pause, in seconds, which doubles each time. */
	struct loop_timer slow;
	unsigned slow_pause, slow_left;
	uint64_t slow_told; /* a hash of what was told */

	/* SIGHUP: reload.h. */
	int hangups; /* that were seen to */
	bool reloading;

	/* Reports */
	struct report report;
	struct snapshot snapshot;
	bool snapped;     /* it is taken */
	bool snapped_fds; /* with the raw descriptors */
	struct rawfd rawfd;
	struct children children;
	struct suppress suppress;
	struct dump dump;
	struct crash crash;
	struct hog hog;
	struct trace trace;
	struct notes notes;     /* with --debug */
	unsigned failures;      /* detached tasks that failed */
	unsigned failures_told; /* without those that a rule leaves out */
	struct loop_timer
		told; /* tells of failed tasks that nobody has joined for a second */
};

/* The run that a loop is of. */
static inline struct run *run_of(struct loop *loop) {
	return container_of(loop, struct run, loop);
}

/* The run of this thread; NULL: none. */
static inline struct run *run_here(void) {
	return (struct run *)sched_current;
}

#endif
