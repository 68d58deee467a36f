/* SPDX-License-Identifier: MIT */
/* echo_epoll - an echo server on nothing but epoll: the floor. Prints its port. */
#include "peer.h"

#include <sys/epoll.h>

enum { BATCH = 256 };

static void watch(int set, int fd) {
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
	if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) < 0) {
		close(fd);
	}
}

int main(void) {
	struct epoll_event events[BATCH];
	int set = epoll_create1(EPOLL_CLOEXEC), listener = peer_listen();
	watch(set, listener);
	for (;;) {
		int count = epoll_wait(set, events, BATCH, -1);
		for (int i = 0; i < count; i++) {
			int fd = events[i].data.fd, conn;
			if (fd != listener) {
				if (!peer_echo(fd)) {
					close(fd);
				}
				continue;
			}
			while ((conn = peer_accept(listener)) >= 0) {
				watch(set, conn);
			}
		}
	}
}
