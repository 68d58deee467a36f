/* SPDX-License-Identifier: MIT */
/*
 * reload - what a SIGHUP does: it calls the entry's reload function, in a task of its own; at a
 * terminal it stops the run.
 */
#ifndef RELOAD_H
#define RELOAD_H

#include "stop.h"

/* loop::woken: stop_on_wakeup(), then SIGHUPs. */
void reload_on_wakeup(struct loop *loop);

#endif
