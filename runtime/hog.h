/* SPDX-License-Identifier: MIT */
/*
 * hog - names a task that does not suspend, while it runs.
 *
 * Design notes. A thread of arun's looks which task runs, and how often it has been
 * resumed: where that stays the same for too long nobody else gets a turn. It says so
 * itself, as the run's thread cannot; the stack is added by a handler on that thread, once
 * an episode. A call of the system that a handler would cut short even with SA_RESTART is
 * left alone, and named in its place.
 */
#ifndef HOG_H
#define HOG_H

#include "handler.h"
#include "scene.h"

struct hog {
	struct scene scene;
	struct handler *handler;
	double limit; /* seconds that a task may run */
	bool running; /* the thread is */
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool quit;
	int calls; /* /proc/self/task/TID/syscall of the run's thread; -1 */

	/* The thread's own. */
	struct scene_task seen;
	bool some;      /* a task ran when it last looked: seen */
	double looked;  /* when that was */
	double seconds; /* that it has run for */
	bool told;
};

/*
 * Starts to watch the run of this thread. Returns 0; -1 with EAGAIN, ENOMEM of
 * pthread_create(3).
 */
int hog_start(struct hog *hog);

/* Stops, where it was started. */
void hog_stop(struct hog *hog);

/* Adds the stack of what was interrupted. In a handler, on the run's thread. */
void hog_write_stack(const struct hog *hog, const void *context);

#endif
