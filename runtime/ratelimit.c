/* SPDX-License-Identifier: MIT */
#include "ratelimit.h"

bool ratelimit_pass(struct ratelimit *limit, double now) {
	if (!limit->passed || now - limit->begun >= RATELIMIT_SECONDS) {
		limit->begun = now;
		limit->passed = 0;
	}
	bool passes = limit->passed < RATELIMIT_LINES;
	limit->passed += passes;
	limit->missed += !passes;
	return passes;
}

unsigned long ratelimit_missed(struct ratelimit *limit) {
	unsigned long missed = limit->missed;
	limit->missed = 0;
	return missed;
}
