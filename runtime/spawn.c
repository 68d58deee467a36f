/* SPDX-License-Identifier: MIT */
/*
 * spawn - how tasks are made and freed, and the public calls on them: spawn, join, cancel,
 * detach, name, locals. In one file, as calls between the first and the last would be a part of what a
 * short task costs.
 */
#include "task.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TASK_COLOURS = 16, TASK_LINE = 64, TASK_ENTRY_COLOUR = 2048 };

/* Making and freeing */

/*
 * How far below the top of its stack a task lies. Tops that are all alike modulo their size
 * would share one set of the cache. From stack to stack it is one line more, as processors
 * fetch ahead where addresses grow evenly. Those of entries keep away from all others: a cache
 * that predicts its way by a hash of the address misses each time where two that take turns
 * collide.
 */
static inline size_t task_colour(const char *stack, size_t size) {
	size_t colour = (size_t)stack / STACK_SIZE % TASK_COLOURS * TASK_LINE;
	return size > STACK_SIZE ? colour + TASK_ENTRY_COLOUR : colour;
}

/* What must be zero in a new task. The rest of what has a meaning is set before it starts. */
static inline void task_clear(struct arun_task *task) {
	memset(task, 0, offsetof(struct arun_task, joiners));
	task->object.owner = NULL;
	memset(&task->object.told, 0,
		sizeof task->object - offsetof(struct object, told));
	task->joiners = NULL;
	task->scopes = NULL;
}

/* What only runs need whose switches are more than registers. */
static void task_hook(const struct sched *sched, struct arun_task *task) {
	task->ran = 0;
	memset(task->exceptions, 0, sizeof task->exceptions);
	if (sched->sanitized) {
		context_hooks_init(&task->hooks, task->stack, task->stack_size);
	}
}

/* Lays a task at the top of its stack. */
static inline struct arun_task *task_lay(
	char *stack, size_t size, const char *name, int (*fn)(void *), void *arg) {
	size_t top = size - sizeof(struct arun_task) / TASK_LINE * TASK_LINE - TASK_LINE;
	struct arun_task *task =
		(struct arun_task *)(stack + top - task_colour(stack, size));
	task_clear(task);
	task->stack = stack;
	task->stack_size = (unsigned)size;
	task->locks = 0;
	task->name = name;
	task->sp = context_make(task, task_main, task, fn, arg);
	return task;
}

__attribute__((noinline)) static struct arun_task *task_make_slow(struct sched *sched,
	const char *name, size_t stack_size, int (*fn)(void *), void *arg) {
	size_t size = stack_round(&sched->stacks, stack_size);
	if (!size) {
		errno = EINVAL;
		return NULL;
	}
	if (sched_reserve(sched, sched->tasks + 1) < 0) {
		return NULL;
	}
	char *stack = stack_acquire(&sched->stacks, size);
	if (!stack) {
		return NULL;
	}
	if (sched->measured) {
		stack_clear(stack, size);
	}
	struct arun_task *task = task_lay(stack, size, name, fn, arg);
	if (sched->hooked) {
		task_hook(sched, task);
	}
	return task;
}

/*
 * What is common by itself: a stack of the usual size that was used before, room in the queue.
 * Inlined by force, as is task_drop(): the registers that a call saves are a part of what a short
 * task costs.
 */
__attribute__((always_inline)) static inline struct arun_task *task_prepare(
	struct sched *sched, const char *name, size_t stack_size, int (*fn)(void *),
	void *arg) {
	bool common = !stack_size && !sched->hooked && sched->tasks < sched->room;
	char *stack =
		likely(common) ? stack_acquire_warm(&sched->stacks, STACK_SIZE) : NULL;
	return likely(stack != NULL) ? task_lay(stack, STACK_SIZE, name, fn, arg)
				     : task_make_slow(sched, name, stack_size, fn, arg);
}

struct arun_task *task_make(struct sched *sched, const char *name, size_t stack_size,
	int (*fn)(void *), void *arg) {
	return task_prepare(sched, name, stack_size, fn, arg);
}

__attribute__((noinline)) static void task_drop_slow(
	struct sched *sched, struct arun_task *task) {
	if (task->traits & TASK_HAS_WHY) {
		task->traits &= (uint8_t)~TASK_HAS_WHY;
		free(task->why);
	}
	if (task != sched->current) {
		sched_bury(sched, task);
		return;
	}
	sched_bury_corpse(sched);
	sched->corpse = task;
}

__attribute__((always_inline)) static inline void task_drop(
	struct sched *sched, struct arun_task *task) {
	list_drop(&task->object.link);
	task->state = TASK_GONE;
	if (unlikely(task->traits & TASK_HAS_WHY) || task == sched->current) {
		task_drop_slow(sched, task);
	} else {
		sched_bury(sched, task);
	}
}

void task_free(struct sched *sched, struct arun_task *task) {
	if (likely(task != NULL)) {
		task_drop(sched, task);
	}
}

