/* SPDX-License-Identifier: MIT */
/*
 * crash - the last line of a process that dies of a fault: which task it was.
 *
 * Design notes. Whatever is read may be broken, so the line comes first, made of what
 * peek() can read, then the stack, then the JSON. A fault of the report itself ends the
 * process at once, and so does the handler's clock where it hangs.
 */
#ifndef CRASH_H
#define CRASH_H

#include "scene.h"

#include <signal.h>
#include <sys/stat.h>

struct crash {
	struct scene scene;
	char *path;       /* of the plugin; NULL: there is none */
	struct stat file; /* as it was at the start */
	bool told;        /* crash_write_closed() has been called */
};

/* Remembers the plugin's file. */
void crash_init(struct crash *crash);
void crash_finish(struct crash *crash);

/* Has a sanitizer call died() before it ends the process; NULL: nothing any more. */
void crash_watch_sanitizer(void (*died)(void));

/* Says that the plugin has closed a descriptor of the loop's; before the crash that comes of it. */
void crash_write_closed(struct crash *crash);

/* Names the running task below a sanitizer's report. */
void crash_write_sanitized(const struct crash *crash);

/* Writes the report. In the handler of a crash; foreign: on a thread not the run's. */
void crash_write(const struct crash *crash, const siginfo_t *info, const void *context,
	bool foreign);

#endif
