/* SPDX-License-Identifier: MIT */
/*
 * watcher - the watchers that a plugin, or a library in it, started in the loop itself.
 *
 * Design notes. libev tells how many there are, and neither which nor where they were
 * started: they are objects without a name and a site, for the report alone.
 */
#ifndef WATCHER_H
#define WATCHER_H

#include "loop.h"

struct watchers {
	struct object *found;
	unsigned count;
};

/* Enters those that are active in the registry, until watcher_unlist(). Not in a handler. */
void watcher_list(struct watchers *watchers, struct loop *loop);
void watcher_unlist(struct watchers *watchers);

#endif
