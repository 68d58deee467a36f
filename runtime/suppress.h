/* SPDX-License-Identifier: MIT */
/*
 * suppress - objects to leave out of the reports, by a file.
 *
 * A line is KIND:PATTERN; KIND is a word of the reports or "*"; PATTERN, with "*", "?" and "[...]" as in
 * glob(7), is tried on an object's name, on "file:line" and on the function of its making, and on a
 * raw descriptor's path. "#" begins a comment. Matching works in a signal handler.
 */
#ifndef SUPPRESS_H
#define SUPPRESS_H

#include "registry.h"

struct suppress_rule {
	char *kind, *pattern;
	int line;
	unsigned long used; /* objects that it has left out */
};

struct suppress {
	const char *path;
	struct suppress_rule *rules;
	size_t count;
};

/*
 * Reads the file at path; NULL: no rules. Returns 0; -1 with errno, EINVAL: a line is no rule, and
 * what is wrong in words.
 */
int suppress_load(struct suppress *suppress, const char *path, struct text *words);
void suppress_finish(struct suppress *suppress);

/* Whether a rule matches; kind is a word, site may be NULL. Counts. */
bool suppress_matches(struct suppress *suppress, const char *kind, const char *name,
	const struct arun_site *site);

/* Whether the whole of string fits pattern. */
bool suppress_fits(const char *pattern, const char *string);

#endif
