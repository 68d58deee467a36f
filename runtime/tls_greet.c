/* SPDX-License-Identifier: MIT */
/* tls_greet - the handshake. */
#include "tls_bio.h"

#include <string.h>

/* What was agreed on. */
static void session_begin(struct arun_conn *conn) {
	struct tls_session *session = tls_session_of(conn);
	const struct openssl *openssl = tls_openssl_of(session);
	const unsigned char *name;
	unsigned length;
	openssl->SSL_get0_alpn_selected(session->ssl, &name, &length);
	session->alpn = length ? strndup((const char *)name, length) : NULL;
	session->greeted = true;
	conn->greeted = sched_current->registry.now;
	if (tls_bio_offloads(openssl->SSL_get_wbio(session->ssl))) {
		tls_offload(conn);
	}
}

/* Takes the handshake as far as it goes. Returns 0: it is over; or why not, EAGAIN too. */
static int session_step(struct arun_conn *conn) {
	struct tls_session *session = tls_session_of(conn);
	const struct openssl *openssl = tls_openssl_of(session);
	openssl->ERR_clear_error();
	int result = openssl->SSL_do_handshake(session->ssl);
	int error = result == 1 ? 0 : tls_outcome(conn, result);
	if (error == 0 && result != 1) {
		error = conn->error = ECONNRESET;
	}
	/* Where it has failed an alert may be left to be sent. */
	if (tls_out_send(conn) == 0 || error) {
		return error;
	}
	return errno == EPIPE && !conn->shut ? ECONNRESET : errno;
}

/* Whether the other end has said anything. */
static bool session_heard(const struct tls_session *session) {
	const struct openssl *openssl = tls_openssl_of(session);
	return openssl->BIO_number_read(openssl->SSL_get_wbio(session->ssl)) > 0;
}

/* Returns 0, or why not; ETIME: it took too long; ESHUTDOWN: its server closes. */
static int session_greet(struct arun_conn *conn, struct arun_task *self) {
	const struct tls_session *session = tls_session_of(conn);
	double left = INFINITY;
	double patience = conn->idle_timeout > 0
				  ? time_min(conn->idle_timeout, TLS_PATIENCE)
				  : TLS_PATIENCE;
	double deadline = sched_current->registry.now + patience;
	int error;
	while ((error = session_step(conn)) == EAGAIN) {
		error = conn_wait_leaving(conn, self,
			session->out.length ? POLLER_WRITE : POLLER_READ, deadline,
			conn_greeting_patience(conn, session_heard(session), &left));
		if (error) {
			break;
		}
	}
	return error;
}

/* What the other end has sent is read away, so that the alert is not lost by an RST. */
static void session_break(struct arun_conn *conn, int error) {
	struct tls_session *session = tls_session_of(conn);
	if (error == ETIME) {
		conn->error = ETIMEDOUT;
		strcpy(session->why, "the handshake took too long");
	} else if (!conn->error) {
		conn->error = ECONNABORTED;
		strcpy(session->why, "its handshake was cut short");
	}
	if (conn->watch.fd >= 0) {
		shutdown(conn->watch.fd, SHUT_WR);
		conn_drain(conn);
	}
}

/* Another task does the handshake. Returns 0, or what cut the wait short. */
static int session_await(struct tls_session *session, struct arun_task *self) {
	session->waiter = self;
	int error = task_suspend(sched_current, self, INFINITY, true);
	session->waiter = NULL;
	return error;
}

int tls_handshake(struct arun_conn *conn, struct arun_task *self) {
	struct tls_session *session = tls_session_of(conn);
	if (likely(session->greeted)) {
		return 0;
	}
	if (session->greeter) {
		int error = session_await(session, self);
		return error ? error : conn->closing ? EBADF : conn->error;
	}
	if (conn->error) {
		return conn->error;
	}
	session->greeter = self;
	int error = session_greet(conn, self);
	session->greeter = NULL;
	if (session->waiter) {
		task_wake(sched_current, session->waiter);
	}
	if (!error) {
		session_begin(conn);
		return 0;
	}
	if (error != ESHUTDOWN) {
		session_break(conn, error);
	}
	return error == ETIME ? ETIMEDOUT : error;
}
