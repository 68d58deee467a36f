/* SPDX-License-Identifier: MIT */
/*
 * escape - strings from outside, as text and as JSON: control characters, what turns the
 * direction of a line, and bytes that are no UTF-8 are shown by their numbers.
 */
#ifndef ESCAPE_H
#define ESCAPE_H

#include <stdio.h>

enum { ESCAPE_LINE = 4096, ESCAPE_STRING = 1000 };

/* A line under way; what does not fit is cut. */
struct line {
	char text[ESCAPE_LINE];
	size_t length;
};

void line_add(struct line *line, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Appends a string, escaped; of one that is longer than ESCAPE_STRING the beginning, and
 * "...". */
void line_string(struct line *line, const char *string);

/* Appends "350 ms", "1.5 s", "41.0 s", "12 min", "3 h", "2 days". */
void line_seconds(struct line *line, double seconds);

/* Appends "0.1s", "41.2s", "12m", "3h", "2d". */
void line_short_seconds(struct line *line, double seconds);

/* How many columns it takes: characters of UTF-8. */
int line_width(const struct line *line);

/* Prints a JSON string with its quotes; NULL is null. */
void escape_json(FILE *out, const char *string);

#endif
