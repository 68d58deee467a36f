/* SPDX-License-Identifier: MIT */
/*
 * orphan - a worker stops when its parent is gone.
 *
 * Design notes. The kernel sends it SIGTERM then (PR_SET_PDEATHSIG), but forgets that where the
 * plugin changes its user, its group or its capabilities, as one does that gives up root.
 */
#ifndef ORPHAN_H
#define ORPHAN_H

#include "loop.h"

#include <sys/types.h>

struct orphan {
	struct loop_timer look;
	pid_t parent;
};

/* Does nothing where the loop's broker says that this is no worker. */
void orphan_begin(struct orphan *orphan, struct loop *loop);
void orphan_end(struct orphan *orphan, struct loop *loop);

#endif
