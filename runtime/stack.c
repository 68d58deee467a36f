/* SPDX-License-Identifier: MIT */
#include "stack.h"

#include "base.h"
#include "context.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined __has_include
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif
#ifndef VALGRIND_STACK_REGISTER
#define VALGRIND_STACK_REGISTER(start, end) ((void)(start), (void)(end))
#endif

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* since Linux 6.13 */
#endif

enum {
	STACK_SLAB = 4 * 1024 * 1024, /* the stacks in one, together */
	STACK_SMALLEST = 1 << STACK_SMALLEST_BITS,
	STACK_ASKED = 64,  /* pages, in one call */
	STACK_CLEAN = 2,   /* pages; what is below so many of them is taken for clean */
	STACK_WARM = 2048, /* so many of a class keep their pages */
	STACK_TRIM = 512,  /* so many at once are made cold, not one by one */
};
static const size_t STACK_LIMIT = (size_t)1 << 30;

void stack_pool_init(struct stack_pool *pool, bool address) {
	*pool = (struct stack_pool){.address = address, .mprotects = address};
}

static size_t stack_class_size(int index) {
	return (size_t)STACK_SMALLEST << index;
}

static struct stack_class *stack_class_of(struct stack_pool *pool, size_t size) {
	int index = stack_class_index(size);
	return index < STACK_CLASSES ? &pool->classes[index] : NULL;
}

size_t stack_round(const struct stack_pool *pool, size_t size) {
	if (size > STACK_LIMIT) {
		return 0;
	}
	size = size ? size : STACK_SIZE;
	size_t rounded = STACK_SMALLEST;
	while (rounded < size) {
		rounded *= 2;
	}
	return pool->address && rounded < STACK_LIMIT ? rounded * 4 : rounded;
}

/* From one to the next in a slab: an odd number of pages. See stack.h. */
static size_t stack_distance(size_t size) {
	return size + (size_t)getpagesize();
}

static size_t stack_slab_count(size_t size) {
	return STACK_SLAB / size;
}

static size_t stack_slab_size(size_t size) {
	return stack_slab_count(size) * stack_distance(size);
}

/* MAP_STACK keeps huge pages out. */
static char *stack_map(size_t size) {
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
	return memory == MAP_FAILED ? NULL : memory;
}

static int stack_guard(struct stack_pool *pool, char *stack, size_t size) {
	(void)VALGRIND_STACK_REGISTER(stack, stack + size);
	if (!pool->mprotects && madvise(stack, STACK_GUARD, MADV_GUARD_INSTALL) == 0) {
		return 0;
	}
	/* An older kernel, or memory that mlockall(2) has locked. */
	pool->mprotects = true;
	return mprotect(stack, STACK_GUARD, PROT_NONE);
}

/* Makes room for every stack there is, so that taking one back cannot fail. */
static int stack_class_reserve(struct stack_class *class, size_t room) {
	if (room <= class->room) {
		return 0;
	}
	room = room < 64 ? 64 : room * 2;
	char **free = realloc(class->free, room * sizeof *free);
	if (!free) {
		return -1;
	}
	class->free = free;
	class->room = room;
	return 0;
}

/* Returns 0; -1: no memory. */
static int stack_add_slab(struct stack_class *class, size_t size) {
	size_t bytes = (class->slab_count + 1) * sizeof *class->slabs;
	char **slabs = realloc(class->slabs, bytes);
	if (!slabs) {
		return -1;
	}
	class->slabs = slabs;
	class->fresh = stack_map(stack_slab_size(size));
	if (!class->fresh) {
		return -1;
	}
	slabs[class->slab_count++] = class->fresh;
	class->unused = stack_slab_count(size);
	return 0;
}

static char *stack_fresh(
	struct stack_pool *pool, struct stack_class *class, size_t size) {
	if (stack_class_reserve(class, class->made + 1) < 0) {
		return NULL;
	}
	if (!class->unused && stack_add_slab(class, size) < 0) {
		return NULL;
	}
	char *stack = class->fresh;
	if (stack_guard(pool, stack, size) < 0) {
		return NULL;
	}
	class->fresh += stack_distance(size);
	class->unused--;
	class->made++;
	return stack;
}

