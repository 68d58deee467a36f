/* SPDX-License-Identifier: MIT */
#include "group.h"

#include <stdlib.h>

_Static_assert(sizeof(struct group) <= sizeof(struct arun_group), "room for a group");

static struct group *group_of(arun_group *group) {
	return (struct group *)(void *)group;
}

/* How reports show it */

static const struct group *group_object(const struct object *object) {
	return container_of(object, const struct group, object);
}

/* Its tasks are what is left open: an empty one leaves nothing. */
static bool group_leaked(const struct object *object) {
	return group_object(object)->running > 0;
}

static const char *group_state(const struct object *object) {
	return group_object(object)->waiting ? "waited for" : "open";
}

static void group_line(const struct object *object, struct text *out) {
	const struct group *group = group_object(object);
	text_add(out, "(#%lu) with %u task%s", (unsigned long)object->id, group->running,
		group->running == 1 ? "" : "s");
}

static void group_detail(const struct object *object, struct text *out) {
	const struct group *group = group_object(object);
	text_add(out, "\"running\": %u, \"ended\": %u", group->running, group->ended);
}

static const struct arun_task *group_ender(const struct object *object) {
	return container_of(object->owner, const struct arun_task, object);
}

static const struct kind group_kind = {
	.index = KIND_GROUP,
	.word = "group",
	.title = "group",
	.fate = "not ended",
	.waits = "waits",
	.help = "leave its block, or arun_group_wait() for it",
	.outcome = "cancelled",
	.leaked = group_leaked,
	.name = object_function,
	.state = group_state,
	.line = group_line,
	.detail = group_detail,
	.ender = group_ender,
};

/* Life */

arun_group *arun_group_begin(struct arun_group *space, const struct arun_site *site) {
	struct sched *sched = sched_current;
	if (!sched || !sched->current) {
		task_outside(site, "ARUN_GROUP");
	}
	struct group *group = group_of(space);
	*group = (struct group){.parent = sched->current};
	double limit = INFINITY;
	/* What a shield holds off is not in force; when it ends, so does the wait for the group. */
	for (const struct scope *scope = sched->current->scopes; scope && !scope->shield;
		scope = scope->outer) {
		if (scope->time < limit) {
			limit = scope->time;
			group->deadline = *scope;
			group->limited = true;
		}
	}
	group->deadline.outer = NULL;
	list_init(&group->tasks);
	group->object.owner = &sched->current->object;
	sched_publish(sched, &group->object, &group_kind, site);
	return space;
}

static void group_blame(char why[GROUP_WHY], const struct arun_task *task, int error) {
	struct text out;
	text_fixed(&out, why, GROUP_WHY);
	task_blame(&out, task, error);
}

/* A task has failed with error. */
static void group_note(
	struct group *group, const struct arun_task *task, int error, bool first) {
	group->last = error;
	group->words = group->words ? group->words : calloc(1, sizeof *group->words);
	if (group->words) {
		group_blame(group->words->last, task, error);
	}
	if (first) {
		group->failure = error;
	}
	if (first && group->words) {
		group_blame(group->words->failure, task, error);
	}
}

static void group_task_ended(struct arun_task *task) {
	struct sched *sched = sched_current;
	struct group *group = task->owner;
	list_remove(&task->sibling);
	group->running--;
	group->ended++;
	if (task->result >= 0) {
		group->winner = group->won ? group->winner : task->result;
		group->won = true;
	} else if (task->failed || !group->cancelled) {
		bool first = task->failed && !group->failure;
		group_note(group, task, task_errno(task), first);
	}
	if (group->waiting) {
		task_wake(sched, group->parent);
	}
	task_free(sched, task);
}

int(arun_group_spawn)(arun_group *space, int (*fn)(void *), void *arg) {
	return arun_group_spawn_at(NULL, space, "?", fn, arg);
}

int arun_group_spawn_at(const struct arun_site *site, arun_group *space, const char *name,
	int (*fn)(void *), void *arg) {
	struct sched *sched = sched_here();
	struct group *group = group_of(space);
	if (!sched) {
		return -1;
	}
	if (group->closed) {
		return task_fail_words(
			ECANCELED, "group spawn", name, "the group is closed");
	}
	struct arun_task *task = task_make(sched, name, 0, fn, arg);
	if (!task) {
		return task_fail(errno, "group spawn", name);
	}
	task_own(task, &group->object, group_task_ended, group);
	list_insert(&group->tasks, &task->sibling);
	if (group->limited) {
		task_set_scopes(task, &group->deadline);
	}
	group->running++;
	task_start(sched, task, site);
	return 0;
}

