/* SPDX-License-Identifier: MIT */
/*
 * The table of 08-resp.c: keys to values, by open addressing in a power of two of slots.
 * Knows nothing of arun.
 */
#ifndef TABLE_H
#define TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct word {
	const char *text;
	size_t length;
};

struct item {
	uint64_t hash;
	unsigned refs;
	size_t key_length, length;
	char bytes[]; /* the key, and behind it the value */
};

struct table {
	struct item **slots; /* more than half of them NULL */
	size_t mask, count;
	uint64_t seed; /* so that nobody can choose keys that collide */
};

static uint64_t table_hash(const struct table *table, struct word key) {
	uint64_t hash = table->seed ^ key.length, piece = 0;
	for (; key.length >= 8; key.text += 8, key.length -= 8) {
		memcpy(&piece, key.text, 8);
		hash = (hash ^ piece) * 0x9e3779b97f4a7c15;
		hash ^= hash >> 32;
	}
	memcpy(&piece, key.text, key.length);
	hash = (hash ^ piece ^ table->seed >> 7) * 0x9e3779b97f4a7c15;
	return hash ^ hash >> 32;
}

/* The slot of key, or the empty one where it belongs. */
static struct item **table_find(
	const struct table *table, struct word key, uint64_t hash) {
	size_t i = hash & table->mask;
	for (; table->slots[i]; i = (i + 1) & table->mask) {
		struct item *item = table->slots[i];
		if (item->hash == hash && item->key_length == key.length &&
			memcmp(item->bytes, key.text, key.length) == 0) {
			break;
		}
	}
	return &table->slots[i];
}

/* NULL: there is none. */
static struct item *table_get(const struct table *table, struct word key) {
	return *table_find(table, key, table_hash(table, key));
}

static void item_release(struct item *item) {
	if (item && --item->refs == 0) {
		free(item);
	}
}

/* Doubles it, or makes the first slot. Returns 0; -1: no memory. */
static int table_grow(struct table *table) {
	struct table larger = *table;
	larger.mask = table->mask * 2 + 1;
	larger.slots = calloc(larger.mask + 1, sizeof *larger.slots);
	if (!larger.slots) {
		return -1;
	}
	for (size_t i = 0; table->slots && i <= table->mask; i++) {
		struct item *item = table->slots[i];
		if (item) {
			struct word key = {item->bytes, item->key_length};
			*table_find(&larger, key, item->hash) = item;
		}
	}
	free(table->slots);
	*table = larger;
	return 0;
}

/* Returns 0; -1: no memory, all is as before. */
static int table_set(struct table *table, struct word key, struct word value) {
	struct item *item = malloc(sizeof *item + key.length + value.length);
	if (!item || (table->count > table->mask / 2 && table_grow(table) < 0)) {
		free(item);
		return -1;
	}
	*item = (struct item){table_hash(table, key), 1, key.length, value.length};
	memcpy(item->bytes, key.text, key.length);
	memcpy(item->bytes + key.length, value.text, value.length);
	struct item **slot = table_find(table, key, item->hash);
	table->count += !*slot;
	item_release(*slot);
	*slot = item;
	return 0;
}

/* Takes key out, and moves up what stands behind it only because it stood there. */
static bool table_delete(struct table *table, struct word key) {
	struct item **slot = table_find(table, key, table_hash(table, key));
	if (!*slot) {
		return false;
	}
	item_release(*slot);
	table->count--;
	size_t hole = (size_t)(slot - table->slots), i = hole;
	while (table->slots[i = (i + 1) & table->mask]) {
		size_t home = table->slots[i]->hash & table->mask;
		if (((i - home) & table->mask) >= ((i - hole) & table->mask)) {
			table->slots[hole] = table->slots[i];
			hole = i;
		}
	}
	table->slots[hole] = NULL;
	return true;
}

static void table_finish(struct table *table) {
	for (size_t i = 0; table->slots && i <= table->mask; i++) {
		item_release(table->slots[i]);
	}
	free(table->slots);
	*table = (struct table){.slots = NULL};
}

#endif
