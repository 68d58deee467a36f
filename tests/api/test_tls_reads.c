/* SPDX-License-Identifier: MIT */
/* What reads of TLS do besides: how often they ask the kernel for bytes, and what they leave alone. */
#include "certificates.h"

#include <sys/syscall.h>

enum { ROUNDS = 50 };

static int receives;

/* In place of the C library's, for libarun as well. */
ssize_t recv(int fd, void *buf, size_t size, int flags) {
	receives++;
	return syscall(SYS_recvfrom, fd, buf, size, flags, NULL, NULL);
}

/* On loopback a small message comes whole, and one recv(2) has all that there is. */
CLAIM(a_message_takes_one_receive_at_each_end) {
	struct secure secure = secure_open("local", echo, NULL);
	arun_conn *conn = secure_client(&secure);
	echo_once(conn); /* with what follows the handshake */
	receives = 0;
	for (int i = 0; i < ROUNDS; i++) {
		echo_once(conn);
	}
	ck_assert_int_eq(receives, 2 * ROUNDS);
	ck_assert_int_eq(arun_close(conn), 0);
	secure_close(&secure);
}

CLAIM(records_that_come_together_are_read_one_by_one) {
	struct pair pair = secured(tcp_pair());
	char byte;
	say(pair.a, "1");
	hear(pair.b, "1");
	say(pair.a, "2");
	say(pair.a, "3");
	say(pair.a, "4");
	receives = 0;
	for (char wanted = '2'; wanted <= '4'; wanted++) {
		ck_assert_int_eq(arun_read(pair.b, &byte, 1), 1);
		ck_assert_int_eq(byte, wanted);
	}
	ck_assert_int_eq(receives, 1);
	close_pair(pair);
}

/* The rest of a record is in OpenSSL: nothing in the kernel will tell of it. */
CLAIM(the_rest_of_a_record_is_read_without_waiting) {
	struct pair pair = secured(tcp_pair());
	char bytes[2];
	say(pair.a, "abcdef");
	for (const char *wanted = "abcdef"; *wanted; wanted += 2) {
		ck_assert_int_eq(arun_read(pair.b, bytes, 2), 2);
		ck_assert_int_eq(memcmp(bytes, wanted, 2), 0);
	}
	ARUN_TIMEOUT(0.001);
	assert_fails(arun_read(pair.b, bytes, 2), ETIMEDOUT);
	close_pair(pair);
}

/* The end of the stream comes with the last bytes, and is no second event. */
CLAIM(an_end_that_came_with_the_last_record_is_read) {
	struct pair pair = secured(tcp_pair());
	say(pair.a, "last");
	ck_assert_int_eq(arun_shutdown(pair.a), 0);
	hear(pair.b, "last");
	hear_end(pair.b);
	hear_end(pair.b);
	close_pair(pair);
}

/* The other end is gone when OpenSSL, which misses close_notify, has an alert for it. */
CLAIM(one_of_who_is_gone_without_close_notify_says_that_it_was_cut_short) {
	struct pair pair = secured(tcp_pair());
	char byte;
	ck_assert_int_eq(shutdown(arun_fd(pair.a), SHUT_WR), 0);
	arun_abort(pair.a);
	assert_fails(arun_read(pair.b, &byte, 1), ECONNRESET);
	assert_contains(arun_why(), "cut short");
	assert_fails(arun_close(pair.b), ECONNRESET);
}

/* As of a stream without TLS, of which recv(2) never says EPIPE. */
CLAIM(one_after_a_write_to_who_is_gone_has_no_errno_of_writes) {
	struct pair pair = secured(tcp_pair());
	char byte;
	ck_assert_int_eq(shutdown(arun_fd(pair.a), SHUT_WR), 0);
	arun_abort(pair.a);
	assert_fails(arun_write(pair.b, "x", 1), EPIPE);
	assert_fails(arun_read(pair.b, &byte, 1), ECONNRESET);
	arun_close(pair.b);
}

static int accept_and_read_nothing(void *server) {
	char byte;
	arun_conn *conn = arun_accept(server);
	errno = EXDEV;
	ck_assert_int_eq(arun_read(conn, &byte, 0), 0);
	int kept = errno;
	arun_close(conn);
	return kept;
}

CLAIM(one_of_no_bytes_that_does_the_handshake_keeps_errno) {
	arun_listen_options options = {.tls = server_context("local")};
	arun_connect_options trusting = {
		.tls = client_context("local"), .server_name = "localhost"};
	arun_server *server = arun_listen_with("127.0.0.1:0", NULL, NULL, &options);
	ck_assert_ptr_nonnull(server);
	arun_task *task = arun_spawn(accept_and_read_nothing, server);
	arun_conn *conn = arun_connect_with(arun_server_address(server), &trusting);
	ck_assert_ptr_nonnull(conn);
	ck_assert_int_eq(joined(task), EXDEV);
	arun_close(conn);
	arun_server_close(server);
	arun_tls_free(options.tls);
	arun_tls_free(trusting.tls);
}

Suite *suite(void) {
	Suite *suite = suite_create("tls reads");
	TCase *all = tcase_create("all");
	tcase_add_unchecked_fixture(all, make_certificates, remove_certificates);
	tcase_add_test(all, a_message_takes_one_receive_at_each_end);
	tcase_add_test(all, records_that_come_together_are_read_one_by_one);
	tcase_add_test(all, the_rest_of_a_record_is_read_without_waiting);
	tcase_add_test(all, an_end_that_came_with_the_last_record_is_read);
	tcase_add_test(
		all, one_of_who_is_gone_without_close_notify_says_that_it_was_cut_short);
	tcase_add_test(all, one_after_a_write_to_who_is_gone_has_no_errno_of_writes);
	tcase_add_test(all, one_of_no_bytes_that_does_the_handshake_keeps_errno);
	suite_add_tcase(suite, all);
	return suite;
}
