/* SPDX-License-Identifier: MIT */
#include "sched.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* So many suspending calls of a cancelled task are one too many. */
enum { SCHED_PATIENCE = 1000, SCHED_FIRST_ROOM = 64 };

/*
 * Where more than a few are runnable, the one so FAR ahead has its struct fetched, and the one
 * that is NEAR by has what a switch touches of its stack, which the struct tells. With few, all
 * of it is there anyway.
 */
enum { SCHED_FEW = 16, SCHED_FAR = 8, SCHED_NEAR = 2, SCHED_LINES = 4, SCHED_LINE = 64 };

__thread struct sched *sched_current;

int sched_init(struct sched *sched, void *(*plugin_exceptions)(void)) {
	*sched = (struct sched){.error = &errno,
		.fuel = SCHED_BUDGET,
		.stop_at = INFINITY,
		.clock_end = INFINITY};
	registry_init(&sched->registry);
	sched->sanitized = sched->careful = context_hooks_find();
	sched->exceptions = plugin_exceptions ? plugin_exceptions() : NULL;
	sched->hooked = sched->sanitized || sched->exceptions;
	stack_pool_init(&sched->stacks, context_hooks_address());
	return sched_reserve(sched, SCHED_FIRST_ROOM);
}

void sched_keep(struct sched *sched, struct quarantine *quarantine) {
	sched->registry.quarantine = quarantine;
	sched->careful = sched->sanitized || quarantine;
}

void sched_keep_end(struct sched *sched) {
	struct quarantine *quarantine = sched->registry.quarantine;
	sched_keep(sched, NULL);
	quarantine_destroy(quarantine);
}

void sched_free(struct object *object, void *memory) {
	struct quarantine *quarantine =
		sched_current ? sched_current->registry.quarantine : NULL;
	object_gone(object);
	if (quarantine) {
		quarantine_keep(quarantine, object, memory, 0, free);
	} else {
		free(memory);
	}
}

static void sched_release(void *memory) {
	const struct arun_task *task = memory;
	stack_release(&sched_current->stacks, task->stack, task->stack_size);
}

void sched_bury_slow(struct sched *sched, struct arun_task *task) {
	struct quarantine *quarantine = sched->registry.quarantine;
	if (sched->sanitized) {
		context_hooks_finish(&task->hooks);
	}
	if (!quarantine) {
		sched_release(task);
		return;
	}
	/* Of one that was detached the call is noted. */
	if (!task->detached && sched->current) {
		quarantine_note(quarantine, &task->object, sched->current->at);
	}
	quarantine_keep(quarantine, &task->object, task, task->stack_size, sched_release);
}

void sched_finish(struct sched *sched) {
	sched_bury_corpse(sched);
	stack_pool_finish(&sched->stacks);
	free(sched->queue);
	sched->queue = NULL;
}

/* Moves the runnable ones to the start of queue. */
static void sched_move(struct sched *sched, struct arun_task **queue) {
	ptrdiff_t used = sched->tail - sched->head, left = sched->limit - sched->head;
	if (used) {
		memmove(queue, sched->head, (size_t)used * sizeof *queue);
	}
	sched->head = queue;
	sched->tail = queue + used;
	sched->limit = queue + left;
}

/*
 * Between two turns at most room entries lie before head, and at most room tasks are runnable; a
 * turn takes head on by SCHED_BUDGET at most. The queue has space for all three.
 */
static void sched_rewind(struct sched *sched) {
	if (!sched_runnable(sched) ||
		sched->head - sched->queue > (ptrdiff_t)sched->room) {
		sched_move(sched, sched->queue);
	}
}

int sched_reserve_slow(struct sched *sched) {
	unsigned room = sched->room ? sched->room * 2 : SCHED_FIRST_ROOM;
	struct arun_task **queue =
		malloc((2 * (size_t)room + SCHED_BUDGET) * sizeof *queue);
	if (!queue) {
		errno = ENOMEM;
		return -1;
	}
	sched_move(sched, queue);
	free(sched->queue);
	sched->queue = queue;
	sched->room = room;
	return 0;
}

/*
 * Has memory fetched in time: the registers of a task, and the calls that return first. What
 * is in the queue is alive. Inlined by force: gcc takes the call of a function that does nothing
 * but this for one without effect, and drops it.
 */
__attribute__((always_inline)) static inline void sched_prefetch(struct sched *sched) {
	__builtin_prefetch(sched->head[SCHED_FAR]);
	const char *sp = sched->head[SCHED_NEAR]->sp;
#pragma GCC unroll 8
	for (int line = 0; line < SCHED_LINES; line++) {
		__builtin_prefetch(sp + (ptrdiff_t)line * SCHED_LINE);
	}
}

