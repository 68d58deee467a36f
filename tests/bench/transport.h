/* SPDX-License-Identifier: MIT */
/*
 * transport - how the load generator's bytes travel: as they are, or (built with TRANSPORT_TLS) in TLS.
 * Both behave like send(2) and recv(2) on a socket that does not block.
 */
#ifndef TRANSPORT_H
#define TRANSPORT_H

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

#ifdef TRANSPORT_TLS
#include <openssl/ssl.h>

typedef SSL *transport;

static inline transport transport_open(int fd) {
	static SSL_CTX *context;
	if (!context) {
		context = SSL_CTX_new(TLS_client_method());
	}
	SSL *ssl = SSL_new(context);
	SSL_set_fd(ssl, fd);
	SSL_set_connect_state(ssl);
	return ssl;
}

static inline ssize_t transport_result(transport ssl, int n) {
	int error = n > 0 ? SSL_ERROR_NONE : SSL_get_error(ssl, n);
	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
		errno = EAGAIN;
		return -1;
	}
	return n;
}

static inline ssize_t transport_send(
	transport ssl, int fd, const void *buf, size_t size) {
	(void)fd;
	return transport_result(ssl, SSL_write(ssl, buf, (int)size));
}

static inline ssize_t transport_recv(transport ssl, int fd, void *buf, size_t size) {
	(void)fd;
	return transport_result(ssl, SSL_read(ssl, buf, (int)size));
}

static inline void transport_close(transport ssl) {
	SSL_shutdown(ssl);
	SSL_free(ssl);
}

#else

typedef struct {
	char unused;
} transport;

static inline transport transport_open(int fd) {
	(void)fd;
	return (transport){0};
}

static inline ssize_t transport_send(
	transport plain, int fd, const void *buf, size_t size) {
	(void)plain;
	return send(fd, buf, size, MSG_NOSIGNAL);
}

static inline ssize_t transport_recv(transport plain, int fd, void *buf, size_t size) {
	(void)plain;
	return recv(fd, buf, size, 0);
}

static inline void transport_close(transport plain) {
	(void)plain;
}

#endif
#endif
