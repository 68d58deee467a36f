/* SPDX-License-Identifier: MIT */
/* log - what the runtime itself has to say, one line at a time, on stderr. */
#ifndef LOG_H
#define LOG_H

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_NOTICE,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

/* Lines above level are dropped from now on; INFO at first. */
void log_limit(enum log_level level);

/* Writes "arun: " and a line, of text.h's language, with one write(2). Keeps errno. For
 * handlers, too. */
void log_line(enum log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