/*
 * For as many switches as the loop lets tasks have. Where a switch is more than registers, each
 * takes the slow path, which counts; so the common path need not ask.
 */
static void sched_enter(struct sched *sched) {
	sched->budget = SCHED_BUDGET;
	sched->limit = sched->head + (sched->hooked ? 0 : SCHED_BUDGET);
}

static inline bool sched_is_due(const struct sched *sched) {
	return sched->head == sched->limit;
}

/* The next task to run, of those that are runnable. */
static inline struct arun_task *sched_shift(struct sched *sched) {
	struct arun_task *next = *sched->head++;
	if (unlikely(sched->tail - sched->head > SCHED_FEW)) {
		sched_prefetch(sched);
	}
	return next;
}

/* The next task to run; NULL: the slow path knows. */
static inline struct arun_task *sched_take(struct sched *sched) {
	bool goes_on = sched_runnable(sched) && !sched_is_due(sched);
	return likely(goes_on) ? sched_shift(sched) : NULL;
}

/* The next task to run where switches are hooked; NULL: the loop's turn. */
static struct arun_task *sched_take_hooked(struct sched *sched) {
	if (!sched_runnable(sched) || --sched->budget < 0) {
		return NULL;
	}
	sched->limit = sched->head + 1;
	return *sched->head++;
}

