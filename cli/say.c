/* SPDX-License-Identifier: MIT */
#include "say.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

enum { LINE_SIZE = 2048, PIECE_SIZE = 12 };

static bool is_control(unsigned char c) {
	return c < 0x20 || c == 0x7f;
}

/* The controls of Latin-1 (the 8-bit relatives of ESC), as UTF-8 has them. */
static bool is_control_pair(const unsigned char *text) {
	return text[0] == 0xc2 && text[1] >= 0x80 && text[1] <= 0x9f;
}

/* Stores the next character of text in out, escaped; returns how many bytes of text it
 * was. */
static size_t escape(char out[PIECE_SIZE], const char *text) {
	const unsigned char *p = (const unsigned char *)text;
	if (is_control_pair(p)) {
		snprintf(out, PIECE_SIZE, "\\x%02x\\x%02x", p[0], p[1]);
		return 2;
	}
	if (*p == '\n' || *p == '\t') {
		strcpy(out, *p == '\n' ? "\\n" : "\\t");
	} else {
		snprintf(out, PIECE_SIZE, is_control(*p) ? "\\x%02x" : "%c", *p);
	}
	return 1;
}

void say_escaped(FILE *out, const char *text) {
	char piece[PIECE_SIZE];
	while (*text) {
		text += escape(piece, text);
		fputs(piece, out);
	}
}

/* The line is written at once: those of several processes do not mix. */
void say(const char *format, ...) {
	char text[LINE_SIZE];
	char line[4 * LINE_SIZE]; /* each byte may become \xNN */
	char *end = line;
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);

	for (const char *p = text; *p; end += strlen(end)) {
		p += escape(end, p);
	}
	*end = '\0';
	fprintf(stderr, "arun: %s\n", line);
}
