/* SPDX-License-Identifier: MIT */
/*
 * sched - the run queue: which task runs, which waits, and what ends a wait early.
 *
 * Design notes. All tasks of a run share one thread. A task that suspends switches
 * straight to the next runnable one; after SCHED_BUDGET switches, or with nothing
 * runnable, to the loop, which lets time and descriptors in where that is due. The runnable
 * ones are in an array, which lets the processor fetch the next task's stack ahead (a linked
 * list is 13 times slower at 100,000 tasks). It is no ring: as a turn is bounded, what is
 * left is moved back to the start between two turns, now and then, and a push is one store.
 *
 * A wait: the task enters itself where its waker will look, calls task_suspend(), and
 * takes itself out there. task_wake() ends the wait; task_nudge() only lets the task look
 * again whether it is cancelled or late. So cancels, timeouts and shields need no state
 * but times, and lose no wake-up.
 */
#ifndef SCHED_H
#define SCHED_H

#include "context.h"
#include "local.h"
#include "quarantine.h"
#include "registry.h"
#include "stack.h"

#include <errno.h>
#include <math.h>

enum { SCHED_BUDGET = 256, TASK_NAME = 32 };

/*
 * TASK_READY: or running, which sched::current says. TASK_GONE: freed; what is left of it shows
 * the misuse of a stale handle.
 */
enum __attribute__((packed)) task_state {
	TASK_READY,
	TASK_WAITING,
	TASK_ENDED,
	TASK_GONE
};

/* Of few tasks. TASK_EXEMPT: from the sweep of a run's end: the driver, generators' bodies. */
enum { TASK_HAS_WHY = 1, TASK_HAS_LOCALS = 2, TASK_EXEMPT = 4 };

/* An ARUN_TIMEOUT or an ARUN_SHIELD in force, or a wait in several queues; lies on the
 * task's stack. */
struct scope {
	struct scope *outer;
	const struct arun_site *site;
	struct arun_task *task;
	double seconds;
	double time; /* a timeout: when it is over; a shield: when it was declared */
	bool shield;
	bool several; /* such a wait: a struct queue_several */
};

struct arun_task {
	/* What each switch touches: the struct's first cache line. */
	void *sp;
	int saved_errno;
	/* Of a wait: four bytes that are stored at once. */
	enum task_state state;
	bool woken;         /* the wait is over, by task_wake() */
	bool interruptible; /* cancels and timeouts end the wait */
	bool timed;         /* until has a meaning */
	bool cancelled;
	bool detached;
	bool owned; /* by a group, a server, a generator, the run: nobody else joins it */
	bool failed;    /* ended with a failure */
	bool bound;     /* cancelled, or in scopes: its waits may end early */
	uint8_t alike;  /* of its last wait: what sched_leave() said */
	uint8_t traits; /* TASK_HAS_...: which members have a meaning; TASK_EXEMPT */
	/* Where it waits, or last waited, and since when; of an end in failure, too. */
	double since;
	const struct arun_site *at;
	const char *op;
	const struct object *awaits; /* during the wait; NULL: nothing that is listed */
	unsigned long runs;

	/* What its end and a join touch besides: the second line. The third is of its making. */
	struct list *joiners; /* the first in the ring of them; NULL: none */
	int result;           /* of fn */
	int error;            /* errno, where result is negative */
	char *stack;
	unsigned stack_size;
	unsigned locks; /* that it holds */
	const char *name;
	struct object object; /* of which these touch the first members */
	struct scope *scopes; /* the innermost; by task_set_scopes() */

	/* What follows has no meaning yet in a new task. */
	char *why; /* arun_why() */
	struct local_set *locals;
	/* Of an owned one: says what happens at its end. */
	void (*ended)(struct arun_task *task);
	void *owner;         /* for ended() */
	struct list sibling; /* the owner's list */
	double until;        /* of the wait */
	uint64_t ran;        /* nanoseconds, in runs that are measured */
	void *exceptions[2]; /* C++: what __cxa_get_globals() points at */
	int why_error;
	unsigned ignored; /* suspending calls since it was cancelled */
	double cancelled_at;
	const struct arun_site *cancel_site;
	char cancelled_by[TASK_NAME]; /* a task's name, or "" */
	char name_copy[TASK_NAME];
	struct context_hooks hooks;
};
_Static_assert(offsetof(struct arun_task, joiners) == 64, "one line for a switch");
_Static_assert(offsetof(struct arun_task, object.site) == 128, "one more for its end");
_Static_assert(offsetof(struct arun_task, why) <= 192, "three for a short life");

struct sched {
	/* What each switch touches. */
	struct arun_task *current;       /* NULL: the loop */
	struct arun_task **head, **tail; /* the runnable ones */
	struct arun_task **limit;        /* of head: there a switch takes the slow path */
	int *error;  /* errno of this thread: to ask for it at each switch takes a call */
	int fuel;    /* calls that did not need to wait, until one gives way anyway */
	bool hooked; /* a switch is more than registers: sanitizers, C++ */
	bool sanitized;
	bool careful; /* with what ended tasks leave: sanitized, or kept for a while */

