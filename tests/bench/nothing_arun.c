/* SPDX-License-Identifier: MIT */
/* nothing_arun - an empty plugin. */
#include <arun.h>

static int nothing(int argc, char **argv) {
	(void)argc;
	(void)argv;
	return 0;
}
ARUN_MAIN(nothing)
