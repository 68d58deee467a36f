/* SPDX-License-Identifier: MIT */
/*
 * handler - who gets which signal of arun's, and on which stack.
 *
 * Design notes. The first INT or TERM arms a POSIX timer from the handler, so that a run
 * whose loop is blocked ends too: the timer's own handler says what is abandoned and
 * leaves. A second signal, later than 100 ms after the first (make, npm and timeout
 * forward the terminal's), forces: the loop is given a moment to do it, then the handler
 * does. A service manager signals all processes of a service, and the parent of workers
 * forwards, at any time later: theirs and those of others are counted apart. One second
 * after last words began, whatever still blocks (a full stderr, a stdio
 * lock) is left. A handler entered on another thread passes the signal on to the run's,
 * so that it interrupts the only writer of the lists it walks. A crash has its default
 * action where it happened, after its report, so that the core is of the fault.
 */
#ifndef HANDLER_H
#define HANDLER_H

#include "loop.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

/* HANDLER_OVERDUE: the exit status where the grace time ran out. */
enum { HANDLER_SIGNALS = 13, HANDLER_OVERDUE = 124 };

struct handler {
	struct loop *loop;
	pid_t thread;
	double grace;
	volatile sig_atomic_t stop;    /* the signal that asked for it; 0 */
	volatile sig_atomic_t forced;  /* the second one; 0 */
	volatile sig_atomic_t hangups; /* SIGHUPs so far */
	volatile sig_atomic_t ending;  /* last words have begun */
	double stop_at;                /* when; loop_clock() */
	double sent_at, forwarded_at;  /* the first that was sent, and by a parent; 0 */
	/* What higher layers do, all of it in a handler. The last words: forced is a
	 * signal to die of, or 0: the grace time is over. */
	void (*last_words)(struct loop *loop, int forced);
	void (*dump)(struct loop *loop);
	/* foreign: it happened on a thread that is not the run's. */
	void (*crash)(struct loop *loop, const siginfo_t *info, const void *context,
		bool foreign);
	/* Before the process dies of a fault or of QUIT: what outlives it is put back. */
	void (*leave)(struct loop *loop);
	/* What handler_ask() asked for. */
	void (*asked)(struct loop *loop, const void *context);
	const char *lacks; /* of what there was none, where it could not be installed */
	bool installed, timed;
	void *stack; /* that handlers run on; NULL */
	stack_t stack_before;
	timer_t timer;
	struct sigaction before[HANDLER_SIGNALS];
	bool taken[HANDLER_SIGNALS];
};

/*
 * Prepares the clock, and where signals is true takes INT, TERM, HUP, PIPE, XFSZ, USR1, QUIT,
 * SEGV, BUS, FPE, ILL, ABRT and the clock's own (SIGRTMAX). INT, QUIT and HUP found
 * ignored stay so, and so does a handler of a crash that is there already. Returns 0; -1
 * with handler->lacks, and errno of timer_create(2) or sigaltstack(2).
 */
int handler_install(struct handler *handler, bool signals);
void handler_restore(struct handler *handler);

/* Has the clock end the run in seconds from now, where its loop does not.
 * Async-signal-safe. */
void handler_arm(struct handler *handler, double seconds);

/*
 * Starts a thread of arun's own, which has all signals blocked but faults. As pthread_create(3): *id
 * is to be joined or detached. Returns 0; or EAGAIN, ENOMEM.
 */
int handler_thread(pthread_t *id, void *(*fn)(void *), void *arg);

/* Whether a run has the signals of this process. For any thread. */
bool handler_owned(void);

/* Has handler->asked() called in the run's thread, soon. For other threads. */
void handler_ask(struct handler *handler);

/* Dies of a signal; where that is refused (PID 1), _exit(128 + signal).
 * Async-signal-safe. */
_Noreturn void handler_die(int signal);

#endif
