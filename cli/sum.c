/* SPDX-License-Identifier: MIT */
#include "sum.h"

#include "escape.h"
#include "print.h"
#include "report_file.h"
#include "say.h"

#include <arun.h>

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Milliseconds that its reader may take: nothing else ends this process. */
enum { PATIENCE = 1000 };

/* The kind of that word, also a new one; NULL: there is no room. */
static struct sum_kind *find(struct sum *sum, const struct sum_kind *wanted) {
	size_t i = 0;
	while (i < sum->count && strcmp(sum->kinds[i].word, wanted->word) != 0) {
		i++;
	}
	if (i == SUM_KINDS) {
		return NULL;
	}
	if (i == sum->count) {
		sum->kinds[sum->count++] = *wanted;
		sum->kinds[i].count = 0;
	}
	return &sum->kinds[i];
}

void sum_add(struct sum *sum, const char *text) {
	struct sum_kind said;
	if (sscanf(text, "%lu/%31[^/]/%31[^/]/%31[^/]", &said.count, said.word, said.one,
		    said.many) != 4) {
		return;
	}
	struct sum_kind *kind = find(sum, &said);
	if (kind) {
		kind->count += said.count;
		sum->leaks += said.count;
	}
}

void sum_print(const struct sum *sum) {
	struct line line = {.length = 0};
	if (sum->workers < 2) {
		return;
	}
	for (size_t i = 0; i < sum->count; i++) {
		const struct sum_kind *kind = &sum->kinds[i];
		line_add(&line, "%s%lu %s", i ? ", " : "", kind->count,
			kind->count == 1 ? kind->one : kind->many);
	}
	say("%lu leaks in %u workers: %s", sum->leaks, sum->workers, line.text);
}

static void write_json(FILE *out, const struct sum *sum, const char *path) {
	fputs("{\"schema\": \"arun-report/1\", \"kind\": \"workers\", \"time\": ", out);
	print_time(out);
	fprintf(out, ", \"arun\": \"%s\", \"pid\": %d, \"plugin\": {\"path\": ",
		arun_version(), (int)getpid());
	escape_json(out, path);
	fputs("}, \"counts\": {", out);
	for (size_t i = 0; i < sum->count; i++) {
		fputs(i ? ", " : "", out);
		escape_json(out, sum->kinds[i].word);
		fprintf(out, ": %lu", sum->kinds[i].count);
	}
	fprintf(out, "}, \"total\": %lu, \"workers\": %u}\n", sum->leaks, sum->workers);
}

/* Returns 0, or why not. A pipe that is ready takes PIPE_BUF bytes at once. */
static int write_patiently(int fd, const char *text, size_t size) {
	struct stat status;
	bool file = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
	while (size) {
		struct pollfd out = {.fd = fd, .events = POLLOUT};
		if (poll(&out, 1, PATIENCE) == 0) {
			return EAGAIN;
		}
		ssize_t count =
			write(fd, text, file || size < PIPE_BUF ? size : PIPE_BUF);
		if (count < 0) {
			return errno;
		}
		text += count;
		size -= (size_t)count;
	}
	return 0;
}

/* To a file with one write(2), as others append to it. */
void sum_report(
	const struct sum *sum, const char *report, const char *source, const char *path) {
	char *text = NULL;
	size_t size = 0;
	if (!report || sum->workers < 2) {
		return;
	}
	int fd = report_file_open(report, source);
	FILE *out = fd < 0 ? NULL : open_memstream(&text, &size);
	if (out) {
		write_json(out, sum, path);
	}
	if (out && fclose(out) == 0) {
		int error = write_patiently(fd, text, size);
		if (error) {
			say("%s: %s: %s", source, report,
				error == EAGAIN ? "nobody reads it" : strerror(error));
		}
	}
	free(text);
	if (fd >= 0) {
		close(fd);
	}
}
