/* SPDX-License-Identifier: MIT */
/*
 * chan - channels: bounded queues of items between tasks.
 *
 * Design notes. Either the buffer is full and senders wait, or it is empty and receivers do, or
 * neither. An item goes straight to a receiver that waits. So each wait ends with the item moved, and
 * one that is cut short has moved nothing.
 */
#ifndef CHAN_H
#define CHAN_H

#include "queue.h"

#include <string.h>

struct arun_chan {
	struct object object;
	struct queue senders, receivers; /* entries' items: from where, and where to */
	unsigned waiting;
	bool closed;
	bool freed; /* by the plugin, while some were waiting */
	size_t item_size, capacity;
	size_t first, count;
	char items[];
};

/* Misuse where it was freed. NULL is ignored. */
void chan_check(
	const struct arun_chan *chan, const char *op, const struct arun_site *site);

/* Most items are a word, for which a call takes longer than the copy. */
static inline void chan_copy(const struct arun_chan *chan, void *to, const void *from) {
	if (likely(chan->item_size == sizeof(void *))) {
		memcpy(to, from, sizeof(void *));
	} else {
		memcpy(to, from, chan->item_size);
	}
}

/* index modulo the capacity, of which it is below the double. A division takes longer. */
static inline size_t chan_wrap(const struct arun_chan *chan, size_t index) {
	return index < chan->capacity ? index : index - chan->capacity;
}

static inline char *chan_slot(struct arun_chan *chan, size_t index) {
	return chan->items + chan_wrap(chan, chan->first + index) * chan->item_size;
}

static inline void chan_push(struct arun_chan *chan, const void *item) {
	chan_copy(chan, chan_slot(chan, chan->count++), item);
}

static inline void chan_pop(struct arun_chan *chan, void *item) {
	chan_copy(chan, item, chan_slot(chan, 0));
	chan->first = chan_wrap(chan, chan->first + 1);
	chan->count--;
}

/* A send as far as that needs no wait. Returns 0; EPIPE; EAGAIN. */
static inline __attribute__((always_inline)) int chan_offer(
	struct sched *sched, struct arun_chan *chan, const void *item) {
	if (chan->closed) {
		return EPIPE;
	}
	struct queue_entry *receiver = queue_grant(sched, &chan->receivers);
	if (receiver) {
		chan_copy(chan, receiver->item, item);
		return 0;
	}
	if (chan->count < chan->capacity) {
		chan_push(chan, item);
		return 0;
	}
	return EAGAIN;
}

/* Takes an item that is there. Returns whether one was. */
static inline __attribute__((always_inline)) bool chan_take(
	struct sched *sched, struct arun_chan *chan, void *item) {
	bool buffered = chan->count > 0;
	if (buffered) {
		chan_pop(chan, item);
	}
	struct queue_entry *sender = queue_grant(sched, &chan->senders);
	if (sender && buffered) {
		chan_push(chan, sender->item);
	} else if (sender) {
		chan_copy(chan, item, sender->item);
	}
	return buffered || sender;
}

#endif
