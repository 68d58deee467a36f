/* SPDX-License-Identifier: MIT */
/* trial - does in a forked child first what may crash. */
#ifndef LOADER_TRIAL_H
#define LOADER_TRIAL_H

#include "loader.h"

#define TRIAL_SECONDS 10

/*
 * Calls fn(arg) in a forked child, which has the default signals, /dev/null for its
 * standard streams, and at most TRIAL_SECONDS. oddity, where not NULL, is what is
 * suspicious about path.
 *
 * Returns 0 where fn returned 0 there; -1 with *error: fn's own, or how the child died.
 */
int trial_run(const char *path, const char *oddity,
	int (*fn)(void *arg, struct loader_error *error), void *arg,
	struct loader_error *error);

#endif