/* Spawning */

arun_task *(arun_spawn)(int (*fn)(void *), void *arg) {
	return arun_spawn_at(NULL, "?", fn, arg);
}

arun_task *arun_spawn_at(
	const struct arun_site *site, const char *name, int (*fn)(void *), void *arg) {
	struct sched *sched = sched_here();
	if (!sched) {
		return NULL;
	}
	struct arun_task *task = task_prepare(sched, name, 0, fn, arg);
	if (unlikely(!task)) {
		task_fail(errno, "spawn", name);
		return NULL;
	}
	task_start(sched, task, site);
	return task;
}

arun_task *(arun_spawn_with)(int (*fn)(void *), void *arg,
	const arun_spawn_options *options) {
	return arun_spawn_with_at(NULL, "?", fn, arg, options);
}

arun_task *arun_spawn_with_at(const struct arun_site *site, const char *name,
	int (*fn)(void *), void *arg, const arun_spawn_options *options) {
	struct sched *sched = sched_here();
	if (!sched || !options) {
		return sched ? arun_spawn_at(site, name, fn, arg) : NULL;
	}
	struct arun_task *task = task_make(sched, name, options->stack_size, fn, arg);
	if (!task) {
		task_fail_words(errno, "spawn", options->name ? options->name : name,
			errno == EINVAL ? STACK_TOO_LARGE : NULL);
		return NULL;
	}
	if (options->name) {
		task_name(task, options->name);
	}
	task_start(sched, task, site);
	return task;
}

/* How far to look for a circle: one that self is in may lead into one that it is not in, and each of a
 * long chain that is cancelled looks. A longer circle ends with the grace time. */
enum { CIRCLE_STEPS = 256, CIRCLE_DEPTH = 16 };

/* The task that waits for this one's end without a join, and ends after it: which declared its group,
 * closes its generator or the server whose handler it is. NULL: none. */
static const struct arun_task *awaited_by(const struct arun_task *task) {
	const struct object *owner = task->owned ? task->object.owner : NULL;
	while (owner && !owner->kind->ender) {
		owner = owner->owner; /* a handler's is its connection */
	}
	return owner ? owner->kind->ender(owner) : NULL;
}

/* Whether task ends after self does, which joiners wait for, and others (see above). */
static bool ends_after(const struct arun_task *task, const struct arun_task *self,
	unsigned *steps, unsigned depth) {
	for (const struct arun_task *at = self, *next; at && *steps; at = next) {
		(*steps)--;
		if (at == task) {
			return true;
		}
		next = awaited_by(at);
		const struct list *link = at->joiners;
		while (link && *steps && depth) {
			const struct arun_task *joiner =
				container_of(link, const struct task_joiner, link)->task;
			if (next && ends_after(task, joiner, steps, depth - 1)) {
				return true;
			}
			next = next ? next : joiner;
			link = link->next == at->joiners ? NULL : link->next;
		}
	}
	return false;
}

/* Whether task cannot end before self does: then neither can wait for the other's end. */
static bool join_circle(const struct arun_task *self, const struct arun_task *task) {
	unsigned steps = CIRCLE_STEPS;
	return ends_after(task, self, &steps, CIRCLE_DEPTH);
}

/* Enters one in the ring, as the last. */
static inline void join_enter(struct arun_task *task, struct task_joiner *joiner) {
	list_init(&joiner->link);
	if (unlikely(task->joiners != NULL)) {
		list_append(task->joiners, &joiner->link);
	} else {
		task->joiners = &joiner->link;
	}
}

static inline void join_leave(struct arun_task *task, struct task_joiner *joiner) {
	struct list *next = joiner->link.next;
	if (likely(next == &joiner->link)) {
		task->joiners = NULL;
		return;
	}
	list_remove(&joiner->link);
	if (task->joiners == &joiner->link) {
		task->joiners = next;
	}
}

/* Waits for the end of task. Returns 0, or why it gave up. */
static int join_wait(
	struct sched *sched, struct arun_task *self, struct arun_task *task) {
	struct task_joiner joiner = {.task = self};
	join_enter(task, &joiner);
	self->awaits = &task->object;
	/* The others run: one that joins it, too, would free it. */
	int interrupted = task->cancelled ? 0 : task_interrupted(sched, self);
	while (likely(task->state != TASK_ENDED)) {
		bool must = unlikely(interrupted) && task->cancelled &&
			    !join_circle(self, task);
		if (unlikely(interrupted && !must)) {
			break;
		}
		interrupted = task_suspend(sched, self, INFINITY, !must);
	}
	self->awaits = NULL;
	join_leave(task, &joiner);
	return likely(task->state == TASK_ENDED) ? 0 : interrupted;
}

int(arun_join)(arun_task *task, int *result) {
	return arun_join_at(NULL, task, result);
}

