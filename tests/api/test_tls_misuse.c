/* SPDX-License-Identifier: MIT */
/* A TLS context that is gone, while a server still holds it. */
#include "certificates.h"
#include "misuse.h"

static int handle_nothing(arun_conn *conn, void *arg) {
	(void)conn;
	(void)arg;
	return 0;
}

static arun_tls *gone(void) {
	arun_tls *tls = server_context("local");
	arun_listen_options options = {.tls = tls};
	ck_assert_ptr_nonnull(
		arun_listen_with("tls:127.0.0.1:0", handle_nothing, NULL, &options));
	arun_tls_free(tls);
	return tls;
}

MISUSE(starttls_with_it_aborts, "arun_starttls() with a TLS context that is gone") {
	arun_starttls(tcp_pair().a, gone(), NULL);
}

MISUSE(a_connect_with_it_aborts, "arun_connect() with a TLS context that is gone") {
	arun_connect_options options = {.tls = gone()};
	arun_connect_with("tls:127.0.0.1:1", &options);
}

MISUSE(a_listen_with_it_aborts, "arun_listen() with a TLS context that is gone") {
	arun_listen_options options = {.tls = gone()};
	arun_listen_with("tls:127.0.0.1:0", handle_nothing, NULL, &options);
}

/* Calls that are told no place. */

static void free_gone(void) {
	arun_tls_free(gone());
}

static void certify_gone(void) {
	arun_tls_certificate(gone(), certificate("local.pem"), certificate("local.key"));
}

static void name_gone(void) {
	arun_tls_alpn(gone(), "h2");
}

static const struct {
	void (*body)(void);
	const char *words;
} siteless[] = {
	{free_gone, "arun_tls_free() with a TLS context that is gone"},
	{certify_gone, "arun_tls_certificate() with a TLS context that is gone"},
	{name_gone, "arun_tls_alpn() with a TLS context that is gone"},
};

static int each;

static void siteless_in_run(void) {
	fprintf(stderr, "%s: ", __FILE__);
	run(siteless[each].body);
}

START_TEST(so_do_the_calls_on_it) {
	each = _i;
	assert_misuse(siteless_in_run, siteless[_i].words);
}
END_TEST

Suite *suite(void) {
	Suite *suite = suite_create("tls misuse");
	TCase *all = tcase_create("all");
	tcase_add_unchecked_fixture(all, make_certificates, remove_certificates);
	tcase_add_test(all, starttls_with_it_aborts);
	tcase_add_test(all, a_connect_with_it_aborts);
	tcase_add_test(all, a_listen_with_it_aborts);
	tcase_add_loop_test(
		all, so_do_the_calls_on_it, 0, sizeof siteless / sizeof *siteless);
	suite_add_tcase(suite, all);
	return suite;
}
