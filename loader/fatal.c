/* SPDX-License-Identifier: MIT */
#include "fatal.h"

#include "error.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

static const int fatal_signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP};
enum { FATAL_COUNT = sizeof fatal_signals / sizeof *fatal_signals };

/* Of the loading thread alone, for its signal handler: made before, as a crash may be
 * malloc(3)'s. */
static struct loader_error fatal_line;
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
		write_piece("arun: ");
		write_piece(fatal_line.text);
		write_piece("\n");
	}
	signal(signum, SIG_DFL);
	raise(signum);
}

void fatal_begin(const char *path) {
	error_set(&fatal_line, 126, path,
		": crashed while it was loaded, in a constructor of it, or it is damaged");
	fatal_process = getpid();
	for (int i = 0; i < FATAL_COUNT; i++) {
		struct sigaction before, action = {.sa_handler = on_crash};
		if (sigaction(fatal_signals[i], &action, &before) == 0 &&
			(before.sa_flags & SA_SIGINFO || before.sa_handler != SIG_DFL)) {
			sigaction(fatal_signals[i], &before, NULL);
		}
	}
}

void fatal_end(void) {
	fatal_process = 0;
	for (int i = 0; i < FATAL_COUNT; i++) {
		struct sigaction before, action = {.sa_handler = SIG_DFL};
		if (sigaction(fatal_signals[i], NULL, &before) == 0 &&
			!(before.sa_flags & SA_SIGINFO) &&
			before.sa_handler == on_crash) {
			sigaction(fatal_signals[i], &action, NULL);
		}
	}
}
