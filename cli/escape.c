/* SPDX-License-Identifier: MIT */
#include "escape.h"

#include "../runtime/utf8.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

void line_add(struct line *line, const char *format, ...) {
	va_list arguments;
	size_t room = sizeof line->text - line->length;
	va_start(arguments, format);
	int length = vsnprintf(line->text + line->length, room, format, arguments);
	va_end(arguments);
	line->length += length < 0              ? 0
			: (size_t)length < room ? (size_t)length
						: room - 1;
}

void line_string(struct line *line, const char *string) {
	const unsigned char *byte = (const unsigned char *)string;
	size_t end = line->length + ESCAPE_STRING;
	while (*byte && line->length < end) {
		size_t count = utf8_printable(byte);
		if (count) {
			line_add(line, "%.*s", (int)count, (const char *)byte);
		} else {
			line_add(line, "\\x%02x", *byte);
		}
		byte += count ? count : 1;
	}
	line_add(line, *byte ? "..." : "");
}

/* What another process says of its times may be anything. */
static double sane(double seconds) {
	return seconds > 0 && seconds < 1e12 ? seconds : 0;
}

void line_seconds(struct line *line, double seconds) {
	seconds = sane(seconds);
	if (seconds < 1) {
		line_add(line, "%.0f ms", seconds * 1000);
	} else if (seconds < 100) {
		line_add(line, "%.1f s", seconds);
	} else if (seconds < 6000) {
		line_add(line, seconds < 600 ? "%.0f s" : "%.0f min",
			seconds < 600 ? seconds : seconds / 60);
	} else if (seconds < 172800) {
		line_add(line, "%.0f h", seconds / 3600);
	} else {
		line_add(line, "%.0f days", seconds / 86400);
	}
}

void line_short_seconds(struct line *line, double seconds) {
	seconds = sane(seconds);
	if (seconds < 1000) {
		line_add(line, "%.1fs", seconds);
	} else if (seconds < 36000) {
		line_add(line, "%.0fm", seconds / 60);
	} else if (seconds < 360000) {
		line_add(line, "%.0fh", seconds / 3600);
	} else {
		line_add(line, "%.0fd", seconds / 86400);
	}
}

int line_width(const struct line *line) {
	int width = 0;
	for (const char *p = line->text; *p; p++) {
		width += (*p & 0xc0) != 0x80;
	}
	return width;
}

void escape_json(FILE *out, const char *string) {
	if (!string) {
		fputs("null", out);
		return;
	}
	putc('"', out);
	const unsigned char *byte = (const unsigned char *)string;
	while (*byte) {
		uint32_t code;
		size_t count = utf8_decode(byte, &code);
		if (*byte == '"' || *byte == '\\') {
			putc('\\', out);
		}
		if (count && utf8_prints(code)) {
			fwrite(byte, 1, count, out);
		} else {
			/* A byte that is no UTF-8 becomes the character of its number. */
			fprintf(out, "\\u%04x", count ? code : *byte);
		}
		byte += count ? count : 1;
	}
	putc('"', out);
}
