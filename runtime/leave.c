/* SPDX-License-Identifier: MIT */
#include "leave.h"

#include "conn.h"
#include "log.h"
#include "stop.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STATUS_LEAKS = 23 };

static struct report_end leave_end(
	const struct run *run, const char *reason, int signal, int status) {
	const struct sched *sched = &run->loop.sched;
	return (struct report_end){
		.reason = reason,
		.signal = signal,
		.status = status,
		.shutdown = isinf(sched->stop_at) ? -1 : loop_clock() - sched->stop_at,
	};
}

/* pthread_exit() leaves all stacks first, also that of main(), with what the report names. */
static bool is_on_stack_of(const struct arun_task *task) {
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);
	uintptr_t low = (uintptr_t)task->stack;
	return here >= low && here - low < task->stack_size;
}

static void leave(int status, void *unused) {
	/* None in a forked child, and after the end of the run. */
	struct run *run = run_here();
	struct arun_task *self = run ? run->loop.sched.current : NULL;
	(void)unused;
	if (!run) {
		return;
	}
	if (self && !is_on_stack_of(self)) {
		log_line(LOG_LEVEL_ERROR, "pthread_exit() in a task: there is no report");
		return;
	}
	if (self) {
		/* Who calls exit() cannot do more about its own end. */
		self->object.background = true;
	}
	stop_snapshot(run, true);
	bool strict = run->snapshot.total && run->report.leaks == ARUN_LEAKS_ERROR;
	bool changed = strict && (status & 0xff) == 0;
	run->report.end = leave_end(
		run, "return", run->signal, changed ? STATUS_LEAKS : status & 0xff);
	report_leaks(&run->report, &run->snapshot);
	report_to_parent(&run->report, &run->snapshot, &run->loop.broker);
	conn_restore_flags(&run->loop.sched.registry);
	if (changed) {
		fflush(NULL);
		_exit(STATUS_LEAKS);
	}
}

void leave_watch(void) {
	on_exit(leave, NULL);
}

void leave_broken(struct loop *loop, const char *message) {
	struct run *run = container_of(loop, struct run, loop);
	int error = errno;
	if (error == EBADF || error == EINVAL) {
		crash_write_closed(&run->crash);
	} else {
		log_line(LOG_LEVEL_ERROR, "%s: the loop cannot go on: %s: %s",
			run->report.plugin, message, strerror(error));
	}
	stop_snapshot(run, true);
	run->report.end = leave_end(run, "crash", SIGABRT, 128 + SIGABRT);
	report_leaks(&run->report, &run->snapshot);
	abort();
}
