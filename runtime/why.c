/* SPDX-License-Identifier: MIT */
/* why - the failures of tasks, in words. */
#include "task.h"

#include <stdlib.h>
#include <string.h>

enum { TASK_WHY = 256 };

/* The running task's buffer, or the loop's; NULL: no memory. */
static char *task_why_buffer(struct sched *sched) {
	struct arun_task *self = sched->current;
	if (!self) {
		return sched->why;
	}
	if (!(self->traits & TASK_HAS_WHY)) {
		self->why = malloc(TASK_WHY);
		self->traits |= self->why ? TASK_HAS_WHY : 0;
	}
	return self->why;
}

/* Where errno's own words are of something else: "Device or resource busy". */
static const struct failure {
	const char *op;
	int error;
	const char *words;
} failures[] = {
	{"read_until", ENOBUFS, "no delimiter within the size given"},
	{"read_until", ENODATA, "the stream ended without a delimiter"},
	{"read_exactly", ENODATA, "the stream ended before the last byte"},
	{"sendfile", ENODATA, "the file ends before that"},
	{"sleep", EINVAL, "seconds is not a number"},
	{"chan_send", EINVAL, "the channel is NULL"},
	{"chan_recv", EINVAL, "the channel is NULL"},
	{"chan_try_send", EINVAL, "the channel is NULL"},
	{"chan_try_recv", EINVAL, "the channel is NULL"},
	{"gen_next", EINVAL, "the generator is NULL"},
	{"gen_yield", EINVAL, "item is NULL, which means the end: return"},
	{"gen_yield", EPERM, "only the body of a generator may call it"},
	{"chan_send", EPIPE, "the channel is closed"},
	{"chan_try_send", EPIPE, "the channel is closed"},
	{"chan_select", EPIPE, "the channel is closed"},
	{"read", EBUSY, NULL},
	{"read_exactly", EBUSY, NULL},
	{"read_until", EBUSY, NULL},
	{"write", EBUSY, NULL},
	{"writev", EBUSY, NULL},
	{"sendfile", EBUSY, NULL},
	{"udp_recv", EBUSY, NULL},
	{"udp_send", EBUSY, NULL},
	{"accept", EBUSY, NULL},
	{"gen_next", EBUSY, NULL},
	{"gen_close", EBUSY, NULL},
	{"signals_next", EBUSY, NULL},
};

/* Of what op has failed, where error does not say it; else NULL. */
static const char *task_why_words(const char *op, int error) {
	for (size_t i = 0; i < count_of(failures); i++) {
		const struct failure *failure = &failures[i];
		if (failure->error == error && strcmp(failure->op, op) == 0) {
			return failure->words ? failure->words
					      : "another task does the same";
		}
	}
	return NULL;
}

static void task_why_interrupted(struct text *out, struct sched *sched, int error) {
	const struct arun_task *self = sched->current;
	if (error == ECANCELED && self->cancelled) {
		text_add(out, "cancelled by ");
		text_escape(out, self->cancelled_by);
		if (self->cancel_site) {
			text_add(out, " (");
			registry_site(out, self->cancel_site);
			text_add(out, ")");
		}
		return;
	}
	const struct scope *late =
		error == ETIMEDOUT ? task_late_scope(sched, self) : NULL;
	if (!late) {
		text_error(out, error);
		return;
	}
	text_add(out, "timed out: ARUN_TIMEOUT of ");
	text_seconds(out, late->seconds);
	text_add(out, " at ");
	registry_site(out, late->site);
}

int task_fail_words(int error, const char *op, const char *on, const char *words) {
	struct sched *sched = sched_current;
	char *why = sched ? task_why_buffer(sched) : NULL;
	words = words ? words : task_why_words(task_verb(op), error);
	if (why) {
		struct text out;
		text_fixed(&out, why, TASK_WHY);
		text_add(&out, "%s", task_verb(op));
		if (on && *on) {
			text_add(&out, " ");
			text_escape(&out, on);
		}
		text_add(&out, ": ");
		if (words) {
			text_escape(&out, words);
		} else if (sched->current) {
			task_why_interrupted(&out, sched, error);
		} else {
			text_error(&out, error);
		}
		*(sched->current ? &sched->current->why_error : &sched->why_error) =
			error;
	}
	errno = error;
	return -1;
}

int task_fail(int error, const char *op, const char *on) {
	return task_fail_words(error, op, on, NULL);
}

int task_refuse(const char *op, const char *on, const char *format, ...) {
	char words[TASK_WHY];
	struct text out;
	va_list list;
	text_fixed(&out, words, sizeof words);
	va_start(list, format);
	text_add_list(&out, format, list);
	va_end(list);
	return task_fail_words(EINVAL, op, on, words);
}

void task_fail_add(const char *words) {
	char *why = task_why_buffer(sched_current);
	if (why) {
		size_t length = strlen(why);
		struct text out;
		text_fixed(&out, why + length, TASK_WHY - length);
		text_add(&out, "%s", words);
	}
}

void task_add_reason(struct text *out, const struct arun_task *task, int error) {
	if ((task->traits & TASK_HAS_WHY) && task->why_error == error) {
		text_escape(out, task->why);
	} else {
		text_error(out, error);
	}
}

void task_blame(struct text *out, const struct arun_task *task, int error) {
	text_add(out, "task ");
	object_line(&task->object, out);
	text_add(out, ": ");
	task_add_reason(out, task, error);
}

void task_pass_on(const struct arun_task *task) {
	struct arun_task *self = sched_current->current;
	char *why = task_why_buffer(sched_current);
	if (why) {
		struct text out;
		text_fixed(&out, why, TASK_WHY);
		self->why_error = task_errno(task);
		task_blame(&out, task, self->why_error);
	}
}

const char *arun_why(void) {
	struct sched *sched = sched_current;
	if (!sched) {
		return "";
	}
	return sched->current ? task_why(sched->current) : sched->why;
}