	struct arun_task **queue; /* where head and tail are */
	unsigned room;            /* so many tasks it is large enough for */
	unsigned tasks;
	unsigned exempt;          /* of them */
	struct arun_task *corpse; /* ended; its stack was still in use */
	struct stack_pool stacks;
	struct registry registry;
	void *loop_sp;
	int loop_errno;
	int budget;    /* switches, until the loop has its turn; where they are hooked */
	bool measured; /* how long tasks run, and how much stack they use */
	uint64_t switched; /* nanoseconds; the last switch, where it is measured */
	struct context_hooks loop_hooks;
	void *loop_exceptions[2];
	void **exceptions; /* of this thread; NULL: no C++ */

	bool stopping;
	double grace;     /* seconds from a stop to its end */
	double stop_at;   /* when the stop was asked for; INFINITY: none is under way */
	double clock_end; /* when its grace time is over; INFINITY */
	bool sweeping;    /* the run ends: tasks are born cancelled */
	struct arun_task *sweeper; /* is woken when only exempt ones are left; NULL */
	char why[256];             /* outside tasks */
	int why_error;
	uint64_t drawn; /* the last number that was drawn; the same ones in each run */

	/* What higher layers bring. */
	void (*look)(
		struct sched *sched, double limit); /* registry::now, if that is over */
	void (*park_until)(struct arun_task *self,
		double time); /* sched_leave(), back at time at the latest */
	void (*failed)(struct arun_task *task);  /* it failed, and nobody waits for it */
	void (*ignores)(struct arun_task *task); /* it ignored many cancelled waits */
	void (*leaves_locks)(
		struct sched *sched, struct arun_task *task); /* it has ended with some */
};

/* The run of this thread; NULL: none. */
extern __thread struct sched *sched_current __attribute__((visibility("hidden")));

/* plugin_exceptions: __cxa_get_globals() of the plugin, or NULL. Returns 0; -1/ENOMEM. */
int sched_init(struct sched *sched, void *(*plugin_exceptions)(void));
void sched_finish(struct sched *sched);

/*
 * From now on, how long tasks run and how much stack they use is measured. Their time is
 * that from switch to switch on the monotonic clock, which takes 25 ns to ask for; the
 * thread's processor time takes 10 times as long. The two differ where the system gives the
 * processor to others meanwhile. Before the first task.
 */
void sched_measure(struct sched *sched);

/* Nanoseconds that task has run so far, the current turn included. */
uint64_t sched_ran(const struct sched *sched, const struct arun_task *task);

/* From now on, what is gone is kept for a while. Before the first task. */
void sched_keep(struct sched *sched, struct quarantine *quarantine);

/* Gives it back. No task runs any more. */
void sched_keep_end(struct sched *sched);

/* The call at site (NULL: not known) closes object, or is about to. */
static inline void sched_closes(
	const struct object *object, const struct arun_site *site) {
	struct quarantine *quarantine = sched_current->registry.quarantine;
	if (unlikely(quarantine != NULL)) {
		quarantine_note(quarantine, object, site);
	}
}

/* Frees memory, that of object, which is gone; with --debug later. */
void sched_free(struct object *object, void *memory);

/* Runs tasks, until none is runnable or the budget is spent. From the loop only. */
void sched_run(struct sched *sched);

static inline bool sched_runnable(const struct sched *sched) {
	return sched->head != sched->tail;
}

/* Makes room for count tasks in the queue. Returns 0; -1/ENOMEM. */
int sched_reserve_slow(struct sched *sched);
static inline int sched_reserve(struct sched *sched, unsigned count) {
	return likely(count <= sched->room) ? 0 : sched_reserve_slow(sched);
}

/* For object::maker: the running task's id; 0: the loop. */
static inline uint64_t sched_maker(const struct sched *sched) {
	return sched->current ? sched->current->object.id : 0;
}

/* Lists object, as the running task's. */
static inline void sched_publish(struct sched *sched, struct object *object,
	const struct kind *kind, const struct arun_site *site) {
	object->maker = sched_maker(sched);
	registry_add(&sched->registry, object, kind, site);
}

/* sched NULL: no run, no task that runs. */
static inline bool sched_runs(const struct sched *sched, const struct arun_task *task) {
	return sched && sched->current == task;
}

/* The tasks that the sweep of a run's end waits for. */
static inline unsigned sched_sweepable(const struct sched *sched) {
	return sched->tasks - sched->exempt;
}

/* For a task that is TASK_READY. */
static inline void sched_push(struct sched *sched, struct arun_task *task) {
	*sched->tail++ = task;
}

