/* SPDX-License-Identifier: MIT */
#include "error.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static bool in_range(uint32_t code, uint32_t first, uint32_t last) {
	return code >= first && code <= last;
}

/*
 * The length of the printable character at text; 0 where its first byte must be escaped: control
 * characters, what ends a line or turns its direction, and what is not UTF-8 (a terminal may
 * take those bytes for controls too).
 */
static size_t printable(const unsigned char *text) {
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t length = *text >= 0xf0 ? 4 : *text >= 0xe0 ? 3 : *text >= 0x80 ? 2 : 1;
	if (in_range(*text, 0x80, 0xc1) || *text > 0xf4) {
		return 0;
	}
	uint32_t code = length == 1 ? *text : *text & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80) {
			return 0;
		}
		code = code << 6 | (text[i] & 0x3f);
	}
	bool wrong =
		code < least[length] || code > 0x10ffff || in_range(code, 0xd800, 0xdfff);
	bool controls = code < 0x20 || in_range(code, 0x7f, 0x9f) ||
			in_range(code, 0x2028, 0x202e) || in_range(code, 0x2066, 0x2069);
	return wrong || controls ? 0 : length;
}

static void escape(const char *from, char *to, size_t size) {
	const unsigned char *byte = (const unsigned char *)from;
	size_t used = 0;
	while (*byte && used + 5 < size) {
		size_t length = printable(byte);
		if (length) {
			memcpy(to + used, byte, length);
		} else {
			snprintf(to + used, 5, "\\x%02x", *byte);
		}
		used += length ? length : 4;
		byte += length ? length : 1;
	}
	to[used] = '\0';
}

int error_set(
	struct loader_error *error, int status, const char *path, const char *rest, ...) {
	char cause[sizeof error->text];
	char line[2 * sizeof error->text];
	const size_t most = sizeof error->text / 2;
	size_t length = strlen(path);
	bool cut = length > most;
	va_list arguments;

	va_start(arguments, rest);
	vsnprintf(cause, sizeof cause, rest, arguments);
	va_end(arguments);
	snprintf(line, sizeof line, "%s%s%s", cut ? "..." : "",
		cut ? path + length - most : path, cause);
	escape(line, error->text, sizeof error->text);
	error->status = status;
	return -1;
}

int error_no_memory(struct loader_error *error, const char *path) {
	return error_set(error, 125, path, ": no memory to look at it");
}
