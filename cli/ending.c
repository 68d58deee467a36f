/* SPDX-License-Identifier: MIT */
#include "ending.h"

#include "../runtime/monotonic.h"
#include "loader.h"
#include "say.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

/* Known to the atexit(3) handler alone, which takes no argument. */
static struct {
	pid_t pid;   /* a forked child that exits runs the handler too: not for it */
	int signum;  /* to die of; 0: none */
	bool checks; /* the status is 0 */
	bool prints; /* SIGPIPE ends it */
} ending;

static void ignore(int signum) {
	(void)signum;
}

void ending_die_now(int signum) {
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
	const char *loads = loader_loads();
	if (loads) {
		say("%s: ended the process while it was loaded, in a constructor of it",
			loads);
		fflush(NULL);
		_exit(STATUS_UNUSABLE);
	}
	if (ending.signum) {
		fflush(NULL);
		ending_die_now(ending.signum);
	}
	if (ending.checks) {
		check_stdout();
	}
}

/* SIGUSR1 before there is a run asks for a dump that cannot be had: no reason to die. Nor is a file's
 * limit (ulimit -f), or a pipe that nobody reads: there EFBIG and EPIPE say so. */
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

void ending_by_pipe(void) {
	sigset_t broken;
	sigemptyset(&broken);
	sigaddset(&broken, SIGPIPE);
	ending.prints = true;
	signal(SIGPIPE, SIG_DFL);
	pthread_sigmask(SIG_UNBLOCK, &broken, NULL);
}

void ending_adopt(void) {
	ending.pid = getpid();
}

/* Called again, it has been held up by the line itself, which nobody reads. */
void ending_overdue(void) {
	static volatile sig_atomic_t told;
	if (!told) {
		told = 1;
		say_kept();
	}
	_exit(STATUS_OVERDUE);
}

static void on_overdue(int signum) {
	(void)signum;
	ending_overdue();
}

/* On any thread: it says no more than that. */
void ending_bound(const char *plugin, double seconds) {
	struct sigaction action = {.sa_handler = on_overdue, .sa_flags = SA_NODEFER};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMAX};
	struct itimerspec time = {
		.it_value = monotonic_timespec(seconds), .it_interval = {.tv_sec = 1}};
	timer_t timer;
	sigset_t set;
	const char *slash = strrchr(plugin, '/');
	say_keep("%s: does not end: a handler of atexit(3), a destructor, or stdout that "
		 "nobody reads: it is given up",
		slash ? slash + 1 : plugin);
	sigaction(SIGRTMAX, &action, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMAX);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	if (timer_create(CLOCK_MONOTONIC, &event, &timer) == 0) {
		timer_settime(timer, 0, &time, NULL);
	}
}

/* What stdio still holds may go to a pipe nobody reads: EPIPE says so, SIGPIPE would not.
 */
static _Noreturn void leave(int status) {
	if (!ending.prints) {
		signal(SIGPIPE, ignore);
	}
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
