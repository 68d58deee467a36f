/* SPDX-License-Identifier: MIT */
/* memory - calls where there is none. */
#ifndef MEMORY_H
#define MEMORY_H

#include "api.h"

#include <stdlib.h>

/* All that malloc() can still give, in a list. */
static void *hoard;

static inline void hoard_all(void) {
	size_t size = 1 << 20;
	while (size >= 16) {
		void **block = malloc(size);
		if (block) {
			*block = hoard;
			hoard = block;
		} else {
			size = size > 2048 ? size / 2 : size - 16;
		}
	}
}

static inline void give_back(void) {
	while (hoard) {
		void *next = *(void **)hoard;
		free(hoard);
		hoard = next;
	}
}

/* The errno of call() where there is no memory; 0: it works. */
static inline int without_memory(int (*call)(void)) {
	struct rlimit old = limit_memory();
	hoard_all();
	errno = 0;
	int result = call(), error = errno;
	setrlimit(RLIMIT_AS, &old);
	give_back();
	return result < 0 ? error : 0;
}

#endif
