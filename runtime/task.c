/* SPDX-License-Identifier: MIT */
#include "task.h"

#include "log.h"

#include <stdlib.h>
#include <string.h>

bool task_forked;

/* How reports show it */

static const struct arun_task *task_of(const struct object *object) {
	return container_of(object, const struct arun_task, object);
}

static const char *task_kind_name(const struct object *object) {
	return task_of(object)->name;
}

static const char *task_kind_state(const struct object *object) {
	const struct arun_task *task = task_of(object);
	static const char *const words[] = {"ready", "waiting", "ended"};
	if (sched_runs(sched_current, task)) {
		return "running";
	}
	return task->state == TASK_WAITING && task->op ? task_verb(task->op)
						       : words[task->state];
}

static void task_kind_detail(const struct object *object, struct text *out) {
	const struct arun_task *task = task_of(object);
	text_add(out, "\"switches\": %lu, \"stack_size\": %u, \"cancelled\": %s",
		task->runs, task->stack_size, task->cancelled ? "true" : "false");
	if (sched_current && sched_current->measured) {
		text_add(out, ", \"cpu_us\": %lu, \"stack_used\": %zu",
			(unsigned long)((sched_ran(sched_current, task) + 999) / 1000),
			task_stack_used(task));
	}
	if (task->cancelled && task->ignored) {
		text_add(out, ", \"ignored\": %u", task->ignored);
	}
}

static bool task_kind_over(const struct object *object) {
	return task_of(object)->state == TASK_ENDED;
}

static bool task_kind_waiting(const struct object *object, struct waiting *out) {
	const struct arun_task *task = task_of(object);
	*out = (struct waiting){
		task->at, task->op, task->since, task->timed ? task->until : 0};
	return task->state == TASK_WAITING && task->op;
}

static const struct arun_task *task_kind_task(const struct object *object) {
	return task_of(object);
}

const struct kind task_kind = {
	.index = KIND_TASK,
	.offset = offsetof(struct arun_task, object),
	.word = "task",
	.title = "task",
	.fate = "still running",
	.waits = "waits",
	.over = task_kind_over,
	.help = "arun_cancel() and arun_join() it, or spawn it in a group",
	.outcome = "cancelled",
	.name = task_kind_name,
	.state = task_kind_state,
	.line = object_line,
	.detail = task_kind_detail,
	.waiting = task_kind_waiting,
	.task = task_kind_task,
};

static const char *task_failed_state(const struct object *object) {
	(void)object;
	return "failed";
}

static void task_failed_line(const struct object *object, struct text *out) {
	const struct arun_task *task = task_of(object);
	object_line(object, out);
	text_add(out, ": ");
	task_add_reason(out, task, task->error);
}

static void task_failed_detail(const struct object *object, struct text *out) {
	const struct arun_task *task = task_of(object);
	text_add(out, "\"result\": %d, \"errno\": %d, \"why\": ", task->result,
		task->error);
	text_json(out, task_why(task));
}

const struct kind task_failed_kind = {
	.index = KIND_FAILED,
	.offset = offsetof(struct arun_task, object),
	.word = "failed",
	.title = "failed task",
	.fate = "never joined",
	.help = "arun_join() it and look at its result",
	.outcome = "closed",
	.ageless = true,
	.name = task_kind_name,
	.state = task_failed_state,
	.line = task_failed_line,
	.detail = task_failed_detail,
};

/* Misuse */

/* Where, with --debug also where the call has no site. */
static void misuse_begin(struct text *out, const struct arun_site *site) {
	const struct sched *sched = sched_current;
	if (site) {
		registry_site(out, site);
	} else if (sched && sched->registry.quarantine) {
		quarantine_here(sched->registry.quarantine, out);
	} else {
		text_add(out, "arun");
	}
	text_add(out, ": misuse: ");
}

_Noreturn static void misuse_end(
	struct text *out, const struct arun_site *site, const char *line) {
	const struct sched *sched = sched_current;
	const struct arun_task *self = arun_self();
	if (self) {
		text_add(out, "; in task ");
		object_line(&self->object, out);
	}
	if (!site && sched && !sched->registry.quarantine) {
		text_add(out, " (run with --debug for the line)");
	}
	log_write(LOG_LEVEL_ERROR, NULL, line);
	abort();
}

_Noreturn void task_misuse(const struct arun_site *site, const char *format, ...) {
	char line[512];
	struct text out;
	text_fixed(&out, line, sizeof line);
	misuse_begin(&out, site);
	va_list list;
	va_start(list, format);
	text_add_list(&out, format, list);
	va_end(list);
	misuse_end(&out, site, line);
}

_Noreturn void task_gone(const struct arun_site *site, const struct object *object,
	const char *op, const char *of) {
	char line[512];
	struct text out;
	text_fixed(&out, line, sizeof line);
	misuse_begin(&out, site);
	text_add(&out, "%s() %s", op, of);
	if (sched_current && sched_current->registry.quarantine) {
		quarantine_tell(sched_current->registry.quarantine, &out, object);
	}
	misuse_end(&out, site, line);
}