static char *stack_single(struct stack_pool *pool, size_t size) {
	char *stack = stack_map(size);
	if (stack && stack_guard(pool, stack, size) < 0) {
		munmap(stack, size);
		stack = NULL;
	}
	return stack;
}

char *stack_acquire(struct stack_pool *pool, size_t size) {
	struct stack_class *class = stack_class_of(pool, size);
	char *warm = class ? stack_acquire_warm(pool, size) : NULL;
	if (warm) {
		return warm;
	}
	if (class && class->count) {
		class->cold = --class->count;
		return class->free[class->count];
	}
	char *stack = class ? stack_fresh(pool, class, size) : stack_single(pool, size);
	if (!stack) {
		errno = ENOMEM;
	}
	return stack;
}

void stack_release_slow(struct stack_pool *pool, char *stack, size_t size) {
	if (pool->address) {
		context_hooks_clean(stack + STACK_GUARD, size - STACK_GUARD);
	}
	struct stack_class *class = stack_class_of(pool, size);
	if (class) {
		class->free[class->count++] = stack;
	} else {
		munmap(stack, size);
	}
}

/* Which of the pages from address on, at most STACK_ASKED, are in memory. Returns how many
 * there are to size. */
static size_t stack_pages(const char *address, size_t size, unsigned char *resident) {
	size_t page = (size_t)getpagesize();
	size_t count = (size + page - 1) / page;
	count = count < STACK_ASKED ? count : STACK_ASKED;
	if (mincore((char *)(size_t)address, count * page, resident) < 0) {
		memset(resident, 0, count);
	}
	return count;
}

/* How many bytes of it are zero, from its beginning. */
__attribute__((no_sanitize("address"))) static size_t page_zeros(
	const char *page, size_t size) {
	const size_t *word = (const void *)page;
	size_t at = 0;
	while (at < size && !(word[0] | word[1] | word[2] | word[3])) {
		at += 4 * sizeof *word;
		word += 4;
	}
	while (at < size && !*word) {
		at += sizeof *word;
		word++;
	}
	return at;
}

/* To ask which pages are in memory would take longer than all the rest of a spawn. */
void stack_clear(char *stack, size_t size) {
	size_t page = (size_t)getpagesize(), at = size - page;
	memset(stack + at, 0, page);
	for (unsigned clean = 0; at > STACK_GUARD && clean < STACK_CLEAN;) {
		at -= page;
		size_t zeros = page_zeros(stack + at, page);
		clean = zeros == page ? clean + 1 : 0;
		memset(stack + at + zeros, 0, page - zeros);
	}
}

size_t stack_untouched(const char *stack, size_t limit) {
	unsigned char resident[STACK_ASKED];
	size_t page = (size_t)getpagesize();
	for (size_t at = STACK_GUARD; at < limit;) {
		size_t count = stack_pages(stack + at, limit - at, resident);
		for (size_t i = 0; i < count; i++, at += page) {
			size_t zeros =
				resident[i] & 1 ? page_zeros(stack + at, page) : page;
			if (zeros < page) {
				return at + zeros < limit ? at + zeros : limit;
			}
		}
	}
	return limit;
}

void stack_pool_trim(struct stack_pool *pool) {
	for (int i = 0; i < STACK_CLASSES; i++) {
		struct stack_class *class = &pool->classes[i];
		if (class->count < class->cold + STACK_WARM + STACK_TRIM) {
			continue;
		}
		size_t size = stack_class_size(i);
		while (class->cold + STACK_WARM < class->count) {
			char *stack = class->free[class->cold++];
			madvise(stack + STACK_GUARD, size - STACK_GUARD, MADV_DONTNEED);
		}
	}
}

void stack_pool_finish(struct stack_pool *pool) {
	for (int i = 0; i < STACK_CLASSES; i++) {
		struct stack_class *class = &pool->classes[i];
		for (size_t k = 0; k < class->slab_count; k++) {
			munmap(class->slabs[k], stack_slab_size(stack_class_size(i)));
		}
		free(class->slabs);
		free(class->free);
	}
	stack_pool_init(pool, pool->address);
}
