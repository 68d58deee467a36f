/* SPDX-License-Identifier: MIT */
/*
 * dump - all that is there at one moment, on stderr and in the file of --report.
 *
 * Design notes. A dump is made in a signal handler, which may have interrupted anything,
 * and where nobody reads stderr it gives up after a second: what it asks about must not
 * be held up by the answer. A first and a last line delimit it, so that a reader knows
 * that it is whole.
 */
#ifndef DUMP_H
#define DUMP_H

#include "scene.h"

struct dump {
	struct scene scene;
	unsigned cut;            /* so many dumps were, and nobody has been told yet */
	bool torn;               /* a line of --report was, and has no end yet */
	struct loop_timer retry; /* tells them */
};

/* Writes a dump. Async-signal-safe, and on the run's thread; blocks for a second at most.
 */
void dump_write(struct dump *dump);

/* Appends the dump as it is on stderr. On the run's thread; waits for nobody. */
void dump_text(const struct dump *dump, struct text *out);

/* Says that dumps were cut, as soon as stderr takes it; ends a torn line. In the loop. */
void dump_tell_cut(struct dump *dump);

#endif
