/* SPDX-License-Identifier: MIT */
/*
 * sync - mutex, condition, event, semaphore: between tasks of one run.
 *
 * Design notes. What is released is handed to the first that waits, not put up for
 * whoever comes: so it is fair, and nobody waits twice. A mutex that is held has a record
 * in the registry, which goes from holder to holder with it. It is no part of the mutex,
 * which may lie in a frame that its holder has left. Holders are known by their ids, which
 * are never used twice.
 */
#include "log.h"
#include "queue.h"

#include <stdlib.h>

/* That a mutex is held. */
struct held {
	struct object object; /* owner NULL: the holder has ended */
	uint64_t holder;
};

struct mutex {
	struct held *held; /* NULL: nobody holds it */
	uint64_t holder;   /* its id; 0: nobody */
	struct queue queue;
};

struct cond {
	struct queue queue;
};

struct event {
	struct queue queue;
	bool set;
};

struct sem {
	struct queue queue;
};

#define INSIDE(type, object) ((struct type *)(void *)(object)->private_)

_Static_assert(sizeof(struct mutex) <= sizeof(arun_mutex), "room for a mutex");
_Static_assert(sizeof(struct cond) <= sizeof(arun_cond), "room for a condition");
_Static_assert(sizeof(struct event) <= sizeof(arun_event), "room for an event");
_Static_assert(
	sizeof(struct sem) <= sizeof(((arun_sem *)0)->private_), "room for a semaphore");

/* How reports show a lock */

static const struct held *held_of(const struct object *object) {
	return container_of(object, const struct held, object);
}

static const char *held_state(const struct object *object) {
	return object->owner ? "held" : "left";
}

static void held_line(const struct object *object, struct text *out) {
	object_line(object, out);
	if (!object->owner) {
		text_add(out, " of task #%lu, which has ended,",
			(unsigned long)held_of(object)->holder);
	}
}

static void held_detail(const struct object *object, struct text *out) {
	text_add(out, "\"holder\": %lu%s", (unsigned long)held_of(object)->holder,
		object->owner ? "" : ", \"holder_ended\": true");
}

static void held_forget(struct object *object) {
	free(container_of(object, struct held, object));
}

static const struct kind held_kind = {
	.index = KIND_LOCK,
	.word = "lock",
	.title = "lock",
	.fate = "still held",
	.waits = "waits",
	.help = "arun_mutex_unlock()",
	.outcome = "closed",
	.name = object_function,
	.state = held_state,
	.line = held_line,
	.detail = held_detail,
	.forget = held_forget,
};

/* Grants the first in queue what it waits for. Returns whether one waits. */
static bool wake_first(struct queue *queue, const char *op) {
	if (!queue->first) {
		return false;
	}
	if (unlikely(!sched_current)) {
		task_outside(NULL, op);
	}
	return queue_grant(sched_current, queue);
}

/* Mutex */

static void held_leave(struct held *held) {
	char place[256];
	struct text out;
	text_fixed(&out, place, sizeof place);
	registry_site(&out, held->object.site);
	log_line(LOG_LEVEL_WARNING,
		"%s: task #%lu has ended and holds the lock taken here", place,
		(unsigned long)held->holder);
	held->object.owner = NULL;
}

/* sched::leaves_locks. */
static void sync_task_ended(struct sched *sched, struct arun_task *task) {
	registry_each (object, &sched->registry, KIND_LOCK) {
		if (object->owner == &task->object) {
			held_leave(container_of(object, struct held, object));
		}
	}
}

/* Has task hold mutex, on record. */
static void mutex_take(struct sched *sched, struct mutex *mutex, struct held *held,
	struct arun_task *task, const struct arun_site *site) {
	*held = (struct held){
		.object.owner = &task->object,
		.object.maker = task->object.id,
		.holder = task->object.id,
	};
	registry_add(&sched->registry, &held->object, &held_kind, site);
	mutex->held = held;
	mutex->holder = task->object.id;
	task->locks++;
	sched->leaves_locks = sync_task_ended;
}

/* Waits until it is handed over. Returns as queue_wait(). */
static int mutex_wait(struct sched *sched, struct mutex *mutex, struct arun_task *self,
	bool interruptible) {
	self->awaits = &mutex->held->object;
	int error = queue_wait(sched, &mutex->queue, self, NULL, interruptible);
	self->awaits = NULL;
	return error;
}

int(arun_mutex_lock)(arun_mutex *mutex) {
	return arun_mutex_lock_at(NULL, mutex);
}

/* Takes one that nobody holds. Returns 0; ENOMEM. */
static int mutex_take_free(struct sched *sched, struct mutex *mutex,
	struct arun_task *self, const struct arun_site *site) {
	struct held *held = malloc(sizeof *held);
	if (!held) {
		return ENOMEM;
	}
	mutex_take(sched, mutex, held, self, site);
	return 0;
}

int arun_mutex_lock_at(const struct arun_site *site, arun_mutex *public) {
	struct arun_task *self = task_enter(site, "arun_mutex_lock");
	struct sched *sched = sched_current;
	struct mutex *mutex = INSIDE(mutex, public);
	int error = task_interrupted(sched, self);
	if (!error && !mutex->holder) {
		error = mutex_take_free(sched, mutex, self, site);
		return error ? task_fail(error, self->op, NULL) : 0;
	}
	error = error                              ? error
		: mutex->holder == self->object.id ? EDEADLK
						   : mutex_wait(sched, mutex, self, true);
	return error ? task_fail(error, self->op, NULL) : task_return(self, 0);
}

