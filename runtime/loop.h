/* SPDX-License-Identifier: MIT */
/*
 * loop - the turns: tasks run, then libev looks at time and descriptors.
 *
 * Design notes. libev does timers, wake-ups, embedding and what a plugin registers
 * itself; descriptors of the runtime are in the poller's set, which libev watches as one.
 * libev's default loop is not used, as it reaps everybody's children. Per-run state is
 * this struct and those it embeds; a higher layer embeds it first in its own (run_state.h).
 */
#ifndef LOOP_H
#define LOOP_H

#include "broker.h"
#include "poller.h"
#include "reserve.h"

/* The status of a process that ends for want of memory. */
enum { LOOP_STARVED = 125 };

struct inherit;
struct loop_watchers;
struct notify;
struct pool;
struct posts;
struct tls_run;
struct watcher_notes;

/*
 * Seconds between two turns of libev while tasks can run. A turn takes as long as 50 switches: after
 * each SCHED_BUDGET of short ones it would be a fifth of all.
 */
static const double LOOP_PAUSE = 20e-6;

struct loop {
	struct sched sched;
	struct poller poller;
	struct ev_loop *ev;
	struct loop_watchers *watchers;
	struct pool *pool;             /* pool.h; NULL until it is used */
	struct tls_run *tls;           /* tls.h; NULL until it is used */
	struct posts *posts;           /* post.h; NULL: it takes none */
	struct watcher_notes *foreign; /* watcher.h; NULL: it notes none */
	bool owned;                    /* ev is ours */
	bool quit;                     /* loop_run() is to return */
	double turned;    /* when libev last had its turn while tasks could run */
	unsigned counted; /* active watchers of the runtime that libev counts */
	unsigned pending; /* what will wake the loop by itself: jobs, a server that waits
			      for its stop */
	/* Called in the loop after loop_wakeup(). */
	void (*woken)(struct loop *loop);
	/* Nothing can ever happen any more. Returns whether it did something about it. */
	bool (*stuck)(struct loop *loop);
	/* libev cannot go on; loop_tell_broken(). NULL: it says so itself. */
	void (*broken)(struct loop *loop, const char *message);
	/* libev has no memory; loop_tell_starved(). NULL: the process ends with one line. */
	void (*starved)(struct loop *loop);
	struct reserve reserve;  /* of libev's memory; loop_own_memory() */
	struct notify *notify;   /* notify.h; NULL: none */
	struct inherit *inherit; /* inherit.h; NULL: none */
	struct broker broker;    /* to be initialised by its user */
};

/* The run of this thread as its loop; NULL: none. */
static inline struct loop *loop_here(void) {
	return (struct loop *)sched_current;
}

/* host: the loop to use; NULL: one of its own. Returns 0; -1 with ENOMEM, EMFILE, ENFILE; ENOSPC:
 * the user has no watch left in any epoll set. */
int loop_init(struct loop *loop, struct ev_loop *host, void *(*plugin_exceptions)(void));
void loop_finish(struct loop *loop);

/*
 * Has broken() called where a system call of libev's own fails that it cannot go on without,
 * with its errno and message; broken() must not return. Otherwise libev says so, and aborts:
 * of loops that are no run's it still does.
 */
void loop_tell_broken(
	struct loop *loop, void (*broken)(struct loop *loop, const char *message));

/*
 * Has libev's memory come from here, in all loops of this process: libev aborts where it gets
 * none. A run's has a reserve; one line tells of the end of that, and the process ends with
 * LOOP_STARVED. To be called before any loop is made, and where nobody else sets an allocator.
 */
void loop_own_memory(void);

/* Has starved() called in place of that line; it must not return. In the run's thread. */
void loop_tell_starved(struct loop *loop, void (*starved)(struct loop *loop));

/* One of its descriptors that is not its own any more; -1: none that is known.
 * Async-signal-safe. */
int loop_closed(const struct loop *loop);

/* Whether loop_wakeup() has ended the process, as it found the loop's own descriptor closed.
 * Async-signal-safe. */
bool loop_lost(const struct loop *loop);

/* Runs tasks and the loop until loop->quit. */
void loop_run(struct loop *loop);

/* Ends the loop's wait, from a signal handler or another thread; aborts where that cannot be. */
void loop_wakeup(struct loop *loop);

/*
 * How many active watchers are not the runtime's, but a plugin's or a library's. Not in a
 * callback of libev. 0 in a loop of the host's, where they may be the host's own.
 */
unsigned loop_foreign(struct loop *loop);

/* Whether libev has this watcher as active; not where it cannot be read any more.
 * Async-signal-safe. */
bool loop_watcher_active(const void *watcher);

/* The descriptor of an ev_io. */
int loop_watcher_fd(const void *watcher);

/* The monotonic clock, read now. */
double loop_clock(void);

/*
 * Waits until libev finds fd ready for some of events (arun.h's), with which it may be
 * wrong. Results as task_suspend(). For descriptors that are not the runtime's.
 */
int loop_wait_fd(
	struct loop *loop, struct arun_task *self, int fd, int events, double deadline);

/* A callback after some time; for the runtime's own use. */
struct loop_timer {
	void *watcher[8];
	void (*fn)(struct loop_timer *timer);
	bool active;
	bool background; /* is nothing to wait for: where all else is over, the run is */
};
void loop_timer_start(struct loop *loop, struct loop_timer *timer, double after,
	void (*fn)(struct loop_timer *timer));
void loop_timer_stop(struct loop *loop, struct loop_timer *timer);

#endif