/* Of a task that has ended. */
static inline int join_ended(struct sched *sched, struct arun_task *task, int *result) {
	if (result) {
		*result = task->result == -1 ? -task_errno(task) : task->result;
	}
	if (unlikely(task->failed)) {
		task_pass_on(task);
	}
	if (likely(!task->joiners)) {
		task_drop(sched, task);
	}
	return 0;
}

/* A tail call, with which the other case has no registers to save. */
__attribute__((noinline)) static int join_running(
	struct arun_task *self, struct arun_task *task, int *result) {
	struct sched *sched = sched_current;
	int error = join_wait(sched, self, task);
	return unlikely(error) ? task_fail(error, "join", task->name)
			       : join_ended(sched, task, result);
}

int arun_join_at(const struct arun_site *site, arun_task *task, int *result) {
	struct arun_task *self = task_enter(site, "arun_join");
	if (unlikely(task == self)) {
		return task_fail(EDEADLK, "join", "the caller itself");
	}
	if (unlikely(!task || task->detached || task->owned)) {
		return task_refuse("join", task ? task->name : NULL,
			!task ? "the task is NULL"
			: task->detached
				? "it is detached, and frees itself"
				: "a group, a server, a generator or arun joins it");
	}
	if (unlikely(task->state == TASK_GONE)) {
		task_gone(site, &task->object, "arun_join",
			"of a task that was joined before");
	}
	return task->state == TASK_ENDED ? join_ended(sched_current, task, result)
					 : join_running(self, task, result);
}

static void check_handle(
	const struct arun_site *site, const char *op, const struct arun_task *task) {
	if (unlikely(task->state == TASK_GONE)) {
		task_gone(site, &task->object, op, "of a task that is gone");
	}
}

void(arun_cancel)(arun_task *task) {
	arun_cancel_at(NULL, task);
}

void arun_cancel_at(const struct arun_site *site, arun_task *task) {
	struct sched *sched = sched_current;
	if (!sched || !task) {
		return;
	}
	check_handle(site, "arun_cancel", task);
	char by[TASK_NAME];
	struct text out;
	text_fixed(&out, by, sizeof by);
	text_add(&out, "%s", sched->current ? sched->current->name : "the loop");
	task_cancel(sched, task, by, site);
}

void arun_detach(arun_task *task) {
	struct sched *sched = sched_current;
	if (!sched || !task) {
		return;
	}
	check_handle(NULL, "arun_detach", task);
	if (task->detached || task->owned) {
		return;
	}
	sched_closes(&task->object, NULL);
	task->detached = true;
	task->object.background = true;
	/* Of one that is joined, the last joiner frees it. */
	if (task->state == TASK_ENDED && !task->joiners) {
		if (task->failed) {
			sched->failed(task);
		}
		task_free(sched, task);
	}
}

arun_task *arun_self(void) {
	return sched_current ? sched_current->current : NULL;
}

void arun_set_name(arun_task *task, const char *format, ...) {
	task = task ? task : arun_self();
	if (!task) {
		return;
	}
	check_handle(NULL, "arun_set_name", task);
	char name[2 * TASK_NAME]; /* where it is cut, the rest of a character is seen */
	va_list list;
	va_start(list, format);
	vsnprintf(name, sizeof name, format, list);
	va_end(list);
	task_name(task, name);
}

/* Locals */

static struct local_entry *local_find(struct local_set *set, const void *key) {
	for (unsigned i = 0; set && i < set->count; i++) {
		if (set->entries[i].key == key) {
			return &set->entries[i];
		}
	}
	return NULL;
}

void *arun_local_get(const void *key) {
	struct arun_task *self = arun_self();
	struct local_entry *entry = self ? local_find(task_locals(self), key) : NULL;
	return entry ? entry->value : NULL;
}

/* A copy with room for one more, for self alone; NULL: no memory. */
static struct local_set *local_copy(const struct local_set *set) {
	unsigned count = set ? set->count : 0;
	size_t size = sizeof(struct local_entry) * count;
	struct local_set *copy = malloc(sizeof *copy + size + sizeof *copy->entries);
	if (copy) {
		copy->refs = 1;
		copy->count = count;
		if (size) {
			memcpy(copy->entries, set->entries, size);
		}
	}
	return copy;
}

int arun_local_set(const void *key, void *value) {
	struct arun_task *self = arun_self();
	if (!self) {
		return task_fail(EPERM, "local_set", "outside a task");
	}
	struct local_entry *entry = local_find(task_locals(self), key);
	if (!entry || self->locals->refs > 1) {
		struct local_set *copy = local_copy(task_locals(self));
		if (!copy) {
			return task_fail(ENOMEM, "local_set", NULL);
		}
		local_release(task_locals(self));
		self->locals = copy;
		self->traits |= TASK_HAS_LOCALS;
		entry = entry ? local_find(copy, key) : &copy->entries[copy->count++];
	}
	*entry = (struct local_entry){key, value};
	return 0;
}
