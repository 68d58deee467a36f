/* SPDX-License-Identifier: MIT */
/* tls_alpn - the protocols above TLS. */
#include "tls_context.h"

#include <stdlib.h>
#include <string.h>

int tls_choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *length,
	const unsigned char *offered, unsigned offered_length, void *arg) {
	const struct arun_tls *tls = arg;
	unsigned char *chosen;
	(void)ssl;
	if (!tls->alpn) {
		return SSL_TLSEXT_ERR_NOACK;
	}
	if (tls->run->openssl.SSL_select_next_proto(&chosen, length, tls->alpn,
		    tls->alpn_length, offered,
		    offered_length) != OPENSSL_NPN_NEGOTIATED) {
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	}
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

/* "h2,http/1.1" as the protocol has it: a byte more. NULL: no memory; EINVAL: it is none. */
static unsigned char *alpn_encode(const char *protocols, size_t size) {
	/* No protocol has a blank; by habit one stands behind a comma. */
	if (!size || size >= UINT16_MAX || strpbrk(protocols, " \t\n")) {
		errno = EINVAL;
		return NULL;
	}
	unsigned char *bytes = malloc(size + 1);
	size_t begin = 0;
	for (size_t at = 0; bytes && at <= size; at++) {
		if (at < size && protocols[at] != ',') {
			bytes[at + 1] = (unsigned char)protocols[at];
			continue;
		}
		if (at == begin || at - begin > UINT8_MAX) {
			free(bytes);
			errno = EINVAL;
			return NULL;
		}
		bytes[begin] = (unsigned char)(at - begin);
		begin = at + 1;
	}
	return bytes;
}

int arun_tls_alpn(arun_tls *tls, const char *protocols) {
	static const char op[] = "tls_alpn";
	size_t size = protocols ? strlen(protocols) : 0;
	tls_check(NULL, "arun_tls_alpn", tls);
	if (!tls) {
		return task_refuse(op, NULL, "tls is NULL");
	}
	unsigned char *bytes = alpn_encode(protocols, size);
	if (!bytes) {
		return task_fail_words(errno, op, protocols,
			errno == EINVAL ? "protocols is not like h2,http/1.1" : NULL);
	}
	free(tls->alpn);
	tls->alpn = bytes;
	tls->alpn_length = (unsigned)size + 1;
	const struct openssl *openssl = &tls->run->openssl;
	if (!tls->server && openssl->SSL_CTX_set_alpn_protos(tls->certificates[0].context,
				    tls->alpn, tls->alpn_length)) {
		return task_fail(ENOMEM, op, protocols);
	}
	return 0;
}
