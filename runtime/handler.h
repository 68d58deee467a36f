/* SPDX-License-Identifier: MIT */
/*
 * handler - the signals that end a run, and the clock that bounds its end.
 *
 * Design notes. The first INT or TERM arms a POSIX timer from the handler, so that a run
 * whose loop is blocked ends too: the timer's own handler says what is abandoned and
 * leaves. A second signal, later than 100 ms after the first (make, npm and timeout
 * forward the terminal's), forces: the loop is given a moment to do it, then the handler
 * does. One second after last words began, whatever still blocks (a full stderr, a stdio
 * lock) is left. A handler entered on another thread passes the signal on to the run's,
 * so that it interrupts the only writer of the lists it walks.
 */
#ifndef HANDLER_H
#define HANDLER_H

#include "loop.h"

#include <signal.h>
#include <time.h>

enum { HANDLER_SIGNALS = 5 };

struct handler {
	struct loop *loop;
	pid_t process, thread;
	double grace;
	volatile sig_atomic_t stop;    /* the signal that asked for it; 0 */
	volatile sig_atomic_t forced;  /* the second one; 0 */
	volatile sig_atomic_t hangups; /* SIGHUPs so far */
	volatile sig_atomic_t ending;  /* last words have begun */
	double stop_at;                /* when; loop_clock() */
	/* The last words: forced is a signal to die of, or 0: the grace time is over. In
	 * a handler. */
	void (*last_words)(struct loop *loop, int forced);
	bool installed, timed;
	void *stack; /* that handlers run on; NULL */
	stack_t stack_before;
	timer_t timer;
	struct sigaction before[HANDLER_SIGNALS];
};

/*
 * Prepares the clock, and where signals is true takes INT, TERM, HUP, PIPE and the
 * clock's own (SIGRTMAX). Returns 0; -1 with errno of timer_create(2).
 */
int handler_install(struct handler *handler, bool signals);
void handler_restore(struct handler *handler);

/* Has the clock end the run in seconds from now, where its loop does not.
 * Async-signal-safe. */
void handler_arm(struct handler *handler, double seconds);

/* Dies of a signal; where that is refused (PID 1), _exit(128 + signal).
 * Async-signal-safe. */
_Noreturn void handler_die(int signal);

#endif
