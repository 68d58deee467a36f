/* SPDX-License-Identifier: MIT */
#include "datagrams.h"

/* Many ----------------------------------------------------------------------------- */

enum { MANY = 100000, WINDOW = 64, PATIENCE = 1000 };

/* A bound socket of our own, so that the kernel can be asked what it has dropped. */
static int bound_socket(char *endpoint, size_t size) {
	struct sockaddr_in any = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&any, sizeof any), 0);
	snprintf(endpoint, size, "fd:%d", fd);
	return fd;
}

static unsigned dropped(int fd) {
	uint32_t info[SK_MEMINFO_VARS] = {0};
	socklen_t length = sizeof info;
	ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &length), 0);
	return info[SK_MEMINFO_DROPS];
}

struct stream_of_datagrams {
	arun_udp *from, *to;
	int sent, received, last;
};

static int send_many(void *argument) {
	struct stream_of_datagrams *stream = argument;
	for (int i = 0; i < MANY; i++) {
		if (arun_udp_send(stream->from, &i, sizeof i, NULL) != sizeof i) {
			return -1;
		}
		stream->sent++;
		/* Not faster than they are received: the kernel would drop the rest. */
		for (int tries = 0;
			tries < PATIENCE && stream->sent - stream->received > WINDOW;
			tries++) {
			if (arun_sleep(0) < 0) {
				return -1;
			}
		}
	}
	return 0;
}

static int receive_many(void *argument) {
	struct stream_of_datagrams *stream = argument;
	int number;
	stream->last = -1;
	while (stream->last < MANY - 1 && arun_udp_recv(stream->to, &number,
						  sizeof number, NULL) == sizeof number) {
		if (number <= stream->last) {
			return -1; /* twice, or out of order */
		}
		stream->last = number;
		stream->received++;
	}
	return 0;
}

CLAIM(a_hundred_thousand_each_way_and_none_lost_by_arun) {
	char endpoint[32];
	int server = bound_socket(endpoint, sizeof endpoint);
	struct ends ends = {.server = opened(endpoint)};
	int client = bound_socket(endpoint, sizeof endpoint);
	struct sockaddr_storage address;
	socklen_t length = sizeof address;
	getsockname(server, (struct sockaddr *)&address, &length);
	ck_assert_int_eq(connect(client, (struct sockaddr *)&address, length), 0);
	ends.client = opened(endpoint);
	/* The server's side is connected back, so that both ways are alike. */
	arun_address from;
	send_to(ends.client, "hello", NULL);
	receive(ends.server, "hello", &from);
	ck_assert_int_eq(
		connect(server, (struct sockaddr *)&from.storage, from.length), 0);
	struct stream_of_datagrams there = {ends.client, ends.server, 0, 0, 0};
	struct stream_of_datagrams back = {ends.server, ends.client, 0, 0, 0};
	arun_task *receivers[] = {
		arun_spawn(receive_many, &there), arun_spawn(receive_many, &back)};
	arun_task *senders[] = {
		arun_spawn(send_many, &there), arun_spawn(send_many, &back)};
	ck_assert_int_eq(joined(senders[0]), 0);
	ck_assert_int_eq(joined(senders[1]), 0);
	/* The last may have been dropped: then its receiver waits for ever. */
	let_others_run(1000);
	arun_cancel(receivers[0]);
	arun_cancel(receivers[1]);
	ck_assert_int_eq(joined(receivers[0]), 0);
	ck_assert_int_eq(joined(receivers[1]), 0);
	ck_assert_uint_eq((unsigned)there.received + dropped(server), MANY);
	ck_assert_uint_eq((unsigned)back.received + dropped(client), MANY);
	ck_assert_int_gt(there.received, MANY / 2);
	ck_assert_int_gt(back.received, MANY / 2);
	close_ends(ends);
}

/* The end of the run --------------------------------------------------------------- */

static void leave_open(void) {
	opened("udp:127.0.0.1:0");
}

START_TEST(one_that_is_left_open_is_a_leak) {
	const char *text = run_reported(leave_open, 23);
	assert_contains(text, "leak: datagram socket 127.0.0.1:");
	assert_contains(text, "1 leak: 1 datagram socket");
}
END_TEST

START_TEST(there_are_none_outside_a_run) {
	assert_null(arun_udp_open("udp:127.0.0.1:0"), ESHUTDOWN);
}
END_TEST

/* Suite ---------------------------------------------------------------------------- */

static void add_many(Suite *suite) {
	TCase *tcase = tcase_create("many");
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_hundred_thousand_each_way_and_none_lost_by_arun);
	suite_add_tcase(suite, tcase);
}

static void add_the_end_of_the_run(Suite *suite) {
	TCase *tcase = tcase_create("the end of the run");
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, one_that_is_left_open_is_a_leak);
	tcase_add_test(tcase, there_are_none_outside_a_run);
	suite_add_tcase(suite, tcase);
}

Suite *suite(void) {
	Suite *suite = suite_create("udp_many");
	add_many(suite);
	add_the_end_of_the_run(suite);
	return suite;
}
