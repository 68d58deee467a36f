/* SPDX-License-Identifier: MIT */
#include "arena.h"

#include "ending.h"
#include "say.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 1 << 18, ALIGN = 16 };

struct arena_block {
	struct arena_block *next;
	size_t used;
	_Alignas(ALIGN) char memory[];
};

void arena_exhausted(void) {
	say("%s", strerror(ENOMEM));
	ending_exit(STATUS_FAILED);
}

static struct arena_block *add_block(struct arena *arena) {
	struct arena_block *block = calloc(1, BLOCK);
	if (!block) {
		arena_exhausted();
	}
	block->next = arena->blocks;
	arena->blocks = block;
	return block;
}

/* No piece is larger than a block: strings are cut where they are read. */
void *arena_take(struct arena *arena, size_t size) {
	struct arena_block *block = arena->blocks;
	size = (size + ALIGN - 1) / ALIGN * ALIGN;
	if (!block || size > BLOCK - sizeof *block - block->used) {
		block = add_block(arena);
	}
	void *piece = block->memory + block->used;
	block->used += size;
	return piece;
}

char *arena_string(struct arena *arena, const char *string) {
	size_t size = strlen(string) + 1;
	return memcpy(arena_take(arena, size), string, size);
}

void arena_finish(struct arena *arena) {
	while (arena->blocks) {
		struct arena_block *next = arena->blocks->next;
		free(arena->blocks);
		arena->blocks = next;
	}
}
