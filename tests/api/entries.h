/* SPDX-License-Identifier: MIT */
/* entries - functions without words as entries. */
#ifndef ENTRIES_H
#define ENTRIES_H

#include "api.h"

static int (*entry)(void);

static inline int call_entry(int argc, char **argv) {
	(void)argc;
	(void)argv;
	return entry();
}

static inline int run_main(int (*function)(void), arun_options *options) {
	entry = function;
	return arun_run(call_entry, 0, NULL, options);
}

static inline int run_server(int (*function)(void), arun_options *options) {
	entry = function;
	return arun_run_forever(call_entry, 0, NULL, options);
}

static inline int stop_with(void *arg) {
	arun_stop(*(int *)arg);
	return 0;
}

/* Has another task call arun_stop(status). */
static inline void stop_soon(int status) {
	static int kept;
	kept = status;
	arun_detach(arun_spawn(stop_with, &kept));
}

#endif
