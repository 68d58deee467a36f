/* SPDX-License-Identifier: MIT */
#include "queue.h"

/* Ends the wait of the first in queue, in whatever other queues it is, too. */
static void queue_answer_closely(struct sched *sched, struct queue *queue,
	struct queue_entry *entry, int refusal) {
	struct scope *scope = entry->task->scopes;
	queue_answer(sched, queue, entry, refusal);
	if (scope && scope->several) {
		struct queue_several *several =
			container_of(scope, struct queue_several, scope);
		several->answered(several);
	}
}

bool queue_grant_closely(struct sched *sched, struct queue *queue) {
	int pending = task_pending_slow(sched, queue->first->task);
	queue_answer_closely(sched, queue, queue->first, pending);
	return !pending;
}

void queue_refuse(struct sched *sched, struct queue *queue, int refusal) {
	while (queue->first) {
		queue_answer_closely(sched, queue, queue->first, refusal);
	}
}
