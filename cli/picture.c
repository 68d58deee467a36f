/* SPDX-License-Identifier: MIT */
#include "picture.h"

#include "print.h"

#include <stdlib.h>
#include <string.h>

enum { BEGINNING = 4096 };

/* Returns the other half. */
static const char *print_half(FILE *out, const char *half) {
	fputs(half, out);
	return half + strlen(half) + 1;
}

/* Inside a script element only '<' can end it, and in JSON it is in strings alone. */
static void print_character(FILE *out, int c) {
	if (c == '<') {
		fputs("\\u003c", out);
	} else {
		putc(c, out);
	}
}

void picture_print(FILE *out, const struct dump *dump) {
	char *text = NULL;
	size_t size = 0;
	FILE *memory = open_memstream(&text, &size);
	if (memory) {
		print_json(memory, dump);
		fclose(memory);
	}
	const char *rest = print_half(out, picture_page);
	for (size_t i = 0; i < size; i++) {
		print_character(out, text[i]);
	}
	print_half(out, rest);
	free(text);
}

int picture_of_report(FILE *out, FILE *report) {
	char beginning[BEGINNING + 1];
	size_t length = fread(beginning, 1, BEGINNING, report);
	beginning[length] = '\0';
	if (beginning[strspn(beginning, " \t\r\n")] != '{' ||
		!strstr(beginning, "\"arun-report/")) {
		return -1;
	}
	const char *rest = print_half(out, picture_page);
	for (size_t i = 0; i < length; i++) {
		print_character(out, beginning[i]);
	}
	for (int c; (c = getc(report)) != EOF;) {
		print_character(out, c);
	}
	print_half(out, rest);
	return 0;
}
