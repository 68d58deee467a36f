/* SPDX-License-Identifier: MIT */
/*
 * measure - what the programs that are measured share: "PROGRAM NAME COUNT [ROUNDS]" prints a line a
 * round, the nanoseconds of processor time and of wall time that an operation took.
 */
#ifndef MEASURE_H
#define MEASURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct bench {
	const char *name;
	void (*fn)(long count);
};

static inline double measure_ns(clockid_t clock) {
	struct timespec now;
	clock_gettime(clock, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* Calls fn once, and prints what count operations of it took each. */
static inline void measure_round(void (*fn)(long count), long count) {
	double cpu = measure_ns(CLOCK_PROCESS_CPUTIME_ID);
	double wall = measure_ns(CLOCK_MONOTONIC);
	fn(count);
	cpu = measure_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	wall = measure_ns(CLOCK_MONOTONIC) - wall;
	printf("%.3f %.3f\n", cpu / (double)count, wall / (double)count);
	fflush(stdout);
}

/* One round is for counters: it has no warm-up. Status 2: there is no such bench. */
static inline int measure(
	const struct bench *benches, size_t size, int argc, char **argv) {
	const char *name = argc > 1 ? argv[1] : "";
	long count = argc > 2 ? atol(argv[2]) : 1000000;
	int rounds = argc > 3 ? atoi(argv[3]) : 1;
	for (size_t i = 0; i < size; i++) {
		if (strcmp(name, benches[i].name) == 0) {
			if (rounds > 1) {
				benches[i].fn(count / 10 + 1);
			}
			for (int round = 0; round < rounds; round++) {
				measure_round(benches[i].fn, count);
			}
			return 0;
		}
	}
	fprintf(stderr, "no such bench: %s\n", name);
	return 2;
}

/* Numbers in an order that is the same each time, and no order to a cache. */
static inline void measure_shuffle(long *numbers, long count) {
	unsigned long x = 88172645463325252UL;
	for (long i = 0; i < count; i++) {
		numbers[i] = i;
	}
	for (long i = count - 1; i > 0; i--) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		long j = (long)(x % (unsigned long)(i + 1)), kept = numbers[i];
		numbers[i] = numbers[j];
		numbers[j] = kept;
	}
}

#endif
