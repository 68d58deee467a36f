/* SPDX-License-Identifier: MIT */
#include "origins.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ORIGINS_BUCKETS = 1024 };

struct origin {
	struct origin *next;
	struct calls calls;
};

struct origins {
	struct origin *buckets[ORIGINS_BUCKETS];
};

struct origins *origins_create(void) {
	return calloc(1, sizeof(struct origins));
}

void origins_destroy(struct origins *origins) {
	for (size_t i = 0; origins && i < ORIGINS_BUCKETS; i++) {
		while (origins->buckets[i]) {
			struct origin *origin = origins->buckets[i];
			origins->buckets[i] = origin->next;
			free(origin);
		}
	}
	free(origins);
}

static size_t calls_size(const struct calls *calls) {
	return offsetof(struct calls, pc) + calls->count * sizeof *calls->pc;
}

static struct origin **bucket_of(struct origins *origins, const struct calls *calls) {
	uint64_t hash = calls->count;
	for (unsigned i = 0; i < calls->count; i++) {
		hash = (hash ^ (uintptr_t)calls->pc[i]) * UINT64_C(0x9e3779b97f4a7c15);
	}
	return &origins->buckets[(hash >> 32) % ORIGINS_BUCKETS];
}

const struct calls *origins_note(struct origins *origins) {
	struct calls calls;
	backtrace_here(&calls);
	struct origin **bucket = bucket_of(origins, &calls);
	for (struct origin *origin = *bucket; origin; origin = origin->next) {
		if (origin->calls.count == calls.count &&
			memcmp(origin->calls.pc, calls.pc,
				calls.count * sizeof *calls.pc) == 0) {
			return &origin->calls;
		}
	}
	struct origin *origin = malloc(sizeof *origin);
	if (!origin) {
		return NULL;
	}
	memcpy(&origin->calls, &calls, calls_size(&calls));
	origin->next = *bucket;
	*bucket = origin;
	return &origin->calls;
}
