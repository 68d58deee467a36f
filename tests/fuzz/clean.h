/* SPDX-License-Identifier: MIT */
/* clean - what may be printed, as the standards have it, and not as arun's own code has it. */
#ifndef CLEAN_H
#define CLEAN_H

#include <stdbool.h>
#include <stddef.h>

/* Whether it is UTF-8 (RFC 3629) without control characters, those that end a line (U+2028) or turn
 * its direction (U+202E) among them. */
bool clean_text(const char *text);

/* Whether it is UTF-8, whatever its characters. */
bool clean_utf8(const char *text);

/*
 * Decodes a JSON string (RFC 8259), with its quotes, into UTF-8; out has as many bytes as text.
 * False: it is none, or is not clean_text().
 */
bool clean_json(const char *text, char *out);

/* Whether it is one value of JSON. */
bool clean_json_value(const char *text);

#endif
