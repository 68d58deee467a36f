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

#define OPENSSL_FUNCTIONS(X)                                                             \
	X(BIO_clear_flags)                                                               \
	X(BIO_ctrl)                                                                      \
	X(BIO_free)                                                                      \
	X(BIO_get_ex_data)                                                               \
	X(BIO_int_ctrl)                                                                  \
	X(BIO_meth_free)                                                                 \
	X(BIO_meth_get_create)                                                           \
	X(BIO_meth_get_ctrl)                                                             \
	X(BIO_meth_get_destroy)                                                          \
	X(BIO_meth_get_read)                                                             \
	X(BIO_meth_get_write)                                                            \
	X(BIO_meth_new)                                                                  \
	X(BIO_meth_set_create)                                                           \
	X(BIO_meth_set_ctrl)                                                             \
	X(BIO_meth_set_destroy)                                                          \
	X(BIO_meth_set_read)                                                             \
	X(BIO_meth_set_write)                                                            \
	X(BIO_new)                                                                       \
	X(BIO_number_read)                                                               \
	X(BIO_s_socket)                                                                  \
	X(BIO_set_ex_data)                                                               \
	X(BIO_set_flags)                                                                 \
	X(ERR_clear_error)                                                               \
	X(ERR_peek_error)                                                                \
	X(ERR_peek_last_error)                                                           \
	X(ERR_reason_error_string)                                                       \
	X(SSL_CTX_callback_ctrl)                                                         \
	X(SSL_CTX_check_private_key)                                                     \
	X(SSL_CTX_ctrl)                                                                  \
	X(SSL_CTX_free)                                                                  \
	X(SSL_CTX_get0_certificate)                                                      \
	X(SSL_CTX_load_verify_locations)                                                 \
	X(SSL_CTX_new)                                                                   \
	X(SSL_CTX_sess_set_new_cb)                                                       \
	X(SSL_CTX_set_alpn_protos)                                                       \
	X(SSL_CTX_set_alpn_select_cb)                                                    \
	X(SSL_CTX_set_default_passwd_cb)                                                 \
	X(SSL_CTX_set_default_verify_paths)                                              \
	X(SSL_CTX_set_options)                                                           \
	X(SSL_CTX_set_session_id_context)                                                \
	X(SSL_CTX_set_verify)                                                            \
	X(SSL_CTX_use_PrivateKey_file)                                                   \
	X(SSL_CTX_use_certificate_chain_file)                                            \
	X(SSL_SESSION_free)                                                              \
	X(SSL_SESSION_get_protocol_version)                                              \
	X(SSL_ctrl)                                                                      \
	X(SSL_do_handshake)                                                              \
	X(SSL_free)                                                                      \
	X(SSL_get0_alpn_selected)                                                        \
	X(SSL_get0_param)                                                                \
	X(SSL_get_error)                                                                 \
	X(SSL_get_ex_data)                                                               \
	X(SSL_get_servername)                                                            \
	X(SSL_get_verify_result)                                                         \
	X(SSL_get_wbio)                                                                  \
	X(SSL_has_pending)                                                               \
	X(SSL_new)                                                                       \
	X(SSL_read)                                                                      \
	X(SSL_rstate_string)                                                             \
	X(SSL_select_next_proto)                                                         \
	X(SSL_set_SSL_CTX)                                                               \
	X(SSL_set1_host)                                                                 \
	X(SSL_set_accept_state)                                                          \
	X(SSL_set_bio)                                                                   \
	X(SSL_set_connect_state)                                                         \
	X(SSL_set_ex_data)                                                               \
	X(SSL_set_hostflags)                                                             \
	X(SSL_set_options)                                                               \
	X(SSL_set_read_ahead)                                                            \
	X(SSL_set_session)                                                               \
	X(SSL_shutdown)                                                                  \
	X(SSL_write)                                                                     \
	X(TLS_client_method)                                                             \
	X(TLS_server_method)                                                             \
	X(X509_VERIFY_PARAM_set1_ip_asc)                                                 \
	X(X509_check_host)                                                               \
	X(X509_verify_cert_error_string)

struct openssl {
#define OPENSSL_MEMBER(name) __typeof__(name) *name;
	OPENSSL_FUNCTIONS(OPENSSL_MEMBER)
#undef OPENSSL_MEMBER
};

/* Loads it. Returns 0; -1 with errno EMFILE, ENFILE, ENOMEM, otherwise EOPNOTSUPP, and words on why it
 * can not be had. */
int openssl_load(struct openssl *out, struct text *words);

/* Empties the queue of errors, which SSL_get_error(3) has to find empty. To clear an empty one
 * takes a hundred stores. */
static inline void openssl_clear(const struct openssl *openssl) {
	if (openssl->ERR_peek_error()) {
		openssl->ERR_clear_error();
	}
}

/* Appends why OpenSSL's last call failed, in its words: "no shared cipher". */
void openssl_words(const struct openssl *openssl, struct text *out);

/* The errno of the system's call that was the first to fail, which those words hide; 0: none was. */
int openssl_errno(const struct openssl *openssl);

/* Why no file can be opened now: EMFILE, ENFILE, ENOMEM; 0: one can. OpenSSL takes a file that it
 * cannot open for none, of which its queue of errors tells up to some version before 3.0.22. */
int openssl_unopened(void);

/* Why the authority that a certificate lacks by result, of SSL_get_verify_result(3), may be in a file
 * that could not be opened; 0: it is not, or is not what it lacks. */
int openssl_unverified(const struct openssl *openssl, long result);

#endif
