/* SPDX-License-Identifier: MIT */
/*
 * lines - the function, file and line of an address, from a plugin's debug information.
 *
 * Design notes. libdw does it, which is loaded when the first report needs it, so that
 * nothing else pays for it. It allocates memory: what a report in a signal handler may
 * show is what lines_add() has found before.
 */
#ifndef LINES_H
#define LINES_H

#include <stdbool.h>
#include <stddef.h>

/* Members that are not known are NULL, and line is 0. */
struct line {
	const void *pc;
	const char *function; /* demangled */
	const char *file;     /* as the compiler was given it */
	const char *folder;   /* that the compiler was run in */
	int line;
};

struct libdw;

struct lines {
	struct line *table; /* by pc; NULL: not loaded */
	size_t count;
	struct libdw *libdw;
};

/* Loads libdw. Returns 0; -1 with errno ENOENT: there is none on this machine; ENOMEM: there is
 * less memory than it may take. */
int lines_load(struct lines *lines);
void lines_finish(struct lines *lines);

/* Closes the files that are read; what was found is kept, and more can be added later. */
void lines_close(struct lines *lines);

/* Looks the call up that returns to pc. Nothing where it is not loaded. */
void lines_add(struct lines *lines, const void *pc);

/* What was found for pc; NULL: nothing. Async-signal-safe. */
const struct line *lines_find(const struct lines *lines, const void *pc);

#endif
