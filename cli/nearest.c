/* SPDX-License-Identifier: MIT */
#include "nearest.h"

#include <ctype.h>
#include <string.h>

enum { NAME_MOST = 32, NAME_LONG = 8 };

static int plain(char c) {
	return c == '_' ? '-' : tolower((unsigned char)c);
}

static size_t least(size_t a, size_t b) {
	return a < b ? a : b;
}

/* The distance of Damerau and Levenshtein (optimal string alignment), row by row. */
static size_t slips(const char *a, size_t a_length, const char *b, size_t b_length) {
	size_t rows[3][NAME_MOST + 1] = {{0}};
	for (size_t j = 0; j <= b_length; j++) {
		rows[0][j] = j;
	}
	for (size_t i = 1; i <= a_length; i++) {
		size_t *row = rows[i % 3];
		const size_t *above = rows[(i + 2) % 3], *second = rows[(i + 1) % 3];
		row[0] = i;
		for (size_t j = 1; j <= b_length; j++) {
			int x = plain(a[i - 1]), y = plain(b[j - 1]);
			row[j] = least(
				above[j - 1] + (x != y), 1 + least(above[j], row[j - 1]));
			if (i > 1 && j > 1 && x == plain(b[j - 2]) &&
				y == plain(a[i - 2])) {
				row[j] = least(row[j], 1 + second[j - 2]);
			}
		}
	}
	return rows[a_length % 3][b_length];
}

bool nearest_means(const char *typed, size_t length, const char *name) {
	size_t long_is = strlen(name), most = long_is < NAME_LONG ? 1 : 2;
	if (long_is > NAME_MOST || length > long_is + most || length + most < long_is) {
		return false;
	}
	return slips(typed, length, name, long_is) <= most;
}