/* By whom its tasks are cancelled, and where. */
struct group_reason {
	char by[TASK_NAME];
	const struct arun_site *site;
};

/* The reason is what has interrupted the parent (error: ECANCELED, ETIMEDOUT), so that it is the same
 * in groups of any depth; else why. */
static void group_blame_cancel(struct group_reason *reason, const struct sched *sched,
	const struct group *group, int error, const char *why) {
	const struct arun_task *parent = group->parent;
	const struct scope *late =
		error == ETIMEDOUT ? task_late_scope(sched, parent) : NULL;
	struct text out;
	text_fixed(&out, reason->by, sizeof reason->by);
	if (error == ECANCELED) {
		text_add(&out, "%s", parent->cancelled_by);
		reason->site = parent->cancel_site;
	} else if (late) {
		text_add(&out, "ARUN_TIMEOUT of ");
		text_seconds(&out, late->seconds);
		reason->site = late->site;
	} else {
		text_add(&out, "%s", why);
		reason->site = group->object.site;
	}
}

static void group_cancel(
	struct sched *sched, struct group *group, int error, const char *why) {
	group->closed = true;
	if (group->cancelled) {
		return;
	}
	group->cancelled = true;
	struct group_reason reason;
	group_blame_cancel(&reason, sched, group, error, why);
	list_each (at, &group->tasks) {
		task_cancel(sched, container_of(at, struct arun_task, sibling), reason.by,
			reason.site);
	}
}

/* Waits for the end of one more task. */
static int group_next(struct sched *sched, struct group *group, bool interruptible) {
	group->waiting = true;
	group->parent->awaits = &group->object;
	int result = task_suspend(sched, group->parent, INFINITY, interruptible);
	group->parent->awaits = NULL;
	group->waiting = false;
	return result;
}

/* Waits until done(group), then cancels the rest and waits for it. Returns 0, or what cut
 * it short. */
static int group_until(struct sched *sched, struct group *group, struct arun_task *self,
	bool (*done)(const struct group *), const char *why) {
	int error = task_interrupted(sched, self);
	while (group->running && !error && !done(group)) {
		error = group_next(sched, group, true);
	}
	if (error || done(group)) {
		group_cancel(sched, group, error, why);
	}
	while (group->running) {
		group_next(sched, group, false);
	}
	return error;
}

/* The group, for the task that declared it: no other can wait for it. */
static struct group *group_enter(
	const struct arun_site *site, arun_group *space, struct arun_task *self) {
	struct group *group = group_of(space);
	if (unlikely(group->parent != self)) {
		task_misuse(site,
			"%s() by another task than the one that declared the group",
			self->op);
	}
	return group;
}

static bool group_has_failure(const struct group *group) {
	return group->failure != 0;
}

static bool group_has_winner(const struct group *group) {
	return group->won;
}

int(arun_group_wait)(arun_group *space) {
	return arun_group_wait_at(NULL, space);
}

int arun_group_wait_at(const struct arun_site *site, arun_group *space) {
	struct arun_task *self = task_enter(site, "arun_group_wait");
	struct group *group = group_enter(site, space, self);
	int error = group_until(sched_current, group, self, group_has_failure,
		"the failure of another task");
	if (error) {
		return task_fail(error, self->op, NULL);
	}
	if (!group->failure) {
		return 0;
	}
	return task_fail_words(group->failure, self->op, NULL,
		group->words ? group->words->failure : NULL);
}

int(arun_group_first)(arun_group *space) {
	return arun_group_first_at(NULL, space);
}

int arun_group_first_at(const struct arun_site *site, arun_group *space) {
	struct arun_task *self = task_enter(site, "arun_group_first");
	struct group *group = group_enter(site, space, self);
	int error = group_until(sched_current, group, self, group_has_winner,
		"the success of another task");
	if (!error && group->won) {
		return group->winner;
	}
	if (error || !group->last) {
		return error ? task_fail(error, self->op, NULL)
			     : task_fail_words(EINVAL, self->op, NULL, "no tasks");
	}
	return task_fail_words(
		group->last, self->op, NULL, group->words ? group->words->last : NULL);
}

void arun_group_end(arun_group **space) {
	struct group *group = *space ? group_of(*space) : NULL;
	if (!group) {
		return;
	}
	struct sched *sched = sched_current;
	int saved = errno;
	if (group->running) {
		task_enter(group->object.site, "ARUN_GROUP");
		group_cancel(sched, group, task_pending(sched, group->parent),
			"the end of its group");
		while (group->running) {
			group_next(sched, group, false);
		}
	}
	registry_remove(&group->object);
	free(group->words);
	errno = saved;
}
