/* SPDX-License-Identifier: MIT */
#include "leave.h"

#include "conn.h"
#include "stop.h"

#include <stdlib.h>
#include <unistd.h>

enum { STATUS_LEAKS = 23 };

static struct report_end leave_end(const struct run *run, int status) {
	const struct sched *sched = &run->loop.sched;
	return (struct report_end){
		.reason = "return",
		.signal = run->signal,
		.status = status,
		.shutdown = isinf(sched->stop_at) ? -1 : loop_clock() - sched->stop_at,
	};
}

static void leave(int status, void *unused) {
	struct run *run =
		run_here(); /* none in a forked child, and behind the run's end */
	(void)unused;
	if (!run) {
		return;
	}
	if (run->loop.sched.current) {
		/* Who calls exit() cannot do more about its own end. */
		run->loop.sched.current->object.background = true;
	}
	stop_snapshot(run, true);
	bool strict = run->snapshot.total && run->report.leaks == ARUN_LEAKS_ERROR;
	bool changed = strict && (status & 0xff) == 0;
	run->report.end = leave_end(run, changed ? STATUS_LEAKS : status & 0xff);
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
