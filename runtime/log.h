/* SPDX-License-Identifier: MIT */
/*
 * log - lines on stderr, arun's own and the plugin's, in the form that was asked for.
 *
 * Each line is one write(2). All but log_setup() may be called from any thread and from
 * handlers.
 */
#ifndef LOG_H
#define LOG_H

#include "text.h"

#include <stdint.h>

/* syslog(3)'s and arun.h's. */
enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_NOTICE,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

/* arun.h's. AUTO: JOURNAL where stderr is the journal's, otherwise TEXT. */
enum log_format { LOG_AUTO, LOG_TEXT, LOG_JSON, LOG_JOURNAL };

/* From now on; until then INFO and TEXT. */
void log_setup(enum log_level level, enum log_format format);

/* Whether stderr is systemd's journal, and is written in its form. */
bool log_to_journal(void);

/* Whether lines of level are written. */
bool log_wants(enum log_level level);

/* Who a line of the plugin is from. */
struct log_source {
	const char *file, *function; /* NULL: not known */
	int line;
	const char *task; /* NULL: none */
	uint64_t task_id;
};

/* Writes a line; source NULL: it is arun's own, and begins with "arun: " or a place; as JSON
 * without the former. Keeps errno. */
void log_write(
	enum log_level level, const struct log_source *source, const char *message);

/* Writes "arun: " and a line, of text.h's language and escaped, as log_write(). Keeps errno. */
void log_line(enum log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Writes lines of a report, which are warnings: in one write(2) where they are written as they are. */
void log_lines(const struct text *lines);

#endif
