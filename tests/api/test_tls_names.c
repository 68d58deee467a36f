/* SPDX-License-Identifier: MIT */
/* A server with several certificates: which one a client is shown, and new ones. */
#include "certificates.h"
#include "memory.h"

/* Besides those of certificates.h: a.pem (a.example), wild.pem (*.b.example), all.pem (whom a
 * client trusts to be any of them); now.pem and now.key are copies that change. */
static void make_names(void) {
	make_certificates();
	shell("make() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
	      " -subj \"/CN=$1\" -addext \"subjectAltName=DNS:$2\" -keyout $1.key -out $1.pem; }"
	      " && make a a.example && make wild '*.b.example'"
	      " && cat local.pem a.pem wild.pem >all.pem");
}

static void renew(const char *name) {
	char command[64];
	snprintf(command, sizeof command, "cp %s.pem now.pem && cp %s.key now.key", name,
		name);
	shell(command);
}

static int add(arun_tls *tls, const char *name) {
	char cert[32], key[32];
	snprintf(cert, sizeof cert, "%s.pem", name);
	snprintf(key, sizeof key, "%s.key", name);
	return arun_tls_certificate(tls, certificate(cert), certificate(key));
}

/* A connection by a client that trusts TRUSTED.pem and asks for a name; NULL: refused. */
static arun_conn *asking(
	const struct secure *secure, const char *trusted, const char *name) {
	arun_tls *tls = client_context(trusted);
	arun_connect_options options = {.tls = tls, .server_name = name};
	arun_conn *conn = arun_connect_with(secure->endpoint, &options);
	int error = errno;
	arun_tls_free(tls);
	errno = error;
	return conn;
}

static void assert_shown(
	const struct secure *secure, const char *trusted, const char *name) {
	arun_conn *conn = asking(secure, trusted, name);
	ck_assert_msg(conn != NULL, "%s: %s", name, arun_why());
	echo_once(conn);
	ck_assert_int_eq(arun_close(conn), 0);
}

/* Of a server with three of them. */
static struct secure several(arun_handler *handler) {
	struct secure secure = secure_open("local", handler, NULL);
	ck_assert_int_eq(add(secure.server_tls, "a"), 0);
	ck_assert_int_eq(add(secure.server_tls, "wild"), 0);
	return secure;
}

CLAIM(a_client_is_shown_the_certificate_of_the_name_that_it_asks_for) {
	struct secure secure = several(echo);
	assert_shown(&secure, "a", "a.example");
	assert_shown(&secure, "a", "A.Example");
	assert_shown(&secure, "wild", "x.b.example");
	assert_shown(&secure, "local", "localhost");
	secure_close(&secure);
}

LOUD_CLAIM(who_asks_for_no_name_or_another_is_shown_the_first) {
	struct secure secure = several(echo);
	assert_shown(&secure, "local", "127.0.0.1");
	static const char *const others[] = {"c.example", "b.example", "x.y.b.example"};
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		assert_null(asking(&secure, "all", others[i]), EKEYREJECTED);
		assert_contains(arun_why(), "hostname mismatch");
		/* It is the first: the other two are not trusted here. */
		assert_null(asking(&secure, "local", others[i]), EKEYREJECTED);
		assert_contains(arun_why(), "hostname mismatch");
	}
	secure_close(&secure);
	assert_contains(read_stderr(lines), "handshake");
}

CLAIM(protocols_are_as_with_one) {
	struct secure secure = several(echo);
	arun_tls *tls = client_context("a");
	arun_connect_options options = {.tls = tls, .server_name = "a.example"};
	ck_assert_int_eq(arun_tls_alpn(secure.server_tls, "h2,http/1.1"), 0);
	ck_assert_int_eq(arun_tls_alpn(tls, "http/1.1"), 0);
	for (int i = 0; i < 3; i++) {
		arun_conn *conn = arun_connect_with(secure.endpoint, &options);
		ck_assert_msg(conn != NULL, "%s", arun_why());
		ck_assert_str_eq(arun_conn_alpn(conn), "http/1.1");
		echo_once(conn);
		ck_assert_int_eq(arun_close(conn), 0);
	}
	arun_tls_free(tls);
	secure_close(&secure);
}

