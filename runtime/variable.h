/* SPDX-License-Identifier: MIT */
/* variable - variables of the environment that are meant for this process alone. */
#ifndef VARIABLE_H
#define VARIABLE_H

#include <stdlib.h>
#include <unistd.h>

/* The number that it is; 0: it is none, or not set. */
static inline unsigned long long variable_number(const char *name) {
	const char *text = getenv(name);
	char *end = NULL;
	unsigned long long number =
		text && *text >= '0' && *text <= '9' ? strtoull(text, &end, 10) : 0;
	return end && !*end ? number : 0;
}

/* Seconds that the service manager waits for a sign of life of this process; 0: it does not. At
 * least 2 ms: who is told each half of less does nothing else. */
static inline double variable_watchdog(void) {
	unsigned long long limit = variable_number("WATCHDOG_USEC");
	if (getenv("WATCHDOG_PID") &&
		variable_number("WATCHDOG_PID") != (unsigned long long)getpid()) {
		return 0;
	}
	return limit && limit < 2000 ? 2e-3 : (double)limit / 1e6;
}

/* Unsets it, so that no child takes it for its own. Only what is set: the code of unsetenv(3)
 * costs a start a page of the C library. */
static inline void variable_drop(const char *name) {
	if (getenv(name)) {
		unsetenv(name);
	}
}

#endif
