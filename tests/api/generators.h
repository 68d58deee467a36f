/* SPDX-License-Identifier: MIT */
/* generators - bodies of generators, and who reads them. */
#ifndef GENERATORS_H
#define GENERATORS_H

#include "api.h"

/* arg points at how many numbers it hands out. */
static inline int count_to(void *arg) {
	for (int i = 1, last = *(int *)arg; i <= last; i++) {
		if (arun_gen_yield(&i) < 0) {
			note('c');
			return -1;
		}
	}
	return 0;
}

static inline int note_steps(void *arg) {
	note('1');
	arun_gen_yield(arg);
	note('2');
	arun_gen_yield(arg);
	note('3');
	return 0;
}

static inline int next_number(arun_gen *gen) {
	const int *item = arun_gen_next(gen);
	ck_assert_ptr_nonnull(item);
	return *item;
}

#endif
