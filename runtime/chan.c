/* SPDX-License-Identifier: MIT */
#include "chan.h"

#include "log.h"

#include <stdlib.h>

static const struct arun_chan *chan_of(const struct object *object) {
	return container_of(object, const struct arun_chan, object);
}

static bool chan_leaked(const struct object *object) {
	return chan_of(object)->count || chan_of(object)->waiting;
}

static const char *chan_state(const struct object *object) {
	const struct arun_chan *chan = chan_of(object);
	return chan->closed          ? "closed"
	       : chan->senders.first ? "full"
	       : chan->count         ? "open"
				     : "empty";
}

static void chan_line(const struct object *object, struct text *out) {
	const struct arun_chan *chan = chan_of(object);
	object_line(object, out);
	text_add(out, " with %zu item%s and %u waiting", chan->count,
		chan->count == 1 ? "" : "s", chan->waiting);
}

static void chan_detail(const struct object *object, struct text *out) {
	const struct arun_chan *chan = chan_of(object);
	text_add(out, "\"capacity\": %zu, \"items\": %zu, \"waiting\": %u",
		chan->capacity, chan->count, chan->waiting);
}

static void chan_forget(struct object *object) {
	free(container_of(object, struct arun_chan, object));
}

static const struct kind chan_kind = {
	.index = KIND_CHANNEL,
	.word = "channel",
	.title = "channel",
	.fate = "not freed",
	.waits = "waits",
	.help = "receive its items and arun_chan_free() it",
	.outcome = "closed",
	.leaked = chan_leaked,
	.name = object_function,
	.state = chan_state,
	.line = chan_line,
	.detail = chan_detail,
	.forget = chan_forget,
};

arun_chan *(arun_chan_new)(size_t capacity, size_t item_size) {
	return arun_chan_new_at(NULL, capacity, item_size);
}

arun_chan *arun_chan_new_at(
	const struct arun_site *site, size_t capacity, size_t item_size) {
	struct sched *sched = sched_here();
	size_t bytes;
	if (!sched) {
		return NULL;
	}
	if (!item_size || __builtin_mul_overflow(capacity, item_size, &bytes) ||
		bytes > SIZE_MAX / 2) {
		task_refuse("chan_new", NULL,
			item_size ? "capacity * item_size is more than SIZE_MAX / 2 bytes"
				  : "item_size is 0, and is to be 1 or more");
		return NULL;
	}
	struct arun_chan *chan = calloc(1, sizeof *chan + bytes);
	if (!chan) {
		task_fail(ENOMEM, "chan_new", NULL);
		return NULL;
	}
	chan->capacity = capacity;
	chan->item_size = item_size;
	sched_publish(sched, &chan->object, &chan_kind, site);
	return chan;
}

static void chan_destroy(struct arun_chan *chan) {
	sched_free(&chan->object, chan);
}

/* Waits in queue. Returns as queue_wait(); the last to leave a freed channel frees its memory.
 * Inline, as each return after a switch is mispredicted. */
static inline __attribute__((always_inline)) int chan_wait(struct sched *sched,
	struct arun_chan *chan, struct queue *queue, struct arun_task *self, void *item) {
	self->awaits = &chan->object;
	chan->waiting++;
	int error = queue_wait(sched, queue, self, item, true);
	self->awaits = NULL;
	if (--chan->waiting == 0 && chan->freed) {
		chan_destroy(chan);
	}
	return error;
}

void chan_check(
	const struct arun_chan *chan, const char *op, const struct arun_site *site) {
	if (chan && (!chan->object.id || chan->freed)) {
		task_gone(site, &chan->object, op, "of a channel that was freed");
	}
}

static int chan_begin(struct sched *sched, const struct arun_chan *chan,
	struct arun_task *self, const struct arun_site *site) {
	chan_check(chan, self->op, site);
	return chan ? task_interrupted(sched, self) : EINVAL;
}

/*
 * What is common by itself: items are words, and nobody is bound by anything (a channel that was
 * freed is closed, too). That needs no calls, so that no register has to be kept. Waits are calls
 * of their own, at the end: how few branches are between one switch and the next decides whether
 * the processor predicts where they return to.
 */
static inline bool chan_is_simple(
	const struct arun_chan *chan, const struct arun_task *self) {
	return likely(chan && !chan->closed && chan->item_size == sizeof(void *) &&
		      task_is_free(self));
}

static inline void **chan_word(struct arun_chan *chan, size_t index) {
	return (void **)(void *)chan->items + chan_wrap(chan, chan->first + index);
}

static inline void word_copy(void *to, const void *from) {
	memcpy(to, from, sizeof(void *));
}

int(arun_chan_send)(arun_chan *chan, const void *item) {
	return arun_chan_send_at(NULL, chan, item);
}

__attribute__((noinline)) static int chan_send_wait(
	struct arun_chan *chan, struct arun_task *self, const void *item) {
	int error = chan_wait(
		sched_current, chan, &chan->senders, self, (void *)(uintptr_t)item);
	return likely(!error) ? task_return(self, 0) : task_fail(error, self->op, NULL);
}

__attribute__((noinline)) static int chan_send(
	struct arun_chan *chan, const void *item, const struct arun_site *site) {
	struct sched *sched = sched_current;
	struct arun_task *self = sched->current;
	int error = chan_begin(sched, chan, self, site);
	error = error ? error : chan_offer(sched, chan, item);
	if (error == EAGAIN) {
		return chan_send_wait(chan, self, item);
	}
	return error ? task_fail(error, self->op, NULL) : 0;
}

