/* SPDX-License-Identifier: MIT */
/* sockopt - what a socket is. */
#ifndef SOCKOPT_H
#define SOCKOPT_H

#include <sys/socket.h>

/* The number that an option of SOL_SOCKET has: SO_TYPE, SO_ACCEPTCONN and so on; -1 with errno: it
 * has none, or fd is no socket. Async-signal-safe. */
static inline int sockopt_get(int fd, int name) {
	int value = 0;
	socklen_t length = sizeof value;
	return getsockopt(fd, SOL_SOCKET, name, &value, &length) < 0 ? -1 : value;
}

#endif
