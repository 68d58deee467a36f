/* SPDX-License-Identifier: MIT */
/*
 * stack - the memory that tasks run on, and its pool.
 *
 * Design notes. Stacks of up to 1 MiB are cut from slabs of 4 MiB that stay mapped. The
 * lowest 16 KiB of a stack are its guard: MADV_GUARD_INSTALL (Linux 6.13) costs no
 * mapping of its own; where it is refused, mprotect(2) does it at two mappings a stack
 * (vm.max_map_count: some 32,000 stacks). Guards are installed at a stack's first use.
 * Freed stacks are used again last in, first out, so that they are warm; those beyond a
 * mark give their pages back when stack_pool_trim() is called.
 *
 * Stacks lie a page further apart than they are large. Processors keep translations of addresses
 * in sets, chosen by the low bits of the page's number: at a distance of 16 pages all tops share
 * a sixteenth of them, and from 100 tasks on each switch had to look its page up (500 that yield:
 * 7.3 ns each; so it is 5.2).
 */
#ifndef STACK_H
#define STACK_H

#include "base.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	STACK_GUARD = 16 * 1024,
	STACK_SIZE = 64 * 1024,
	STACK_SMALLEST_BITS = 15, /* 32 KiB */
	STACK_CLASSES = 6,        /* to 1 MiB */
};

struct stack_class {
	char **free; /* the warm ones at the end */
	size_t count, room;
	size_t cold;   /* so many at the beginning of free have given their pages back */
	char *fresh;   /* never used, of the newest slab */
	size_t unused; /* how many of them */
	size_t made;
	char **slabs; /* of all its stacks */
	size_t slab_count;
};

struct stack_pool {
	struct stack_class classes[STACK_CLASSES];
	bool mprotects; /* guards are mprotect(2)'s */
	bool address;   /* AddressSanitizer: stacks are larger, and its frames poison them
			 */
};

void stack_pool_init(struct stack_pool *pool, bool address);

/* Unmaps the slabs; no stack may be in use. */
void stack_pool_finish(struct stack_pool *pool);

/* The size of the stack that a task gets which asks for size bytes (0: STACK_SIZE): a power
 * of two. Returns 0 above 1 GiB. */
size_t stack_round(const struct stack_pool *pool, size_t size);
#define STACK_TOO_LARGE "stack_size is at most 1 GiB"

/* Of a size from stack_round(); STACK_CLASSES or more: it has no class. */
static inline int stack_class_index(size_t size) {
	return __builtin_ctzl(size) - STACK_SMALLEST_BITS;
}

/*
 * Gives a stack of size (from stack_round()) bytes, guard included: its lowest address,
 * or NULL with errno ENOMEM.
 */
char *stack_acquire(struct stack_pool *pool, size_t size);

/* The same, of a size that has a class, from those that still have their pages. NULL where there
 * is none; errno is kept. */
static inline char *stack_acquire_warm(struct stack_pool *pool, size_t size) {
	struct stack_class *class = &pool->classes[stack_class_index(size)];
	if (unlikely(class->count <= class->cold)) {
		return NULL;
	}
	return class->free[--class->count];
}

/* Takes a stack back. The caller may still run on it, until the next stack_acquire() or
 * stack_pool_trim(). */
void stack_release_slow(struct stack_pool *pool, char *stack, size_t size);
static inline void stack_release(struct stack_pool *pool, char *stack, size_t size) {
	struct stack_class *class = &pool->classes[stack_class_index(STACK_SIZE)];
	if (unlikely(size != STACK_SIZE || pool->address)) {
		stack_release_slow(pool, stack, size);
		return;
	}
	class->free[class->count++] = stack;
}

/* Zeroes what a stack's last user left, from the top down to the first two pages in a row that
 * are zero. */
void stack_clear(char *stack, size_t size);

/* How many of the lowest bytes of a stack were not used since it was cleared; guard included,
 * limit at most. */
size_t stack_untouched(const char *stack, size_t limit);

/* Gives the pages of long unused stacks back to the system. */
void stack_pool_trim(struct stack_pool *pool);

#endif
