/* SPDX-License-Identifier: MIT */
/* unjoined - tasks that ended well and that nobody has joined: no leaks, counted with --debug. */
#ifndef UNJOINED_H
#define UNJOINED_H

#include "suppress.h"
#include "task.h"

/* Says how many there are, a line a place; the first UNJOINED_PLACES of them. */
enum { UNJOINED_PLACES = 20 };
void unjoined_tell(const struct sched *sched, struct suppress *suppress);

#endif