_Noreturn void task_outside(const struct arun_site *site, const char *op) {
	if (task_forked) {
		task_misuse(site,
			"%s() in a forked child, which is no run: use arun_exec() or exec",
			op);
	}
	if (sched_current) {
		task_misuse(site,
			"%s() in a callback of the loop: only a task can suspend", op);
	}
	task_misuse(site,
		"%s() outside a task: there is no run in this thread; arun_post() calls "
		"into one",
		op);
}

/* Life */

/* Of one whose result is negative: to obey a cancel is no failure. */
static bool task_has_failed(const struct arun_task *task) {
	return !(task->cancelled && task->result == -1 && task->error == ECANCELED);
}

static void task_wake_joiners(struct sched *sched, struct arun_task *task) {
	struct list *at = task->joiners;
	do {
		task_wake(sched, container_of(at, struct task_joiner, link)->task);
		at = at->next;
	} while (at != task->joiners);
}

size_t task_stack_used(const struct arun_task *task) {
	size_t unused = stack_untouched(task->stack, (const char *)task - task->stack);
	return task->stack_size - unused;
}

/* Nobody waits for it: what is to become of it. */
static void task_orphaned(struct sched *sched, struct arun_task *task) {
	if (unlikely(task->failed)) {
		registry_remove(&task->object);
		task->since = sched->registry.now;
		task->object.kind = &task_failed_kind;
		list_insert(&sched->registry.objects[KIND_FAILED], &task->object.link);
		sched->failed(task);
	}
	if (task->detached) {
		task_free(sched, task);
	}
}

__attribute__((noinline)) static void task_end_traits(
	struct sched *sched, struct arun_task *self) {
	if (self->traits & TASK_EXEMPT) {
		sched->exempt--;
	}
	if (self->traits & TASK_HAS_LOCALS) {
		self->traits &= (uint8_t)~TASK_HAS_LOCALS;
		local_release(self->locals);
	}
}

static void task_end(struct sched *sched, struct arun_task *self) {
	if (unlikely(self->result < 0)) {
		self->error = *sched->error;
		self->failed = task_has_failed(self);
	}
	self->state = TASK_ENDED;
	sched->tasks--;
	if (unlikely(self->traits)) {
		task_end_traits(sched, self);
	}
	if (unlikely(sched->sweeper && !sched_sweepable(sched))) {
		task_wake(sched, sched->sweeper);
	}
	if (unlikely(self->locks)) {
		sched->leaves_locks(sched, self);
	}
	if (self->owned) {
		self->ended(self);
	} else if (self->joiners) {
		task_wake_joiners(sched, self);
	} else {
		task_orphaned(sched, self);
	}
}

void task_main(void *argument, int (*fn)(void *), void *arg) {
	struct arun_task *self = argument;
	struct sched *sched = sched_current;
	if (unlikely(sched->sanitized)) {
		context_hooks_enter(&self->hooks);
	}
	self->result = fn(arg);
	if (unlikely(sched_current != sched)) {
		task_misuse(self->object.site,
			"a task's function returns in a forked child, which is no run: end it "
			"by exec or _exit()");
	}
	task_end(sched, self);
	sched_end(sched, self);
}

/* Failed or not. */
static void task_free_ended(struct sched *sched, enum kind_index index) {
	list_each (at, &sched->registry.objects[index]) {
		struct arun_task *task = container_of(at, struct arun_task, object.link);
		if (task->state == TASK_ENDED && !task->owned) {
			task_free(sched, task);
		}
	}
}

void task_free_unjoined(struct sched *sched) {
	task_free_ended(sched, KIND_TASK);
	task_free_ended(sched, KIND_FAILED);
}

void task_name(struct arun_task *task, const char *name) {
	size_t length = strnlen(name, TASK_NAME - 1);
	/* Not in a character of UTF-8: its bytes behind the first one are no begin of one. */
	for (int i = 0; i < 3 && ((unsigned char)name[length] & 0xc0) == 0x80; i++) {
		length--;
	}
	memmove(task->name_copy, name, length);
	task->name_copy[length] = '\0';
	task->name = task->name_copy;
}

void task_cancel(struct sched *sched, struct arun_task *task, const char *by,
	const struct arun_site *site) {
	if (task->cancelled || task->state >= TASK_ENDED) {
		return;
	}
	task_set_cancelled(task, true);
	task->ignored = 0;
	task->cancelled_at = sched->registry.now;
	task->cancel_site = site;
	struct text out;
	text_fixed(&out, task->cancelled_by, sizeof task->cancelled_by);
	text_add(&out, "%s", by);
	if (task->interruptible) {
		task_nudge(sched, task);
	}
}

void task_uncancel(struct arun_task *task) {
	task_set_cancelled(task, false);
	task->ignored = 0;
}
