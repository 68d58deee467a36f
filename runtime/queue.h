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
	bool granted;
	int refusal; /* granted, but with this errno; 0 */
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
	if (entry.granted) {
		return entry.refusal;
	}
	queue_remove(queue, &entry);
	return error;
}

/* Grants the first in queue what it waits for, or refuses it. Returns its item's place; NULL: nobody waits. */
static inline struct queue_entry *queue_grant(
	struct sched *sched, struct queue *queue, int refusal) {
	struct queue_entry *entry = queue->first;
	if (entry) {
		queue_remove(queue, entry);
		entry->granted = true;
		entry->refusal = refusal;
		task_wake(sched, entry->task);
	}
	return entry;
}

#endif
