/* SPDX-License-Identifier: MIT */
#include "tls_context.h"

#include <stdlib.h>
#include <string.h>

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
	object_gone(object);
	tls_unref(container_of(object, struct arun_tls, object));
}

static const struct kind tls_kind = {
	.index = KIND_TLS,
	.word = "tls",
	.title = "tls context",
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
		int at = (int)((tls->next + (unsigned)i) % TLS_REMEMBERED);
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

/* what: is wrong with the file, as OpenSSL's own words ("PEM lib") seldom tell; NULL: they do. */
static int tls_fail_openssl(
	struct tls_run *run, const char *op, const char *on, const char *what) {
	char words[256];
	struct text out;
	int error = openssl_errno(&run->openssl);
	if (error) {
		run->openssl.ERR_clear_error();
		return task_fail(error, op, on);
	}
	text_fixed(&out, words, sizeof words);
	text_add(&out, "%s%s", what ? what : "", what ? " (" : "");
	openssl_words(&run->openssl, &out);
	text_add(&out, "%s", what ? ")" : "");
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
		int error = errno;
		free(run);
		task_fail_words(error, op, on, words);
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
	uint64_t options = SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION;
	openssl->SSL_CTX_set_options(context, options);
	openssl->SSL_CTX_ctrl(context, SSL_CTRL_MODE, SSL_MODE_RELEASE_BUFFERS, NULL);
	openssl->SSL_CTX_ctrl(context, SSL_CTRL_SET_SESS_CACHE_MODE, cache, NULL);
	openssl->SSL_CTX_set_default_passwd_cb(context, tls_no_passphrase);
	openssl->SSL_CTX_set_session_id_context(context, id, sizeof id - 1);
	return openssl->SSL_CTX_ctrl(
		       context, SSL_CTRL_SET_MIN_PROTO_VERSION, TLS1_2_VERSION, NULL)
		       ? 0
		       : -1;
}

/* The first certificate that is of the name which a client asks for; otherwise the first. */
static int tls_on_name(SSL *ssl, int *alert, void *arg) {
	const struct arun_tls *tls = arg;
	const struct openssl *openssl = &tls->run->openssl;
	const char *name = openssl->SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	(void)alert;
	for (unsigned i = 0; name && tls->count > 1 && i < tls->count; i++) {
		SSL_CTX *context = tls->certificates[i].context;
		X509 *certificate = openssl->SSL_CTX_get0_certificate(context);
		if (openssl->X509_check_host(certificate, name, 0, 0, NULL) == 1) {
			return openssl->SSL_set_SSL_CTX(ssl, context)
				       ? SSL_TLSEXT_ERR_OK
				       : SSL_TLSEXT_ERR_ALERT_FATAL;
		}
	}
	return SSL_TLSEXT_ERR_NOACK;
}

/* Keeps errno. */
static void tls_free_context(const struct openssl *openssl, SSL_CTX *context) {
	int error = errno;
	openssl->SSL_CTX_free(context);
	errno = error;
}

/* Each certificate has its own. NULL: recorded. */
static SSL_CTX *tls_new_context(struct arun_tls *tls, const char *op, const char *on) {
	const struct openssl *openssl = &tls->run->openssl;
	openssl->ERR_clear_error();
	SSL_CTX *context =
		openssl->SSL_CTX_new(tls->server ? openssl->TLS_server_method()
						 : openssl->TLS_client_method());
	if (!context || tls_configure(openssl, context, tls->server) < 0) {
		int error = openssl_errno(openssl);
		openssl->SSL_CTX_free(context);
		openssl->ERR_clear_error();
		task_fail(error ? error : ENOMEM, op, on);
		return NULL;
	}
	if (tls->server) {
		openssl->SSL_CTX_set_alpn_select_cb(context, tls_choose_protocol, tls);
		openssl->SSL_CTX_callback_ctrl(context, SSL_CTRL_SET_TLSEXT_SERVERNAME_CB,
			(void (*)(void))tls_on_name);
		openssl->SSL_CTX_ctrl(
			context, SSL_CTRL_SET_TLSEXT_SERVERNAME_ARG, 0, tls);
	}
	return context;
}

/* Takes context, in place of the one of the same file. Returns 0; -1: no memory. */
static int tls_put(struct arun_tls *tls, const char *file, SSL_CTX *context) {
	const struct openssl *openssl = &tls->run->openssl;
	struct tls_certificate *all = tls->certificates;
	for (unsigned i = 0; i < tls->count; i++) {
		if (strcmp(all[i].file, file) == 0) {
			openssl->SSL_CTX_free(all[i].context);
			all[i].context = context;
			return 0;
		}
	}
	char *name = strdup(file);
	all = name ? realloc(all, (tls->count + 1) * sizeof *all) : NULL;
	if (!all) {
		free(name);
		openssl->SSL_CTX_free(context);
		return -1;
	}
	all[tls->count++] = (struct tls_certificate){name, context};
	tls->certificates = all;
	return 0;
}

/* With no certificate yet. */
static struct arun_tls *tls_create(
	struct tls_run *run, bool server, const char *op, const char *on) {
	struct arun_tls *tls = calloc(1, sizeof *tls);
	if (!tls) {
		task_fail(ENOMEM, op, on);
		return NULL;
	}
	list_init(&tls->object.link);
	tls->run = run;
	tls->refs = 1;
	tls->server = server;
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
	for (unsigned i = 0; i < tls->count; i++) {
		tls->run->openssl.SSL_CTX_free(tls->certificates[i].context);
		free(tls->certificates[i].file);
	}
	free(tls->certificates);
	free(tls->alpn);
	sched_free(&tls->object, tls);
	errno = error;
}

void tls_check(const struct arun_site *site, const char *op, const struct arun_tls *tls) {
	if (tls && unlikely(!tls->object.id)) {
		task_gone(site, &tls->object, op, "with a TLS context that is gone");
	}
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

static int tls_read_certificate(struct arun_tls *tls, SSL_CTX *context, const char *op,
	const char *cert_file, const char *key_file) {
	const struct openssl *openssl = &tls->run->openssl;
	if (openssl->SSL_CTX_use_certificate_chain_file(context, cert_file) != 1) {
		return tls_fail_openssl(
			tls->run, op, cert_file, "no certificate in it as PEM");
	}
	if (openssl->SSL_CTX_use_PrivateKey_file(context, key_file, SSL_FILETYPE_PEM) !=
			1 ||
		openssl->SSL_CTX_check_private_key(context) != 1) {
		return tls_fail_openssl(tls->run, op, key_file,
			"not the certificate's key as PEM, without a passphrase");
	}
	return 0;
}

/* Where it fails nothing has changed. */
static int tls_certify(struct arun_tls *tls, const char *op, const char *cert_file,
	const char *key_file) {
	key_file = key_file ? key_file : cert_file;
	SSL_CTX *context = tls_new_context(tls, op, cert_file);
	if (!context) {
		return -1;
	}
	if (tls_read_certificate(tls, context, op, cert_file, key_file) < 0) {
		tls_free_context(&tls->run->openssl, context);
		return -1;
	}
	return tls_put(tls, cert_file, context) < 0 ? task_fail(ENOMEM, op, cert_file)
						    : 0;
}

static struct arun_tls *tls_publish(
	struct loop *loop, struct arun_tls *tls, const struct arun_site *site) {
	sched_publish(&loop->sched, &tls->object, &tls_kind, site);
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
		task_refuse(op, NULL, "cert_file is NULL: a server has a certificate");
		return NULL;
	}
	struct tls_run *run = tls_load(loop, op, cert_file);
	struct arun_tls *tls = run ? tls_create(run, true, op, cert_file) : NULL;
	if (tls && tls_certify(tls, op, cert_file, key_file) < 0) {
		tls_unref(tls);
		return NULL;
	}
	return tls ? tls_publish(loop, tls, site) : NULL;
}

int arun_tls_certificate(arun_tls *tls, const char *cert_file, const char *key_file) {
	static const char op[] = "tls_certificate";
	tls_check(NULL, "arun_tls_certificate", tls);
	if (!tls || !tls->server || !cert_file) {
		return task_refuse(op, cert_file,
			!cert_file ? "cert_file is NULL: a certificate has a file"
			: !tls     ? "tls is NULL"
				   : "tls is a client's, and is to be a server's");
	}
	return tls_certify(tls, op, cert_file, key_file);
}

/* ca_file NULL: the system's. */
static int tls_trust(struct tls_run *run, SSL_CTX *context, const char *ca_file,
	const char *op, const char *on) {
	const struct openssl *openssl = &run->openssl;
	/* OpenSSL passes over a file of the system's that it cannot open, for good. */
	int error = ca_file ? 0 : openssl_unopened();
	if (error) {
		return task_fail(error, op, on ? on : "the system's authorities");
	}
	openssl->SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	openssl->SSL_CTX_sess_set_new_cb(context, tls_remember);
	int good =
		ca_file ? openssl->SSL_CTX_load_verify_locations(context, ca_file, NULL)
			: openssl->SSL_CTX_set_default_verify_paths(context);
	return good == 1 ? 0 : tls_fail_openssl(run, op, on, NULL);
}

static struct arun_tls *tls_make_client(
	struct loop *loop, const char *ca_file, const char *op, const char *on) {
	struct tls_run *run = tls_load(loop, op, on);
	struct arun_tls *tls = run ? tls_create(run, false, op, on) : NULL;
	if (!tls) {
		return NULL;
	}
	SSL_CTX *context = tls_new_context(tls, op, on);
	if (!context || tls_trust(run, context, ca_file, op, on) < 0) {
		tls_free_context(&run->openssl, context);
		tls_unref(tls);
		return NULL;
	}
	if (tls_put(tls, "", context) < 0) {
		task_fail(ENOMEM, op, on);
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
	if (!tls || !sched_current) {
		return; /* it went with the run, or is the parent's of a forked child */
	}
	tls_check(NULL, "arun_tls_free", tls);
	registry_remove(&tls->object);
	sched_closes(&tls->object, NULL);
	object_gone(&tls->object); /* also where servers and connections still use it */
	tls_unref(tls);
}
