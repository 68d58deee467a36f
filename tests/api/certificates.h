/* SPDX-License-Identifier: MIT */
/* certificates - made by the openssl program, for the tests of TLS. */
#ifndef CERTIFICATES_H
#define CERTIFICATES_H

#include "streams.h"

#include <sys/stat.h>

/* What the run says on stderr, in a claim about that. */
static FILE *lines __attribute__((unused));

#define LOUD_CLAIM(name)                                                                 \
	static void name##_in_run(void);                                                 \
	START_TEST(name) {                                                               \
		lines = catch_stderr();                                                  \
		ck_assert_int_eq(run(name##_in_run), 0);                                 \
	}                                                                                \
	END_TEST                                                                         \
	static void name##_in_run(void)

/* Where they are: local.pem, local.key (localhost and 127.0.0.1), name.pem (localhost alone),
 * other.pem (another authority), old.pem (expired), with their keys. */
static char certificates[] = P_tmpdir "/arun-tls-XXXXXX";

static inline const char *certificate(const char *name) {
	static char paths[4][64];
	static unsigned next;
	char *path = paths[next++ % 4];
	snprintf(path, sizeof paths[0], "%s/%s", certificates, name);
	return path;
}

static inline void shell(const char *command) {
	char line[2048];
	snprintf(line, sizeof line, "cd %s && { %s; } >log 2>&1 || { cat log; exit 1; }",
		certificates, command);
	ck_assert_msg(system(line) == 0, "%s", command);
}

/* For a test case as a whole. */
static inline void make_certificates(void) {
	strcpy(certificates, P_tmpdir "/arun-tls-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(certificates));
	shell("make() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
	      " -subj \"/CN=$1\" -addext \"subjectAltName=$2\" -keyout $1.key -out $1.pem; }"
	      " && make local DNS:localhost,IP:127.0.0.1 && make name DNS:localhost"
	      " && make other DNS:localhost,IP:127.0.0.1");
	shell("printf '[ca]\\ndefault_ca=c\\n[c]\\ndatabase=index\\nnew_certs_dir=.\\n"
	      "rand_serial=yes\\ndefault_md=sha256\\npolicy=p\\ncopy_extensions=copy\\n"
	      "[p]\\ncommonName=supplied\\n' >ca.cnf && touch index"
	      " && openssl req -new -key local.key -subj /CN=old"
	      " -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -out old.csr"
	      " && openssl ca -config ca.cnf -selfsign -batch -notext -keyfile local.key"
	      " -in old.csr -startdate 20200101000000Z -enddate 20200102000000Z -out old.pem"
	      " && cp local.key old.key && cat local.pem local.key >both.pem");
}

static inline void remove_certificates(void) {
	char line[64];
	snprintf(line, sizeof line, "rm -rf %s", certificates);
	ck_assert_int_eq(system(line), 0);
}

/* A server's context, of NAME.pem and NAME.key. */
static inline arun_tls *server_context(const char *name) {
	char cert[32], key[32];
	snprintf(cert, sizeof cert, "%s.pem", name);
	snprintf(key, sizeof key, "%s.key", name);
	arun_tls *tls = arun_tls_server(certificate(cert), certificate(key));
	ck_assert_msg(tls != NULL, "%s", arun_why());
	return tls;
}

/* A client's, that trusts NAME.pem. */
static inline arun_tls *client_context(const char *name) {
	char cert[32];
	snprintf(cert, sizeof cert, "%s.pem", name);
	arun_tls *tls = arun_tls_client(certificate(cert));
	ck_assert_msg(tls != NULL, "%s", arun_why());
	return tls;
}

/* A server at a port of its own, and what its clients say. */
struct secure {
	arun_tls *server_tls, *client_tls;
	arun_server *server;
	char endpoint[64];
};

static inline struct secure secure_open(
	const char *name, arun_handler *handler, void *arg) {
	struct secure secure = {server_context(name), client_context(name), NULL, ""};
	arun_listen_options options = {.tls = secure.server_tls};
	secure.server = arun_listen_with("tls:127.0.0.1:0", handler, arg, &options);
	ck_assert_msg(secure.server != NULL, "%s", arun_why());
	snprintf(secure.endpoint, sizeof secure.endpoint, "tls:%s",
		arun_server_address(secure.server));
	return secure;
}

static inline void secure_close(struct secure *secure) {
	ck_assert_int_eq(arun_server_close(secure->server), 0);
	arun_tls_free(secure->server_tls);
	arun_tls_free(secure->client_tls);
}

static inline arun_conn *secure_connect(const struct secure *secure, arun_tls *tls) {
	arun_connect_options options = {.tls = tls};
	return arun_connect_with(secure->endpoint, &options);
}

static inline arun_conn *secure_client(const struct secure *secure) {
	arun_conn *conn = secure_connect(secure, secure->client_tls);
	ck_assert_msg(conn != NULL, "%s", arun_why());
	return conn;
}

struct starting {
	arun_conn *conn;
	arun_tls *tls;
};

/* A task's body: the server's side of a handshake. */
static inline int start_serving(void *arg) {
	struct starting *starting = arg;
	return arun_starttls(starting->conn, starting->tls, NULL);
}

/* The same: the client's side, of a server at localhost. */
static inline int start_asking(void *arg) {
	struct starting *starting = arg;
	return arun_starttls(starting->conn, starting->tls, "localhost");
}

/* What a client says first. Returns its size. */
static inline size_t client_hello(arun_tls *tls, char *bytes, size_t size) {
	struct pair pair = unix_pair();
	struct starting starting = {pair.a, tls};
	arun_task *task = waiting(start_asking, &starting);
	ssize_t n = arun_read(pair.b, bytes, size);
	ck_assert_int_gt(n, 0);
	arun_cancel(task);
	ck_assert_int_eq(joined(task), -ECANCELED);
	arun_abort(pair.a);
	arun_abort(pair.b);
	return (size_t)n;
}

/* Puts TLS on both ends; a is the client. The contexts are freed: nobody misses them. */
static inline struct pair secured(struct pair pair) {
	arun_tls *client = client_context("local");
	struct starting starting = {pair.b, server_context("local")};
	arun_task *task = arun_spawn(start_serving, &starting);
	int result = arun_starttls(pair.a, client, "localhost");
	ck_assert_msg(result == 0, "%s", arun_why());
	ck_assert_int_eq(joined(task), 0);
	arun_tls_free(client);
	arun_tls_free(starting.tls);
	return pair;
}

#endif
