/* SPDX-License-Identifier: MIT */
#include "mutate.h"

#include <stdbool.h>
#include <string.h>

enum { STEPS_MOST = 8, CHUNK_MOST = 32 };

/* An input under way. */
struct work {
	struct mutate_random *random;
	uint8_t *bytes;
	size_t size, room;
	struct mutate_input other;
};

/* splitmix64: seeds that differ in one bit give sequences that have nothing in common. */
static uint64_t next_number(struct mutate_random *random) {
	uint64_t z = random->state += 0x9e3779b97f4a7c15;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

void mutate_seed(struct mutate_random *random, uint64_t seed, uint64_t index) {
	random->state = seed;
	random->state = next_number(random) + index;
}

size_t mutate_below(struct mutate_random *random, size_t limit) {
	return (size_t)(next_number(random) % limit);
}

static size_t below(struct work *work, size_t limit) {
	return mutate_below(work->random, limit);
}

static size_t smaller(size_t a, size_t b) {
	return a < b ? a : b;
}

/* The length of a part of what is length bytes long, short ones more often. */
static size_t part_of(struct work *work, size_t length) {
	size_t most = below(work, 4) ? smaller(length, CHUNK_MOST) : length;
	return most ? 1 + below(work, most) : 0;
}

/* Makes a gap of so many bytes. Returns how many of them there is room for. */
static size_t open_gap(struct work *work, size_t at, size_t count) {
	count = smaller(count, work->room - work->size);
	memmove(work->bytes + at + count, work->bytes + at, work->size - at);
	work->size += count;
	return count;
}

/* The steps. Those that change a byte need one. */

static void flip_bit(struct work *work) {
	work->bytes[below(work, work->size)] ^= (uint8_t)(1 << below(work, 8));
}

static void set_byte(struct work *work) {
	work->bytes[below(work, work->size)] = (uint8_t)below(work, 256);
}

/* Numbers at which comparisons, shifts and sums go wrong, and small steps; of 1 to 8 bytes. */
static void set_number(struct work *work) {
	static const uint64_t edges[] = {0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0xfff, 0x1000,
		0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff,
		0x100000000, 1ULL << 47, INT64_MAX, 1ULL << 63, UINT64_MAX};
	size_t width = (size_t)1 << below(work, 4);
	if (work->size < width) {
		return;
	}
	uint8_t *place = work->bytes + below(work, work->size - width + 1);
	uint64_t number = 0;
	memcpy(&number, place, width);
	if (below(work, 2)) {
		number = edges[below(work, sizeof edges / sizeof *edges)];
	} else {
		number += below(work, 33) - 16;
	}
	memcpy(place, &number, width);
}

static void delete_part(struct work *work) {
	size_t at = below(work, work->size), count = part_of(work, work->size - at);
	work->size -= count;
	memmove(work->bytes + at, work->bytes + at + count, work->size - at);
}

static void cut_end(struct work *work) {
	work->size = below(work, work->size);
}

static void insert_bytes(struct work *work) {
	size_t at = below(work, work->size + 1);
	size_t count = open_gap(work, at, 1 + below(work, CHUNK_MOST));
	bool same = below(work, 2);
	uint8_t byte = (uint8_t)below(work, 256);
	for (size_t i = 0; i < count; i++) {
		work->bytes[at + i] = same ? byte : (uint8_t)below(work, 256);
	}
}

/* A part of the input, over another one. */
static void copy_part(struct work *work) {
	size_t from = below(work, work->size), to = below(work, work->size);
	size_t longest = work->size - (from > to ? from : to);
	memmove(work->bytes + to, work->bytes + from, part_of(work, longest));
}

static void double_part(struct work *work) {
	size_t from = below(work, work->size), count = part_of(work, work->size - from);
	count = open_gap(work, from, count);
	memcpy(work->bytes + from, work->bytes + from + count, count);
}

/* A part of the other input, in between. */
static void splice(struct work *work) {
	if (!work->other.size) {
		return;
	}
	size_t from = below(work, work->other.size);
	size_t at = below(work, work->size + 1);
	size_t count = open_gap(work, at, part_of(work, work->other.size - from));
	memcpy(work->bytes + at, work->other.bytes + from, count);
}

size_t mutate(struct mutate_random *random, uint8_t *bytes, size_t size, size_t room,
	struct mutate_input other) {
	static void (*const steps[])(struct work *) = {insert_bytes, splice, flip_bit,
		set_byte, set_number, set_number, delete_part, cut_end, copy_part,
		double_part};
	enum { COUNT = sizeof steps / sizeof *steps, GROWING = 2 };
	struct work work = {random, bytes, size, room, other};
	for (size_t left = 1 + below(&work, STEPS_MOST); left; left--) {
		steps[below(&work, work.size ? COUNT : GROWING)](&work);
	}
	return work.size;
}
