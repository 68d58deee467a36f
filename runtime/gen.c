/* SPDX-License-Identifier: MIT */
#include "gen.h"

#include "grace.h"

#include <stdlib.h>

/* How reports show it */

static const struct arun_gen *gen_of(const struct object *object) {
	return container_of(object, const struct arun_gen, object);
}

static const char *gen_name(const struct object *object) {
	return gen_of(object)->name;
}

static const char *gen_state(const struct object *object) {
	const struct arun_gen *gen = gen_of(object);
	return gen->ended       ? "ended"
	       : !gen->started  ? "new"
	       : gen->suspended ? "suspended"
				: "running";
}

static void gen_detail(const struct object *object, struct text *out) {
	text_add(out, "\"yielded\": %lu", gen_of(object)->yielded);
}

static bool gen_waiting(const struct object *object, struct waiting *out) {
	const struct arun_task *body = gen_of(object)->body;
	return body && task_kind.waiting(&body->object, out);
}

static const struct arun_task *gen_task(const struct object *object) {
	return gen_of(object)->body;
}

static const struct arun_task *gen_ender(const struct object *object) {
	return gen_of(object)->closer;
}

static void gen_forget(struct object *object) {
	struct arun_gen *gen = container_of(object, struct arun_gen, object);
	free(gen->why);
	free(gen);
}

static const struct kind gen_kind = {
	.index = KIND_GENERATOR,
	.word = "generator",
	.title = "generator",
	.fate = "not closed",
	.waits = "suspended",
	.help = "arun_gen_close()",
	.outcome = "closed",
	.ageless = true,
	.name = gen_name,
	.state = gen_state,
	.line = object_line,
	.detail = gen_detail,
	.waiting = gen_waiting,
	.task = gen_task,
	.ender = gen_ender,
	.forget = gen_forget,
};

/* Life */

arun_gen *(arun_gen_new)(int (*fn)(void *), void *arg) {
	return arun_gen_new_at(NULL, "?", fn, arg);
}

arun_gen *arun_gen_new_at(
	const struct arun_site *site, const char *name, int (*fn)(void *), void *arg) {
	struct sched *sched = sched_here();
	struct arun_gen *gen = sched ? calloc(1, sizeof *gen) : NULL;
	if (!gen) {
		if (sched) {
			task_fail(ENOMEM, "gen_new", name);
		}
		return NULL;
	}
	gen->name = name;
	gen->fn = fn;
	gen->arg = arg;
	sched_publish(sched, &gen->object, &gen_kind, site);
	return gen;
}

static void gen_wake(struct arun_task *task) {
	if (task) {
		task_wake(sched_current, task);
	}
}

static void gen_body_ended(struct arun_task *task) {
	struct arun_gen *gen = task->owner;
	gen->ended = true;
	gen->body = NULL;
	gen->result = task->result;
	gen->error = task_errno(task);
	if (unlikely(gen->result < 0) && (task->traits & TASK_HAS_WHY) &&
		task->why_error == gen->error) {
		gen->why = task->why;
		task->traits &= (uint8_t)~TASK_HAS_WHY;
	}
	gen_wake(gen->consumer);
	gen_wake(gen->closer);
	task_free(sched_current, task);
}

/* Returns 0; -1/ENOMEM. */
static int gen_start(struct sched *sched, struct arun_gen *gen) {
	struct arun_task *body = gen->body =
		task_make(sched, gen->name, 0, gen->fn, gen->arg);
	if (!body) {
		return -1;
	}
	task_exempt(sched, body);
	task_own(body, &gen->object, gen_body_ended, gen);
	task_start(sched, body, gen->object.site);
	gen->started = true;
	return 0;
}

/* Has the body make the next item. Returns 0; -1/ENOMEM. */
static int gen_resume(struct sched *sched, struct arun_gen *gen) {
	if (!gen->started) {
		return gen_start(sched, gen);
	}
	gen->wanted = true;
	if (gen->suspended) {
		gen_wake(gen->body);
	}
	return 0;
}

/* Waits for an item or the end. Returns 0, or the errno of the call. */
static int gen_wait(struct sched *sched, struct arun_gen *gen, struct arun_task *self) {
	int error = 0;
	gen->consumer = self;
	self->awaits = &gen->object;
	while (!gen->full && !gen->ended && !gen->closed && !error) {
		error = task_suspend(sched, self, INFINITY, true);
	}
	self->awaits = NULL;
	gen->consumer = NULL;
	gen_wake(gen->closer); /* which frees it when nobody uses it any more */
	return gen->closed ? EBADF : gen->full || gen->ended ? 0 : error;
}

/* name: the generator's; it itself may have been closed and freed meanwhile. */
static void *gen_fail(struct arun_task *self, const char *name, int error) {
	if (error) {
		task_fail(error, self->op, name);
	}
	errno = error;
	return NULL;
}

/* Fails as the body did: with its errno, in its words. */
static int gen_pass_on(const struct arun_task *self, const struct arun_gen *gen) {
	return task_fail_words(gen->error, self->op, gen->name, gen->why);
}

static void *gen_take(struct arun_gen *gen) {
	gen->full = false;
	gen->yielded++;
	return gen->item;
}

