/* SPDX-License-Identifier: MIT */
/*
 * queue - tasks that wait for something, first come first served.
 *
 * All zero is an empty queue, so that what has one can be initialised statically. An entry lies on the
 * stack of the task that waits. Who is granted has what it waited for, also where a cancel came
 * after that: no grant is lost, and none is eaten by a task that is gone.
 */
#ifndef QUEUE_H
#define QUEUE_H

#include "task.h"

struct queue_entry {
	struct queue_entry *next, *prev;
	struct arun_task *task;
	void *item; /* the user's */
	bool answered;
	int refusal; /* the answer: an errno; 0: it is granted */
};

struct queue {
	struct queue_entry *first, *last;
};

static inline void queue_remove(struct queue *queue, struct queue_entry *entry) {
	*(entry->prev ? &entry->prev->next : &queue->first) = entry->next;
	*(entry->next ? &entry->next->prev : &queue->last) = entry->prev;
}

/*
 * Waits at the end of queue for queue_grant(). Returns 0; the refusal; or what cut the wait short:
 * then nothing was granted. Suspends.
 */
static inline int queue_wait(struct sched *sched, struct queue *queue,
	struct arun_task *self, void *item, bool interruptible) {
	struct queue_entry entry = {.prev = queue->last, .task = self, .item = item};
	*(queue->last ? &queue->last->next : &queue->first) = &entry;
	queue->last = &entry;
	int error = task_suspend(sched, self, INFINITY, interruptible);
	if (entry.answered) {
		return entry.refusal;
	}
	queue_remove(queue, &entry);
	return error;
}

/* Ends the wait of the first. */
static inline void queue_answer(struct sched *sched, struct queue *queue,
	struct queue_entry *entry, int refusal) {
	queue->first = entry->next;
	*(entry->next ? &entry->next->prev : &queue->last) = NULL;
	entry->answered = true;
	entry->refusal = refusal;
	task_wake(sched, entry->task);
}

/*
 * Grants the first in queue what it waits for. One that is cancelled or late already, and has
 * not run since, is told so now: what it waited for goes to the next. Returns the granted one;
 * NULL: nobody waits.
 */
static inline struct queue_entry *queue_grant(struct sched *sched, struct queue *queue) {
	struct queue_entry *entry;
	while ((entry = queue->first)) {
		const struct arun_task *task = entry->task;
		bool goes_on = task_is_free(task) || !task->interruptible;
		int pending = likely(goes_on) ? 0 : task_pending_slow(sched, task);
		queue_answer(sched, queue, entry, pending);
		if (likely(!pending)) {
			break;
		}
	}
	return entry;
}

/* Has all in queue fail with refusal. */
static inline void queue_refuse(struct sched *sched, struct queue *queue, int refusal) {
	while (queue->first) {
		queue_answer(sched, queue, queue->first, refusal);
	}
}

#endif
