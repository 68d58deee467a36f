/* SPDX-License-Identifier: MIT */
/* message - arun_log(): what the plugin has to say. */
#include "log.h"
#include "task.h"

#include <stdio.h>
#include <stdlib.h>

enum { MESSAGE = 512 };

_Static_assert((int)ARUN_ERROR == LOG_LEVEL_ERROR && (int)ARUN_DEBUG == LOG_LEVEL_DEBUG,
	"the levels are the same");

static void message_write(
	enum log_level level, const struct arun_site *site, const char *text) {
	const struct arun_task *self = arun_self();
	struct log_source source = {.task = NULL};
	if (site) {
		source.file = site->file;
		source.function = site->function;
		source.line = site->line;
	}
	if (self) {
		source.task = self->name;
		source.task_id = self->object.id;
	}
	log_write(level, &source, text);
}

/* One that is long is printed again, into memory of its own. */
static void message_list(
	const struct arun_site *site, int wish, const char *format, va_list list) {
	enum log_level level = wish < ARUN_ERROR   ? LOG_LEVEL_ERROR
			       : wish > ARUN_DEBUG ? LOG_LEVEL_DEBUG
						   : (enum log_level)wish;
	int error = errno;
	char text[MESSAGE], *longer = NULL;
	va_list again;
	if (!log_wants(level)) {
		return;
	}
	va_copy(again, list);
	int length = vsnprintf(text, sizeof text, format, list);
	if (length >= MESSAGE) {
		longer = malloc((size_t)length + 1);
		errno = error;
		if (longer) {
			vsnprintf(longer, (size_t)length + 1, format, again);
		}
	}
	va_end(again);
	message_write(level, site, longer ? longer : text);
	free(longer);
	errno = error;
}

void(arun_log)(int level, const char *format, ...) {
	va_list list;
	va_start(list, format);
	message_list(NULL, level, format, list);
	va_end(list);
}

void arun_log_at(const struct arun_site *site, int level, const char *format, ...) {
	va_list list;
	va_start(list, format);
	message_list(site, level, format, list);
	va_end(list);
}
