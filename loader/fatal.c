/* SPDX-License-Identifier: MIT */
#include "fatal.h"

#include "error.h"
#include "loader.h"

#include <limits.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static const int fatal_signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP};
enum { FATAL_COUNT = sizeof fatal_signals / sizeof *fatal_signals };

/* Of the loading thread alone, for its signal handler. */
static const char *fatal_path;
static pid_t fatal_process; /* 0: nothing is loaded */

static void write_piece(const char *text) {
	if (write(STDERR_FILENO, text, strlen(text)) < 0) {
		return; /* nobody can be told */
	}
}

/* Where it returns to, the process dies of the signal. */
static void on_crash(int signum) {
	/* A constructor may have forked a child, or have kept this to be called later. */
	if (getpid() == fatal_process) {
		char path[4 * PATH_MAX + 1];
		error_escape(fatal_path, path, sizeof path);
		write_piece("arun: ");
		write_piece(path);
		write_piece(
			": crashed while it was loaded, in a constructor of it, or it is "
			"damaged\n");
	}
	signal(signum, SIG_DFL);
	raise(signum);
}

/* Sets to in place of from; what somebody else has set stays. */
static void exchange(void (*from)(int), void (*to)(int)) {
	for (int i = 0; i < FATAL_COUNT; i++) {
		struct sigaction before, action = {.sa_handler = to};
		if (sigaction(fatal_signals[i], &action, &before) == 0 &&
			(before.sa_flags & SA_SIGINFO || before.sa_handler != from)) {
			sigaction(fatal_signals[i], &before, NULL);
		}
	}
}

void fatal_begin(const char *path) {
	fatal_path = path;
	fatal_process = getpid();
	exchange(SIG_DFL, on_crash);
}

void fatal_end(void) {
	fatal_process = 0;
	exchange(on_crash, SIG_DFL);
}

const char *loader_loads(void) {
	return fatal_process == getpid() ? fatal_path : NULL;
}
