/* SPDX-License-Identifier: MIT */
/* Connections with TLS between two requests, when their server closes. */
#include "certificates.h"

static int serve_words(arun_conn *conn, void *arg) {
	char word[5];
	ssize_t n;
	(void)arg;
	do {
		arun_idle(conn);
		n = arun_read_exactly(conn, word, sizeof word);
	} while (n > 0 && arun_write(conn, word, sizeof word) == 0);
	note(n == 0 ? '0' : '-');
	return (int)n;
}

CLAIM(one_that_is_idle_ends_by_close_notify) {
	struct secure secure = secure_open("local", serve_words, NULL);
	arun_conn *conn = secure_client(&secure), *other = secure_client(&secure);
	echo_once(conn);
	echo_once(other);
	let_others_run(3);
	/* These are in the socket, and the loop has not told of them. */
	say(conn, "helloworld");
	secure_close(&secure);
	assert_trace("00");
	hear(conn, "helloworld");
	hear_end(conn);
	hear_end(other);
	ck_assert_int_eq(arun_close(conn), 0);
	ck_assert_int_eq(arun_close(other), 0);
}

/* A record of which the first size bytes have come when its server closes. */
static void wait_for_a_record(size_t size) {
	static const char record[] = "\x17\x03\x03\x00\x14garbage, and no record";
	struct secure secure = secure_open("local", serve_words, NULL);
	arun_conn *conn = secure_client(&secure);
	echo_once(conn);
	ck_assert_int_eq(write(arun_fd(conn), record, size), (ssize_t)size);
	let_others_run(3);
	arun_task *closer = waiting(close_server, secure.server);
	let_others_run(3);
	assert_trace("");
	ck_assert_int_eq(write(arun_fd(conn), record + size, 25 - size), 25 - (int)size);
	ck_assert_int_eq(joined(closer), 0);
	assert_trace("-");
	api_trace[0] = '\0';
	arun_abort(conn);
	arun_tls_free(secure.server_tls);
	arun_tls_free(secure.client_tls);
}

LOUD_CLAIM(one_whose_next_record_has_begun_is_not_idle) {
	wait_for_a_record(3);
	wait_for_a_record(5);
	wait_for_a_record(9);
}

Suite *suite(void) {
	Suite *suite = suite_create("tls idle");
	TCase *all = tcase_create("all");
	tcase_add_unchecked_fixture(all, make_certificates, remove_certificates);
	tcase_add_test(all, one_that_is_idle_ends_by_close_notify);
	tcase_add_test(all, one_whose_next_record_has_begun_is_not_idle);
	suite_add_tcase(suite, all);
	return suite;
}
