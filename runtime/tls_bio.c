/* SPDX-License-Identifier: MIT */
#include "tls_bio.h"

#include "stream.h"

#include <stdlib.h>
#include <string.h>

/* Hands the kernel its keys: of OpenSSL's internal/bio.h, in all of version 3. */
enum { BIO_SET_KTLS = 72, TLS_KEPT = 16 * TLS_RECORD };

/* What goes out -------------------------------------------------------------------- */

/* One send(2), repeated after EINTR. Returns as that does. */
static ssize_t socket_send(struct arun_conn *conn, const char *bytes, size_t size) {
	ssize_t n;
	do {
		n = send(conn->watch.fd, bytes, size, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN) {
		conn->watch.writable = false;
	}
	return n;
}

int tls_out_send(struct arun_conn *conn) {
	struct tls_session *session = tls_session_of(conn);
	while (session->out.length) {
		ssize_t n = socket_send(conn, session->out.data + session->out.start,
			session->out.length);
		if (n < 0) {
			return -1;
		}
		session->out.start += (size_t)n;
		session->out.length -= (size_t)n;
	}
	free(session->out.data);
	session->out.data = NULL;
	session->out.start = session->out.room = 0;
	return 0;
}

/* Keeps bytes that the socket does not take yet. Returns 0; -1 with ENOMEM. */
static int out_keep(struct tls_session *session, const char *bytes, size_t size) {
	size_t end = session->out.start + session->out.length;
	if (session->out.room - end < size) {
		char *data = realloc(session->out.data, end + size);
		if (!data) {
			errno = ENOMEM;
			return -1;
		}
		session->out.data = data;
		session->out.room = end + size;
	}
	memcpy(session->out.data + end, bytes, size);
	session->out.length += size;
	return 0;
}

/* The descriptor, as OpenSSL sees it ------------------------------------------------ */

/* OpenSSL's own BIO of sockets, which knows how kTLS is done, but for what is below. */
static const struct openssl *bio_openssl(void) {
	return &loop_here()->tls->openssl;
}

static bool bio_in_kernel(BIO *bio, int command) {
	return bio_openssl()->BIO_ctrl(bio, command, 0, NULL) > 0;
}

/* What the kernel does from now on. */
static void bio_note_kernel(BIO *bio, struct tls_session *session) {
	session->kernel_sends = bio_in_kernel(bio, BIO_CTRL_GET_KTLS_SEND);
	session->kernel_receives = bio_in_kernel(bio, BIO_CTRL_GET_KTLS_RECV);
}

/* With kTLS: what goes out is a message about the stream, such as close_notify. */
static int bio_write_in_kernel(
	BIO *bio, struct arun_conn *conn, const char *bytes, int size) {
	const struct openssl *openssl = bio_openssl();
	struct stream_quiet quiet;
	int n;
	stream_quiet_begin(&quiet);
	do {
		n = openssl->BIO_meth_get_write(openssl->BIO_s_socket())(
			bio, bytes, size);
	} while (n < 0 && errno == EINTR);
	stream_quiet_end(&quiet, n < 0 && errno == EPIPE);
	if (n < 0 && errno == EAGAIN) {
		conn->watch.writable = false;
	}
	return n;
}

/* Takes all of it, always. */
static int bio_write(BIO *bio, const char *bytes, int size) {
	const struct openssl *openssl = bio_openssl();
	struct arun_conn *conn = openssl->BIO_get_ex_data(bio, 0);
	struct tls_session *session = tls_session_of(conn);
	size_t sent = 0;
	openssl->BIO_clear_flags(bio, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY);
	if (session->notified) {
		/* An answer to new keys, too late: nothing follows close_notify. */
		return size;
	}
	if (session->kernel_sends) {
		return bio_write_in_kernel(bio, conn, bytes, size);
	}
	if (!session->out.length) {
		ssize_t n = socket_send(conn, bytes, (size_t)size);
		if (n < 0 && errno != EAGAIN) {
			session->error = errno;
			return -1;
		}
		sent = n < 0 ? 0 : (size_t)n;
	}
	if (sent < (size_t)size &&
		out_keep(session, bytes + sent, (size_t)size - sent) < 0) {
		session->error = errno;
		return -1;
	}
	return size;
}

/* Bytes that were read before TLS began. Returns how many. */
static size_t early_take(struct tls_session *session, char *buf, size_t size) {
	size_t count = size < session->early.length ? size : session->early.length;
	if (!count) {
		return 0;
	}
	memcpy(buf, session->early.data + session->early.start, count);
	session->early.start += count;
	session->early.length -= count;
	return count;
}

/* What the kernel has decrypted comes by the record, and says nothing of the next one. */
static ssize_t socket_receive(struct arun_conn *conn, BIO *bio, char *buf, int size) {
	const struct openssl *openssl = bio_openssl();
	bool in_kernel = tls_session_of(conn)->kernel_receives;
	ssize_t n;
	if (!conn->watch.readable) {
		errno = EAGAIN;
		return -1;
	}
	do {
		n = in_kernel ? openssl->BIO_meth_get_read(openssl->BIO_s_socket())(
					bio, buf, size)
			      : recv(conn->watch.fd, buf, (size_t)size, 0);
	} while (n < 0 && errno == EINTR);
	if (n > 0 && !in_kernel) {
		conn_note_in(conn, (size_t)n, (size_t)size);
	}
	return n;
}

static int bio_read(BIO *bio, char *buf, int size) {
	const struct openssl *openssl = bio_openssl();
	struct arun_conn *conn = openssl->BIO_get_ex_data(bio, 0);
	struct tls_session *session = tls_session_of(conn);
	openssl->BIO_clear_flags(bio, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY);
	ssize_t n = (ssize_t)early_take(session, buf, (size_t)size);
	n = n ? n : socket_receive(conn, bio, buf, size);
	if (n < 0 && errno == EAGAIN) {
		conn->watch.readable = false;
		openssl->BIO_set_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY);
		return -1;
	}
	if (n == 0) {
		session->truncated = true;
		openssl->BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
	} else if (n < 0) {
		session->error = errno;
	}
	return (int)n;
}

