/* SPDX-License-Identifier: MIT */
#include "tls_context.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How reports show it -------------------------------------------------------------- */

static const struct arun_tls *tls_of(const struct object *object) {
	return container_of(object, const struct arun_tls, object);
}

static const char *tls_kind_name(const struct object *object) {
	return tls_of(object)->server ? "server" : "client";
}

static const char *tls_kind_state(const struct object *object) {
	(void)object;
	return "open";
}

static void tls_kind_line(const struct object *object, struct text *out) {
	unsigned connections = tls_of(object)->refs - 1;
	text_add(out, "of a %s (#%lu) with %u use%s", tls_kind_name(object),
		(unsigned long)object->id, connections, connections == 1 ? "" : "s");
}

static void tls_kind_forget(struct object *object) {
	tls_unref(container_of(object, struct arun_tls, object));
}

static const struct kind tls_kind = {
	.index = KIND_TLS,
	.word = "tls",
	.title = "TLS context",
	.fate = "not freed",
	.waits = "waits",
	.help = "arun_tls_free()",
	.outcome = "closed",
	.name = tls_kind_name,
	.state = tls_kind_state,
	.line = tls_kind_line,
	.forget = tls_kind_forget,
};

/* Sessions to resume --------------------------------------------------------------- */

static void tls_forget(struct arun_tls *tls, unsigned index) {
	free(tls->remembered[index].name);
	tls->run->openssl.SSL_SESSION_free(tls->remembered[index].session);
	tls->remembered[index].name = NULL;
	tls->remembered[index].session = NULL;
}

static int tls_find(const struct arun_tls *tls, const char *name) {
	for (int i = TLS_REMEMBERED - 1; i >= 0; i--) {
		/* The newest first. */
		int at = (int)(tls->next + (unsigned)i) % TLS_REMEMBERED;
		if (tls->remembered[at].name &&
			strcmp(tls->remembered[at].name, name) == 0) {
			return at;
		}
	}
	return -1;
}

/* A server has offered a session. Returns whether it is kept. */
static int tls_remember(SSL *ssl, SSL_SESSION *offered) {
	const struct tls_run *run = loop_here()->tls;
	const struct tls_session *session = run->openssl.SSL_get_ex_data(ssl, 0);
	struct arun_tls *tls = session->tls;
	char *name = session->name ? strdup(session->name) : NULL;
	if (!name) {
		return 0;
	}
	int old = tls_find(tls, name);
	unsigned index = old >= 0 ? (unsigned)old : tls->next++ % TLS_REMEMBERED;
	tls_forget(tls, index);
	tls->remembered[index].name = name;
	tls->remembered[index].session = offered;
	return 1;
}

void tls_recall(struct tls_session *session) {
	struct arun_tls *tls = session->tls;
	const struct openssl *openssl = &tls->run->openssl;
	int index = tls_find(tls, session->name);
	if (index < 0) {
		return;
	}
	SSL_SESSION *remembered = tls->remembered[index].session;
	openssl->SSL_set_session(session->ssl, remembered);
	if (openssl->SSL_SESSION_get_protocol_version(remembered) >= TLS1_3_VERSION) {
		/* Used twice, one could be told to be the same client. */
		tls_forget(tls, (unsigned)index);
	}
}

/* Making --------------------------------------------------------------------------- */

static int tls_fail_openssl(struct tls_run *run, const char *op, const char *on) {
	char words[256];
	struct text out;
	text_fixed(&out, words, sizeof words);
	openssl_words(&run->openssl, &out);
	run->openssl.ERR_clear_error();
	return task_fail_words(EINVAL, op, on, words);
}

/* OpenSSL, for this run. */
static struct tls_run *tls_load(struct loop *loop, const char *op, const char *on) {
	char words[256];
	struct text out;
	if (loop->tls) {
		return loop->tls;
	}
	struct tls_run *run = calloc(1, sizeof *run);
	if (!run) {
		task_fail(ENOMEM, op, on);
		return NULL;
	}
	text_fixed(&out, words, sizeof words);
	if (openssl_load(&run->openssl, &out) < 0) {
		free(run);
		task_fail_words(EOPNOTSUPP, op, on, words);
		return NULL;
	}
	loop->tls = run;
	return run;
}

