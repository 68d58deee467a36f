/* SPDX-License-Identifier: MIT */
/* same_file - whether a number is still the descriptor that it was: the plugin can close any, and
 * another file may have it then. */
#ifndef SAME_FILE_H
#define SAME_FILE_H

#include <stdbool.h>
#include <sys/stat.h>

/* file: what fstat(2) has said of fd before. Keeps no errno. Async-signal-safe. */
static inline bool same_file(int fd, const struct stat *file) {
	struct stat now;
	return fstat(fd, &now) == 0 && now.st_dev == file->st_dev &&
	       now.st_ino == file->st_ino;
}

#endif
