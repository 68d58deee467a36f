/* SPDX-License-Identifier: MIT */
/* standard - descriptors 0 to 2, which a plugin may have closed. */
#ifndef STANDARD_H
#define STANDARD_H

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/*
 * Has fd, which was just made, be none of the standard streams: what is printed there would go to
 * whoever is at its other end. /dev/null takes its place. Returns the descriptor; -1 with errno: then
 * fd is closed.
 */
static inline int standard_avoid(int fd) {
	if (fd > STDERR_FILENO || fd < 0) {
		return fd;
	}
	int moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1), error = errno;
	close(fd);
	if (moved >= 0) {
		/* The lowest number that is free may be another one, which is as well. */
		open("/dev/null", O_RDWR);
	}
	errno = error;
	return moved;
}

#endif
