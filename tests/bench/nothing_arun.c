/* SPDX-License-Identifier: MIT */
/* nothing_arun - a plugin that says that it has begun. */
#include <arun.h>

#include <unistd.h>

static int nothing(int argc, char **argv) {
	(void)argc;
	(void)argv;
	return write(STDOUT_FILENO, "x", 1) != 1;
}
ARUN_MAIN(nothing)
