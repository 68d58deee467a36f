/* SPDX-License-Identifier: MIT */
/* The calls of TLS that open files, where there are too few descriptors. */
#include "certificates.h"

#include <fcntl.h>
#include <sys/resource.h>

/* With so many more, each call has enough. */
enum { ENOUGH = 8 };

static int of_a_file(void) {
	arun_tls *tls = arun_tls_client(certificate("local.pem"));
	arun_tls_free(tls);
	return tls ? 0 : -1;
}

static int of_a_server(void) {
	arun_tls *tls =
		arun_tls_server(certificate("local.pem"), certificate("local.key"));
	arun_tls_free(tls);
	return tls ? 0 : -1;
}

/* OpenSSL has read its own files by then. */
static arun_tls *served;

static int of_the_system(void) {
	arun_tls *tls = arun_tls_client(NULL);
	arun_tls_free(tls);
	return tls ? 0 : -1;
}

static int of_another(void) {
	return arun_tls_certificate(
		served, certificate("name.pem"), certificate("name.key"));
}

static int of_a_connection(void) {
	arun_conn *conn = arun_connect("tls:127.0.0.1:9");
	/* Nothing listens there. */
	return !conn && errno == ECONNREFUSED ? 0 : -1;
}

static const struct {
	const char *name;
	int (*call)(void);
	const char *on; /* what cannot be had is named so */
} calls[] = {
	{"arun_tls_client", of_a_file, "/local.pem: "},
	{"arun_tls_server", of_a_server, "/local."},
	{"arun_tls_certificate", of_another, "/name."},
	{"arun_tls_client", of_the_system, "the system's authorities: "},
	{"arun_connect", of_a_connection, "127.0.0.1:9: "},
};

/* A call while this process may have so many more descriptors. Returns 0; its errno. */
static int with_descriptors(unsigned count, int (*call)(void)) {
	struct rlimit old, few;
	int next = fcntl(0, F_DUPFD_CLOEXEC, 0);
	getrlimit(RLIMIT_NOFILE, &old);
	close(next);
	few = (struct rlimit){(rlim_t)next + count, old.rlim_max};
	setrlimit(RLIMIT_NOFILE, &few);
	int error = call() < 0 ? errno : 0;
	setrlimit(RLIMIT_NOFILE, &old);
	return error;
}

/* Also where OpenSSL is not loaded yet. */
static void scarce(const char *name, int (*call)(void), const char *on) {
	for (unsigned count = 0; count <= ENOUGH; count++) {
		int error = with_descriptors(count, call);
		const char *why = arun_why();
		if (error) {
			ck_assert_msg(error == EMFILE && strstr(why, strerror(EMFILE)),
				"%s with %u: %s: %s", name, count, strerror(error), why);
			ck_assert_msg(strstr(why, on) != NULL, "%s: %s", name, why);
		}
		ck_assert_msg(error ? count < ENOUGH : count > 0, "%s with %u: %s", name,
			count, why);
	}
}

static int at;

static void scarce_at(void) {
	if (calls[at].call == of_another || calls[at].call == of_the_system) {
		served = server_context("local");
	}
	scarce(calls[at].name, calls[at].call, calls[at].on);
	arun_tls_free(served);
	served = NULL;
}

START_TEST(without_descriptors_it_is_EMFILE_and_says_of_what) {
	at = _i;
	ck_assert_int_eq(run(scarce_at), 0);
}
END_TEST

static int greet(arun_conn *conn, void *arg) {
	(void)arg;
	return arun_write(conn, "x", 1);
}

static struct secure secure;

static int of_a_handshake(void) {
	arun_conn *conn = arun_connect(secure.endpoint);
	arun_abort(conn);
	return conn ? 0 : -1;
}

/* The client's socket and the server's take the last two. */
LOUD_CLAIM(a_certificate_that_no_descriptor_is_left_to_check_is_EMFILE) {
	shell("mkdir system && ln -s ../local.pem"
	      " system/$(openssl x509 -hash -noout -in local.pem).0");
	setenv("SSL_CERT_DIR", certificate("system"), 1);
	setenv("SSL_CERT_FILE", certificate("none"), 1);
	secure = secure_open("local", greet, NULL);
	ck_assert_int_eq(with_descriptors(2, of_a_handshake), EMFILE);
	assert_contains(arun_why(), strerror(EMFILE));
	ck_assert_msg(with_descriptors(ENOUGH, of_a_handshake) == 0, "%s", arun_why());
	secure_close(&secure);
}

Suite *suite(void) {
	Suite *suite = suite_create("tls scarce");
	TCase *tcase = tcase_create("scarce");
	tcase_add_unchecked_fixture(tcase, make_certificates, remove_certificates);
	tcase_add_loop_test(tcase, without_descriptors_it_is_EMFILE_and_says_of_what, 0,
		(int)(sizeof calls / sizeof *calls));
	tcase_add_test(
		tcase, a_certificate_that_no_descriptor_is_left_to_check_is_EMFILE);
	suite_add_tcase(suite, tcase);
	return suite;
}
