/* SPDX-License-Identifier: MIT */
/*
 * signals - signals as something to wait for.
 *
 * Design notes. Handlers, not a signalfd(2): that needs the signals blocked in every
 * thread, and a program started meanwhile inherits the mask. A handler counts its signal
 * and wakes the loop, which hands it to every object that asked for it. Actions belong to
 * the process, so one run at a time has signals; what was there before is put back when
 * the last object with a signal is closed.
 */
#ifndef SIGNALS_H
#define SIGNALS_H

#include "loop.h"

/* Hands out what has come. To be called on the loop's thread after loop_wakeup(). */
void signals_collect(struct loop *loop);

/* Ends every object, at the end of the run. */
void signals_close_all(struct loop *loop);

#endif
