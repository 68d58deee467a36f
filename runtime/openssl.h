/* SPDX-License-Identifier: MIT */
/*
 * openssl - the functions of OpenSSL 3 that are used here, loaded at first use.
 *
 * Design notes. Linking libssl would double the start-up time of programs that never use
 * it. The functions are found by name, once a run, and called through this table, whose
 * types are the header's. What OpenSSL's header has as macros over the ..._ctrl()
 * functions is written out.
 */
#ifndef OPENSSL_H
#define OPENSSL_H

#include "text.h"

/* The calls that take a BIO_METHOD apart, which have no other. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

/* clang-format off: a name a line */
#define OPENSSL_FUNCTIONS(name)                                                                                                                \
	name(BIO_clear_flags) name(BIO_ctrl) name(BIO_get_ex_data) name(BIO_int_ctrl) name(BIO_meth_free) name(                                \
		BIO_meth_get_create) name(BIO_meth_get_ctrl) name(BIO_meth_get_destroy) name(BIO_meth_get_read) name(BIO_meth_get_write)       \
		name(BIO_meth_new) name(BIO_meth_set_create) name(BIO_meth_set_ctrl) name(BIO_meth_set_destroy) name(                          \
			BIO_meth_set_read) name(BIO_meth_set_write) name(BIO_new) name(BIO_s_socket) name(BIO_set_ex_data)                     \
			name(BIO_set_flags) name(ERR_clear_error) name(ERR_peek_last_error) name(ERR_reason_error_string) name(                \
				SSL_CTX_check_private_key) name(SSL_CTX_ctrl) name(SSL_CTX_free) name(SSL_CTX_load_verify_locations)           \
				name(SSL_CTX_new) name(SSL_CTX_sess_set_new_cb) name(SSL_CTX_set_alpn_protos) name(                            \
					SSL_CTX_set_alpn_select_cb) name(SSL_CTX_set_default_passwd_cb) name(SSL_CTX_set_default_verify_paths) \
					name(SSL_CTX_set_options) name(SSL_CTX_set_session_id_context) name(                                   \
						SSL_CTX_set_verify) name(SSL_CTX_use_PrivateKey_file) name(SSL_CTX_use_certificate_chain_file) \
						name(SSL_SESSION_free) name(SSL_SESSION_get_protocol_version) name(                            \
							SSL_ctrl) name(SSL_do_handshake) name(SSL_free) name(SSL_get0_alpn_selected)           \
							name(SSL_get0_param) name(SSL_get_error) name(                                         \
								SSL_get_ex_data) name(SSL_get_verify_result) name(SSL_get_wbio)                \
								name(SSL_new) name(SSL_read) name(SSL_select_next_proto) name(                 \
									SSL_set1_host) name(SSL_set_accept_state)                              \
									name(SSL_set_bio) name(SSL_set_connect_state) name(                    \
										SSL_set_ex_data) name(SSL_set_hostflags)                       \
										name(SSL_set_read_ahead) name(                                 \
											SSL_set_session) name(SSL_shutdown)                    \
											name(SSL_write) name(                                  \
												TLS_client_method)                             \
												name(TLS_server_method) name(                  \
													X509_VERIFY_PARAM_set1_ip_asc)         \
													name(X509_verify_cert_error_string)
/* clang-format on */

struct openssl {
#define OPENSSL_MEMBER(name) __typeof__(name) *name;
	OPENSSL_FUNCTIONS(OPENSSL_MEMBER)
#undef OPENSSL_MEMBER
};

/* Loads it. Returns 0; -1 with errno EOPNOTSUPP, and words on why it can not be had. */
int openssl_load(struct openssl *out, struct text *words);

/* Appends why OpenSSL's last call failed, in its words: "no shared cipher". */
void openssl_words(const struct openssl *openssl, struct text *out);

#endif
