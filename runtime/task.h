/* SPDX-License-Identifier: MIT */
/*
 * task - the life of a task: made, cancelled, ended, joined, freed; and what its last
 * failure was.
 */
#ifndef TASK_H
#define TASK_H

#include "sched.h"

#include <limits.h>
#include <string.h>

extern const struct kind task_kind;
extern const struct kind task_failed_kind;

/* One that waits in arun_join(); lies on the joiner's stack. */
struct task_joiner {
	struct list link; /* arun_task::joiners */
	struct arun_task *task;
};

/* Set in a forked child: it is no run. */
extern bool task_forked __attribute__((visibility("hidden")));

/* The run of this thread, for the plain calls; NULL with errno ESHUTDOWN where there is
 * none. */
static inline struct sched *sched_here(void) {
	if (unlikely(!sched_current)) {
		errno = ESHUTDOWN;
	}
	return sched_current;
}

/* Prints one line about a call that cannot be answered by an errno, and aborts. */
_Noreturn void task_misuse(const struct arun_site *site, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The same of op()'s use of an object that is gone; of: "of a connection that is gone". */
_Noreturn void task_gone(const struct arun_site *site, const struct object *object,
	const char *op, const char *of);

_Noreturn void task_outside(const struct arun_site *site, const char *op);

/* "arun_read" is the state "read". */
static inline const char *task_verb(const char *op) {
	return op && strncmp(op, "arun_", 5) == 0 ? op + 5 : op;
}

/* For the start of each suspending call: the running task, whose place it notes. */
static inline struct arun_task *task_enter(const struct arun_site *site, const char *op) {
	struct sched *sched = sched_current;
	struct arun_task *self = sched ? sched->current : NULL;
	if (unlikely(!self)) {
		task_outside(site, op);
	}
	self->at = site;
	self->op = op;
	return self;
}

/* A task from its first instruction on: calls fn(arg), and ends. */
void task_main(void *task, int (*fn)(void *), void *arg);

/*
 * Makes a task, which is neither listed nor queued before task_start(): until then the
 * caller may say more of it, as its owner. name must outlive it; stack_size is as in arun.h.
 * NULL with errno ENOMEM, EINVAL.
 */
struct arun_task *task_make(struct sched *sched, const char *name, size_t stack_size,
	int (*fn)(void *), void *arg);

static inline struct local_set *task_locals(const struct arun_task *task) {
	return task->traits & TASK_HAS_LOCALS ? task->locals : NULL;
}

/* What its last failure was; "": none. */
static inline const char *task_why(const struct arun_task *task) {
	return task->traits & TASK_HAS_WHY ? task->why : "";
}

/* Makes a task that was not started yet owned: ended(), with context as arun_task::owner,
 * must not suspend. In reports it is part of owner; NULL: it has a line of its own. */
static inline void task_own(struct arun_task *task, const struct object *owner,
	void (*ended)(struct arun_task *task), void *context) {
	task->object.owner = owner;
	task->object.part = owner != NULL;
	task->owned = true;
	task->ended = ended;
	task->owner = context;
}

/* The errno of a task's failure: what fn left there or returned negated; EIO: neither. */
static inline int task_errno(const struct arun_task *task) {
	long error = task->result == -1 ? task->error : -(long)task->result;
	return error > 0 && error <= INT_MAX ? (int)error : EIO;
}

/*
 * Appends why task has failed with error: what arun_why() says, where that is of this failure;
 * else what error says. Escaped. Async-signal-safe.
 */
void task_add_reason(struct text *out, const struct arun_task *task, int error);

/* The same after its name: task "fetch" (#3): connect unix:/run/db: Connection refused */
void task_blame(struct text *out, const struct arun_task *task, int error);

/* Has arun_why() of the running task tell of what task has failed. */
void task_pass_on(const struct arun_task *task);

/* Frees an ended task; the running one as soon as its stack is out of use. NULL is
 * ignored. */
void task_free(struct sched *sched, struct arun_task *task);

/* Frees the ended tasks that nobody has joined: with the run ends whoever could. */
void task_free_unjoined(struct sched *sched);

/*
 * Bytes of its stack that it has ever used, what is kept above them included. True of runs
 * that are measured; what was swapped out is taken for unused.
 */
size_t task_stack_used(const struct arun_task *task);

/* Names a task with a copy of name. */
void task_name(struct arun_task *task, const char *name);

/* Cancels task; by, site: by whom and where, for arun_why(). */
void task_cancel(struct sched *sched, struct arun_task *task, const char *by,
	const struct arun_site *site);

/* Has the sweep of the run's end leave alone a task that was not started yet. */
static inline void task_exempt(struct sched *sched, struct arun_task *task) {
	task->traits |= TASK_EXEMPT;
	sched->exempt++;
}

/* Lists a made task and queues it. */
static inline void task_start(
	struct sched *sched, struct arun_task *task, const struct arun_site *site) {
	const struct arun_task *maker = sched->current;
	if (unlikely(maker && (maker->traits & TASK_HAS_LOCALS))) {
		task->locals = local_share(maker->locals);
		task->traits |= TASK_HAS_LOCALS;
	}
	task->object.maker = sched_maker(sched);
	registry_add(&sched->registry, &task->object, &task_kind, site);
	if (unlikely(sched->sweeping && !(task->traits & TASK_EXEMPT))) {
		task_cancel(sched, task, "the end of the run", NULL);
	}
	sched->tasks++;
	sched_push(sched, task);
}

/* Takes a cancel back. */
void task_uncancel(struct arun_task *task);

/*
 * Records the running task's failure for arun_why(): "OP ON: what error says"; op with or
 * without "arun_", on may be NULL. Sets errno and returns -1.
 */
int task_fail(int error, const char *op, const char *on);

/* Appends words to that text. */
void task_fail_add(const char *words);

/* The same, with words of its own in place of those of error. */
int task_fail_words(int error, const char *op, const char *on, const char *words);

/* The same of EINVAL, for a bad argument: which it is, and what is allowed. As text_add(). */
int task_refuse(const char *op, const char *on, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
