/* SPDX-License-Identifier: MIT */
#include "log.h"

#include "text.h"

#include <errno.h>
#include <unistd.h>

enum { LOG_LINE = 1024 };

static enum log_level limit = LOG_LEVEL_INFO;

void log_limit(enum log_level level) {
	limit = level;
}

void log_line(enum log_level level, const char *format, ...) {
	if (level > limit) {
		return;
	}
	int error = errno;
	char line[LOG_LINE];
	struct text out;
	text_fixed(&out, line, sizeof line - 1);
	text_add(&out, "arun: ");
	va_list list;
	va_start(list, format);
	text_add_list(&out, format, list);
	va_end(list);
	line[out.length++] = '\n';
	text_write(&out, STDERR_FILENO);
	errno = error;
}
