/* SPDX-License-Identifier: MIT */
/*
 * queue - tasks that wait for something, first come first served.
 *
 * All zero is an empty queue, so that what has one can be initialised statically. An entry lies on the
 * stack of the task that waits. Who is granted has what it waited for, also where a cancel came
 * after that: no grant is lost, and none is eaten by a task that is gone.
 *
 * A task may wait in several queues at once, for the first answer. That is its innermost scope then:
 * with one it is never free, so that waits in one queue pay nothing for this.
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

/* A wait in several queues, with an entry in each. */
struct queue_several {
	struct scope scope;
	/* One entry is answered, and out of its queue: takes the others out of theirs. */
	void (*answered)(struct queue_several *several);
};

static inline void queue_remove(struct queue *queue, struct queue_entry *entry) {
	*(entry->prev ? &entry->prev->next : &queue->first) = entry->next;
	*(entry->next ? &entry->next->prev : &queue->last) = entry->prev;
}

/* Puts entry at the end of queue. */
static inline void queue_enter(struct queue *queue, struct queue_entry *entry) {
	entry->prev = queue->last;
	*(queue->last ? &queue->last->next : &queue->first) = entry;
	queue->last = entry;
}

/*
 * Waits at the end of queue for queue_grant(). Returns 0; the refusal; or what cut the wait short:
 * then nothing was granted. Suspends.
 */
static inline int queue_wait(struct sched *sched, struct queue *queue,
	struct arun_task *self, void *item, bool interruptible) {
	struct queue_entry entry = {.task = self, .item = item};
	queue_enter(queue, &entry);
	int error = task_suspend(sched, self, INFINITY, interruptible);
	if (likely(entry.answered)) {
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
 * Grants it to the first, where it still waits: one that is cancelled or late already, and has not
 * run since, is told so now. Returns whether it was granted.
 */
bool queue_grant_closely(struct sched *sched, struct queue *queue);

/*
 * Grants the first in queue what it waits for, or where that one is told of its cancel or timeout,
 * the next. Returns the granted one; NULL: nobody waits.
 */
static inline struct queue_entry *queue_grant(struct sched *sched, struct queue *queue) {
	struct queue_entry *entry;
	while ((entry = queue->first)) {
		const struct arun_task *task = entry->task;
		if (likely(task_is_free(task) || !task->interruptible)) {
			queue_answer(sched, queue, entry, 0);
			break;
		}
		if (queue_grant_closely(sched, queue)) {
			break;
		}
	}
	return entry;
}

/* Has all in queue fail with refusal. */
void queue_refuse(struct sched *sched, struct queue *queue, int refusal);

#endif
