/* SPDX-License-Identifier: MIT */
#include "report_tasks.h"

#include "gen.h"
#include "notes.h"
#include "process.h"
#include "select.h"

#include <signal.h>

/* At most: of tasks in a list, of lines that each have one. */
enum { NAMED = 8, LINES = 20 };

/* Appends what is said of one task. */
typedef void add_task_fn(
	struct text *out, const struct report_tasks *tasks, const struct arun_task *task);

void report_tasks_failed(const struct report *report, const struct arun_task *task) {
	struct text out;
	text_init(&out);
	report_add_place(&out, report, task->object.site);
	text_add(&out, ": failed: ");
	task_blame(&out, task, task->error);
	text_add(&out, "\n");
	report_say(&out);
}

/* Whether nothing waits for it: a generator's body between two items, or a task of arun's own. */
static bool is_idle(const struct arun_task *task) {
	const struct object *owner = task->object.owner;
	if (!(task->traits & TASK_EXEMPT) || task->cancelled) {
		return false;
	}
	if (!owner || owner->kind->index != KIND_GENERATOR) {
		return true;
	}
	const struct arun_gen *gen = container_of(owner, const struct arun_gen, object);
	return gen->suspended && !gen->closed;
}

static const struct arun_task *task_of(const struct object *object) {
	return container_of(object, const struct arun_task, object);
}

/*
 * Calls add() for the first most tasks that something waits for, the entry first. Returns how many
 * more there are.
 */
static unsigned add_tasks(struct text *out, const struct report_tasks *tasks,
	add_task_fn *add, unsigned most) {
	unsigned count = 0;
	if (tasks->entry) {
		add(out, tasks, tasks->entry);
		count++;
	}
	registry_each (object, tasks->registry, KIND_TASK) {
		const struct arun_task *task = task_of(object);
		bool waited_for = !object_is_over(object) && !is_idle(task);
		if (task != tasks->entry && waited_for && count++ < most) {
			add(out, tasks, task);
		}
	}
	return count > most ? count - most : 0;
}

/* Deadlock ----------------------------------------------------------------------- */

static void add_deadlocked(struct text *out, const struct report_tasks *tasks,
	const struct arun_task *task) {
	bool is_entry = task == tasks->entry;
	report_add_place(out, tasks->report, task->at);
	text_add(out, ": deadlock: ");
	report_add_task(out, tasks->report, tasks->entry, task);
	text_add(out, " waits here");
	if (task->op && (!is_entry || !task->awaits)) {
		text_add(out, " in %s", task->op);
	}
	if (task->awaits) {
		text_add(out, " for ");
		object_add(out, task->awaits);
		select_add_others(out, task);
	}
	text_add(out, is_entry ? " and nothing can wake it\n" : "\n");
	const struct registry *registry = sched_current ? &sched_current->registry : NULL;
	if (registry && registry->notes) {
		struct closeup closeup = {.taken = false};
		closeup_take(&closeup, registry, &task->object);
		notes_add_task(out, registry->notes, &closeup);
	}
}

/* The objects of a deadlock, for the file of --report. */
static void write_deadlock(const struct report_tasks *tasks) {
	struct snapshot objects;
	snapshot_take(&objects, SNAPSHOT_ALL, tasks->registry, NULL);
	struct report_end end = {.reason = "deadlock", .status = 1, .shutdown = -1};
	report_json(tasks->report,
		&(struct report_line){"deadlock", .end = &end, .snapshot = &objects});
	snapshot_finish(&objects);
}

void report_tasks_deadlocked(const struct report_tasks *tasks) {
	struct text out;
	text_init(&out);
	unsigned rest = add_tasks(&out, tasks, add_deadlocked, LINES);
	if (rest) {
		text_add(&out, "arun: ");
		text_escape(&out, tasks->report->plugin);
		text_add(&out, ": and %u more task%s\n", rest, rest == 1 ? "" : "s");
	}
	report_say(&out);
	write_deadlock(tasks);
}

/* The end of a stop -------------------------------------------------------------- */

static void add_running(struct text *out, const struct arun_task *task) {
	text_add(out, " running since its %s", task->at ? "last wait at " : "start");
	if (task->at) {
		registry_site(out, task->at);
	} else if (task->object.site) {
		text_add(out, " (made at ");
		registry_site(out, task->object.site);
		text_add(out, ")");
	}
}

/* Appends a task of a list, and ", "; verb: " waits", or "". */
static void add_listed(struct text *out, const struct report_tasks *tasks,
	const struct arun_task *task, const char *verb) {
	report_add_task(out, tasks->report, tasks->entry, task);
	if (sched_runs(sched_current, task)) {
		add_running(out, task);
	} else if (task->at) {
		text_add(out, "%s at ", verb);
		registry_site(out, task->at);
	}
	text_add(out, ", ");
}

static void add_abandoned(struct text *out, const struct report_tasks *tasks,
	const struct arun_task *task) {
	add_listed(out, tasks, task, "");
}

static void add_awaited(struct text *out, const struct report_tasks *tasks,
	const struct arun_task *task) {
	add_listed(out, tasks, task, " waits");
}

/* How tasks are listed: how many at most, and what is said where there is none. */
struct listing {
	add_task_fn *add;
	unsigned most;
	const char *none;
};

static const struct listing abandoned = {
	add_abandoned, LINES, "a job that blocks in a thread"};
static const struct listing awaited = {add_awaited, NAMED, "what is being closed"};

/* Whether the stop waits for it: of processes, only for those that it ends. */
static bool is_awaited(const struct object *object) {
	const struct arun_process *process =
		container_of(object, const struct arun_process, object);
	return object->kind->index != KIND_PROCESS ||
	       (process->ending && !process->ended);
}

/* Appends the jobs of threads, or the processes that were told to end; the oldest last. */
static void add_objects(
	struct text *out, const struct registry *registry, enum kind_index kind) {
	unsigned count = 0;
	registry_each (object, registry, kind) {
		if (is_awaited(object) && count++ < NAMED) {
			object_add(out, object);
			text_add(out, " of ");
			registry_site(out, object->site);
			text_add(out, ", ");
		}
	}
}

static void add_list(struct text *out, const struct report_tasks *tasks,
	const struct listing *listing) {
	size_t before = out->length;
	unsigned rest = add_tasks(out, tasks, listing->add, listing->most);
	add_objects(out, tasks->registry, KIND_JOB);
	add_objects(out, tasks->registry, KIND_PROCESS);
	if (out->length == before) {
		text_add(out, "%s", listing->none);
		return;
	}
	text_cut(out, 2);
	if (rest) {
		text_add(out, " and %u more", rest);
	}
}

void report_tasks_abandoned(const struct report_tasks *tasks, double grace) {
	struct text out;
	text_init(&out);
	text_add(&out, "arun: grace of ");
	text_seconds(&out, grace);
	text_add(&out, " is over; abandoned: ");
	add_list(&out, tasks, &abandoned);
	text_add(&out, "\n");
	report_say(&out);
}

void report_tasks_awaited(const struct report_tasks *tasks, double left, int signal) {
	struct text out;
	text_init(&out);
	text_add(&out, "arun: stopping; ");
	text_seconds(&out, left);
	text_add(&out, " left for: ");
	add_list(&out, tasks, &awaited);
	if (signal) {
		text_add(&out, " (again %s: force)",
			signal == SIGINT ? "Ctrl-C" : "SIGTERM");
	}
	text_add(&out, "\n");
	report_say(&out);
}

void report_tasks_add_awaited(struct text *out, const struct report_tasks *tasks) {
	add_list(out, tasks, &awaited);
}