/*
 * What the socket does not take yet is kept, and that is no failure: OpenSSL knows of no BIO that
 * would have to be asked again for this. But who only asks for new keys, and reads no answer, would
 * have them kept without end.
 */
static long bio_flush(struct arun_conn *conn) {
	struct tls_session *session = tls_session_of(conn);
	if (tls_out_send(conn) == 0) {
		return 1;
	}
	if (errno != EAGAIN) {
		session->error = errno;
		return -1;
	}
	if (session->out.length <= TLS_KEPT) {
		return 1;
	}
	conn->error = EPROTO;
	strcpy(session->why, "it reads no answers to what it asks");
	return -1;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer) {
	const struct openssl *openssl = bio_openssl();
	struct arun_conn *conn = openssl->BIO_get_ex_data(bio, 0);
	struct tls_session *session = conn ? tls_session_of(conn) : NULL;
	if (command == BIO_CTRL_FLUSH) {
		openssl->BIO_clear_flags(bio, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY);
		return bio_flush(conn);
	}
	/* What is kept is encrypted: the kernel would do that again. */
	if (command == BIO_SET_KTLS && session && session->out.length) {
		return 0;
	}
	long result = openssl->BIO_meth_get_ctrl(openssl->BIO_s_socket())(
		bio, command, number, pointer);
	if (session && command != BIO_CTRL_GET_KTLS_SEND &&
		command != BIO_CTRL_GET_KTLS_RECV) {
		bio_note_kernel(bio, session);
	}
	return result;
}

static BIO_METHOD *bio_method(struct tls_run *run) {
	const struct openssl *openssl = &run->openssl;
	const BIO_METHOD *socket = openssl->BIO_s_socket();
	if (!run->method) {
		BIO_METHOD *method = openssl->BIO_meth_new(BIO_TYPE_SOCKET, "arun");
		if (!method) {
			return NULL;
		}
		openssl->BIO_meth_set_create(
			method, openssl->BIO_meth_get_create(socket));
		openssl->BIO_meth_set_destroy(
			method, openssl->BIO_meth_get_destroy(socket));
		openssl->BIO_meth_set_read(method, bio_read);
		openssl->BIO_meth_set_write(method, bio_write);
		openssl->BIO_meth_set_ctrl(method, bio_ctrl);
		run->method = method;
	}
	return run->method;
}

BIO *tls_bio_new(struct arun_conn *conn, struct tls_run *run) {
	const struct openssl *openssl = &run->openssl;
	const BIO_METHOD *method = bio_method(run);
	BIO *bio = method ? openssl->BIO_new(method) : NULL;
	if (bio && !openssl->BIO_set_ex_data(bio, 0, conn)) {
		openssl->BIO_free(bio);
		return NULL;
	}
	if (bio) {
		openssl->BIO_int_ctrl(bio, BIO_C_SET_FD, BIO_NOCLOSE, conn->watch.fd);
	}
	return bio;
}

bool tls_bio_offloads(BIO *bio) {
	return bio_in_kernel(bio, BIO_CTRL_GET_KTLS_SEND);
}
