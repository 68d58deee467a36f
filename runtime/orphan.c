/* SPDX-License-Identifier: MIT */
#include "orphan.h"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Seconds between two looks. */
static const double ORPHAN_LOOK = 1;

/* In this order: a parent that ends in between is told of by the signal. */
static void orphan_on_look(struct loop_timer *timer) {
	struct orphan *orphan = container_of(timer, struct orphan, look);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != orphan->parent) {
		raise(SIGTERM);
		return;
	}
	loop_timer_start(loop_here(), timer, ORPHAN_LOOK, orphan_on_look);
}

void orphan_begin(struct orphan *orphan, struct loop *loop) {
	if (loop->broker.worker) {
		orphan->parent = getppid();
		orphan->look.background = true;
		loop_timer_start(loop, &orphan->look, ORPHAN_LOOK, orphan_on_look);
	}
}

void orphan_end(struct orphan *orphan, struct loop *loop) {
	loop_timer_stop(loop, &orphan->look);
}
