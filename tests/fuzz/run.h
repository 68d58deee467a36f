/* SPDX-License-Identifier: MIT */
/* run - a harness whose input is a script of calls, made in a run of their own. */
#ifndef RUN_H
#define RUN_H

#include "fuzz.h"

#include <arun.h>

/* Runs body as the main coroutine. It has come to its end, and was not found deadlocked. */
static inline void fuzz_run(int (*body)(int, char **)) {
	char name[] = "fuzz", *argv[] = {name, NULL};
	arun_options options = {
		.struct_size = sizeof options, .leaks = ARUN_LEAKS_OFF, .grace = 5};
	int status = arun_run(body, 1, argv, &options);
	fuzz_check(status == 0, "the run ended with %d", status);
}

#endif
