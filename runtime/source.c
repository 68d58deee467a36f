/* SPDX-License-Identifier: MIT */
#include "source.h"

#include "base.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SOURCE_COLUMNS = 160, SOURCE_TAB = 8, SOURCE_DIGITS = 5 };

/* A file that is read from its beginning. */
struct reader {
	int fd;
	size_t at, count;
	char bytes[4096];
};

/* The next byte; -1: there is none. */
static int reader_next(struct reader *reader) {
	if (reader->at == reader->count) {
		ssize_t count = read(reader->fd, reader->bytes, sizeof reader->bytes);
		reader->count = count > 0 ? (size_t)count : 0;
		reader->at = 0;
		if (!reader->count) {
			return -1;
		}
	}
	return (unsigned char)reader->bytes[reader->at++];
}

/* Goes to the beginning of line number. */
static bool reader_skip(struct reader *reader, int number) {
	while (number > 1) {
		int byte = reader_next(reader);
		if (byte < 0) {
			return false;
		}
		number -= byte == '\n';
	}
	return number == 1;
}

/* The rest of the line, with blanks for tabs, as far as it fits. */
static void reader_line(struct reader *reader, char *line) {
	size_t length = 0;
	int byte;
	while ((byte = reader_next(reader)) > 0 && byte != '\n' &&
		length < SOURCE_COLUMNS) {
		size_t end = byte == '\t' ? (length / SOURCE_TAB + 1) * SOURCE_TAB
					  : length + 1;
		while (length < end && length < SOURCE_COLUMNS) {
			line[length++] = byte == '\t' ? ' ' : (char)byte;
		}
	}
	while (length && (line[length - 1] == ' ' || line[length - 1] == '\r')) {
		length--;
	}
	line[length] = '\0';
}

static bool is_later(const struct timespec *a, const struct timespec *b) {
	return a->tv_sec > b->tv_sec ||
	       (a->tv_sec == b->tv_sec && a->tv_nsec > b->tv_nsec);
}

/* A descriptor of the file in folder; -1: it is not there, or not to be trusted. */
static int source_open(
	const struct source *source, const char *folder, const char *file) {
	char path[PATH_MAX];
	struct text text;
	text_fixed(&text, path, sizeof path);
	text_add(&text, "%s%s%s", *file == '/' ? "" : folder, *file == '/' ? "" : "/",
		file);
	struct stat status;
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0 && (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) ||
			       is_later(&status.st_mtim, &source->built))) {
		close(fd);
		return -1;
	}
	return fd;
}

static void add_line(struct text *out, int number, const char *line) {
	char digits[16];
	struct text text;
	text_fixed(&text, digits, sizeof digits);
	text_add(&text, "%d", number);
	for (size_t i = text.length; i < SOURCE_DIGITS; i++) {
		text_add(out, " ");
	}
	text_add(out, "%s | ", digits);
	text_escape(out, line);
	text_add(out, "\n");
}

void source_add(
	struct text *out, const struct source *source, const char *file, int number) {
	struct reader reader = {.fd = -1};
	for (int i = 0; i < SOURCE_FOLDERS && reader.fd < 0; i++) {
		if (source->folders[i]) {
			reader.fd = source_open(source, source->folders[i], file);
		}
	}
	if (reader.fd < 0) {
		return;
	}
	char line[SOURCE_COLUMNS + 1];
	if (reader_skip(&reader, number)) {
		reader_line(&reader, line);
		if (*line) {
			add_line(out, number, line);
		}
	}
	close(reader.fd);
}