/* Switches to the next runnable task, or to the loop. The caller must be queued
 * somewhere. Returns, once it runs again, whether it comes from a task that waits at the very place
 * where it has waited: see task_return(). */
int sched_leave(struct sched *sched, struct arun_task *self);

/* The same for one that has ended, which does not return; a tail call, so that no return
 * address is left: see context_end(). */
void sched_end(struct sched *sched, struct arun_task *self);

/* Lets every task that is runnable now run before self. Returns 0. */
int sched_yield_task(struct sched *sched, struct arun_task *self);

/*
 * For a call that did not need to wait: self gives way in one of SCHED_BUDGET of them, so that
 * one whose data are always there already does not keep the others from theirs.
 */
static inline void sched_spend(struct sched *sched, struct arun_task *self) {
	if (unlikely(--sched->fuel <= 0)) {
		sched->fuel = SCHED_BUDGET;
		sched_yield_task(sched, self);
	}
}

/* Gives the stack of a task back, which ends the task. */
void sched_bury_slow(struct sched *sched, struct arun_task *task);
static inline void sched_bury(struct sched *sched, struct arun_task *task) {
	if (unlikely(sched->careful)) {
		sched_bury_slow(sched, task);
		return;
	}
	stack_release(&sched->stacks, task->stack, task->stack_size);
}

/* The same of the task that ended while its stack was in use, if there is one. */
static inline void sched_bury_corpse(struct sched *sched) {
	struct arun_task *corpse = sched->corpse;
	if (corpse) {
		sched->corpse = NULL;
		sched_bury(sched, corpse);
	}
}

/* Ends task's wait. A task that does not wait is not affected by later waits. */
static inline void task_wake(struct sched *sched, struct arun_task *task) {
	if (likely(task->state == TASK_WAITING)) {
		task->state = TASK_READY;
		task->woken = true;
		sched_push(sched, task);
	} else {
		task->woken = true;
	}
}

/* Lets task look again whether it is cancelled or late. */
static inline void task_nudge(struct sched *sched, struct arun_task *task) {
	if (task->state == TASK_WAITING) {
		task->state = TASK_READY;
		sched_push(sched, task);
	}
}

/* Enters task in scope, or leaves it for the outer one. */
static inline void task_set_scopes(struct arun_task *task, struct scope *scope) {
	task->scopes = scope;
	task->bound = task->cancelled || scope;
}

static inline void task_set_cancelled(struct arun_task *task, bool cancelled) {
	task->cancelled = cancelled;
	task->bound = cancelled || task->scopes;
}

/* Whether nothing can interrupt task now: task_pending() is 0. */
static inline bool task_is_free(const struct arun_task *task) {
	return likely(!task->bound);
}

/* ECANCELED where task is cancelled, ETIMEDOUT past a timeout of it; shields considered;
 * else 0. */
int task_pending_slow(const struct sched *sched, const struct arun_task *task);
static inline int task_pending(const struct sched *sched, const struct arun_task *task) {
	return task_is_free(task) ? 0 : task_pending_slow(sched, task);
}

/*
 * For the start of a suspending call: the same, and where it is not 0 the others have run
 * meanwhile.
 */
int task_interrupted_slow(struct sched *sched, struct arun_task *self);
static inline int task_interrupted(struct sched *sched, struct arun_task *self) {
	return task_is_free(self) ? 0 : task_interrupted_slow(sched, self);
}

/*
 * Waits for task_wake(). Returns 0 then; ETIME at deadline (INFINITY: none); and where it
 * is interruptible ECANCELED or ETIMEDOUT, at once where that is so already. What is common
 * is inline: each return after a switch is mispredicted.
 */
int task_suspend_slow(
	struct sched *sched, struct arun_task *self, double deadline, bool interruptible);
static inline int task_suspend(struct sched *sched, struct arun_task *self,
	double deadline, bool interruptible) {
	self->since = sched->registry.now;
	if (likely(task_is_free(self) && isinf(deadline))) {
		self->state = TASK_WAITING;
		self->woken = false;
		self->interruptible = interruptible;
		self->timed = false;
		self->alike = (uint8_t)sched_leave(sched, self);
		if (likely(self->woken)) {
			return 0;
		}
	}
	return task_suspend_slow(sched, self, deadline, interruptible);
}

/*
 * The last act of a call in which self has waited: returns value, in the way that the processor
 * predicts. It takes a ret for the return of the last call, of whatever task that was: which is right
 * of tasks that wait in one place, and else is a jump. To mispredict costs as much as 60 instructions.
 */
static inline int task_return(const struct arun_task *self, int value) {
	return unlikely(self->alike) ? value : context_return(value);
}
static inline void *task_return_pointer(const struct arun_task *self, void *value) {
	return self->alike ? value : context_return_pointer(value);
}

/* The innermost timeout that is over, shields considered; NULL: none. */
const struct scope *task_late_scope(
	const struct sched *sched, const struct arun_task *task);

#endif