/* Read again ----------------------------------------------------------------------- */

LOUD_CLAIM(a_certificate_that_was_renewed_is_shown_from_then_on) {
	renew("local");
	struct secure secure = secure_open("now", echo, NULL);
	arun_conn *before = asking(&secure, "local", "localhost");
	ck_assert_msg(before != NULL, "%s", arun_why());
	renew("other");
	assert_shown(&secure, "local", "localhost");
	ck_assert_int_eq(add(secure.server_tls, "now"), 0);
	assert_shown(&secure, "other", "localhost");
	assert_null(asking(&secure, "local", "localhost"), EKEYREJECTED);
	echo_once(before);
	ck_assert_int_eq(arun_close(before), 0);
	secure_close(&secure);
	assert_contains(read_stderr(lines), "handshake");
}

CLAIM(one_of_several_is_renewed_in_its_place) {
	renew("a");
	struct secure secure = several(echo);
	ck_assert_int_eq(add(secure.server_tls, "now"), 0);
	renew("name"); /* of localhost, as the first one is */
	ck_assert_int_eq(add(secure.server_tls, "now"), 0);
	assert_shown(&secure, "local", "localhost");
	assert_shown(&secure, "a", "a.example");
	assert_shown(&secure, "wild", "x.b.example");
	secure_close(&secure);
}

CLAIM(what_cannot_be_read_again_leaves_what_was_there) {
	renew("local");
	struct secure secure = secure_open("now", echo, NULL);
	shell("cp other.key now.key");
	assert_fails(add(secure.server_tls, "now"), EINVAL);
	assert_contains(arun_why(), "key values mismatch");
	shell("echo >now.pem");
	assert_fails(add(secure.server_tls, "now"), EINVAL);
	shell("rm now.pem");
	assert_fails(add(secure.server_tls, "now"), ENOENT);
	assert_contains(arun_why(), "now.pem");
	assert_shown(&secure, "local", "localhost");
	secure_close(&secure);
}

/* Refused -------------------------------------------------------------------------- */

CLAIM(what_can_take_no_certificate_is_refused) {
	arun_tls *server = server_context("local"), *client = client_context("local");
	assert_fails(add(client, "a"), EINVAL);
	assert_contains(arun_why(), "server");
	assert_fails(add(NULL, "a"), EINVAL);
	assert_fails(arun_tls_certificate(server, NULL, NULL), EINVAL);
	assert_contains(arun_why(), "a certificate has a file");
	assert_fails(arun_tls_certificate(server, certificate("none.pem"), NULL), ENOENT);
	ck_assert_int_eq(arun_tls_certificate(server, certificate("both.pem"), NULL), 0);
	arun_tls_free(server);
	arun_tls_free(client);
}

static arun_tls *starving;

static int add_another(void) {
	return add(starving, "a");
}

CLAIM(without_memory_it_is_ENOMEM) {
	starving = server_context("local");
	ck_assert_int_eq(API_LIMITS ? without_memory(add_another) : ENOMEM, ENOMEM);
	ck_assert_int_eq(add_another(), 0);
	arun_tls_free(starving);
}

Suite *suite(void) {
	Suite *suite = suite_create("tls_names");
	TCase *all = tcase_create("all");
	tcase_add_unchecked_fixture(all, make_names, remove_certificates);
	tcase_add_test(
		all, a_client_is_shown_the_certificate_of_the_name_that_it_asks_for);
	tcase_add_test(all, who_asks_for_no_name_or_another_is_shown_the_first);
	tcase_add_test(all, protocols_are_as_with_one);
	tcase_add_test(all, a_certificate_that_was_renewed_is_shown_from_then_on);
	tcase_add_test(all, one_of_several_is_renewed_in_its_place);
	tcase_add_test(all, what_cannot_be_read_again_leaves_what_was_there);
	tcase_add_test(all, what_can_take_no_certificate_is_refused);
	tcase_add_test(all, without_memory_it_is_ENOMEM);
	suite_add_tcase(suite, all);
	return suite;
}
