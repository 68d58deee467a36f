/* SPDX-License-Identifier: MIT */
#include "report_file.h"

#include "../runtime/same_file.h"
#include "say.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What was asked for, and by which option or variable. */
struct wanted {
	const char *name, *source;
};

static int refuse(const struct wanted *wanted, const char *why) {
	say("%s: %s: %s", wanted->source, wanted->name, why);
	return -1;
}

/* The 10 digits that an int has at most; -1: not a number. */
static int read_number(const char *text) {
	size_t length = strspn(text, "0123456789");
	if (length == 0 || length > 10 || text[length]) {
		return -1;
	}
	long long number = strtoll(text, NULL, 10);
	return number <= INT_MAX ? (int)number : -1;
}

static int take_descriptor(const struct wanted *wanted) {
	int fd = read_number(wanted->name + strlen("fd:"));
	if (fd < 0) {
		return refuse(wanted, "not fd:NUMBER");
	}
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0) {
		return refuse(wanted, "not an open descriptor");
	}
	if ((flags & O_ACCMODE) == O_RDONLY) {
		return refuse(wanted, "not open for writing");
	}
	if (fd <= STDERR_FILENO) {
		int copy = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
		return copy < 0 ? refuse(wanted, strerror(errno)) : copy;
	}
	return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? refuse(wanted, strerror(errno)) : fd;
}

/* With the process id in place of "%p"; NULL: no memory. */
static char *expand(const char *name) {
	char *path = NULL;
	size_t size;
	FILE *out = open_memstream(&path, &size);
	if (!out) {
		return NULL;
	}
	const char *rest = name;
	for (const char *p; (p = strstr(rest, "%p")); rest = p + 2) {
		fprintf(out, "%.*s%ld", (int)(p - rest), rest, (long)getpid());
	}
	fputs(rest, out);
	if (fclose(out) != 0) {
		free(path);
		return NULL;
	}
	return path;
}

static const char *why_not_opened(int error) {
	switch (error) {
	case ELOOP:
		return "a symbolic link, which is not followed";
	case ENXIO: /* a FIFO without a reader, a socket */
	case EISDIR:
		return "not a regular file";
	default:
		return strerror(error);
	}
}

/* O_NONBLOCK: a FIFO or a device must not hold arun up before it is refused. */
static int open_file(const char *path, int flags) {
	return open(path,
		O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY |
			O_NONBLOCK | flags,
		0600);
}

static int open_regular(const struct wanted *wanted, const char *path) {
	const struct wanted expanded = {path, wanted->source};
	if (!strcmp(path, "-")) {
		return refuse(wanted, "no name of a file: fd:1 is standard output");
	}
	int fd = open_file(path, 0);
	if (fd < 0) {
		return refuse(&expanded, why_not_opened(errno));
	}
	struct stat status;
	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) {
		close(fd);
		return refuse(&expanded, "not a regular file");
	}
	return fd;
}

static bool is_descriptor(const char *name) {
	return !strncmp(name, "fd:", strlen("fd:"));
}

/* What was opened last. */
static struct stat opened;

int report_file_open(const char *name, const char *source) {
	const struct wanted wanted = {name, source};
	char *path = is_descriptor(name) ? NULL : expand(name);
	if (!path && !is_descriptor(name)) {
		return refuse(&wanted, strerror(ENOMEM));
	}
	int fd = path ? open_regular(&wanted, path) : take_descriptor(&wanted);
	free(path);
	fstat(fd, &opened);
	return fd;
}

bool report_file_is(int fd) {
	return same_file(fd, &opened);
}

/* Makes a file of this process alone, and removes it. Returns whether that was done. */
static bool try_own(const char *name) {
	char *path = strstr(name, "%p") ? expand(name) : NULL;
	int fd = path ? open_file(path, O_EXCL) : -1;
	if (fd >= 0) {
		unlink(path);
		close(fd);
	}
	free(path);
	return fd >= 0;
}

int report_file_try(const char *name, const char *source) {
	if (!is_descriptor(name) && try_own(name)) {
		return 0;
	}
	int fd = report_file_open(name, source);
	if (fd < 0) {
		return -1;
	}
	/* N of fd:N is what the others have. */
	if (!is_descriptor(name) || read_number(name + strlen("fd:")) != fd) {
		close(fd);
	}
	return 0;
}
