/* SPDX-License-Identifier: MIT */
#include "plain_name.h"

#include <stdbool.h>
#include <string.h>

enum { PLAIN_NAME = 256 };

/* A name that is read: what is left of it, and what was found. */
struct reading {
	const char *at;
	char plain[PLAIN_NAME];
	size_t length;
	const char *last; /* the part before, and its length; NULL: none */
	size_t last_length;
};

static bool take(struct reading *reading, char letter) {
	bool there = *reading->at == letter;
	reading->at += there;
	return there;
}

static bool is_digit(char c) {
	return c >= '0' && c <= '9';
}

/* Returns whether there was room for it. */
static bool add(struct reading *reading, const char *bytes, size_t length) {
	if (length >= sizeof reading->plain - reading->length) {
		return false;
	}
	memcpy(reading->plain + reading->length, bytes, length);
	reading->length += length;
	reading->plain[reading->length] = '\0';
	return true;
}

static bool add_part(struct reading *reading, const char *part, size_t length) {
	bool first = !reading->last;
	reading->last = part;
	reading->last_length = length;
	return (first || add(reading, "::", 2)) && add(reading, part, length);
}

/* "3net"; an L before it says that it is static. */
static bool read_source_name(struct reading *reading) {
	static const char unnamed[] = "_GLOBAL__N_", words[] = "(anonymous namespace)";
	size_t length = 0;
	take(reading, 'L');
	while (is_digit(*reading->at) && length < PLAIN_NAME) {
		length = length * 10 + (size_t)(*reading->at++ - '0');
	}
	const char *part = reading->at;
	if (!length || strnlen(part, length) < length) {
		return false;
	}
	reading->at += length;
	return strncmp(part, unnamed, sizeof unnamed - 1) == 0
		       ? add_part(reading, words, sizeof words - 1)
		       : add_part(reading, part, length);
}

/* "C1" of a class is its constructor, "D1" its destructor. */
static bool read_structor(struct reading *reading) {
	bool destroys = *reading->at == 'D';
	const char *of = reading->last;
	if (!of || (!destroys && *reading->at != 'C') || !is_digit(reading->at[1])) {
		return false;
	}
	reading->at += 2;
	return add(reading, "::~", destroys ? 3 : 2) &&
	       add(reading, of, reading->last_length) && *reading->at == 'E';
}

/* "N3net5Conn4readE"; a K before the parts says that it is const. */
static bool read_nested(struct reading *reading) {
	reading->at += strspn(reading->at, "rVKRO");
	if (take(reading, 'S') && (!take(reading, 't') || !add_part(reading, "std", 3))) {
		return false;
	}
	while (!take(reading, 'E')) {
		if (!read_source_name(reading) && !read_structor(reading)) {
			return false;
		}
	}
	return reading->last != NULL;
}

static bool read_name(struct reading *reading) {
	if (!take(reading, '_') || !take(reading, 'Z')) {
		return false;
	}
	bool read = take(reading, 'N') ? read_nested(reading) : read_source_name(reading);
	/* Arguments of a template, or a tag of its ABI. */
	return read && *reading->at != 'I' && *reading->at != 'B';
}

void plain_name(struct text *out, const char *name) {
	struct reading reading = {.at = name};
	bool plain = read_name(&reading);
	text_escape(out, plain ? reading.plain : name);
	/* What the compiler has made of it: "read.cold". */
	const char *dot = plain ? strchr(reading.at, '.') : NULL;
	text_escape(out, dot ? dot : "");
}
