/* SPDX-License-Identifier: MIT */
/* timer - a plugin's own callbacks after some time. */
#ifndef TIMER_H
#define TIMER_H

#include "loop.h"

/* At the end of a run: none fires any more. */
void timer_stop_all(struct loop *loop);

#endif
