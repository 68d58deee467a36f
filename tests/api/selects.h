/* SPDX-License-Identifier: MIT */
/* selects - what the tests of arun_chan_select() share. */
#ifndef SELECTS_H
#define SELECTS_H

#include "api.h"

enum { WAYS = 3 };

static arun_chan *channels[WAYS];

/* WAYS channels of int. */
static inline void open_channels(size_t capacity) {
	for (int i = 0; i < WAYS; i++) {
		channels[i] = arun_chan_new(capacity, sizeof(int));
	}
}

static inline void free_channels(void) {
	for (int i = 0; i < WAYS; i++) {
		arun_chan_free(channels[i]);
	}
}

/* A select in a task of its own, and what came of it. */
struct chooser {
	arun_chan_case cases[WAYS];
	int items[WAYS];
	int index, error;
};

static inline int choose(void *arg) {
	struct chooser *chooser = arg;
	chooser->index = arun_chan_select(chooser->cases, WAYS);
	chooser->error = errno;
	return 0;
}

/* One that receives from all channels, and waits. */
static inline arun_task *receiving(struct chooser *chooser) {
	memset(chooser, 0, sizeof *chooser);
	for (int i = 0; i < WAYS; i++) {
		chooser->items[i] = -1;
		chooser->cases[i].chan = channels[i];
		chooser->cases[i].recv = &chooser->items[i];
	}
	arun_task *task = arun_spawn(choose, chooser);
	let_others_run(1);
	return task;
}

/* One that sends 10, 11... to all channels, and waits. */
static inline arun_task *sending(struct chooser *chooser) {
	memset(chooser, 0, sizeof *chooser);
	for (int i = 0; i < WAYS; i++) {
		chooser->items[i] = 10 + i;
		chooser->cases[i].chan = channels[i];
		chooser->cases[i].send = &chooser->items[i];
	}
	arun_task *task = arun_spawn(choose, chooser);
	let_others_run(1);
	return task;
}

/* That case index has result, and the others did not go. */
static inline void assert_results(const struct chooser *chooser, int index, int result) {
	for (int i = 0; i < WAYS; i++) {
		ck_assert_int_eq(chooser->cases[i].result, i == index ? result : 0);
	}
}

static inline void assert_went(const struct chooser *chooser, int index, int result) {
	ck_assert_int_eq(chooser->index, index);
	assert_results(chooser, index, result);
}

static inline void assert_failed(const struct chooser *chooser, int error) {
	ck_assert_int_eq(chooser->index, -1);
	ck_assert_int_eq(chooser->error, error);
}

static inline void put(arun_chan *chan, int item) {
	ck_assert_int_eq(arun_chan_try_send(chan, &item), 0);
}

static inline int take(arun_chan *chan) {
	int item = -1;
	ck_assert_int_eq(arun_chan_try_recv(chan, &item), 1);
	return item;
}

static inline void assert_empty(arun_chan *chan) {
	assert_fails(arun_chan_try_recv(chan, &(int){0}), EAGAIN);
}

static inline int receive_one(void *arg) {
	int item = -1;
	ck_assert_int_eq(arun_chan_recv(arg, &item), 1);
	return item;
}

#endif
