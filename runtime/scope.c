/* SPDX-License-Identifier: MIT */
/* scope - time in a task: sleep, ARUN_TIMEOUT, ARUN_SHIELD. */
#include "loop.h"

_Static_assert(sizeof(struct scope) <= sizeof(struct arun_scope), "room for a scope");

int(arun_sleep)(double seconds) {
	return arun_sleep_at(NULL, seconds);
}

/* Until a time, or for ever: 0, or what ended it early. */
static int sleep_until(struct sched *sched, struct arun_task *self, double time) {
	int result = task_suspend(sched, self, time, true);
	return result == ETIME ? 0 : result;
}

/* Of its own: what is common needs no frame then. */
__attribute__((noinline)) static int sleep_slow(
	struct sched *sched, struct arun_task *self, double seconds) {
	int error = isnan(seconds) ? EINVAL : task_interrupted(sched, self);
	if (!error && seconds <= 0) {
		return sched_yield_task(sched, self);
	}
	error = error ? error : sleep_until(sched, self, loop_clock() + seconds);
	return error ? task_fail(error, self->op, NULL) : 0;
}

line_aligned int arun_sleep_at(const struct arun_site *site, double seconds) {
	struct arun_task *self = task_enter(site, "arun_sleep");
	struct sched *sched = sched_current;
	/* Tail calls: a return after the switch would be mispredicted. */
	if (likely(seconds <= 0 && task_is_free(self))) {
		return sched_yield_task(sched, self);
	}
	return sleep_slow(sched, self, seconds);
}

/* Scopes: outside a task they do nothing. */

static struct arun_scope *scope_begin(struct arun_scope *space,
	const struct arun_site *site, double seconds, bool shield, const char *op) {
	struct sched *sched = sched_current;
	if (!sched || !sched->current) {
		task_outside(site, op);
	}
	struct scope *scope = (struct scope *)(void *)space;
	/* One of 0 seconds is over: the time of waits, which is that of the turn, is earlier. */
	double now = seconds > 0 ? loop_clock() : sched->registry.now;
	seconds = isnan(seconds) || seconds < 0 ? 0 : seconds;
	*scope = (struct scope){
		.outer = sched->current->scopes,
		.site = site,
		.task = sched->current,
		.seconds = seconds,
		.time = shield ? now : now + seconds,
		.shield = shield,
	};
	task_set_scopes(sched->current, scope);
	return space;
}

struct arun_scope *arun_timeout_begin(
	struct arun_scope *space, const struct arun_site *site, double seconds) {
	return scope_begin(space, site, seconds, false, "ARUN_TIMEOUT");
}

struct arun_scope *arun_shield_begin(
	struct arun_scope *space, const struct arun_site *site, double seconds) {
	return scope_begin(space, site, seconds, true, "ARUN_SHIELD");
}

void arun_scope_end(struct arun_scope **end) {
	struct scope *scope = (struct scope *)(void *)*end;
	if (scope) {
		task_set_scopes(scope->task, scope->outer);
	}
}
