/* SPDX-License-Identifier: MIT */
/*
 * stop - how a run ends: asked to, against the clock, in order.
 *
 * Design notes. A task of arun's own, the driver, starts the entry and waits for it, then
 * goes through the steps of the end: stop accepting, snapshot, cancel, close generators,
 * flush connections. Its waits are bounded by the clock, which starts with the stop, or
 * when the entry ends by itself. What is left when it is over is abandoned, by a timer of
 * the loop, or by the handler's clock where the loop is blocked; then the process ends,
 * as nothing may run under a task that still holds its stack.
 */
#ifndef STOP_H
#define STOP_H

#include "child.h"
#include "crash.h"
#include "dump.h"
#include "hog.h"
#include "notes.h"
#include "notify.h"
#include "pool.h"
#include "preopen.h"
#include "reaper.h"
#include "report.h"

/* Of a run that succeeded, and has leaks that are errors. */
enum { RUN_STATUS_LEAKS = 23 };

enum run_end { RUN_RETURNED, RUN_SIGNALLED, RUN_STOPPED, RUN_DEADLOCKED };

struct run {
	struct loop loop; /* first: the run of this thread */
	struct handler handler;
	struct report report;
	struct rawfd rawfd;
	struct suppress suppress;
	struct children children;
	struct snapshot snapshot;
	bool snapped;
	bool snapped_fds; /* the raw descriptors too */
	struct trace trace;
	struct notes notes; /* with --debug */
	struct dump dump;
	struct crash crash;
	struct hog hog;
	struct notify notify;
	struct inherit inherit;
	struct reaper *reaper; /* NULL: this is not process 1 */

	int (*fn)(int, char **);
	int argc;
	char **argv;
	bool server;
	const char *name;
	size_t stack_size;
	int (*reload)(void);

	struct arun_task *driver;
	struct arun_task *entry; /* NULL: not started, or ended */
	int result, error;       /* of the entry */
	bool cancelled;          /* the entry was, by the stop */
	char why[256];
	bool silent;       /* another worker has said so */
	const char *lacks; /* arun_options::lacks */

	const struct arun_site *yielded; /* arun_yield() was called here */
	bool has_yielded;
	bool yielding; /* the entry waits in it */
	bool misused;

	enum run_end end;
	int signal;             /* that asked for the stop; 0 */
	int status;             /* arun_stop()'s */
	unsigned failures;      /* detached tasks that failed */
	struct loop_timer told; /* failed tasks are told of after a second */
	/* Looks each second whom a stop waits for. That is told where it is new; else after a
	 * pause, in seconds, which doubles each time. */
	struct loop_timer slow;
	unsigned slow_pause, slow_left;
	uint64_t slow_told; /* a hash of what was */

	struct loop_timer clock; /* the grace time is over */
	int hangups;             /* SIGHUPs that were seen to */
	bool reloading;
};

/* The run of this thread; NULL: none. */
static inline struct run *run_here(void) {
	return (struct run *)sched_current;
}

/* Asks for the stop: by a signal, or 0. Only the first call does anything, and the first
 * signal. */
void stop_ask(struct run *run, int signal, const struct arun_site *site);

/* Sees to a signal that came since the loop's last turn; does not return from the second. */
void stop_heed(struct run *run);

/* Takes what is open for a leak, once; fds: the raw descriptors, too. Async-signal-safe. */
void stop_snapshot(struct run *run, bool fds);

/* For the reports: how the run ends, now. Async-signal-safe. */
struct report_end stop_end(
	const struct run *run, const char *reason, int signal, int status);

/* The driver's body; quits the loop in the end. */
int stop_drive(void *run);

/* Part of loop::woken; loop::stuck, sched::failed, sched::ignores, handler::last_words. */
void stop_on_wakeup(struct loop *loop);
bool stop_on_stuck(struct loop *loop);
void stop_on_failed(struct arun_task *task);
void stop_on_ignored(struct arun_task *task);
void stop_last_words(struct loop *loop, int forced);

#endif
