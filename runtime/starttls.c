/* SPDX-License-Identifier: MIT */
/* starttls - TLS on a stream that is there already. */
#include "stream.h"
#include "tls.h"

/* Why TLS can not begin on conn; 0: it can. */
static int starttls_unfit(const struct arun_conn *conn) {
	if (!conn->socket) {
		return ENOTSOCK;
	}
	if (conn->transport) {
		return EALREADY;
	}
	return conn->writing ? EBUSY : conn->shut ? EPIPE : conn->error;
}

/* The handshake, with the right to read and to write. Returns 0, or why not. */
static int starttls_greet(
	struct stream_call *call, struct arun_tls *tls, const char *host) {
	struct arun_conn *conn = call->conn;
	int error = starttls_unfit(conn);
	if (!error) {
		error = tls_attach(conn, tls, host);
	}
	if (!error) {
		conn->writing = true;
		error = tls_handshake(conn, call->self);
		conn->writing = false;
	}
	return error;
}

int(arun_starttls)(arun_conn *conn, arun_tls *tls, const char *host) {
	return arun_starttls_at(NULL, conn, tls, host);
}

int arun_starttls_at(
	const struct arun_site *site, arun_conn *conn, arun_tls *tls, const char *host) {
	struct arun_task *self = task_enter(site, "arun_starttls");
	tls_check(site, self->op, tls);
	struct arun_tls *used =
		tls ? tls_ref(tls) : tls_system(loop_here(), self->op, host);
	struct stream_call call;
	if (!used) {
		return -1;
	}
	int result = stream_begin(&call, site, "arun_starttls", conn, POLLER_READ);
	if (result == 0) {
		int error = starttls_greet(&call, used, host);
		result = error ? (int)stream_error(&call, error) : 0;
		stream_keep_errno(&call);
	}
	tls_unref(used);
	return (int)stream_end(&call, result);
}

const char *arun_conn_alpn(const arun_conn *conn) {
	conn_check(NULL, "arun_conn_alpn", conn);
	return conn ? tls_alpn(conn) : "";
}
