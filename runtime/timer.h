/* SPDX-License-Identifier: MIT */
/* timer - a plugin's own callbacks after some time. */
#ifndef TIMER_H
#define TIMER_H

#include "loop.h"

struct arun_timer {
	struct object object;
	struct loop_timer alarm;
	double next, every; /* every 0: once */
	unsigned long fired;
	void (*fn)(void *);
	void *arg;
	const char *name;
	bool firing, stopped;
};

/* At the end of a run: none fires any more. */
void timer_stop_all(struct loop *loop);

#endif
