/* SPDX-License-Identifier: MIT */
/*
 * ending - how arun leaves: through exit(), so that stdio and everybody's atexit(3)
 * handlers have their turn, and then with the status, or by the signal, that the caller
 * of arun shall see.
 */
#ifndef ENDING_H
#define ENDING_H

/* The exit statuses that are arun's own, not the plugin's (arun(1)). */
enum {
	STATUS_LEAKS = 23,
	STATUS_OVERDUE = 124, /* the grace time ran out */
	STATUS_FAILED = 125,
	STATUS_UNUSABLE = 126, /* PLUGIN is there, and cannot be loaded */
	STATUS_ABSENT = 127,
	STATUS_SIGNAL = 128 /* and its number */
};

/* To be called first in main(): handlers registered first run last. From now on SIGUSR1
 * and SIGPIPE end nothing. */
void ending_prepare(void);

/* From now on, and at the end, SIGPIPE does end the process, where this thread prints: without a
 * word, as programs that only print do, where nobody reads on. */
void ending_by_pipe(void);

/* To be called in a forked child that is arun from now on. */
void ending_adopt(void);

/*
 * Ends the process. Where status is 0 but stdout could not be written, one line says so
 * and the status is 1.
 */
_Noreturn void ending_exit(int status);

/*
 * What is done from now on (other handlers of atexit(3), destructors, the flush of stdout) has so many
 * seconds; then a line says that plugin does not end, and the status is STATUS_OVERDUE.
 */
void ending_bound(const char *plugin, double seconds);

/* Prints what say_keep() kept, and ends the process with STATUS_OVERDUE: for the handler of a timer,
 * which goes off again where that hangs. */
_Noreturn void ending_overdue(void);

/* Ends the process by that signal; with 128 + signum where that does nothing (PID 1). */
_Noreturn void ending_die(int signum);

/* The same at once, and nothing else: for a signal handler. */
_Noreturn void ending_die_now(int signum);

#endif
