/* SPDX-License-Identifier: MIT */
#include "say.h"

#include "../runtime/journal_stream.h"
#include "../runtime/utf8.h"
#include "escape.h"

#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_SIZE = 2048, PIECE_SIZE = 8, FOR_EVER = -1, PATIENCE = 1000 };
/* Each byte may become \xNN, and in JSON \uNNNN. */
enum { LINE_ESCAPED = 4 * LINE_SIZE, LINE_WHOLE = 6 * LINE_SIZE + 256 };

static enum arun_log_format form = ARUN_LOG_TEXT;
static char last[LINE_SIZE];
static char kept[LINE_WHOLE];   /* by say_keep() */
static int patience = FOR_EVER; /* milliseconds that a line may wait for its reader */

void say_as(enum arun_log_format format) {
	form = format != ARUN_LOG_AUTO            ? format
	       : journal_stream_is(STDERR_FILENO) ? ARUN_LOG_JOURNAL
						  : ARUN_LOG_TEXT;
}

void say_patiently(bool patiently) {
	patience = patiently ? FOR_EVER : PATIENCE;
}

/* Whether a line finds room. Where one did not, the next need not wait for it. */
static bool has_room(void) {
	static bool full;
	struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
	full = patience >= 0 && poll(&out, 1, full ? 0 : patience) == 0;
	return !full;
}

/* Stores the next character of text in out, escaped; returns how many bytes of text it
 * was. */
static size_t escape(char out[PIECE_SIZE], const char *text) {
	const unsigned char *byte = (const unsigned char *)text;
	size_t count = utf8_printable(byte);
	if (count) {
		memcpy(out, text, count);
		out[count] = '\0';
		return count;
	}
	if (*byte == '\n' || *byte == '\t') {
		strcpy(out, *byte == '\n' ? "\\n" : "\\t");
	} else {
		snprintf(out, PIECE_SIZE, "\\x%02x", *byte);
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

/* The line as JSON, to be freed; NULL: no memory. */
static char *say_json(enum arun_level level, const char *text) {
	char time[32] = "", *line = NULL;
	size_t size = 0;
	struct timespec now;
	struct tm parts;
	FILE *out = open_memstream(&line, &size);
	if (!out) {
		return NULL;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &parts);
	strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%S", &parts);
	fprintf(out,
		"{\"time\": \"%s.%06ldZ\", \"level\": \"%s\", \"from\": \"arun\","
		" \"pid\": %d, \"message\": ",
		time, now.tv_nsec / 1000, level == ARUN_ERROR ? "error" : "warning",
		(int)getpid());
	escape_json(out, text);
	fputs("}\n", out);
	if (fclose(out) != 0) {
		free(line);
		return NULL;
	}
	return line;
}

static void say_escape(char line[LINE_ESCAPED], const char *text) {
	char *end = line;
	for (const char *p = text; *p; end += strlen(end)) {
		p += escape(end, p);
	}
	*end = '\0';
}

const char *say_last(void) {
	return last;
}

/* What is to be said, and the same as a line shows it. */
struct words {
	char text[LINE_SIZE], line[LINE_ESCAPED];
};

static void say_format(struct words *words, const char *format, va_list arguments) {
	vsnprintf(words->text, sizeof words->text, format, arguments);
	say_escape(words->line, words->text);
}

/* The whole line, as it is written. */
static void say_whole(
	char whole[LINE_WHOLE], enum arun_level level, const struct words *words) {
	char *json = form == ARUN_LOG_JSON ? say_json(level, words->text) : NULL;
	char priority[] = {'<', (char)('0' + level), '>', '\0'};
	if (json) {
		snprintf(whole, LINE_WHOLE, "%s", json);
		free(json);
	} else {
		snprintf(whole, LINE_WHOLE, "%sarun: %s\n",
			form == ARUN_LOG_JOURNAL ? priority : "", words->line);
	}
}

/* The line is written at once: those of several processes do not mix. */
static void say_line(enum arun_level level, const struct words *words) {
	char whole[LINE_WHOLE];
	if (has_room()) {
		say_whole(whole, level, words);
		fputs(whole, stderr);
	}
}

void say(const char *format, ...) {
	struct words words;
	va_list arguments;
	va_start(arguments, format);
	say_format(&words, format, arguments);
	va_end(arguments);
	size_t length = strnlen(words.line, sizeof last - 1);
	memcpy(last, words.line, length);
	last[length] = '\0';
	say_line(ARUN_ERROR, &words);
}

void say_warning(const char *format, ...) {
	struct words words;
	va_list arguments;
	va_start(arguments, format);
	say_format(&words, format, arguments);
	va_end(arguments);
	say_line(ARUN_WARNING, &words);
}

void say_keep(const char *format, ...) {
	struct words words;
	va_list arguments;
	va_start(arguments, format);
	say_format(&words, format, arguments);
	va_end(arguments);
	say_whole(kept, ARUN_ERROR, &words);
}

void say_kept(void) {
	if (write(STDERR_FILENO, kept, strlen(kept)) < 0) {
		return; /* nobody can be told */
	}
}
