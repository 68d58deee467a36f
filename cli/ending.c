/* SPDX-License-Identifier: MIT */
#include "ending.h"

#include "say.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/* Known to the atexit(3) handler alone, which takes no argument. */
static struct {
	pid_t pid;   /* a forked child that exits runs the handler too: not for it */
	int signum;  /* to die of; 0: none */
	bool checks; /* the status is 0 */
} ending;

static void ignore(int signum) {
	(void)signum;
}

static _Noreturn void die(int signum) {
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, signum);
	signal(signum, SIG_DFL);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	raise(signum);
	_exit(STATUS_SIGNAL + signum);
}

static void check_stdout(void) {
	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout)) {
		return;
	}
	say("standard output: %s", errno ? strerror(errno) : "could not be written");
	_exit(EXIT_FAILURE);
}

static void end(void) {
	if (getpid() != ending.pid) {
		return;
	}
	if (ending.signum) {
		fflush(NULL);
		die(ending.signum);
	}
	if (ending.checks) {
		check_stdout();
	}
}

/* Who asks for a dump before there is a run gets none: that is no end. Nor is a file's limit
 * (ulimit -f), or a pipe nobody reads: EFBIG and EPIPE say so. */
void ending_prepare(void) {
	ending.pid = getpid();
	signal(SIGUSR1, ignore);
	signal(SIGPIPE, ignore);
	signal(SIGXFSZ, ignore);
	if (atexit(end) != 0) {
		say("%s", strerror(ENOMEM));
		_exit(STATUS_FAILED);
	}
}

void ending_adopt(void) {
	ending.pid = getpid();
}

/* What stdio still holds may go to a pipe nobody reads: EPIPE says so, SIGPIPE would not.
 */
static _Noreturn void leave(int status) {
	signal(SIGPIPE, ignore);
	exit(status);
}

void ending_exit(int status) {
	ending.checks = status == 0;
	leave(status);
}

void ending_die(int signum) {
	ending.signum = signum;
	leave(STATUS_SIGNAL + signum);
}
