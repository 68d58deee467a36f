/* SPDX-License-Identifier: MIT */
/* echo_uv - an echo server of plain libuv callbacks. Prints its port. */
#include "peer.h"

#include <uv.h>

static void on_close(uv_handle_t *handle) {
	free(handle);
}

static void on_buffer(uv_handle_t *handle, size_t size, uv_buf_t *buffer) {
	(void)handle;
	(void)size;
	*buffer = uv_buf_init(peer_buffer, sizeof peer_buffer);
}

/* One small message is under way on a connection: there is room for it. */
static void on_read(uv_stream_t *conn, ssize_t n, const uv_buf_t *buffer) {
	uv_buf_t out = uv_buf_init(buffer->base, n > 0 ? (unsigned)n : 0);
	if (n < 0 || (n > 0 && uv_try_write(conn, &out, 1) != n)) {
		uv_close((uv_handle_t *)conn, on_close);
	}
}

static void on_conn(uv_stream_t *listener, int status) {
	uv_tcp_t *conn = malloc(sizeof *conn);
	if (status < 0 || !conn) {
		free(conn);
		return;
	}
	uv_tcp_init(listener->loop, conn);
	if (uv_accept(listener, (uv_stream_t *)conn) < 0) {
		uv_close((uv_handle_t *)conn, on_close);
		return;
	}
	uv_read_start((uv_stream_t *)conn, on_buffer, on_read);
}

int main(void) {
	uv_tcp_t listener;
	uv_tcp_init(uv_default_loop(), &listener);
	uv_tcp_open(&listener, peer_listen());
	uv_listen((uv_stream_t *)&listener, SOMAXCONN, on_conn);
	return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
