/* SPDX-License-Identifier: MIT */
#include "tls.h"

#include "tls_bio.h"

#include <limits.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

/* What OpenSSL's calls come to ------------------------------------------------------ */

/* Whether the other end has gone in the handshake: a write meets that as well as a read. */
static bool session_left(
	const struct arun_conn *conn, const struct tls_session *session) {
	return !session->greeted && session->error == EPIPE && !conn->shut;
}

/* Why the stream is broken. Returns the errno for that. */
static int session_explain(const struct arun_conn *conn, struct tls_session *session) {
	const struct openssl *openssl = tls_openssl_of(session);
	long refused = session->name && !session->greeted
			       ? openssl->SSL_get_verify_result(session->ssl)
			       : X509_V_OK;
	struct text out;
	text_fixed(&out, session->why, sizeof session->why);
	int error = openssl_unverified(openssl, refused);
	if (error) {
		text_add(&out, "certificate not verified: ");
		text_error(&out, error);
		return error;
	}
	if (refused != X509_V_OK) {
		text_add(&out, "certificate verify failed: %s",
			openssl->X509_verify_cert_error_string(refused));
		return EKEYREJECTED;
	}
	/* After an end without close_notify OpenSSL sends an alert, whose failure tells nothing. */
	bool left = session_left(conn, session);
	if (session->error && !left && !session->truncated) {
		text_error(&out, session->error);
		return session->error;
	}
	if (session->truncated || left) {
		text_add(&out, session->greeted
				       ? "cut short: it ended without close_notify"
				       : "the other end has closed during the handshake");
		return ECONNRESET;
	}
	openssl_words(openssl, &out);
	return EPROTO;
}

int tls_outcome(struct arun_conn *conn, int result) {
	struct tls_session *session = tls_session_of(conn);
	const struct openssl *openssl = tls_openssl_of(session);
	switch (openssl->SSL_get_error(session->ssl, result)) {
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return EAGAIN;
	default:
		if (!conn->error) {
			conn->error = session_explain(conn, session);
		}
		openssl->ERR_clear_error();
		return conn->error;
	}
}

/* The transport -------------------------------------------------------------------- */

/*
 * Sends close_notify. That it does not reach an end that has sent its own and gone is no error.
 * Returns 0; EAGAIN: the kernel does not take it yet.
 */
static int tls_notify(struct arun_conn *conn) {
	struct tls_session *session = tls_session_of(conn);
	const struct openssl *openssl = tls_openssl_of(session);
	openssl->ERR_clear_error();
	int result = openssl->SSL_shutdown(session->ssl);
	bool missed = conn->saw_end && session->error;
	if (result < 0 && !missed && tls_outcome(conn, result) == EAGAIN &&
		!conn->watch.writable) {
		return EAGAIN;
	}
	session->notified = true;
	return 0;
}

static int tls_flush(struct arun_conn *conn) {
	struct tls_session *session = tls_session_of(conn);
	if (tls_out_send(conn) < 0) {
		return -1;
	}
	if (!session->ending) {
		return 0;
	}
	if (!session->notified && tls_notify(conn) == EAGAIN) {
		errno = EAGAIN;
		return -1;
	}
	if (tls_out_send(conn) < 0) {
		return -1;
	}
	session->ending = false;
	return shutdown(conn->watch.fd, SHUT_WR);
}

static ssize_t tls_receive(struct arun_conn *conn, void *buf, size_t size) {
	struct tls_session *session = tls_session_of(conn);
	const struct openssl *openssl = tls_openssl_of(session);
	if (unlikely(session->out.length)) {
		tls_flush(conn); /* a record that was started */
	}
	openssl_clear(openssl);
	int n = openssl->SSL_read(
		session->ssl, buf, size < INT_MAX ? (int)size : INT_MAX);
	if (likely(n > 0)) {
		conn->in += (uint64_t)n;
		return n;
	}
	int error = tls_outcome(conn, n);
	if (!error) {
		conn->saw_end = true;
		return 0;
	}
	errno = error == EPIPE ? ECONNRESET : error; /* it was a write that has met it */
	return -1;
}

/* Of a record a part may have come, if only the head, which OpenSSL has taken by then. */
static bool tls_holds(const struct arun_conn *conn) {
	const struct tls_session *session = tls_session_of(conn);
	const struct openssl *openssl = tls_openssl_of(session);
	return openssl->SSL_has_pending(session->ssl) ||
	       strcmp(openssl->SSL_rstate_string(session->ssl), "RB") == 0;
}

/* The next bytes of pieces, up to a record of them: small ones are put together. */
static size_t send_gather(
	struct tls_run *run, const struct iovec *pieces, int count, const char **bytes) {
	size_t size = 0;
	*bytes = pieces->iov_base;
	if (count == 1 || pieces->iov_len >= TLS_RECORD) {
		return pieces->iov_len < TLS_RECORD ? pieces->iov_len : TLS_RECORD;
	}
	*bytes = run->scratch;
	for (; count && size < TLS_RECORD; pieces++, count--) {
		size_t room = TLS_RECORD - size;
		size_t part = pieces->iov_len < room ? pieces->iov_len : room;
		if (part) {
			memcpy(run->scratch + size, pieces->iov_base, part);
		}
		size += part;
	}
	return size;
}

static ssize_t tls_send(struct arun_conn *conn, const struct iovec *pieces, int count) {
	struct tls_session *session = tls_session_of(conn);
	const struct openssl *openssl = tls_openssl_of(session);
	const char *bytes;
	if (conn->shut || conn->error) {
		errno = conn->error ? conn->error : EPIPE;
		return -1;
	}
	if (tls_flush(conn) < 0) {
		return -1;
	}
	size_t size = send_gather(session->tls->run, pieces, count, &bytes);
	openssl_clear(openssl);
	int n = openssl->SSL_write(session->ssl, bytes, (int)size);
	if (n <= 0) {
		int error = tls_outcome(conn, n);
		errno = error ? error : EPIPE;
		return -1;
	}
	return n;
}

