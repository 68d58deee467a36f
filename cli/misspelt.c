/* SPDX-License-Identifier: MIT */
#include "misspelt.h"

#include "nearest.h"
#include "options.h"
#include "say.h"

#include <string.h>
#include <unistd.h>

#define PREFIX "ARUN_"

enum { PREFIX_LENGTH = sizeof PREFIX - 1 };

/* The variable that is meant by one of another name, stored in buffer; NULL: it means none. */
static const char *meant_by(
	const char *name, size_t length, char buffer[OPTIONS_VARIABLE]) {
	char known[OPTIONS_VARIABLE];
	const char *meant = NULL;
	for (unsigned i = 0; options_variable(i, known); i++) {
		if (strlen(known) == length && !memcmp(known, name, length)) {
			return NULL;
		}
		if (!meant && nearest_means(name + PREFIX_LENGTH, length - PREFIX_LENGTH,
				      known + PREFIX_LENGTH)) {
			meant = strcpy(buffer, known);
		}
	}
	return meant;
}

void misspelt_warn(void) {
	char buffer[OPTIONS_VARIABLE];
	for (char **at = environ; at && *at; at++) {
		size_t length =
			strncmp(*at, PREFIX, PREFIX_LENGTH) == 0 ? strcspn(*at, "=") : 0;
		/* An empty one is an unset one. */
		if (!length || !(*at)[length] || !(*at)[length + 1]) {
			continue;
		}
		const char *meant = meant_by(*at, length, buffer);
		if (meant) {
			say_warning("$%.*s: arun does not read it; did you mean $%s?",
				(int)length, *at, meant);
		}
	}
}
