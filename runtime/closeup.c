/* SPDX-License-Identifier: MIT */
#include "closeup.h"

#include "opened.h"
#include "rawfd.h"
#include "select.h"

#include <string.h>

enum { CLOSEUP_CHAIN = 6 };

/* The task whose wait the object's is; NULL: none. */
static const struct arun_task *task_behind(const struct object *object) {
	return object->kind->task ? object->kind->task(object) : NULL;
}

static bool is_suspended(const struct arun_task *task) {
	return task->sp && task->runs && task->state <= TASK_WAITING &&
	       !sched_runs(sched_current, task);
}

/* A connection is waited for by a call: read on 127.0.0.1:53122. */
static void add_awaited(
	struct text *out, const struct arun_task *task, const struct object *object) {
	if (object->kind->index == KIND_CONNECTION) {
		text_add(out, "%s on ", task_verb(task->op));
		object->kind->line(object, out);
	} else {
		object_add(out, object);
	}
	select_add_others(out, task);
}

/* "task B (#4), which waits for read on 127.0.0.1:53122". */
static void add_chain(struct text *out, const struct arun_task *task) {
	for (int i = 0; i < CLOSEUP_CHAIN; i++) {
		const struct object *object = task->awaits;
		if (task->state != TASK_WAITING || !task->op) {
			return;
		}
		if (i) {
			text_add(out,
				object ? ", which waits for " : ", which waits in %s",
				task->op);
		}
		if (!object) {
			return;
		}
		add_awaited(out, task, object);
		task = task_behind(object);
		if (!task || object->kind->index == KIND_CONNECTION) {
			return;
		}
	}
	text_add(out, ", and so on");
}

static void take_task(struct closeup *closeup, const struct sched *sched,
	const struct arun_task *task) {
	closeup->has_task = true;
	closeup->runs = task->runs;
	closeup->ran = (double)sched_ran(sched, task) / 1e9;
	closeup->stack_size = task->stack_size;
	closeup->stack_used = task_stack_used(task);
	if (is_suspended(task)) {
		backtrace_suspended(&closeup->stack, task->sp);
	}
	struct text out;
	text_fixed(&out, closeup->words, sizeof closeup->words);
	add_chain(&out, task);
}

void closeup_take(struct closeup *closeup, const struct registry *registry,
	const struct object *object) {
	if (!registry->origins) {
		return;
	}
	const struct sched *sched = container_of(registry, const struct sched, registry);
	const struct arun_task *task = task_behind(object);
	closeup->taken = true;
	closeup->made = object->made;
	if (task) {
		take_task(closeup, sched, task);
	}
}

void closeup_take_fd(struct closeup *closeup, int fd) {
	struct text out;
	text_fixed(&out, closeup->words, sizeof closeup->words);
	rawfd_flags(fd, &out);
	closeup->made = opened_find(fd);
	closeup->taken = opened_notes();
}

bool closeup_same_made(const struct closeup *a, const struct closeup *b) {
	return a->made && b->made && a->made->count == b->made->count &&
	       memcmp(a->made->pc, b->made->pc, a->made->count * sizeof *a->made->pc) ==
		       0;
}
