/* SPDX-License-Identifier: MIT */
/* tls_context - certificates, and what else the sessions of a client or a server share. */
#ifndef TLS_CONTEXT_H
#define TLS_CONTEXT_H

#include "openssl.h"
#include "tls.h"

enum { TLS_RECORD = 16384, TLS_REMEMBERED = 16 };

/* Of a run, once it uses TLS. */
struct tls_run {
	struct openssl openssl;
	BIO_METHOD *method;       /* NULL until the first session */
	struct arun_tls *system;  /* tls_system(); NULL until it is used */
	bool plain_kernel;        /* it has no kTLS */
	char scratch[TLS_RECORD]; /* of calls that do not suspend while they use it */
};

/* What a server proves itself with. */
struct tls_certificate {
	char *file;
	SSL_CTX *context;
};

struct arun_tls {
	struct object object;
	struct tls_run *run;
	struct tls_certificate *certificates; /* a client's: one, of no file */
	unsigned count;
	unsigned refs; /* the handle, connections, servers */
	bool server;
	unsigned char *alpn; /* as the protocol has it: length, name, length, name */
	unsigned alpn_length;
	/* What a client may resume, by the name of the server; the oldest is replaced. */
	struct {
		char *name;
		SSL_SESSION *session;
	} remembered[TLS_REMEMBERED];
	unsigned next;
};

struct tls_session {
	struct arun_tls *tls;
	SSL *ssl;
	char *name;     /* of the server; NULL: this is one */
	char *alpn;     /* NULL: none */
	bool greeted;   /* the handshake is over */
	bool ending;    /* close_notify is to be sent */
	bool notified;  /* it is */
	bool truncated; /* end of file, and no close_notify before it */
	bool kernel_sends, kernel_receives; /* encrypted, and decrypted, by kTLS */
	int error;                          /* of the last system call of the BIO; 0 */
	struct arun_task *greeter, *waiter; /* of the handshake */
	char why[128];                      /* it is broken; "" */

	/* For the socket; and what was read from it before TLS began. */
	struct {
		char *data;
		size_t start, length, room;
	} out, early;
};

/* OpenSSL's choice of a protocol: of those that a client offers, the first of arg's, an arun_tls. */
int tls_choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *length,
	const unsigned char *offered, unsigned offered_length, void *arg);

/* Puts what is remembered of session's server into it. */
void tls_recall(struct tls_session *session);

#endif
