/* SPDX-License-Identifier: MIT */
#include "text_within.h"

#include <errno.h>
#include <limits.h>
#include <linux/fs.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static double clock_now(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static bool is_file(int fd) {
	struct stat status;
	return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

/* As many whole lines as PIPE_BUF holds, or a part of one that is longer. */
static size_t chunk_of(const char *data, size_t length) {
	if (length <= PIPE_BUF) {
		return length;
	}
	const char *end = memrchr(data, '\n', PIPE_BUF);
	return end ? (size_t)(end - data) + 1 : PIPE_BUF;
}

/* fd is ready, but somebody else may fill it first. Older kernels, and terminals, know no
 * other write than one that waits. */
static ssize_t write_now(int fd, const char *data, size_t length) {
	struct iovec vector = {(void *)(size_t)data, length};
	ssize_t count = syscall(SYS_pwritev2, fd, &vector, 1, -1L, -1L, RWF_NOWAIT);
	if (count < 0 && (errno == EOPNOTSUPP || errno == ENOSYS || errno == ESPIPE)) {
		count = write(fd, data, length);
	}
	return count;
}

/* Whether it is, within milliseconds. */
static bool is_ready(int fd, int milliseconds) {
	struct pollfd wait = {.fd = fd, .events = POLLOUT};
	return poll(&wait, 1, milliseconds) == 1;
}

/* One chunk. Returns how many bytes of it were written; 0 with errno, EAGAIN: not now. */
static size_t write_chunk(int fd, const char *data, size_t length, double left) {
	if (!is_ready(fd, left > 0 ? (int)(left * 1000) + 1 : 0)) {
		errno = EAGAIN;
		return 0;
	}
	ssize_t count = write_now(fd, data, chunk_of(data, length));
	if (count < 0 && errno == EAGAIN && left > 0) {
		/* Ready, but not for so much. */
		poll(NULL, 0, 1);
		errno = EAGAIN;
	}
	return count < 0 ? 0 : (size_t)count;
}

static size_t write_chunks(const struct text *text, int fd, double end) {
	size_t done = 0;
	double left;
	do {
		left = end - clock_now();
		size_t count =
			write_chunk(fd, text->data + done, text->length - done, left);
		done += count;
		if (!count && errno != EAGAIN && errno != EINTR) {
			return done;
		}
		/* One more try where there is no time: 0 seconds are what fits at once. */
		left = count && left <= 0 ? 1 : left;
	} while (done < text->length && left > 0);
	if (done < text->length) {
		errno = EAGAIN;
	}
	return done;
}

size_t text_write_within(const struct text *text, int fd, double seconds) {
	if (!is_file(fd)) {
		return write_chunks(text, fd, clock_now() + seconds);
	}
	ssize_t count = write(fd, text->data, text->length);
	return count < 0 ? 0 : (size_t)count;
}
