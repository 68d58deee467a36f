/* SPDX-License-Identifier: MIT */
/*
 * backtrace - the calls that led to here, and to where a task is suspended.
 *
 * Design notes. The unwinder is the C library's, and libgcc's, from .eh_frame: plugins
 * need neither frame pointers nor debug information. A suspended context is unwound as
 * the caller of context_visit(), whose CFI says so. Calls of arun's own, and of libev's, are
 * left out.
 */
#ifndef BACKTRACE_H
#define BACKTRACE_H

#include <stdbool.h>

enum { BACKTRACE_MOST = 16, BACKTRACE_MADE = 8 };

/* Return addresses, the innermost call first. */
struct calls {
	unsigned count;
	const void *pc[BACKTRACE_MOST];
};

/* Loads the unwinder, which takes memory: before the first of the others. */
void backtrace_prepare(void);

/* The calls to the caller, BACKTRACE_MADE at most. Async-signal-safe. */
void backtrace_here(struct calls *calls);

/* Those of the context that is suspended at sp and has run before. Async-signal-safe. */
void backtrace_suspended(struct calls *calls, void *sp);

/*
 * The return addresses from pc on, which a signal has interrupted, the innermost first, and
 * arun's own, too. In its handler. Returns how many; 0: pc was not found, or no unwinder.
 */
unsigned backtrace_interrupted(const void *pc, const void **frames, unsigned most);

/* Whether pc is in arun's own code. */
bool backtrace_is_own(const void *pc);

#endif
