/* SPDX-License-Identifier: MIT */
/*
 * tls_bio - the descriptor of a connection, as OpenSSL sees it.
 *
 * Design notes. It is OpenSSL's own BIO of sockets, which knows how kTLS is done, but it
 * raises no SIGPIPE, takes all that it is given, and reads first what the connection had
 * read before TLS began.
 */
#ifndef TLS_BIO_H
#define TLS_BIO_H

#include "tls_context.h"

static inline struct tls_session *tls_session_of(const struct arun_conn *conn) {
	return conn->session;
}

static inline const struct openssl *tls_openssl_of(const struct tls_session *session) {
	return &session->tls->run->openssl;
}

/* NULL: no memory. */
BIO *tls_bio_new(struct arun_conn *conn, struct tls_run *run);

/* Whether the kernel encrypts what is sent. */
bool tls_bio_offloads(BIO *bio);

/* Sends what is kept. Returns 0: nothing is left; -1 with EAGAIN, or what send(2) says. */
int tls_out_send(struct arun_conn *conn);

/*
 * What a call of OpenSSL has come to that was no success. Returns 0: the end of the stream;
 * EAGAIN; or what broke it, which is arun_conn::error then.
 */
int tls_outcome(struct arun_conn *conn, int result);

/* From here on the kernel encrypts what is sent. */
void tls_offload(struct arun_conn *conn);

#endif
