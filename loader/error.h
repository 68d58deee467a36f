/* SPDX-License-Identifier: MIT */
/* error - the one line of text that says what is wrong with a plugin. */
#ifndef LOADER_ERROR_H
#define LOADER_ERROR_H

#include "loader.h"

/*
 * Sets *error to status and to the text path followed by rest, which so begins with ": "
 * or " ". Characters that utf8_prints() does not let pass, and what is none, are escaped; of a
 * very long path the end is kept. Returns -1, for the caller to return.
 */
int error_set(struct loader_error *error, int status, const char *path, const char *rest,
	...) ARUN_FORMAT(4, 5);

/* Copies from, escaped likewise, as far as there is room. Async-signal-safe. */
void error_escape(const char *from, char *to, size_t size);

/* The same for want of memory (125). */
int error_no_memory(struct loader_error *error, const char *path);

#endif
