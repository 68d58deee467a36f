/* SPDX-License-Identifier: MIT */
/*
 * 1. A main coroutine.
 *
 *	cc -shared -fPIC -o hello.so 01-hello.c $(pkg-config --cflags arun)
 *	arun ./hello.so you
 *
 * ARUN_MAIN declares where the program starts. It gets the words after the plugin, and
 * what it returns is the exit status. There is no loop to set up: it just may wait, as
 * in arun_sleep(), and while it waits other tasks run. A call that failed returns -1;
 * so does this function then, and arun prints why.
 */
#include <arun.h>

static int hello(int argc, char **argv) {
	printf("hello, %s\n", argc > 1 ? argv[1] : "world");
	if (arun_sleep(0.1) < 0) {
		return -1; /* ^C while it slept */
	}
	printf("and good-bye\n");
	return 0;
}
ARUN_MAIN(hello, .about = "greets its first argument")
