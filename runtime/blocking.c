/* SPDX-License-Identifier: MIT */
/* blocking - arun_blocking(): calls that block, on the pool. */
#include "log.h"
#include "pool.h"

/* The thread reads, and writes, where other functions of the task will have their variables. */
static void blocking_tell(const struct arun_task *self, const char *name) {
	char line[256];
	struct text out;
	text_fixed(&out, line, sizeof line);
	registry_site(&out, self->at);
	text_add(&out, ": job \"");
	text_escape(&out, name);
	text_add(&out, "\" goes on, and what it was given is on the stack of task \"");
	text_escape(&out, self->name);
	text_add(&out, "\" (#%lu), which waits no longer: the call needs an ARUN_SHIELD",
		(unsigned long)self->object.id);
	log_line(LOG_LEVEL_WARNING, "%s", line);
}

static bool on_stack(const struct arun_task *self, const void *arg) {
	uintptr_t stack = (uintptr_t)self->stack;
	return (uintptr_t)arg - stack < self->stack_size;
}

int(arun_blocking)(int (*fn)(void *), void *arg) {
	return arun_blocking_at(NULL, "?", fn, arg);
}

int arun_blocking_at(
	const struct arun_site *site, const char *name, int (*fn)(void *), void *arg) {
	struct arun_task *self = task_enter(site, "arun_blocking");
	struct pool_request request = {
		.lane = POOL_JOBS, .name = name, .fn = fn, .arg = arg};
	int result = -1;
	int error = pool_call(self, &request, &result);
	if (error) {
		task_fail_words(
			error, self->op, name, error == EAGAIN ? POOL_NO_THREAD : NULL);
		if (request.orphaned) {
			task_fail_add("; the job goes on, with nobody to wait for it");
			if (on_stack(self, arg)) {
				blocking_tell(self, name);
			}
		}
		return -1;
	}
	if (result == -1 && errno) {
		task_fail(errno, self->op, name);
	}
	return result;
}
