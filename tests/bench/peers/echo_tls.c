/* SPDX-License-Identifier: MIT */
/*
 * echo_tls - an echo server on nothing but epoll and OpenSSL. Prints its port.
 *
 *	echo_tls CERTIFICATE
 */
#include "peer.h"

#include <openssl/ssl.h>
#include <sys/epoll.h>

enum { BATCH = 256 };

struct conn {
	int fd;
	SSL *ssl;
};

static int set;
static SSL_CTX *context;

static void welcome(int fd) {
	struct conn *conn = calloc(1, sizeof *conn);
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
	if (!conn || !(conn->ssl = SSL_new(context))) {
		abort();
	}
	conn->fd = fd;
	SSL_set_fd(conn->ssl, fd);
	SSL_set_accept_state(conn->ssl);
	if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) < 0) {
		abort();
	}
}

/* Sends back what is there; the handshake is in the first calls. Whether the connection lives on. */
static int echo(struct conn *conn) {
	int n;
	while ((n = SSL_read(conn->ssl, peer_buffer, sizeof peer_buffer)) > 0) {
		if (SSL_write(conn->ssl, peer_buffer, n) != n) {
			return 0;
		}
		if (!SSL_has_pending(conn->ssl)) {
			return 1;
		}
	}
	return SSL_get_error(conn->ssl, n) == SSL_ERROR_WANT_READ;
}

static void part(struct conn *conn) {
	SSL_shutdown(conn->ssl);
	SSL_free(conn->ssl);
	close(conn->fd);
	free(conn);
}

static void serve(int listener) {
	struct epoll_event events[BATCH];
	for (;;) {
		int count = epoll_wait(set, events, BATCH, -1);
		for (int i = 0; i < count; i++) {
			struct conn *conn = events[i].data.ptr;
			int fd;
			if (conn) {
				if (!echo(conn)) {
					part(conn);
				}
				continue;
			}
			while ((fd = peer_accept(listener)) >= 0) {
				welcome(fd);
			}
		}
	}
}

int main(int argc, char **argv) {
	struct epoll_event event = {.events = EPOLLIN};
	context = SSL_CTX_new(TLS_server_method());
	if (argc != 2 || SSL_CTX_use_certificate_chain_file(context, argv[1]) != 1 ||
		SSL_CTX_use_PrivateKey_file(context, argv[1], SSL_FILETYPE_PEM) != 1) {
		fprintf(stderr, "usage: echo_tls CERTIFICATE\n");
		return 2;
	}
	set = epoll_create1(EPOLL_CLOEXEC);
	int listener = peer_listen();
	epoll_ctl(set, EPOLL_CTL_ADD, listener, &event);
	serve(listener);
	return 0;
}
