/* SPDX-License-Identifier: MIT */
#include "hash.h"

#include <stdlib.h>

#define HASH_CHAIN_MOST                                                                  \
	(1U << 20) /* words walked in one chain: linkers keep chains short */

static const char broken[] = "its hash table is not in order";

/* Whether every chain stays inside and ends: together they hold a symbol at most once. */
static bool chains_end(const uint32_t *table, uint32_t buckets, uint32_t chains) {
	size_t steps = 0;
	for (uint32_t i = 0; i < buckets; i++) {
		for (uint32_t symbol = table[i]; symbol;
			symbol = table[buckets + symbol]) {
			if (symbol >= chains || ++steps > chains) {
				return false;
			}
		}
	}
	return true;
}

/* DT_HASH: nbucket, nchain, buckets, chains; one chain word a symbol. */
static size_t count_sysv(struct elf_file *file, uint64_t address) {
	uint32_t sizes[2];
	if (!elf_read(file, address, sizes, sizeof sizes)) {
		elf_odd(file, broken);
		return 0;
	}
	size_t words = (size_t)sizes[0] + sizes[1];
	uint32_t *table = elf_copy(file, address + sizeof sizes, words * sizeof *table);
	if (!table || !sizes[0]) {
		elf_odd(file, broken);
		free(table);
		return 0;
	}
	if (!chains_end(table, sizes[0], sizes[1])) {
		elf_odd(file, broken);
	}
	free(table);
	return sizes[1];
}

struct gnu_hash {
	uint32_t bucket_count;
	uint32_t first; /* the first symbol in the table */
	uint32_t bloom_count;
	uint32_t bloom_shift;
};

/* Behind the last symbol of the chain that starts at symbol; 0: it has no end. */
static size_t chain_end(const struct elf_file *file, uint64_t chains, size_t symbol) {
	for (size_t i = 0; i < HASH_CHAIN_MOST; i++) {
		uint32_t word;
		if (!elf_read(file, chains + (symbol + i) * sizeof word, &word,
			    sizeof word)) {
			return 0;
		}
		if (word & 1) {
			return symbol + i + 1;
		}
	}
	return 0;
}

/* The largest symbol in the buckets; 0: they are empty, UINT32_MAX: they are broken. */
static uint32_t largest_bucket(
	const struct elf_file *file, const struct gnu_hash *hash, uint64_t address) {
	uint32_t *buckets = elf_copy(file, address, hash->bucket_count * sizeof *buckets);
	uint32_t largest = buckets ? 0 : UINT32_MAX;
	for (size_t i = 0; buckets && i < hash->bucket_count; i++) {
		if (buckets[i] && buckets[i] < hash->first) {
			largest = UINT32_MAX;
		}
		if (buckets[i] > largest) {
			largest = buckets[i];
		}
	}
	free(buckets);
	return largest;
}

/* DT_GNU_HASH: the header, a Bloom filter, buckets, chains; no count of symbols. */
static size_t count_gnu(struct elf_file *file, uint64_t address) {
	struct gnu_hash hash;
	if (!elf_read(file, address, &hash, sizeof hash) || !hash.bucket_count ||
		!hash.bloom_count || hash.bloom_count & (hash.bloom_count - 1) ||
		hash.bloom_shift > 31) {
		elf_odd(file, broken);
		return 0;
	}
	uint64_t buckets = address + sizeof hash + hash.bloom_count * sizeof(uint64_t);
	uint64_t chains = buckets + hash.bucket_count * sizeof(uint32_t);
	uint32_t last = largest_bucket(file, &hash, buckets);
	if (!last) {
		return 0;
	}
	size_t count = last == UINT32_MAX
			       ? 0
			       : chain_end(file, chains, (size_t)last - hash.first);
	if (!count) {
		elf_odd(file, broken);
		return 0;
	}
	return count + hash.first;
}

size_t hash_symbol_count(struct elf_file *file, const struct dynamic *dynamic) {
	uint64_t address;
	size_t sysv = 0;
	size_t gnu = 0;
	if (dynamic_find(dynamic, DT_HASH, &address)) {
		sysv = count_sysv(file, address);
	}
	if (dynamic_find(dynamic, DT_GNU_HASH, &address)) {
		gnu = count_gnu(file, address);
	}
	if (sysv && gnu > sysv) {
		elf_odd(file, broken);
	}
	return gnu > sysv ? gnu : sysv;
}