/* Aborts where gen has been closed before. */
static void gen_check(
	const struct arun_site *site, const struct arun_gen *gen, const char *op) {
	if (gen && unlikely(!gen->object.id)) {
		task_gone(site, &gen->object, op, "of a generator that is gone");
	}
}

void *(arun_gen_next)(arun_gen *gen) {
	return arun_gen_next_at(NULL, gen);
}

void *arun_gen_next_at(const struct arun_site *site, arun_gen *gen) {
	struct arun_task *self = task_enter(site, "arun_gen_next");
	struct sched *sched = sched_current;
	gen_check(site, gen, self->op);
	const char *name = gen ? gen->name : NULL;
	int error = !gen                ? EINVAL
		    : gen->body == self ? EDEADLK
		    : gen->consumer     ? EBUSY
		    : gen->closed       ? EBADF
					: task_interrupted(sched, self);
	if (!error && !gen->full && !gen->ended && gen_resume(sched, gen) < 0) {
		error = ENOMEM;
	}
	error = error ? error : gen_wait(sched, gen, self);
	if (error) {
		return gen_fail(self, name, error);
	}
	if (gen->full) {
		return task_return_pointer(self, gen_take(gen));
	}
	if (gen->result >= 0) {
		return gen_fail(self, name, 0);
	}
	gen_pass_on(self, gen);
	return NULL;
}

int(arun_gen_yield)(void *item) {
	return arun_gen_yield_at(NULL, item);
}

int arun_gen_yield_at(const struct arun_site *site, void *item) {
	struct arun_task *self = task_enter(site, "arun_gen_yield");
	struct sched *sched = sched_current;
	if (!self->owned || self->ended != gen_body_ended || !item) {
		return task_fail(item ? EPERM : EINVAL, self->op, self->name);
	}
	struct arun_gen *gen = self->owner;
	int error = task_interrupted(sched, self);
	if (!error && gen->closed) {
		sched_yield_task(sched, self);
	} else if (!error) {
		gen->item = item;
		gen->full = true;
		gen->wanted = false;
		gen->suspended = true;
		gen_wake(gen->consumer);
		while (!gen->wanted && !gen->closed && !error) {
			error = task_suspend(sched, self, INFINITY, true);
		}
		gen->suspended = false;
		/* The item is valid no longer, as the body goes on. */
		gen->full = false;
	}
	error = gen->closed ? ECANCELED : error;
	if (error && gen->closed) {
		return task_fail_words(
			error, self->op, gen->name, "the generator is closed");
	}
	return error ? task_fail(error, self->op, gen->name) : task_return(self, 0);
}

/* Tells the body to end. */
static void gen_end(struct arun_gen *gen) {
	gen->closed = true;
	gen_wake(gen->consumer);
	if (gen->suspended) {
		gen_wake(gen->body);
	}
}

/* Waits for its end. A stop may begin meanwhile: see gen_stopping(). */
static void gen_finish(
	struct sched *sched, struct arun_gen *gen, struct arun_task *self) {
	gen_end(gen);
	gen->closer = self;
	while (gen->body || gen->consumer) {
		bool told = gen->body && gen->body->cancelled;
		double until = told ? INFINITY : grace_time(sched, GRACE_LAST);
		if (task_suspend(sched, self, until, false) && gen->body) {
			task_cancel(sched, gen->body, "the stop", NULL);
		}
	}
}

/* Frees it. Returns what arun_gen_close() is to return. */
static int gen_destroy(const struct arun_task *self, struct arun_gen *gen) {
	int result = gen->result;
	if (result == -1 && gen->error == ECANCELED) {
		result = 0;
	} else if (unlikely(result < 0)) {
		result = gen_pass_on(self, gen);
	}
	gen_wake(gen->sweeper);
	registry_remove(&gen->object);
	free(gen->why);
	sched_free(&gen->object, gen);
	return result;
}

int(arun_gen_close)(arun_gen *gen) {
	return arun_gen_close_at(NULL, gen);
}

int arun_gen_close_at(const struct arun_site *site, arun_gen *gen) {
	if (!gen) {
		return 0;
	}
	struct arun_task *self = task_enter(site, "arun_gen_close");
	struct sched *sched = sched_current;
	gen_check(site, gen, self->op);
	if (gen->body == self || gen->closer) {
		return task_fail(gen->closer ? EBUSY : EDEADLK, self->op, gen->name);
	}
	sched_closes(&gen->object, site);
	self->awaits = &gen->object;
	gen_finish(sched, gen, self);
	self->awaits = NULL;
	return gen_destroy(self, gen);
}

void gen_stopping(struct sched *sched) {
	registry_each (object, &sched->registry, KIND_GENERATOR) {
		gen_wake(container_of(object, struct arun_gen, object)->closer);
	}
}

void gen_close_all(struct sched *sched, struct arun_task *self) {
	struct list *all = &sched->registry.objects[KIND_GENERATOR];
	while (!list_empty(all)) {
		struct arun_gen *gen = container_of(
			list_first(all, struct object, link), struct arun_gen, object);
		if (gen->closer) {
			/* It may wait for a body that ignores its cancel: the clock ends that. */
			gen->sweeper = self;
			task_suspend(sched, self, INFINITY, false);
			continue;
		}
		gen_finish(sched, gen, self);
		gen->closer = NULL;
		registry_sweep(&sched->registry, &gen->object);
	}
}