/*
 * Lets go of it: the first that waits holds it from now on. Returns the record; NULL: it
 * went on with the mutex.
 */
static struct held *mutex_release(
	struct sched *sched, struct mutex *mutex, struct arun_task *self) {
	struct held *held = mutex->held;
	registry_remove(&held->object);
	self->locks--;
	mutex->held = NULL;
	mutex->holder = 0;
	struct queue_entry *next = queue_grant(sched, &mutex->queue);
	if (next) {
		mutex_take(sched, mutex, held, next->task, next->task->at);
		return NULL;
	}
	return held;
}

/* Says which task unlocks, and which one holds it, and aborts. */
_Noreturn static void mutex_misused(
	const struct mutex *mutex, const struct arun_task *self) {
	char line[256];
	struct text out;
	text_fixed(&out, line, sizeof line);
	text_add(&out, "task ");
	if (self) {
		object_line(&self->object, &out);
	}
	if (mutex->holder) {
		text_add(&out, "; task #%lu does, since ", (unsigned long)mutex->holder);
		registry_site(&out, mutex->held->object.site);
	}
	task_misuse(NULL, "arun_mutex_unlock() of a mutex that is not held by %s",
		self ? line : "a task: called outside of one");
}

void arun_mutex_unlock(arun_mutex *public) {
	struct mutex *mutex = INSIDE(mutex, public);
	struct arun_task *self = arun_self();
	if (!self || mutex->holder != self->object.id) {
		mutex_misused(mutex, self);
	}
	free(mutex_release(sched_current, mutex, self));
}

/* Condition */

int(arun_cond_wait)(arun_cond *cond, arun_mutex *mutex) {
	return arun_cond_wait_at(NULL, cond, mutex);
}

int arun_cond_wait_at(
	const struct arun_site *site, arun_cond *public, arun_mutex *public_mutex) {
	struct arun_task *self = task_enter(site, "arun_cond_wait");
	struct sched *sched = sched_current;
	struct mutex *mutex = INSIDE(mutex, public_mutex);
	if (mutex->holder != self->object.id) {
		return task_fail(EPERM, self->op, "a mutex that the task does not hold");
	}
	/* Now, as locking it again must not fail. */
	struct held *spare = malloc(sizeof *spare);
	if (!spare) {
		return task_fail(ENOMEM, self->op, NULL);
	}
	int error = task_pending(sched, self);
	free(mutex_release(sched, mutex, self));
	/* A pending interrupt lets the others run without the mutex, too. */
	error = error ? task_interrupted(sched, self)
		      : queue_wait(sched, &INSIDE(cond, public)->queue, self, NULL, true);
	if (!mutex->holder) {
		mutex_take(sched, mutex, spare, self, site);
	} else {
		mutex_wait(sched, mutex, self, false);
		free(spare);
	}
	return error ? task_fail(error, self->op, NULL) : 0;
}

void arun_cond_signal(arun_cond *public) {
	wake_first(&INSIDE(cond, public)->queue, "arun_cond_signal");
}

void arun_cond_broadcast(arun_cond *public) {
	while (wake_first(&INSIDE(cond, public)->queue, "arun_cond_broadcast")) {
	}
}

/* Event */

int(arun_event_wait)(arun_event *event) {
	return arun_event_wait_at(NULL, event);
}

int arun_event_wait_at(const struct arun_site *site, arun_event *public) {
	struct arun_task *self = task_enter(site, "arun_event_wait");
	struct sched *sched = sched_current;
	struct event *event = INSIDE(event, public);
	int error = task_interrupted(sched, self);
	if (!error && event->set) {
		return 0;
	}
	error = error ? error : queue_wait(sched, &event->queue, self, NULL, true);
	return error ? task_fail(error, self->op, NULL) : task_return(self, 0);
}

void arun_event_set(arun_event *public) {
	struct event *event = INSIDE(event, public);
	event->set = true;
	while (wake_first(&event->queue, "arun_event_set")) {
	}
}

void arun_event_clear(arun_event *public) {
	INSIDE(event, public)->set = false;
}

/* Semaphore */

int(arun_sem_acquire)(arun_sem *sem) {
	return arun_sem_acquire_at(NULL, sem);
}

int arun_sem_acquire_at(const struct arun_site *site, arun_sem *sem) {
	struct arun_task *self = task_enter(site, "arun_sem_acquire");
	struct sched *sched = sched_current;
	int error = task_interrupted(sched, self);
	if (!error && sem->count) {
		sem->count--;
		return 0;
	}
	error = error ? error
		      : queue_wait(sched, &INSIDE(sem, sem)->queue, self, NULL, true);
	return error ? task_fail(error, self->op, NULL) : task_return(self, 0);
}

void arun_sem_release(arun_sem *sem) {
	if (!wake_first(&INSIDE(sem, sem)->queue, "arun_sem_release")) {
		sem->count++;
	}
}