int arun_chan_send_at(const struct arun_site *site, arun_chan *chan, const void *item) {
	struct arun_task *self = task_enter(site, "arun_chan_send");
	if (!chan_is_simple(chan, self)) {
		return chan_send(chan, item, site);
	}
	struct queue_entry *receiver = chan->receivers.first;
	if (receiver) {
		if (!task_is_free(receiver->task)) {
			return chan_send(chan, item, site);
		}
		queue_answer(sched_current, &chan->receivers, receiver, 0);
		word_copy(receiver->item, item);
		return 0;
	}
	if (chan->count == chan->capacity) {
		return chan_send_wait(chan, self, item);
	}
	word_copy(chan_word(chan, chan->count++), item);
	return 0;
}

int(arun_chan_recv)(arun_chan *chan, void *item) {
	return arun_chan_recv_at(NULL, chan, item);
}

__attribute__((noinline)) static int chan_recv_wait(
	struct arun_chan *chan, struct arun_task *self, void *item) {
	int error = chan_wait(sched_current, chan, &chan->receivers, self, item);
	if (likely(!error)) {
		return task_return(self, 1);
	}
	/* EPIPE: it was closed meanwhile. */
	return error == EPIPE ? 0 : task_fail(error, self->op, NULL);
}

__attribute__((noinline)) static int chan_recv(
	struct arun_chan *chan, void *item, const struct arun_site *site) {
	struct sched *sched = sched_current;
	struct arun_task *self = sched->current;
	int error = chan_begin(sched, chan, self, site);
	if (error) {
		return task_fail(error, self->op, NULL);
	}
	if (chan_take(sched, chan, item)) {
		return 1;
	}
	return chan->closed ? 0 : chan_recv_wait(chan, self, item);
}

int arun_chan_recv_at(const struct arun_site *site, arun_chan *chan, void *item) {
	struct arun_task *self = task_enter(site, "arun_chan_recv");
	if (!chan_is_simple(chan, self)) {
		return chan_recv(chan, item, site);
	}
	struct queue_entry *sender = chan->senders.first;
	if (sender) {
		if (chan->count || !task_is_free(sender->task)) {
			return chan_recv(chan, item, site);
		}
		queue_answer(sched_current, &chan->senders, sender, 0);
		word_copy(item, sender->item);
		return 1;
	}
	if (!chan->count) {
		return chan_recv_wait(chan, self, item);
	}
	word_copy(item, chan_word(chan, 0));
	chan->first = chan_wrap(chan, chan->first + 1);
	chan->count--;
	return 1;
}

/* Without words where it is EAGAIN, as that is no failure. */
static int chan_try_fail(int error, const char *op) {
	errno = error;
	return error == EAGAIN ? -1 : task_fail(error, op, NULL);
}

int arun_chan_try_send(arun_chan *chan, const void *item) {
	static const char op[] = "arun_chan_try_send";
	struct sched *sched = sched_here();
	if (!sched) {
		return -1;
	}
	chan_check(chan, op, NULL);
	int error = chan ? chan_offer(sched, chan, item) : EINVAL;
	return error ? chan_try_fail(error, op) : 0;
}

int arun_chan_try_recv(arun_chan *chan, void *item) {
	static const char op[] = "arun_chan_try_recv";
	struct sched *sched = sched_here();
	if (!sched) {
		return -1;
	}
	chan_check(chan, op, NULL);
	if (!chan) {
		return chan_try_fail(EINVAL, op);
	}
	bool taken = chan_take(sched, chan, item);
	return taken || chan->closed ? taken : chan_try_fail(EAGAIN, op);
}

static void chan_refuse(struct arun_chan *chan, int error) {
	struct sched *sched = sched_current;
	if (unlikely(!sched) && (chan->senders.first || chan->receivers.first)) {
		task_outside(NULL, "arun_chan_close");
	}
	queue_refuse(sched, &chan->senders, error);
	queue_refuse(sched, &chan->receivers, error);
}

void arun_chan_close(arun_chan *chan) {
	if (sched_current) {
		chan_check(chan, "arun_chan_close", NULL);
	}
	if (chan && !chan->closed) {
		chan->closed = true;
		chan_refuse(chan, EPIPE);
	}
}

/* It is freed, and what is in it with it. */
static void chan_tell(const struct arun_chan *chan) {
	char line[512];
	struct text out;
	text_fixed(&out, line, sizeof line);
	registry_site(&out, chan->object.site);
	text_add(&out, ": channel ");
	chan_line(&chan->object, &out);
	log_line(LOG_LEVEL_WARNING, "%s was freed", line);
}

void arun_chan_free(arun_chan *chan) {
	if (!chan || !sched_current) {
		return; /* it went with the run, or is the parent's of a forked child */
	}
	if (!chan->object.id || chan->freed) {
		task_gone(NULL, &chan->object, "arun_chan_free",
			"of a channel that was freed");
	}
	/* Who was answered, and has not run since, waits for nothing any more. */
	if (chan->count || chan->senders.first || chan->receivers.first) {
		chan_tell(chan);
	}
	registry_remove(&chan->object);
	sched_closes(&chan->object, NULL);
	chan->closed = chan->freed = true;
	chan_refuse(chan, EBADF);
	if (!chan->waiting) {
		chan_destroy(chan);
	}
}
