/* SPDX-License-Identifier: MIT */
/*
 * ratelimit - lines that a stranger can cause: some in a while, and the number of the others, as he
 * could fill the disk with them. All 0: nothing has been said yet.
 */
#ifndef RATELIMIT_H
#define RATELIMIT_H

#include <stdbool.h>

enum { RATELIMIT_LINES = 100, RATELIMIT_SECONDS = 10 };

struct ratelimit {
	double begun; /* when the first of them passed, in seconds */
	unsigned passed;
	unsigned long missed;
};

/* Whether one more may be said now; counted where it may not. */
bool ratelimit_pass(struct ratelimit *limit, double now);

/* How many did not pass since this was asked last. */
unsigned long ratelimit_missed(struct ratelimit *limit);

#endif
