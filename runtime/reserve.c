/* SPDX-License-Identifier: MIT */
#include "reserve.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

enum { RESERVE_LEAST = 8192, RESERVE_ROUND = 4096 };

/* For the next step of an array of size. */
static void reserve_fill(struct reserve *reserve, size_t size) {
	size_t wanted = RESERVE_LEAST;
	while (wanted < 2 * size + RESERVE_ROUND) {
		wanted *= 2;
	}
	for (size_t i = 0; i < RESERVE_PIECES; i++) {
		struct reserve_piece *piece = &reserve->pieces[i];
		void *memory = piece->size < wanted ? malloc(wanted) : NULL;
		if (memory) {
			free(piece->memory);
			*piece = (struct reserve_piece){memory, wanted};
		}
	}
}

static void *reserve_take(struct reserve *reserve, size_t size) {
	for (size_t i = 0; i < RESERVE_PIECES; i++) {
		struct reserve_piece piece = reserve->pieces[i];
		if (piece.size >= size) {
			reserve->pieces[i] = (struct reserve_piece){.memory = NULL};
			return piece.memory;
		}
	}
	return NULL;
}

void *reserve_realloc(struct reserve *reserve, void *memory, size_t size) {
	reserve_fill(reserve, size);
	void *other = realloc(memory, size);
	if (other) {
		return other;
	}
	other = reserve_take(reserve, size);
	if (other && memory) {
		size_t old = malloc_usable_size(memory);
		memcpy(other, memory, old < size ? old : size);
		free(memory);
	}
	return other;
}

void reserve_finish(struct reserve *reserve) {
	for (size_t i = 0; i < RESERVE_PIECES; i++) {
		free(reserve->pieces[i].memory);
		reserve->pieces[i] = (struct reserve_piece){.memory = NULL};
	}
}
