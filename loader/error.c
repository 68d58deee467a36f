/* SPDX-License-Identifier: MIT */
#include "error.h"

#include "../runtime/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void error_escape(const char *from, char *to, size_t size) {
	static const char digits[] = "0123456789abcdef";
	const unsigned char *byte = (const unsigned char *)from;
	size_t used = 0;
	while (*byte && used + 5 < size) {
		size_t length = utf8_printable(byte);
		if (length) {
			memcpy(to + used, byte, length);
		} else {
			const char hex[] = {
				'\\', 'x', digits[*byte >> 4], digits[*byte & 15]};
			memcpy(to + used, hex, sizeof hex);
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
	error_escape(line, error->text, sizeof error->text);
	error->status = status;
	return -1;
}

int error_no_memory(struct loader_error *error, const char *path) {
	return error_set(error, 125, path, ": no memory to look at it");
}
