/* SPDX-License-Identifier: MIT */
/*
 * dial - sockets of loopback that connect from many addresses: one address has some 28,000 ports, and
 * those of closed connections rest for a minute.
 */
#ifndef DIAL_H
#define DIAL_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DIAL_ADDRESSES = 200 };

/* The number'th connection comes from 127.0.N.1. flags: SOCK_NONBLOCK, or 0. -1 with errno. */
static inline int dial(const char *port, unsigned number, int flags) {
	struct sockaddr_in from = {.sin_family = AF_INET,
		.sin_addr.s_addr =
			htonl(INADDR_LOOPBACK + (1 + number % DIAL_ADDRESSES) * 256)};
	struct sockaddr_in to = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(port)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
	if (fd < 0) {
		return -1;
	}
	/* The port is chosen by connect(2), which knows that only the pair of addresses must be new. */
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (bind(fd, (struct sockaddr *)&from, sizeof from) < 0) {
		close(fd);
		return -1;
	}
	/* Under way is no failure: of a socket that does not block it is told by what comes next. */
	if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0 && !flags) {
		close(fd);
		return -1;
	}
	return fd;
}

#endif
