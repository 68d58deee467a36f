/* SPDX-License-Identifier: MIT */
/* reload - what a SIGHUP does: the entry's reload function in a task of its own; at a terminal, a stop. */
#ifndef RELOAD_H
#define RELOAD_H

#include "stop.h"

/* loop::woken: sees to what has come, see stop_on_wakeup(), and to SIGHUPs. */
void reload_on_wakeup(struct loop *loop);

#endif