/* A key with a passphrase is refused: nobody is there to be asked for it. */
static int tls_no_passphrase(char *buf, int size, int writing, void *arg) {
	(void)buf;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

/* What clients and servers have in common. */
static int tls_configure(const struct openssl *openssl, SSL_CTX *context, bool server) {
	static const unsigned char id[] = "arun";
	long cache = server ? SSL_SESS_CACHE_OFF
			    : SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL;
	openssl->SSL_CTX_set_options(context,
		SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_ENABLE_KTLS);
	openssl->SSL_CTX_ctrl(context, SSL_CTRL_MODE, SSL_MODE_RELEASE_BUFFERS, NULL);
	openssl->SSL_CTX_ctrl(context, SSL_CTRL_SET_SESS_CACHE_MODE, cache, NULL);
	openssl->SSL_CTX_set_default_passwd_cb(context, tls_no_passphrase);
	openssl->SSL_CTX_set_session_id_context(context, id, sizeof id - 1);
	return openssl->SSL_CTX_ctrl(
		       context, SSL_CTRL_SET_MIN_PROTO_VERSION, TLS1_2_VERSION, NULL)
		       ? 0
		       : -1;
}

static struct arun_tls *tls_create(
	struct tls_run *run, bool server, const char *op, const char *on) {
	const struct openssl *openssl = &run->openssl;
	struct arun_tls *tls = calloc(1, sizeof *tls);
	if (!tls) {
		task_fail(ENOMEM, op, on);
		return NULL;
	}
	list_init(&tls->object.link);
	tls->run = run;
	tls->refs = 1;
	tls->server = server;
	openssl->ERR_clear_error();
	tls->context = openssl->SSL_CTX_new(
		server ? openssl->TLS_server_method() : openssl->TLS_client_method());
	if (!tls->context || tls_configure(openssl, tls->context, server) < 0) {
		tls_fail_openssl(run, op, on);
		tls_unref(tls);
		return NULL;
	}
	return tls;
}

struct arun_tls *tls_ref(struct arun_tls *tls) {
	if (tls) {
		tls->refs++;
	}
	return tls;
}

void tls_unref(struct arun_tls *tls) {
	if (!tls || --tls->refs) {
		return;
	}
	int error = errno;
	for (unsigned i = 0; i < TLS_REMEMBERED; i++) {
		tls_forget(tls, i);
	}
	tls->run->openssl.SSL_CTX_free(tls->context);
	object_gone(&tls->object);
	free(tls->alpn);
	free(tls);
	errno = error;
}

bool tls_serves(const struct arun_tls *tls) {
	return tls->server;
}

void tls_finish(struct loop *loop) {
	struct tls_run *run = loop->tls;
	if (!run) {
		return;
	}
	loop->tls = NULL;
	tls_unref(run->system);
	run->openssl.BIO_meth_free(run->method);
	free(run);
}

/* A file that cannot be read has an errno; OpenSSL's words hide it. */
static int tls_readable(const char *op, const char *file) {
	return access(file, R_OK) < 0 ? task_fail(errno, op, file) : 0;
}

static int tls_use_certificate(struct arun_tls *tls, const char *op,
	const char *cert_file, const char *key_file) {
	const struct openssl *openssl = &tls->run->openssl;
	if (tls_readable(op, cert_file) < 0 || tls_readable(op, key_file) < 0) {
		return -1;
	}
	if (openssl->SSL_CTX_use_certificate_chain_file(tls->context, cert_file) != 1) {
		return tls_fail_openssl(tls->run, op, cert_file);
	}
	if (openssl->SSL_CTX_use_PrivateKey_file(
		    tls->context, key_file, SSL_FILETYPE_PEM) != 1 ||
		openssl->SSL_CTX_check_private_key(tls->context) != 1) {
		return tls_fail_openssl(tls->run, op, key_file);
	}
	return 0;
}

static struct arun_tls *tls_publish(
	struct loop *loop, struct arun_tls *tls, const struct arun_site *site) {
	tls->object.maker = sched_maker(&loop->sched);
	registry_add(&loop->sched.registry, &tls->object, &tls_kind, site);
	return tls;
}

arun_tls *(arun_tls_server)(const char *cert_file, const char *key_file) {
	return arun_tls_server_at(NULL, cert_file, key_file);
}

arun_tls *arun_tls_server_at(
	const struct arun_site *site, const char *cert_file, const char *key_file) {
	static const char op[] = "tls_server";
	struct loop *loop = sched_here() ? loop_here() : NULL;
	if (!loop) {
		return NULL;
	}
	if (!cert_file) {
		task_fail_words(EINVAL, op, NULL, "a server has a certificate");
		return NULL;
	}
	struct tls_run *run = tls_load(loop, op, cert_file);
	struct arun_tls *tls = run ? tls_create(run, true, op, cert_file) : NULL;
	if (tls && tls_use_certificate(
			   tls, op, cert_file, key_file ? key_file : cert_file) < 0) {
		tls_unref(tls);
		return NULL;
	}
	return tls ? tls_publish(loop, tls, site) : NULL;
}

/* ca_file NULL: the system's. */
static struct arun_tls *tls_make_client(
	struct loop *loop, const char *ca_file, const char *op, const char *on) {
	if (ca_file && tls_readable(op, ca_file) < 0) {
		return NULL;
	}
	struct tls_run *run = tls_load(loop, op, on);
	struct arun_tls *tls = run ? tls_create(run, false, op, on) : NULL;
	if (!tls) {
		return NULL;
	}
	const struct openssl *openssl = &run->openssl;
	openssl->SSL_CTX_set_verify(tls->context, SSL_VERIFY_PEER, NULL);
	openssl->SSL_CTX_sess_set_new_cb(tls->context, tls_remember);
	int good = ca_file ? openssl->SSL_CTX_load_verify_locations(
				     tls->context, ca_file, NULL)
			   : openssl->SSL_CTX_set_default_verify_paths(tls->context);
	if (good != 1) {
		tls_fail_openssl(run, op, on);
		tls_unref(tls);
		return NULL;
	}
	return tls;
}

arun_tls *(arun_tls_client)(const char *ca_file) {
	return arun_tls_client_at(NULL, ca_file);
}

arun_tls *arun_tls_client_at(const struct arun_site *site, const char *ca_file) {
	struct loop *loop = sched_here() ? loop_here() : NULL;
	struct arun_tls *tls =
		loop ? tls_make_client(loop, ca_file, "tls_client", ca_file) : NULL;
	return tls ? tls_publish(loop, tls, site) : NULL;
}

struct arun_tls *tls_system(struct loop *loop, const char *op, const char *on) {
	struct arun_tls *tls = loop->tls ? loop->tls->system : NULL;
	if (!tls) {
		tls = tls_make_client(loop, NULL, op, on);
		if (!tls) {
			return NULL;
		}
		loop->tls->system = tls;
	}
	return tls_ref(tls);
}

void arun_tls_free(arun_tls *tls) {
	if (!tls) {
		return;
	}
	if (unlikely(!tls->object.id)) {
		task_misuse(NULL, "arun_tls_free() of a context that is gone");
	}
	registry_remove(&tls->object);
	tls_unref(tls);
}

/* Protocols ------------------------------------------------------------------------ */

/* Of those that a client offers, the first of ours. */
static int tls_choose(SSL *ssl, const unsigned char **out, unsigned char *length,
	const unsigned char *offered, unsigned offered_length, void *arg) {
	const struct arun_tls *tls = arg;
	unsigned char *chosen;
	(void)ssl;
	if (tls->run->openssl.SSL_select_next_proto(&chosen, length, tls->alpn,
		    tls->alpn_length, offered,
		    offered_length) != OPENSSL_NPN_NEGOTIATED) {
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	}
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

/* "h2,http/1.1" as the protocol has it: a byte more. NULL: it is none, or no memory. */
static unsigned char *alpn_encode(const char *protocols, size_t size) {
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
	if (!tls || !size || size >= UINT16_MAX) {
		return task_fail(EINVAL, op, protocols);
	}
	unsigned char *bytes = alpn_encode(protocols, size);
	if (!bytes) {
		return task_fail(errno, op, protocols);
	}
	free(tls->alpn);
	tls->alpn = bytes;
	tls->alpn_length = (unsigned)size + 1;
	const struct openssl *openssl = &tls->run->openssl;
	if (tls->server) {
		openssl->SSL_CTX_set_alpn_select_cb(tls->context, tls_choose, tls);
	} else if (openssl->SSL_CTX_set_alpn_protos(
			   tls->context, tls->alpn, tls->alpn_length)) {
		return task_fail(ENOMEM, op, protocols);
	}
	return 0;
}