/* Of the monotonic clock. */
static uint64_t sched_clock(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void sched_measure(struct sched *sched) {
	sched->measured = sched->hooked = true;
	sched->switched = sched_clock();
}

uint64_t sched_ran(const struct sched *sched, const struct arun_task *task) {
	bool runs = sched->measured && sched_runs(sched, task);
	return task->ran + (runs ? sched_clock() - sched->switched : 0);
}

static void sched_charge(struct sched *sched, struct arun_task *self) {
	uint64_t now = sched_clock();
	if (self) {
		self->ran += now - sched->switched;
	}
	sched->switched = now;
}

/* Where a switch is more than registers. next NULL: the loop; self NULL: from the loop.
 */
__attribute__((noinline)) static int sched_switch_hooked(
	struct sched *sched, struct arun_task *self, struct arun_task *next) {
	void **from = self ? self->exceptions : sched->loop_exceptions;
	void **to = next ? next->exceptions : sched->loop_exceptions;
	void **save = self ? &self->sp : &sched->loop_sp;
	void *sp = next ? next->sp : sched->loop_sp;
	if (sched->measured) {
		sched_charge(sched, self);
	}
	if (next) {
		/* A handler that comes until it is saved again must not unwind from it. */
		*(void *volatile *)&next->sp = NULL;
	}
	if (sched->exceptions) {
		memcpy(from, sched->exceptions, sizeof self->exceptions);
		memcpy(sched->exceptions, to, sizeof self->exceptions);
	}
	if (!sched->sanitized) {
		return context_switch(save, sp, 0);
	}
	return context_switch_hooked(save, sp, 0,
		self ? &self->hooks : &sched->loop_hooks,
		next ? &next->hooks : &sched->loop_hooks,
		self && self->state >= TASK_ENDED);
}

/* To look costs less than a store that changes nothing: stores are what a switch has many of. */
static inline void sched_save_errno(const struct sched *sched, struct arun_task *self) {
	if (unlikely(self->saved_errno != *sched->error)) {
		self->saved_errno = *sched->error;
	}
}

static inline void sched_resume(struct sched *sched, struct arun_task *next) {
	sched->current = next;
	next->runs++;
	if (unlikely(*sched->error != next->saved_errno)) {
		*sched->error = next->saved_errno;
	}
}

/* Gives the loop its turn; or goes on where switches are hooked. */
__attribute__((noinline)) static int sched_leave_slow(
	struct sched *sched, struct arun_task *self) {
	struct arun_task *next = sched->hooked ? sched_take_hooked(sched) : NULL;
	sched_save_errno(sched, self);
	if (next) {
		sched_resume(sched, next);
		return next == self ? 0 : sched_switch_hooked(sched, self, next);
	}
	sched->current = NULL;
	*sched->error = sched->loop_errno;
	return sched->hooked ? sched_switch_hooked(sched, self, NULL)
			     : context_switch(&self->sp, sched->loop_sp, 0);
}

void sched_end(struct sched *sched, struct arun_task *self) {
	struct arun_task *next = sched_take(sched);
	if (unlikely(!next)) {
		sched_leave_slow(sched, self);
		return;
	}
	sched_resume(sched, next);
	if (self->runs == 1 && next->runs > 1) {
		context_end(next->sp);
	} else {
		context_leave(next->sp);
	}
}

int sched_leave(struct sched *sched, struct arun_task *self) {
	struct arun_task *next = sched_take(sched);
	if (unlikely(!next)) {
		return sched_leave_slow(sched, self);
	}
	sched_save_errno(sched, self);
	sched_resume(sched, next);
	return context_switch_alike(&self->sp, next->sp, next->at == self->at);
}

/* Nothing is left to do after its switch, so that it is jumped back to. */
line_aligned int sched_yield_task(struct sched *sched, struct arun_task *self) {
	sched_push(sched, self);
	if (unlikely(sched_is_due(sched))) {
		return sched_leave_slow(sched, self);
	}
	struct arun_task *next = sched_shift(sched);
	sched_save_errno(sched, self);
	sched_resume(sched, next);
	return next == self ? 0 : context_switch(&self->sp, next->sp, 0);
}

void sched_run(struct sched *sched) {
	sched_enter(sched);
	struct arun_task *next =
		sched->hooked ? sched_take_hooked(sched) : sched_take(sched);
	if (!next) {
		return;
	}
	sched->loop_errno = *sched->error;
	sched_resume(sched, next);
	if (unlikely(sched->hooked)) {
		if (sched->sanitized && !sched->loop_hooks.size) {
			context_hooks_init(&sched->loop_hooks, NULL, 0);
		}
		sched_switch_hooked(sched, NULL, next);
	} else {
		context_switch(&sched->loop_sp, next->sp, 0);
	}
	sched_rewind(sched);
	sched_bury_corpse(sched);
}

/* Waits */

/*
 * When shield ends: its seconds count from its declaration, or from the first thing
 * outside that it holds off, if that is later.
 */
static double shield_end(const struct sched *sched, const struct arun_task *task,
	const struct scope *shield) {
	double first = task->cancelled ? task->cancelled_at : INFINITY;
	for (const struct scope *scope = shield->outer; scope; scope = scope->outer) {
		if (!scope->shield) {
			first = time_min(first, scope->time);
		}
	}
	return time_min(
		time_max(first, shield->time) + shield->seconds, sched->clock_end);
}

/* The earliest time at which task_pending() may change; INFINITY: none. */
static double task_limit(const struct sched *sched, const struct arun_task *task) {
	double limit = INFINITY, now = sched->registry.now;
	for (const struct scope *scope = task->scopes; scope; scope = scope->outer) {
		if (!scope->shield) {
			limit = time_min(limit, scope->time);
			continue;
		}
		double end = shield_end(sched, task, scope);
		if (now < end) {
			return time_min(limit, end);
		}
	}
	return limit;
}

int task_suspend_slow(struct sched *sched, struct arun_task *self, double deadline,
	bool interruptible) {
	self->woken = false;
	self->interruptible = interruptible;
	for (;;) {
		int pending = interruptible ? task_pending(sched, self) : 0;
		if (unlikely(pending)) {
			return pending;
		}
		double until = deadline;
		if (interruptible && self->scopes) {
			until = time_min(until, task_limit(sched, self));
		}
		self->until = until;
		self->timed = !isinf(until);
		self->state = TASK_WAITING;
		if (isinf(until)) {
			self->alike = (uint8_t)sched_leave(sched, self);
		} else {
			sched->park_until(self, until);
		}
		if (self->woken) {
			return 0;
		}
		if (sched->registry.now >= deadline) {
			return ETIME;
		}
	}
}

int task_interrupted_slow(struct sched *sched, struct arun_task *self) {
	int pending = task_pending(sched, self);
	if (!pending && self->scopes) {
		/* The turn may have lasted for as long. */
		sched->look(sched, task_limit(sched, self));
		pending = task_pending(sched, self);
	}
	if (!pending) {
		return 0;
	}
	if (pending == ECANCELED && ++self->ignored == SCHED_PATIENCE) {
		sched->ignores(self);
	}
	sched_yield_task(sched, self);
	return pending;
}

const struct scope *task_late_scope(
	const struct sched *sched, const struct arun_task *task) {
	double now = sched->registry.now;
	for (const struct scope *scope = task->scopes; scope; scope = scope->outer) {
		if (scope->shield ? now < shield_end(sched, task, scope)
				  : now >= scope->time) {
			return scope->shield ? NULL : scope;
		}
	}
	return NULL;
}

static bool task_shielded(const struct sched *sched, const struct arun_task *task) {
	double now = sched->registry.now;
	for (const struct scope *scope = task->scopes; scope; scope = scope->outer) {
		if (scope->shield && now < shield_end(sched, task, scope)) {
			return true;
		}
	}
	return false;
}

int task_pending_slow(const struct sched *sched, const struct arun_task *task) {
	if (task->cancelled && !task_shielded(sched, task)) {
		return ECANCELED;
	}
	return task_late_scope(sched, task) ? ETIMEDOUT : 0;
}