static int tls_shutdown(struct arun_conn *conn) {
	struct tls_session *session = tls_session_of(conn);
	if (!session->greeted || conn->error) {
		return shutdown(conn->watch.fd, SHUT_WR);
	}
	session->ending = true;
	return tls_flush(conn) < 0 && errno != EAGAIN ? -1 : 0;
}

static const char *tls_why(const struct arun_conn *conn, int error) {
	const struct tls_session *session = tls_session_of(conn);
	return error == conn->error && *session->why ? session->why : NULL;
}

static void session_free(struct tls_session *session) {
	if (session->ssl) {
		tls_openssl_of(session)->SSL_free(session->ssl);
	}
	tls_unref(session->tls);
	free(session->name);
	free(session->alpn);
	free(session->out.data);
	free(session->early.data);
	free(session);
}

static void tls_destroy(struct arun_conn *conn) {
	session_free(conn->session);
}

static const struct transport tls_transport = {
	.admit = tls_handshake,
	.receive = tls_receive,
	.holds = tls_holds,
	.send = tls_send,
	.flush = tls_flush,
	.shutdown = tls_shutdown,
	.why = tls_why,
	.destroy = tls_destroy,
};

/* The kernel encrypts what is sent: that is sent, and sendfile(2) works, as without TLS. */
static const struct transport kernel_transport = {
	.receive = tls_receive,
	.holds = tls_holds,
	.flush = tls_flush,
	.shutdown = tls_shutdown,
	.why = tls_why,
	.destroy = tls_destroy,
};

/* Beginning -------------------------------------------------------------------- */

/* Whom a client expects. Returns 0, or EINVAL. */
static int session_expect(struct tls_session *session, const char *host) {
	const struct openssl *openssl = tls_openssl_of(session);
	size_t length = host ? strlen(host) : 0;
	if (length && host[length - 1] == '.') {
		length--; /* the root of names is in no certificate */
	}
	session->name = length ? strndup(host, length) : NULL;
	if (!session->name) {
		return length ? ENOMEM : EINVAL;
	}
	char *name = session->name;
	if (openssl->X509_VERIFY_PARAM_set1_ip_asc(
		    openssl->SSL_get0_param(session->ssl), name)) {
		return 0;
	}
	openssl->SSL_set_hostflags(session->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return openssl->SSL_set1_host(session->ssl, name) &&
			       openssl->SSL_ctrl(session->ssl,
				       SSL_CTRL_SET_TLSEXT_HOSTNAME,
				       TLSEXT_NAMETYPE_host_name, name)
		       ? 0
		       : EINVAL;
}

/* Returns 0, or why not. */
static int session_init(
	struct tls_session *session, struct arun_conn *conn, const char *host) {
	struct arun_tls *tls = session->tls;
	const struct openssl *openssl = tls_openssl_of(session);
	session->ssl = openssl->SSL_new(tls->certificates[0].context);
	BIO *bio = session->ssl ? tls_bio_new(conn, tls->run) : NULL;
	if (!bio) {
		return ENOMEM;
	}
	openssl->SSL_set_bio(session->ssl, bio, bio);
	if (!openssl->SSL_set_ex_data(session->ssl, 0, session)) {
		return ENOMEM;
	}
	if (tls->server) {
		openssl->SSL_set_accept_state(session->ssl);
		return 0;
	}
	openssl->SSL_set_connect_state(session->ssl);
	int error = session_expect(session, host);
	if (!error) {
		tls_recall(session);
	}
	return error;
}

static bool kernel_offers(struct tls_run *run, const struct arun_conn *conn) {
	if (run->plain_kernel || !conn->tcp) {
		return false;
	}
	int result =
		setsockopt(conn->watch.fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof "tls");
	run->plain_kernel = result < 0;
	return result == 0;
}

/*
 * Lets the kernel take over where it can; OpenSSL asks it then. Where it cannot, what has come is
 * read at once, not a record at a time. With both, OpenSSL from 3.2 on loses what was read ahead
 * when the keys change and the kernel refuses the new ones.
 */
static void session_offer_kernel(
	const struct tls_session *session, const struct arun_conn *conn) {
	const struct openssl *openssl = tls_openssl_of(session);
	if (kernel_offers(session->tls->run, conn)) {
		openssl->SSL_set_options(session->ssl, SSL_OP_ENABLE_KTLS);
	} else {
		openssl->SSL_set_read_ahead(session->ssl, 1);
	}
}

int tls_attach(struct arun_conn *conn, struct arun_tls *tls, const char *host) {
	struct tls_session *session = calloc(1, sizeof *session);
	if (!session) {
		return ENOMEM;
	}
	session->tls = tls_ref(tls);
	tls->run->openssl.ERR_clear_error();
	int error = session_init(session, conn, host);
	if (error) {
		session_free(session);
		return error;
	}
	session_offer_kernel(session, conn);
	session->early.data = conn->buffer.data;
	session->early.start = conn->buffer.start;
	session->early.length = conn->buffer.length;
	memset(&conn->buffer, 0, sizeof conn->buffer);
	conn->session = session;
	conn->transport = &tls_transport;
	return 0;
}

void tls_offload(struct arun_conn *conn) {
	conn->transport = &kernel_transport;
}

const char *tls_alpn(const struct arun_conn *conn) {
	const struct tls_session *session = conn->transport ? conn->session : NULL;
	return session && session->alpn ? session->alpn : "";
}
