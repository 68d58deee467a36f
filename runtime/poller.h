/* SPDX-License-Identifier: MIT */
/*
 * poller - readiness of descriptors: one edge-triggered epoll set of our own.
 *
 * Design notes. A watch remembers whether its descriptor may be readable and writable; it
 * starts out as both, so that the first read is tried before anything is registered. Who
 * finds it drained says so and waits; the descriptor is registered then, once for its
 * life (again only to add writing). An event carries descriptor and generation, so that
 * one of a former owner of the number is dropped. What epoll refuses (regular files,
 * /dev/null) is always ready.
 */
#ifndef POLLER_H
#define POLLER_H

#include "task.h"

enum poller_events { POLLER_READ = 1, POLLER_WRITE = 2 };

struct watch {
	int fd; /* -1: closed */
	uint32_t generation;
	bool readable, writable; /* may be: to be tried */
	/* A short read need not have drained it: urgent bytes have come, before which a
	 * read stops; or the other end has closed or an error is there, of which no
	 * further event tells. */
	bool shy;
	bool always;   /* epoll does not take it: always ready */
	uint8_t armed; /* events registered */
	struct arun_task *reader, *writer;
	/* watch_serve(): in place of a reader. NULL: it is not served. */
	void (*ready)(struct watch *watch);
};

struct poller {
	int fd;
	struct watch **watches; /* by descriptor */
	int room;
	uint32_t generation;
	unsigned waiting; /* tasks that wait here */
	unsigned serving; /* watches with ready() */
};

/* Returns 0; -1 with what epoll_create1(2) says. */
int poller_init(struct poller *poller);
void poller_finish(struct poller *poller);

/* Waits no time; wakes whom the events concern. Returns how many events there were. */
int poller_poll(struct poller *poller);

/* Starts watching fd, which does not block. Returns 0; -1 with ENOMEM, EEXIST: it is
 * watched. */
int watch_open(struct poller *poller, struct watch *watch, int fd);

/*
 * Ends it; who waits is woken and finds fd == -1. The caller closes the descriptor then:
 * that takes it out of the set, unless a forked child or a dup(2) holds it too.
 */
void watch_close(struct poller *poller, struct watch *watch);

/*
 * The same without a run. In a forked child the watch is the parent's: only the child's descriptor is
 * closed. Returns 0; -1 with ESHUTDOWN: this is no such child, or what close(2) says.
 */
int watch_close_forked(struct watch *watch);

/*
 * Has ready(watch) called in the loop from now on, each time that it becomes readable. Returns 0; -1
 * with what epoll_ctl(2) says, and watch_rest() or watch_close() is to undo it all the same.
 */
int watch_serve(
	struct poller *poller, struct watch *watch, void (*ready)(struct watch *watch));

/* Has it called no more. What comes meanwhile is remembered. */
void watch_rest(struct poller *poller, struct watch *watch);

/*
 * For one task that waits for several descriptors: has it woken when this one may be
 * ready for event, until watch_end(). Nobody else may wait for that. Returns 0; -1 with
 * what epoll_ctl(2) says, and it is to be ended all the same.
 */
int watch_begin(struct poller *poller, struct watch *watch, enum poller_events event,
	struct arun_task *self);
void watch_end(struct poller *poller, struct watch *watch, enum poller_events event);

/*
 * Waits until the descriptor may be ready for event. Results as task_suspend(), and EBUSY: another
 * task waits for that already; what epoll_ctl(2) says where it cannot be waited for.
 */
int watch_wait(struct poller *poller, struct watch *watch, enum poller_events event,
	struct arun_task *self, double deadline, bool interruptible);

#endif
