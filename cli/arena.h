/* SPDX-License-Identifier: MIT */
/* arena - memory that is given back all at once. */
#ifndef ARENA_H
#define ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
	struct arena_block *blocks; /* the one in use first */
};

/* Ends the program: there is no memory. */
_Noreturn void arena_exhausted(void);

/* Zeroed; never NULL: without memory, the program ends. */
void *arena_take(struct arena *arena, size_t size);
char *arena_string(struct arena *arena, const char *string);
void arena_finish(struct arena *arena);

#endif
