/* SPDX-License-Identifier: MIT */
/* bodies - functions for tasks. */
#ifndef BODIES_H
#define BODIES_H

#include "api.h"

static inline int note_letter(void *arg) {
	note(*(const char *)arg);
	return 0;
}

static inline int return_number(void *arg) {
	return *(int *)arg;
}

static inline int fail_with(void *arg) {
	errno = *(int *)arg;
	return -1;
}

static inline int sleep_long(void *arg) {
	(void)arg;
	return arun_sleep(FOREVER);
}

/* Waits on although it is cancelled. */
static inline int linger(void *arg) {
	(void)arg;
	for (int i = 0; i < 3; i++) {
		assert_fails(arun_sleep(FOREVER), ECANCELED);
	}
	return 5;
}

#endif
