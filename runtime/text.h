/* SPDX-License-Identifier: MIT */
/*
 * text - a growing text buffer that works in a signal handler.
 *
 * Neither malloc nor stdio: a text writes into the caller's array, or into pages of its
 * own. What does not fit is cut, and the text stays terminated.
 */
#ifndef TEXT_H
#define TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct text {
	char *data; /* always terminated */
	size_t length, size;
	bool grows;
	bool lost; /* of one that grows: there was no memory for all of it */
};

/* Writes into buffer, of size > 0 bytes; what does not fit is cut. Nothing to finish. */
void text_fixed(struct text *text, char *buffer, size_t size);

/* Writes into memory of its own, until there is no more; to be finished. */
void text_init(struct text *text);
void text_finish(struct text *text);

/* Appends. Of printf's language: %s %d %u %ld %lu %zu %x %lx %c %%; %s of NULL is "?". */
void text_add(struct text *text, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void text_add_list(struct text *text, const char *format, va_list list)
	__attribute__((format(printf, 2, 0)));

/* Appends a string from outside: control characters and invalid bytes as \xNN. */
void text_escape(struct text *text, const char *string);

/* Appends a JSON string with its quotes; NULL is null. */
void text_json(struct text *text, const char *string);

/* Appends seconds as people say them: "350 ms", "1.5 s", "41 s", "12 min", "3 h", "2
 * days". */
void text_seconds(struct text *text, double seconds);

/* Appends seconds >= 0 as whole milliseconds. */
void text_milliseconds(struct text *text, double seconds);

/* Appends a time as RFC 3339 has it, in UTC, with microseconds. */
struct timespec;
void text_time(struct text *text, const struct timespec *time);

/* Where some of it is lost: takes the last line back if that is not whole. Returns whether. */
bool text_trim(struct text *text);

/* Takes the last count bytes back. */
void text_cut(struct text *text, size_t count);

/* Writes all of it to fd, waiting where fd does not block. Returns 0; -1 with errno: where fd is a
 * file, nothing of it stays there. */
int text_write(const struct text *text, int fd);

/*
 * Appends what an errno says; of 0 that there is none. Not by strerror(3): that translates,
 * with a lock and malloc, and a handler may have interrupted it.
 */
void text_error(struct text *text, int error);

#endif
