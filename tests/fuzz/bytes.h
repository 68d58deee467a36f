/* SPDX-License-Identifier: MIT */
/* bytes - a stream that tells by itself whether some are missing: byte i is byte_at(i), lines of 13. */
#ifndef BYTES_H
#define BYTES_H

#include "fuzz.h"

#include <arun.h>
#include <sys/mman.h>
#include <unistd.h>

enum { BYTES_PIECES = 3 };

static inline char byte_at(size_t i) {
	return i % 13 == 12 ? '\n' : (char)((uint32_t)i * 2654435761u >> 24);
}

/* Fills bytes with those from number from on. */
static inline void bytes_fill(char *bytes, size_t from, size_t size) {
	for (size_t i = 0; i < size; i++) {
		bytes[i] = byte_at(from + i);
	}
}

/* Checks that they are those from number from on. */
static inline void bytes_check(const char *bytes, size_t from, size_t size) {
	for (size_t i = 0; i < size; i++) {
		fuzz_check(bytes[i] == byte_at(from + i), "byte %zu", from + i);
	}
}

/* A file of the first size bytes. */
static inline int bytes_file(size_t size) {
	char *bytes = malloc(size);
	int fd = memfd_create("bytes", MFD_CLOEXEC);
	fuzz_check(bytes && fd >= 0, "no file");
	bytes_fill(bytes, 0, size);
	fuzz_check(write(fd, bytes, size) == (ssize_t)size, "no file");
	free(bytes);
	return fd;
}

/* Writes them by arun_writev(). */
static inline int bytes_writev(arun_conn *conn, const char *bytes, size_t size) {
	struct iovec pieces[BYTES_PIECES];
	size_t piece = size / BYTES_PIECES;
	for (size_t i = 0; i < BYTES_PIECES; i++) {
		pieces[i].iov_base = (void *)(uintptr_t)(bytes + i * piece);
		pieces[i].iov_len = i + 1 < BYTES_PIECES ? piece : size - i * piece;
	}
	return arun_writev(conn, pieces, BYTES_PIECES);
}

#endif
