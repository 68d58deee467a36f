/* SPDX-License-Identifier: MIT */
/* A plugin without a library: a seed for the loader's harness. */
#include <arun.h>

static __thread int calls;
static int (*volatile reload)(void);

int serve(int argc, char **argv);
int serve(int argc, char **argv) {
	(void)argv;
	calls += argc;
	reload = NULL;
	return arun_yield();
}
ARUN_SERVER(serve, .about = "waits")
