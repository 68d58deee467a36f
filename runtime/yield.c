/* SPDX-License-Identifier: MIT */
/* yield - the calls of an entry: arun_yield(), arun_stop(). */
#include "log.h"
#include "stop.h"

/* Whether this is the server entry's first call; otherwise the report says why not. */
static int yield_check(
	struct run *run, struct arun_task *self, const struct arun_site *site) {
	char here[256], before[256];
	struct text out;
	text_fixed(&out, here, sizeof here);
	registry_site(&out, site);
	if (!run->server || self != run->entry) {
		run->misused = true;
		log_line(LOG_LEVEL_ERROR,
			"%s: misuse: arun_yield() in %s: only an ARUN_SERVER's own task yields",
			here, run->server ? "another task than the server's" : "a main");
		return EPERM;
	}
	if (run->has_yielded) {
		run->misused = true;
		text_fixed(&out, before, sizeof before);
		registry_site(&out, run->yielded);
		log_line(LOG_LEVEL_ERROR,
			"%s: misuse: arun_yield() a second time, the first was at %s",
			here, before);
		return EALREADY;
	}
	return 0;
}

/* Serves until the stop. Returns 0, or what cut it short. */
static int yield_wait(struct run *run, struct arun_task *self) {
	struct sched *sched = &run->loop.sched;
	int error = task_interrupted(sched, self);
	run->yielding = true;
	run->loop.pending++;
	while (!sched->stopping && !error) {
		error = task_suspend(sched, self, INFINITY, true);
	}
	run->loop.pending--;
	run->yielding = false;
	return sched->stopping ? 0 : error;
}

int(arun_yield)(void) {
	return arun_yield_at(NULL);
}

int arun_yield_at(const struct arun_site *site) {
	struct arun_task *self = task_enter(site, "arun_yield");
	struct run *run = run_here();
	int error = yield_check(run, self, site);
	if (error) {
		return task_fail(error, self->op, NULL);
	}
	run->has_yielded = true;
	run->yielded = site;
	if (run->loop.sched.stopping) {
		if (run->cancelled) {
			task_uncancel(self);
		}
		return run->signal;
	}
	inherit_tell(&run->inherit);
	notify_ready(&run->notify);
	error = yield_wait(run, self);
	return error ? task_fail(error, self->op, NULL) : run->signal;
}

void(arun_stop)(int status) {
	arun_stop_at(NULL, status);
}

void arun_stop_at(const struct arun_site *site, int status) {
	struct run *run = run_here();
	if (run && !run->loop.sched.stopping) {
		run->status = status < 0 ? 1 : status > 255 ? 255 : status;
		stop_ask(run, 0, site);
	}
}

bool arun_stopping(void) {
	return sched_current && sched_current->stopping;
}
