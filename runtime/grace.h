/* SPDX-License-Identifier: MIT */
/*
 * grace - who is cut short when, in the time that a stop has.
 *
 * Each has what is left when those before it have been: a handler that is cancelled can still clean
 * up before its entry is, and a process that is killed can be reaped before all is abandoned.
 */
#ifndef GRACE_H
#define GRACE_H

#include "loop.h"

/* Handlers of a server that is closed are cancelled; processes that are closed are killed. */
#define GRACE_CLOSE (3.0 / 4)
/* The entry, and the clean-ups of generators, are cancelled; tasks are waited for no longer. */
#define GRACE_LAST (7.0 / 8)
/* What connections are left are closed without waiting for their other ends. */
#define GRACE_FLUSH (29.0 / 32)
/* What processes are left are killed. */
#define GRACE_KILL (15.0 / 16)
/* Tasks that are left are abandoned: sched::clock_end. */
#define GRACE_END 1.0

/* When that share of the stop's grace time is over; INFINITY: no stop is under way. */
static inline double grace_time(const struct sched *sched, double share) {
	return sched->stop_at + share * sched->grace;
}

/* The same for a call that closes something: where no stop is under way its own time begins now. */
static inline double grace_of_call(const struct sched *sched, double share) {
	double start = isinf(sched->stop_at) ? loop_clock() : sched->stop_at;
	return start + share * sched->grace;
}

#endif
