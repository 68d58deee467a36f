/* SPDX-License-Identifier: MIT */
/*
 * tls - TLS on a connection, from its handshake to its close_notify.
 *
 * Design notes. What OpenSSL has to send and the socket does not take stays in a buffer
 * of the session, so that a write is never half in OpenSSL: a record that was started is
 * completed by whichever call comes next, and reading never waits for writing. Where the
 * kernel has taken over encryption (kTLS) a session writes like a bare descriptor.
 * Without OpenSSL (tls_none.c) all of these fail with EOPNOTSUPP.
 */
#ifndef TLS_H
#define TLS_H

#include "conn.h"

/* Seconds that a handshake may take, where idle_timeout is not shorter. */
#define TLS_PATIENCE 10.0

/* The context of a client that brings none: the system's certificates. To be given back
 * with tls_unref(). NULL with errno, and recorded for arun_why(). */
struct arun_tls *tls_system(struct loop *loop, const char *op, const char *on);

/* Another reference to a context, which may be NULL. */
struct arun_tls *tls_ref(struct arun_tls *tls);
void tls_unref(struct arun_tls *tls);

/* Aborts where tls, of a plugin's call of op, is freed; NULL is none. */
void tls_check(const struct arun_site *site, const char *op, const struct arun_tls *tls);

/* Whether it is a server's. */
bool tls_serves(const struct arun_tls *tls);

/*
 * Puts TLS on conn, which is a socket and has no transport yet; takes a reference to tls.
 * host: what a client verifies, and tells the server; ignored for a server. The handshake
 * is left to tls_handshake(), or to the first read or write. Returns 0, or why not:
 * ENOMEM, EINVAL: no host.
 */
int tls_attach(struct arun_conn *conn, struct arun_tls *tls, const char *host);

/*
 * Does the handshake, or waits for the task that does it. Returns 0, or why not, see
 * arun_starttls(): then the connection is of no use any more. ESHUTDOWN: it is idle, and its server
 * closes: to the caller that is the end of the stream. Suspends.
 */
int tls_handshake(struct arun_conn *conn, struct arun_task *self);

/* What both sides agreed on; "" where they did not. */
const char *tls_alpn(const struct arun_conn *conn);

/* Frees what a run has of OpenSSL. */
void tls_finish(struct loop *loop);

#endif
