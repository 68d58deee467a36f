/* SPDX-License-Identifier: MIT */
/* mutate - changes an input a little, the same way for the same numbers. */
#ifndef MUTATE_H
#define MUTATE_H

#include <stddef.h>
#include <stdint.h>

/* A sequence of numbers that looks random. */
struct mutate_random {
	uint64_t state;
};

/* Begins the sequence that belongs to seed and index. */
void mutate_seed(struct mutate_random *random, uint64_t seed, uint64_t index);

/* The next number, from 0 to below limit (at least 1). */
size_t mutate_below(struct mutate_random *random, size_t limit);

/*
 * Changes the size bytes of an input, in place, in one to eight steps; it may grow to room bytes,
 * and take parts of another input. Returns the new size.
 */
struct mutate_input {
	const uint8_t *bytes;
	size_t size;
};
size_t mutate(struct mutate_random *random, uint8_t *bytes, size_t size, size_t room,
	struct mutate_input other);

#endif
