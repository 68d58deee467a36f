/* SPDX-License-Identifier: MIT */
/* Datagrams of which many wait at once: they may be read before they are asked for. */
#include "datagrams.h"

enum { MANY = 100, LONGEST = 65507 };

static void send_numbers(arun_udp *udp, int from, int to) {
	char word[16];
	for (int i = from; i < to; i++) {
		snprintf(word, sizeof word, "%d", i);
		send_to(udp, word, NULL);
	}
}

static void receive_numbers(arun_udp *udp, int from, int to) {
	char word[16];
	for (int i = from; i < to; i++) {
		snprintf(word, sizeof word, "%d", i);
		receive(udp, word, NULL);
	}
}

CLAIM(many_at_once_keep_their_order_and_their_senders) {
	struct ends ends = ends_of("udp:127.0.0.1:0");
	arun_udp *other = opened(to_connect("udp:connect:", ends.server));
	arun_address from;
	for (int i = 0; i < MANY; i++) {
		send_to(ends.client, "client", NULL);
		send_to(other, "other", NULL);
	}
	for (int i = 0; i < MANY; i++) {
		receive(ends.server, "client", &from);
		send_to(ends.server, "to the client", &from);
		receive(ends.server, "other", &from);
		send_to(ends.server, "to the other", &from);
	}
	for (int i = 0; i < MANY; i++) {
		receive(ends.client, "to the client", NULL);
		receive(other, "to the other", NULL);
	}
	arun_udp_close(other);
	close_ends(ends);
}

CLAIM(many_at_once_keep_their_sizes) {
	static char bytes[LONGEST + 8], got[LONGEST + 1];
	static const size_t sizes[] = {1, 2, 3, 0, LONGEST, 0, 7, 2000};
	struct ends ends = ends_of("udp:127.0.0.1:0");
	for (size_t i = 0; i < sizeof bytes; i++) {
		bytes[i] = (char)(i * 7 % 251);
	}
	for (int i = 0; i < 8; i++) {
		ssize_t n = arun_udp_send(ends.client, bytes + i, sizes[i], NULL);
		ck_assert_int_eq(n, (ssize_t)sizes[i]);
	}
	for (int i = 0; i < 8; i++) {
		arun_address from;
		ssize_t n = arun_udp_recv(ends.server, got, sizeof got, &from);
		ck_assert_int_eq(n, (ssize_t)sizes[i]);
		ck_assert_int_eq(memcmp(got, bytes + i, sizes[i]), 0);
		ck_assert_uint_eq(from.length, sizeof(struct sockaddr_in));
	}
	close_ends(ends);
}

CLAIM(one_of_many_that_does_not_fit_is_EMSGSIZE_and_the_others_come) {
	struct ends ends = ends_of("udp:[::1]:0");
	send_numbers(ends.client, 0, 5);
	send_to(ends.client, "too long", NULL);
	send_numbers(ends.client, 5, MANY);
	receive_numbers(ends.server, 0, 5);
	char bytes[4] = "";
	assert_fails((int)arun_udp_recv(ends.server, bytes, 3, NULL), EMSGSIZE);
	ck_assert_str_eq(bytes, "too");
	assert_contains(arun_why(), "a datagram of 8 bytes");
	receive_numbers(ends.server, 5, MANY);
	close_ends(ends);
}

CLAIM(a_receive_of_many_that_is_cancelled_or_late_loses_nothing) {
	struct ends ends = ends_of("udp:127.0.0.1:0");
	send_numbers(ends.client, 0, MANY);
	receive_numbers(ends.server, 0, 4);
	arun_task *task = arun_spawn(receive_some, ends.server);
	arun_cancel(task);
	ck_assert_int_eq(joined(task), -ECANCELED);
	{
		ARUN_TIMEOUT(0.001);
		assert_fails(arun_sleep(FOREVER), ETIMEDOUT);
		assert_fails(receive_some(ends.server), ETIMEDOUT);
	}
	receive_numbers(ends.server, 4, MANY);
	ARUN_TIMEOUT(0.01);
	assert_fails(receive_some(ends.server), ETIMEDOUT);
	close_ends(ends);
}

CLAIM(many_may_come_again_after_a_wait) {
	struct ends ends = ends_of("udp:127.0.0.1:0");
	for (int i = 0; i < 20; i++) {
		arun_task *task = waiting(receive_some, ends.server);
		send_to(ends.client, "x", NULL);
		send_numbers(ends.client, 0, i);
		ck_assert_int_eq(joined(task), 1);
		receive_numbers(ends.server, 0, i);
	}
	close_ends(ends);
}

CLAIM(a_close_drops_what_nobody_asked_for) {
	struct ends ends = ends_of("udp:127.0.0.1:0");
	send_numbers(ends.client, 0, MANY);
	receive_numbers(ends.server, 0, 4);
	close_ends(ends);
}

/* The server's socket closes: nobody is there any more. */
CLAIM(nobody_there_is_told_among_many) {
	struct ends ends = ends_of("udp:127.0.0.1:0");
	arun_address from;
	send_to(ends.client, "hello", NULL);
	receive(ends.server, "hello", &from);
	for (int i = 0; i < 5; i++) {
		send_to(ends.server, "x", &from);
	}
	for (int i = 0; i < 5; i++) {
		receive(ends.client, "x", NULL);
	}
	arun_udp_close(ends.server);
	send_to(ends.client, "anybody?", NULL);
	ARUN_TIMEOUT(20);
	assert_fails(receive_some(ends.client), ECONNREFUSED);
	arun_udp_close(ends.client);
}

/* A socket that others may have, too, is read no further than asked. */
CLAIM(of_a_socket_that_was_given_nothing_is_read_ahead) {
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in any = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&any, sizeof any), 0);
	int other = dup(fd);
	char endpoint[16], byte;
	snprintf(endpoint, sizeof endpoint, "fd:%d", fd);
	arun_udp *given = opened(endpoint);
	arun_udp *sender = opened(to_connect("udp:connect:", given));
	send_numbers(sender, 0, 10);
	receive_numbers(given, 0, 4);
	ck_assert_int_eq(recv(other, &byte, 1, MSG_DONTWAIT), 1);
	ck_assert_int_eq(byte, '4');
	receive_numbers(given, 5, 10);
	close(other);
	arun_udp_close(sender);
	arun_udp_close(given);
}

Suite *suite(void) {
	Suite *suite = suite_create("udp_ahead");
	TCase *all = tcase_create("all");
	tcase_set_timeout(all, 60);
	tcase_add_test(all, many_at_once_keep_their_order_and_their_senders);
	tcase_add_test(all, many_at_once_keep_their_sizes);
	tcase_add_test(
		all, one_of_many_that_does_not_fit_is_EMSGSIZE_and_the_others_come);
	tcase_add_test(all, a_receive_of_many_that_is_cancelled_or_late_loses_nothing);
	tcase_add_test(all, many_may_come_again_after_a_wait);
	tcase_add_test(all, a_close_drops_what_nobody_asked_for);
	tcase_add_test(all, nobody_there_is_told_among_many);
	tcase_add_test(all, of_a_socket_that_was_given_nothing_is_read_ahead);
	suite_add_tcase(suite, all);
	return suite;
}
