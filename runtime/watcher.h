/* SPDX-License-Identifier: MIT */
/*
 * watcher - the watchers that a plugin, or a library in it, started in the loop itself.
 *
 * Design notes. libev tells how many there are, and neither which nor where they were
 * started; and not in a handler. So they are objects for the report alone, without a place.
 * With --debug interpose.c notes each start and each end: then they are objects like others
 * from the one to the other, with the calls that started them.
 */
#ifndef WATCHER_H
#define WATCHER_H

#include "loop.h"

struct watcher {
	struct object object;
	const char *name;    /* "ev_timer"; of one that was not noted: "libev" */
	const void *watcher; /* libev's; NULL: it was not noted */
	int fd;              /* of an ev_io; else -1 */
	struct watcher *next;
};

/* loop begins to note; without memory nothing is noted. To be finished. */
void watcher_notes_begin(struct loop *loop);
void watcher_notes_finish(struct loop *loop);

/*
 * A watcher of ev is about to be started, or was started or stopped: takes note of what it is
 * now, where ev is the loop of this thread, and that notes. What arun and libev start for
 * themselves is left out. name: "ev_io", a constant; caller: where the call came from; libev: a
 * function of it. errno is kept.
 */
void watcher_note(const struct ev_loop *ev, const void *watcher, const char *name,
	const void *caller, const void *libev);

struct watchers {
	struct watcher *found;
	unsigned count;
};

/* Enters those that are active and were not noted in the registry; not in a handler. At the
 * end of the run, whose loop then notes no more. */
void watcher_list(struct watchers *watchers, struct loop *loop);
void watcher_unlist(struct watchers *watchers, struct loop *loop);

#endif
