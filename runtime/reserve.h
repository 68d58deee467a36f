/* SPDX-License-Identifier: MIT */
/*
 * reserve - memory put by, for allocations that must not fail: libev ends the process where one
 * of its own does.
 *
 * Design notes. Arrays double: so a piece is enough for the next step of the largest one, and
 * there are as many pieces as arrays that may grow at once. What nobody touches costs addresses,
 * not memory. A piece is handed out as it is, lest another thread be faster.
 */
#ifndef RESERVE_H
#define RESERVE_H

#include <stddef.h>

enum { RESERVE_PIECES = 4 };

/* All zero: nothing is put by yet. */
struct reserve {
	struct reserve_piece {
		void *memory; /* NULL: it is used up */
		size_t size;
	} pieces[RESERVE_PIECES];
};

/* As realloc(3), of size > 0; where that fails, of what has been put by. NULL: nor is that left.
 * As soon as there is memory again, what was used up is put by anew. */
void *reserve_realloc(struct reserve *reserve, void *memory, size_t size);

void reserve_finish(struct reserve *reserve);

#endif
