/* SPDX-License-Identifier: MIT */
/* tls_none - what there is of TLS where this was built without OpenSSL. */
#include "tls.h"

static const char without[] = "built without TLS";

static struct arun_tls *none(const char *op, const char *on) {
	task_fail_words(EOPNOTSUPP, op, on, without);
	return NULL;
}

struct arun_tls *tls_system(struct loop *loop, const char *op, const char *on) {
	(void)loop;
	return none(op, on);
}

struct arun_tls *tls_ref(struct arun_tls *tls) {
	return tls;
}

void tls_unref(struct arun_tls *tls) {
	(void)tls;
}

void tls_check(const struct arun_site *site, const char *op, const struct arun_tls *tls) {
	(void)site;
	(void)op;
	(void)tls;
}

bool tls_serves(const struct arun_tls *tls) {
	(void)tls;
	return false;
}

int tls_attach(struct arun_conn *conn, struct arun_tls *tls, const char *host) {
	(void)conn;
	(void)tls;
	(void)host;
	return EOPNOTSUPP;
}

int tls_handshake(struct arun_conn *conn, struct arun_task *self) {
	(void)conn;
	(void)self;
	return EOPNOTSUPP;
}

const char *tls_alpn(const struct arun_conn *conn) {
	(void)conn;
	return "";
}

void tls_finish(struct loop *loop) {
	(void)loop;
}

arun_tls *(arun_tls_server)(const char *cert_file, const char *key_file) {
	return arun_tls_server_at(NULL, cert_file, key_file);
}

arun_tls *arun_tls_server_at(
	const struct arun_site *site, const char *cert_file, const char *key_file) {
	(void)site;
	(void)key_file;
	return sched_here() ? none("tls_server", cert_file) : NULL;
}

arun_tls *(arun_tls_client)(const char *ca_file) {
	return arun_tls_client_at(NULL, ca_file);
}

arun_tls *arun_tls_client_at(const struct arun_site *site, const char *ca_file) {
	(void)site;
	return sched_here() ? none("tls_client", ca_file) : NULL;
}

int arun_tls_certificate(arun_tls *tls, const char *cert_file, const char *key_file) {
	(void)tls;
	(void)key_file;
	return task_fail_words(EOPNOTSUPP, "tls_certificate", cert_file, without);
}

int arun_tls_alpn(arun_tls *tls, const char *protocols) {
	(void)tls;
	return task_fail_words(EOPNOTSUPP, "tls_alpn", protocols, without);
}

void arun_tls_free(arun_tls *tls) {
	(void)tls;
}
