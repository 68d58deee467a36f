/* SPDX-License-Identifier: MIT */
#include "leave.h"

#include "conn.h"
#include "log.h"
#include "pool.h"
#include "post.h"
#include "process.h"
#include "stop.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* LEFT_UNKNOWN: a status. */
enum { LEFT_STACK = 256 * 1024, LEFT_UNKNOWN = -1 };

/* Seconds: that threads which are idle may take to end. */
static const double LEFT_THREADS = 1;
/* That the last words may. */
static const double LEFT_TELL = 1;

static void leave(int status, void *unused) {
	/* None in a forked child, after the end of the run, and after pthread_exit(). */
	struct run *run = run_here();
	struct arun_task *self = run ? run->loop.sched.current : NULL;
	(void)unused;
	if (!run) {
		return;
	}
	if (self) {
		/* Who calls exit() cannot do more about its own end. */
		self->object.background = true;
	}
	stop_snapshot(run, true);
	bool strict = run->snapshot.total && run->report.leaks == ARUN_LEAKS_ERROR;
	bool changed = strict && status != LEFT_UNKNOWN && (status & 0xff) == 0;
	int told = changed                  ? RUN_STATUS_LEAKS
		   : status == LEFT_UNKNOWN ? 0
					    : status & 0xff;
	run->report.end = stop_report_end(run, "return", run->signal, told);
	report_leaks(&run->report, &run->snapshot);
	report_to_parent(&run->report, &run->snapshot, &run->loop.broker);
	conn_restore_flags(&run->loop.sched.registry);
	if (changed) {
		fflush(NULL);
		_exit(RUN_STATUS_LEAKS);
	}
}

/*
 * pthread_exit() leaves all stacks first, also that of main(), with what the report names, and
 * the run is over. The plugin's other threads go on, as POSIX has it; the process ends with the
 * last one, which must not be one of arun's.
 */
static void leave_thread(void *unused) {
	struct run *run = run_here();
	(void)unused;
	if (run) {
		/* AddressSanitizer does not see those frames go. */
		const char *here = __builtin_frame_address(0);
		context_hooks_clean(here - LEFT_STACK, LEFT_STACK);
		log_line(LOG_LEVEL_ERROR, "pthread_exit() in a task: there is no report");
		hog_stop(&run->hog);
		post_shut(&run->loop);
		pool_finish(&run->loop, loop_clock() + LEFT_THREADS);
		conn_restore_flags(&run->loop.sched.registry);
		handler_restore(&run->handler);
		rawfd_finish(&run->rawfd);
		sched_current = NULL;
	}
}

/* Of each thread that has had a run: its end is told. Written once. */
static pthread_key_t leave_key;

#ifndef __GLIBC__
/* musl's has no argument. */
static void leave_mutely(void) {
	leave(LEFT_UNKNOWN, NULL);
}

static void on_exit(void (*fn)(int, void *), void *unused) {
	(void)fn;
	(void)unused;
	atexit(leave_mutely);
}
#endif

void leave_watch(void) {
	on_exit(leave, NULL);
	pthread_key_create(&leave_key, leave_thread);
}

void leave_watch_thread(void) {
	pthread_setspecific(leave_key, &leave_key);
}

void leave_broken(struct loop *loop, const char *message) {
	struct run *run = container_of(loop, struct run, loop);
	int error = errno;
	if (error == EBADF || error == EINVAL) {
		crash_write_closed(&run->crash);
	} else {
		struct text why;
		text_fixed(&why, run->why, sizeof run->why);
		text_error(&why, error);
		log_line(LOG_LEVEL_ERROR, "%s: the loop cannot go on: %s: %s",
			run->report.plugin, message, run->why);
	}
	stop_snapshot(run, true);
	run->report.end = stop_report_end(run, "crash", SIGABRT, 128 + SIGABRT);
	report_leaks(&run->report, &run->snapshot);
	abort();
}

/* As where the grace time runs out: what is left is abandoned. */
void leave_starved(struct loop *loop) {
	struct run *run = container_of(loop, struct run, loop);
	struct text why;
	loop->starved = NULL; /* telling may take of the loop, too */
	run->handler.ending = 1;
	handler_arm(&run->handler, LEFT_TELL);
	text_fixed(&why, run->why, sizeof run->why);
	text_add(&why, "the loop cannot go on: ");
	text_error(&why, ENOMEM);
	log_line(LOG_LEVEL_ERROR, "%s: %s", run->report.plugin, run->why);
	notify_failed(&run->notify, ENOMEM, LOOP_STARVED, run->why);
	stop_snapshot(run, true);
	run->report.end = stop_report_end(run, "error", 0, LOOP_STARVED);
	report_leaks(&run->report, &run->snapshot);
	process_kill_all(&loop->sched.registry);
	conn_restore_flags(&loop->sched.registry);
	fflush(NULL);
	_exit(LOOP_STARVED);
}
