/* SPDX-License-Identifier: MIT */
/* echo_libev - an echo server of plain libev callbacks. Prints its port. */
#include "peer.h"

#include <ev.h>

static void on_readable(struct ev_loop *loop, ev_io *watcher, int events) {
	(void)events;
	if (!peer_echo(watcher->fd)) {
		ev_io_stop(loop, watcher);
		close(watcher->fd);
		free(watcher);
	}
}

static void on_accept(struct ev_loop *loop, ev_io *watcher, int events) {
	int fd;
	(void)events;
	while ((fd = peer_accept(watcher->fd)) >= 0) {
		ev_io *conn = malloc(sizeof *conn);
		if (!conn) {
			close(fd);
			return;
		}
		ev_io_init(conn, on_readable, fd, EV_READ);
		ev_io_start(loop, conn);
	}
}

int main(void) {
	struct ev_loop *loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	if (!loop) {
		return 1;
	}
	ev_io listener;
	ev_io_init(&listener, on_accept, peer_listen(), EV_READ);
	ev_io_start(loop, &listener);
	ev_run(loop, 0);
	return 0;
}
