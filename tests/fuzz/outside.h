/* SPDX-License-Identifier: MIT */
/* outside - what is the process' own to share with the system: children, signals, descriptors that
 * tasks wait for, and a model of them. */
#ifndef OUTSIDE_H
#define OUTSIDE_H

#include "links.h"

/* Children: true, which ends by itself, and cat, a link through which is made. */
void child_start(unsigned number);
void child_wait(struct actor *actor, unsigned number);
void child_kill(unsigned number);
void child_close(struct actor *actor, unsigned number);

/* SIGUSR2, of which several are one, and SIGRTMIN, of which none is lost. */
void signals_begin(unsigned number);
void signals_raise(unsigned number);
void signals_await(struct actor *actor, unsigned number);
void signals_end(unsigned number);

/* A socket that nobody has made a connection of: waited for, and written to, or ended, by its peer. */
void plain_await(struct actor *actor, unsigned number);
void plain_stir(unsigned number);

/* Ends all waits for them. */
void wake_awaiters(void);

/* How many a report should count. */
unsigned count_open_outside(void);

/* Ends all of them. None of the signals that have come is missing. */
void end_outside(struct actor *actor);

/* Forgets those of the script before, whose run has ended; there are no children left. */
void clear_outside(void);

#endif
