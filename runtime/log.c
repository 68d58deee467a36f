/* SPDX-License-Identifier: MIT */
#include "log.h"

#include "base.h"
#include "journal_stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* LOG_WIDEST: what a byte becomes at most, \xNN; of JSON it is not asked. */
enum { LOG_LINE = 1024, LOG_OVERHEAD = 768, LOG_WIDEST = 4 };

/* What arun's own lines begin with where it is to be told who speaks. */
#define ARUN_SAYS "arun: "

/* Of the process, as stderr is. */
static struct {
	enum log_level level;
	enum log_format format;
	bool terminal, colours, journal;
} settings = {.level = LOG_LEVEL_INFO, .format = LOG_TEXT};

void log_setup(enum log_level level, enum log_format format) {
	const char *colours = getenv("NO_COLOR"), *term = getenv("TERM");
	bool journal = journal_stream_is(STDERR_FILENO);
	settings.level = level;
	settings.format = format != LOG_AUTO ? format : journal ? LOG_JOURNAL : LOG_TEXT;
	settings.journal = settings.format == LOG_JOURNAL && journal;
	settings.terminal = isatty(STDERR_FILENO);
	settings.colours = settings.terminal && !(colours && *colours) && term &&
			   strcmp(term, "dumb") != 0;
}

bool log_to_journal(void) {
	return settings.journal;
}

bool log_wants(enum log_level level) {
	return level <= settings.level;
}

static const char *log_word(enum log_level level) {
	static const char *const words[] = {
		"error", "warning", "notice", "info", "debug"};
	return words[level - LOG_LEVEL_ERROR];
}

static void add_now(struct text *out) {
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	text_time(out, &now);
}

static void add_member(struct text *out, const char *name, const char *value) {
	if (value) {
		text_add(out, ", \"%s\": ", name);
		text_json(out, value);
	}
}

static void add_source(struct text *out, const struct log_source *source) {
	if (source->task) {
		text_add(out, ", \"task\": {\"id\": %lu, \"name\": ",
			(unsigned long)source->task_id);
		text_json(out, source->task);
		text_add(out, "}");
	}
	add_member(out, "file", source->file);
	if (source->file) {
		text_add(out, ", \"line\": %d", source->line);
	}
	add_member(out, "function", source->function);
}

/* Of its own lines, which say so by "from". */
static const char *without_arun(const char *message) {
	size_t length = strlen(ARUN_SAYS);
	return strncmp(message, ARUN_SAYS, length) == 0 ? message + length : message;
}

static void add_json(struct text *out, enum log_level level,
	const struct log_source *source, const char *message) {
	text_add(out, "{\"time\": \"");
	add_now(out);
	text_add(out, "\", \"level\": \"%s\", \"from\": \"%s\", \"pid\": %d",
		log_word(level), source ? "plugin" : "arun", (int)getpid());
	add_member(out, "message", source ? message : without_arun(message));
	if (source) {
		add_source(out, source);
	}
	text_add(out, "}");
}

/* Before a line of the plugin: the time where nobody watches, the level. */
static void add_text_head(struct text *out, enum log_level level) {
	static const char *const colours[] = {"31", "33", "36", "32", "2"};
	if (!settings.terminal) {
		add_now(out);
		text_add(out, " ");
	}
	if (settings.colours) {
		text_add(out, "\033[%sm%s:\033[0m ", colours[level - LOG_LEVEL_ERROR],
			log_word(level));
	} else {
		text_add(out, "%s: ", log_word(level));
	}
}

static void add_line(struct text *out, enum log_level level,
	const struct log_source *source, const char *message) {
	if (settings.format == LOG_JSON) {
		add_json(out, level, source, message);
		return;
	}
	if (settings.format == LOG_JOURNAL) {
		text_add(out, "<%d>", (int)level);
	} else if (source) {
		add_text_head(out, level);
	}
	if (source) {
		text_escape(out, message);
	} else {
		text_add(out, "%s", message); /* its strings from outside are escaped */
	}
}

void log_write(
	enum log_level level, const struct log_source *source, const char *message) {
	if (!log_wants(level)) {
		return;
	}
	int error = errno;
	char line[2 * LOG_LINE + LOG_OVERHEAD];
	struct text out;
	/* One that is cut would not be JSON any more, and not end in a line's end. */
	bool fits = strlen(message) * LOG_WIDEST + LOG_OVERHEAD < sizeof line &&
		    settings.format != LOG_JSON;
	if (fits) {
		text_fixed(&out, line, sizeof line);
	} else {
		text_init(&out);
	}
	add_line(&out, level, source, message);
	text_add(&out, "\n");
	text_write(&out, STDERR_FILENO);
	if (!fits) {
		text_finish(&out);
	}
	errno = error;
}

void log_line(enum log_level level, const char *format, ...) {
	if (!log_wants(level)) {
		return;
	}
	char words[LOG_LINE], message[LOG_LINE];
	struct text out;
	text_fixed(&out, words, sizeof words);
	va_list list;
	va_start(list, format);
	text_add_list(&out, format, list);
	va_end(list);
	text_fixed(&out, message, sizeof message);
	text_add(&out, ARUN_SAYS);
	text_escape(&out, words); /* what is escaped already stays as it is */
	log_write(level, NULL, message);
}

void log_lines(const struct text *lines) {
	if (settings.format == LOG_TEXT) {
		text_write(lines, STDERR_FILENO);
		return;
	}
	char line[LOG_LINE];
	const char *end = lines->data + lines->length;
	for (const char *at = lines->data; at < end;) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		stop = stop ? stop : end;
		size_t length = (size_t)(stop - at);
		length = length < sizeof line ? length : sizeof line - 1;
		memcpy(line, at, length);
		line[length] = '\0';
		log_write(LOG_LEVEL_WARNING, NULL, line);
		at = stop + 1;
	}
}
