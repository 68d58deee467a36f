/* SPDX-License-Identifier: MIT */
/* memory - what a process has: bytes, with those of its page tables, and mappings. */
#ifndef MEMORY_H
#define MEMORY_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The sum of the lines of a file of /proc/self that begin so, in bytes. */
static inline long memory_sum(const char *path, const char *key) {
	char line[512];
	long sum = 0;
	FILE *file = fopen(path, "r");
	while (file && fgets(line, sizeof line, file)) {
		if (strncmp(line, key, strlen(key)) == 0) {
			sum += atol(line + strlen(key)) * 1024;
		}
	}
	if (file) {
		fclose(file);
	}
	return sum;
}

/* Resident (counted page by page, not the kernel's estimate) and in page tables. */
static inline long memory_bytes(void) {
	return memory_sum("/proc/self/smaps_rollup", "Rss:") +
	       memory_sum("/proc/self/status", "VmPTE:");
}

static inline long memory_mappings(void) {
	long count = 0;
	int c;
	FILE *maps = fopen("/proc/self/maps", "r");
	while (maps && (c = getc(maps)) != EOF) {
		count += c == '\n';
	}
	if (maps) {
		fclose(maps);
	}
	return count;
}

#endif
