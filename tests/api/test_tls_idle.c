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

/* Whose handshake is not over -------------------------------------------------------- */

/* Seconds. A handshake may take 10, and who is waited for has 6: neither is to be seen here. */
static const double SOON = 4;

static int never(arun_conn *conn, void *arg) {
	(void)conn;
	(void)arg;
	ck_abort_msg("the handler runs");
	return 0;
}

static int close_and_note(void *server) {
	int result = arun_server_close(server);
	note('c');
	return result;
}

static void free_contexts(const struct secure *secure) {
	arun_tls_free(secure->server_tls);
	arun_tls_free(secure->client_tls);
}

/* A client that has sent so many bytes of its handshake, and sends no more. */
static void leave_one_that_has_said(const char *bytes, size_t size) {
	struct secure secure = secure_open("local", never, NULL);
	arun_conn *conn = client_of(secure.server);
	char answer[8192];
	ck_assert_int_eq(arun_write(conn, bytes, size), 0);
	let_others_run(5);
	double begin = arun_now();
	secure_close(&secure);
	ck_assert_double_lt(arun_now() - begin, SOON);
	/* It ends; where there was a whole ClientHello, behind the server's part. */
	ssize_t n;
	while ((n = arun_read(conn, answer, sizeof answer)) > 0) {
	}
	ck_assert_int_eq(n, 0);
	ck_assert_int_eq(arun_close(conn), 0);
	ck_assert_str_eq(read_stderr(lines), "");
}

LOUD_CLAIM(who_stops_in_the_handshake_does_not_hold_a_close_up) {
	char hello[4096];
	arun_tls *tls = client_context("local");
	size_t size = client_hello(tls, hello, sizeof hello);
	arun_tls_free(tls);
	leave_one_that_has_said(hello, 0);
	leave_one_that_has_said(hello, 3);
	leave_one_that_has_said(hello, size / 2);
	leave_one_that_has_said(hello, size);
}

LOUD_CLAIM(who_has_said_nothing_for_a_second_is_not_waited_for_at_all) {
	struct secure secure = secure_open("local", never, NULL);
	arun_conn *conn = client_of(secure.server);
	/* So old is it to be: a second, and some for the clock of the loop. */
	ck_assert_int_eq(arun_sleep(1.2), 0);
	arun_task *closer = arun_spawn(close_and_note, secure.server);
	let_others_run(20);
	assert_trace("c");
	ck_assert_int_eq(joined(closer), 0);
	hear_end(conn);
	ck_assert_int_eq(arun_close(conn), 0);
	free_contexts(&secure);
	ck_assert_str_eq(read_stderr(lines), "");
}

/* A client begins its handshake as the server closes. Returns whether that was in its first second,
 * which a busy machine may take from it; then it is served. */
static bool begin_in_time(void) {
	struct secure secure = secure_open("local", serve_words, NULL);
	arun_conn *conn = client_of(secure.server);
	struct starting starting = {conn, secure.client_tls};
	double begin = arun_now();
	char word[5];
	let_others_run(5);
	arun_task *closer = waiting(close_and_note, secure.server);
	bool served = start_asking(&starting) == 0 && arun_write(conn, "hello", 5) == 0 &&
		      arun_read_exactly(conn, word, sizeof word) == sizeof word;
	if (served) {
		hear_end(conn);
	} else {
		ck_assert_double_ge(arun_now() - begin, 1);
	}
	ck_assert_int_eq(joined(closer), 0);
	if (served) {
		assert_trace("0c");
	}
	arun_close(conn);
	free_contexts(&secure);
	return served;
}

CLAIM(who_begins_the_handshake_in_its_first_second_is_served) {
	while (!begin_in_time()) {
		api_trace[0] = '\0';
	}
}

CLAIM(what_has_come_of_a_handshake_is_read_first) {
	struct secure secure = secure_open("local", serve_words, NULL);
	arun_conn *conn = client_of(secure.server);
	struct starting starting = {conn, secure.client_tls};
	ck_assert_int_eq(arun_sleep(1.2), 0);
	/* Its words are in the socket, and the loop has not told of them. */
	arun_task *asks = arun_spawn(start_asking, &starting);
	arun_task *closer = arun_spawn(close_and_note, secure.server);
	ck_assert_int_eq(joined(asks), 0);
	echo_once(conn);
	hear_end(conn);
	ck_assert_int_eq(joined(closer), 0);
	ck_assert_int_eq(arun_close(conn), 0);
	free_contexts(&secure);
}

static int accept_and_read(void *server) {
	char byte;
	arun_conn *conn = arun_accept(server);
	arun_idle(conn);
	errno = EXDEV;
	ssize_t n = arun_read(conn, &byte, 1);
	ck_assert_int_eq(errno, EXDEV);
	ck_assert_int_eq(arun_close(conn), 0);
	return (int)n;
}

CLAIM(a_read_that_begins_with_a_handshake_ends_so_too) {
	struct secure secure = secure_open("local", NULL, NULL);
	arun_task *task = waiting(accept_and_read, secure.server);
	arun_conn *conn = client_of(secure.server);
	let_others_run(5);
	double begin = arun_now();
	secure_close(&secure);
	ck_assert_int_eq(joined(task), 0);
	ck_assert_double_lt(arun_now() - begin, SOON);
	hear_end(conn);
	arun_close(conn);
}

/* A read does the handshake, and a write waits for that. */
static int write_word(void *conn) {
	return arun_write(conn, "hello", 5);
}

CLAIM(who_has_something_to_write_is_not_idle) {
	struct secure secure = secure_open("local", NULL, NULL);
	arun_conn *client = client_of(secure.server);
	arun_conn *conn = arun_accept(secure.server);
	struct starting starting = {client, secure.client_tls};
	arun_idle(conn);
	arun_task *reads = waiting(read_some, conn);
	arun_task *closer = waiting(close_server, secure.server);
	arun_task *writes = waiting(write_word, conn);
	ck_assert_int_eq(joined(closer), 0);
	/* Longer than an idle one is waited for. */
	ck_assert_int_eq(arun_sleep(1.2), 0);
	ck_assert_int_eq(start_asking(&starting), 0);
	hear(client, "hello");
	ck_assert_int_eq(joined(writes), 0);
	ck_assert_int_eq(joined(reads), 0);
	close_pair((struct pair){conn, client});
	free_contexts(&secure);
}

Suite *suite(void) {
	Suite *suite = suite_create("tls idle");
	TCase *all = tcase_create("all");
	tcase_add_unchecked_fixture(all, make_certificates, remove_certificates);
	tcase_add_test(all, one_that_is_idle_ends_by_close_notify);
	tcase_add_test(all, one_whose_next_record_has_begun_is_not_idle);
	tcase_add_test(all, who_stops_in_the_handshake_does_not_hold_a_close_up);
	tcase_add_test(all, who_has_said_nothing_for_a_second_is_not_waited_for_at_all);
	tcase_add_test(all, who_begins_the_handshake_in_its_first_second_is_served);
	tcase_add_test(all, what_has_come_of_a_handshake_is_read_first);
	tcase_add_test(all, a_read_that_begins_with_a_handshake_ends_so_too);
	tcase_add_test(all, who_has_something_to_write_is_not_idle);
	suite_add_tcase(suite, all);
	return suite;
}
