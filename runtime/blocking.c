/* SPDX-License-Identifier: MIT */
/* blocking - arun_blocking(): calls that block, on the pool. */
#include "pool.h"

int(arun_blocking)(int (*fn)(void *), void *arg) {
	return arun_blocking_at(NULL, "?", fn, arg);
}

int arun_blocking_at(
	const struct arun_site *site, const char *name, int (*fn)(void *), void *arg) {
	struct arun_task *self = task_enter(site, "arun_blocking");
	struct pool_request request = {.name = name, .fn = fn, .arg = arg};
	int result = -1;
	int error = pool_request(self, POOL_JOBS, &request, &result);
	if (error) {
		task_fail(error, self->op, name);
		if (request.orphaned) {
			task_fail_add("; the job goes on, with nobody to wait for it");
		}
		return -1;
	}
	if (result == -1 && errno) {
		task_fail(errno, self->op, name);
	}
	return result;
}
