/* SPDX-License-Identifier: MIT */
/* peer - what the echo servers without a runtime share. */
#ifndef PEER_H
#define PEER_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static char peer_buffer[4096];

/* Listens on a port of loopback, which it prints. */
static inline int peer_listen(void) {
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) < 0 ||
		listen(fd, SOMAXCONN) < 0 ||
		getsockname(fd, (struct sockaddr *)&address, &length) < 0) {
		perror("listen");
		exit(1);
	}
	signal(SIGPIPE, SIG_IGN);
	printf("%d\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

static inline int peer_accept(int fd) {
	return accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/* Sends back what is there. Whether the connection lives on. */
static inline int peer_echo(int fd) {
	ssize_t n = recv(fd, peer_buffer, sizeof peer_buffer, 0);
	if (n <= 0) {
		return n < 0 && errno == EAGAIN;
	}
	/* One small message is under way on a connection: there is room for it. */
	return send(fd, peer_buffer, (size_t)n, MSG_NOSIGNAL) == n;
}

#endif
