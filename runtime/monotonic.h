/* SPDX-License-Identifier: MIT */
/* monotonic - seconds of the monotonic clock, as the system takes them. */
#ifndef MONOTONIC_H
#define MONOTONIC_H

#include <pthread.h>
#include <time.h>

/* Of a time, or of a while, but not beyond 1e9: INFINITY is no time_t. */
static inline struct timespec monotonic_timespec(double seconds) {
	seconds = seconds > 0 ? seconds : 0;
	seconds = seconds < 1e9 ? seconds : 1e9;
	time_t whole = (time_t)seconds;
	return (struct timespec){whole, (long)((seconds - (double)whole) * 1e9)};
}

/* Makes a condition whose timed waits end at a time of that clock. Returns 0, or why not. */
static inline int monotonic_condition(pthread_cond_t *condition) {
	pthread_condattr_t attributes;
	int error = pthread_condattr_init(&attributes);
	if (!error) {
		error = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
		error = error ? error : pthread_cond_init(condition, &attributes);
		pthread_condattr_destroy(&attributes);
	}
	return error;
}

#endif
