/* SPDX-License-Identifier: MIT */
/*
 * opened - the calls that opened each raw descriptor, as interpose.c notes them.
 *
 * Design notes. Descriptors belong to the process, and any thread makes them: so this is
 * one table for all, a slot a descriptor, without locks. It is there with --debug only, and its
 * memory from then on: a thread may be about to note what it has opened when the run ends.
 */
#ifndef OPENED_H
#define OPENED_H

#include "backtrace.h"
#include "base.h"

#include <stdbool.h>
#include <stddef.h>

/* A slot a descriptor; NULL: nothing is noted. */
extern struct calls *opened_table __attribute__((visibility("hidden")));

static inline bool opened_notes(void) {
	return unlikely(__atomic_load_n(&opened_table, __ATOMIC_RELAXED) != NULL);
}

/* Begins to note; without memory there is nothing to find. */
void opened_start(void);

/* Ends it, and forgets. */
void opened_stop(void);

/* Notes the calls to here for fd (negative: ignored); caller is the innermost one. errno is
 * kept. */
void opened_note_slow(int fd, const void *caller);
static inline int opened_note(int fd, const void *caller) {
	if (opened_notes()) {
		opened_note_slow(fd, caller);
	}
	return fd;
}

/* fd is closed. */
void opened_forget_slow(int fd);
static inline void opened_forget(int fd) {
	if (opened_notes()) {
		opened_forget_slow(fd);
	}
}

/* The calls that opened fd; NULL: not known. Async-signal-safe. */
const struct calls *opened_find(int fd);

#endif
