/* SPDX-License-Identifier: MIT */
/*
 * registry - objects entered in the registry and taken out, against functions that are empty.
 *
 *	valgrind --tool=callgrind --callgrind-out-file=/dev/null registry listed|empty COUNT
 *
 * The instructions of two counts, less those of "empty", are what the registry costs an object.
 */
#include "registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPEN = 64 }; /* at a time, as in a program */

static const struct arun_site site = {__FILE__, "main", 1};
static const struct kind kind = {.index = KIND_TASK};
static struct registry registry;
static struct object objects[OPEN];

static __attribute__((noinline)) void listed_add(struct object *object) {
	registry_add(&registry, object, &kind, &site);
}

static __attribute__((noinline)) void listed_remove(struct object *object) {
	registry_remove(object);
}

/* The compiler may not drop calls of these. */
static __attribute__((noinline)) void empty(struct object *object) {
	__asm__ volatile("" : : "r"(object) : "memory");
}

static void cycle(long count, void (*add)(struct object *object),
	void (*take)(struct object *object)) {
	for (long i = 0; i < count; i++) {
		struct object *object = &objects[i % OPEN];
		if (i >= OPEN) {
			take(object);
		}
		add(object);
	}
}

int main(int argc, char **argv) {
	if (argc != 3) {
		fputs("usage: registry listed|empty COUNT\n", stderr);
		return 2;
	}
	long count = strtol(argv[2], NULL, 10);
	registry_init(&registry);
	if (strcmp(argv[1], "listed") == 0) {
		cycle(count, listed_add, listed_remove);
	} else {
		cycle(count, empty, empty);
	}
	return 0;
}
