/* SPDX-License-Identifier: MIT */
/* source - a line of a source file, where it is there and is what the plugin was built
 * from. */
#ifndef SOURCE_H
#define SOURCE_H

#include "text.h"

#include <time.h>

enum { SOURCE_FOLDERS = 3 };

struct source {
	const char
		*folders[SOURCE_FOLDERS]; /* to look in, in this order; NULL: skipped */
	struct timespec built;            /* a file that was changed later is not shown */
};

/*
 * Appends line number of file: "   35 |     int x = 1;" and a newline. Nothing where there is
 * no such line. Async-signal-safe.
 */
void source_add(
	struct text *out, const struct source *source, const char *file, int number);

#endif
