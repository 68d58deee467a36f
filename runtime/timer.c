/* SPDX-License-Identifier: MIT */
/*
 * Design notes. A timer that has fired for the last time is no leak, and its handle stays
 * valid: it moves to what the end of the run frees. The times of one that repeats are
 * counted from its start, so that it does not drift; those that were missed are skipped.
 */
#include "timer.h"

#include <stdlib.h>

/* How reports show it */

static const struct arun_timer *timer_of(const struct object *object) {
	return container_of(object, const struct arun_timer, object);
}

static const char *timer_name(const struct object *object) {
	return timer_of(object)->name;
}

static const char *timer_state(const struct object *object) {
	const struct arun_timer *timer = timer_of(object);
	return timer->firing ? "firing" : timer->alarm.active ? "armed" : "fired";
}

static void timer_line(const struct object *object, struct text *out) {
	const struct arun_timer *timer = timer_of(object);
	object_line(object, out);
	if (timer->every > 0) {
		text_add(out, " every ");
		text_seconds(out, timer->every);
	}
}

static void timer_detail(const struct object *object, struct text *out) {
	const struct arun_timer *timer = timer_of(object);
	text_add(out, "\"every_ms\": ");
	text_milliseconds(out, timer->every);
	text_add(out, ", \"fired\": %lu", timer->fired);
	if (timer->alarm.active) {
		double left = timer->next - loop_clock();
		text_add(out, ", \"next_ms\": ");
		text_milliseconds(out, left > 0 ? left : 0);
	}
}

static void timer_forget(struct object *object) {
	free(container_of(object, struct arun_timer, object));
}

static const struct kind timer_kind = {
	.index = KIND_TIMER,
	.word = "timer",
	.title = "timer",
	.fate = "not stopped",
	.waits = "waits",
	.help = "arun_timer_stop()",
	.outcome = "stopped",
	.name = timer_name,
	.state = timer_state,
	.line = timer_line,
	.detail = timer_detail,
	.forget = timer_forget,
};

/* Life */

static void timer_on_alarm(struct loop_timer *alarm);

static void timer_arm(struct loop *loop, struct arun_timer *timer) {
	double after = timer->next - loop_clock();
	loop_timer_start(loop, &timer->alarm, after > 0 ? after : 0, timer_on_alarm);
}

/* The next time that is still to come. */
static void timer_advance(struct arun_timer *timer) {
	double now = loop_clock();
	timer->next += timer->every;
	if (timer->next < now) {
		double missed = (now - timer->next) / timer->every;
		timer->next =
			missed < 1e15
				? timer->next + timer->every * (double)((long)missed + 1)
				: now;
	}
}

static void timer_destroy(struct arun_timer *timer) {
	sched_free(&timer->object, timer);
}

static void timer_on_alarm(struct loop_timer *alarm) {
	struct arun_timer *timer = container_of(alarm, struct arun_timer, alarm);
	struct loop *loop = loop_here();
	if (timer->every <= 0) {
		registry_sweep(&loop->sched.registry, &timer->object);
	}
	timer->fired++;
	timer->firing = true;
	timer->fn(timer->arg);
	timer->firing = false;
	if (timer->stopped) {
		timer_destroy(timer);
	} else if (timer->every > 0) {
		timer_advance(timer);
		timer_arm(loop, timer);
	}
}

arun_timer *(
	arun_timer_start)(double after, double every, void (*fn)(void *), void *arg) {
	return arun_timer_start_at(NULL, "?", after, every, fn, arg);
}

/* NaN is not finite. */
static bool is_time(double seconds) {
	return seconds >= -1e15 && seconds <= 1e15;
}

arun_timer *arun_timer_start_at(const struct arun_site *site, const char *name,
	double after, double every, void (*fn)(void *), void *arg) {
	struct sched *sched = sched_here();
	if (!sched) {
		return NULL;
	}
	if (!fn || !is_time(after) || !is_time(every) || every < 0) {
		task_refuse("timer_start", name,
			!fn ? "fn is NULL"
			: !is_time(after)
				? "after is no finite number of seconds"
				: "every is no finite number of seconds from 0 on");
		return NULL;
	}
	struct arun_timer *timer = calloc(1, sizeof *timer);
	if (!timer) {
		task_fail(ENOMEM, "timer_start", name);
		return NULL;
	}
	timer->next = loop_clock() + (after > 0 ? after : 0);
	timer->every = every;
	timer->fn = fn;
	timer->arg = arg;
	timer->name = name;
	timer_arm(loop_here(), timer);
	sched_publish(sched, &timer->object, &timer_kind, site);
	return timer;
}

void arun_timer_stop(arun_timer *timer) {
	if (!timer || !sched_current) {
		return; /* it went with the run, or is the parent's of a forked child */
	}
	if (!timer->object.id || timer->stopped) {
		task_gone(NULL, &timer->object, "arun_timer_stop",
			"of a timer that is gone");
	}
	loop_timer_stop(loop_here(), &timer->alarm);
	registry_remove(&timer->object);
	sched_closes(&timer->object, NULL);
	timer->stopped = true;
	if (!timer->firing) {
		timer_destroy(timer);
	}
}

void timer_stop_all(struct loop *loop) {
	struct registry *registry = &loop->sched.registry;
	registry_each (object, registry, KIND_TIMER) {
		struct arun_timer *timer =
			container_of(object, struct arun_timer, object);
		loop_timer_stop(loop, &timer->alarm);
	}
	registry_sweep_kind(registry, KIND_TIMER);
}
