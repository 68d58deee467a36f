/* SPDX-License-Identifier: MIT */
/* Connections between two requests, when their server closes. No run here has time for more: what
 * is not ended so hangs. */
#include "streams.h"

#include <netinet/in.h>
#include <stdlib.h>

static bool busy; /* the handlers do not say that they are idle */
static ssize_t last;
static int last_error;

/* Handlers ------------------------------------------------------------------------- */

/* A request is a line, which is sent back. */
static int serve_lines(arun_conn *conn, void *arg) {
	char line[32];
	(void)arg;
	do {
		if (!busy) {
			arun_idle(conn);
		}
		last = arun_read_until(conn, '\n', line, sizeof line);
		last_error = errno;
	} while (last > 0 && arun_write(conn, line, (size_t)last) == 0);
	note(last == 0 ? '0' : '-');
	return (int)last;
}

/* A request is five bytes. */
static int serve_words(arun_conn *conn, void *arg) {
	char word[5];
	(void)arg;
	do {
		arun_idle(conn);
		last = arun_read_exactly(conn, word, sizeof word);
	} while (last > 0 && arun_write(conn, word, sizeof word) == 0);
	note(last == 0 ? '0' : '-');
	return (int)last;
}

static int serve_bytes(arun_conn *conn, void *arg) {
	char bytes[4];
	(void)arg;
	do {
		arun_idle(conn);
		last = arun_read(conn, bytes, sizeof bytes);
	} while (last > 0 && arun_write(conn, bytes, (size_t)last) == 0);
	note(last == 0 ? '0' : '-');
	return (int)last;
}

static void run_with_grace(void (*body)(void), double grace) {
	arun_options options = {
		.struct_size = sizeof options, .leaks = ARUN_LEAKS_ERROR, .grace = grace};
	api_body = body;
	ck_assert_int_eq(arun_run(api_entry, 0, NULL, &options), 0);
}

/* A case with all the grace time that there is. */
#define PATIENT(name)                                                                    \
	static void name##_in_run(void);                                                 \
	START_TEST(name) {                                                               \
		run_with_grace(name##_in_run, FOREVER);                                  \
	}                                                                                \
	END_TEST                                                                         \
	static void name##_in_run(void)

/* Ends ----------------------------------------------------------------------------- */

static void ends(arun_handler *handler, const char *request) {
	arun_server *server = listening(handler, NULL);
	arun_conn *conn = client_of(server);
	say(conn, request);
	hear(conn, request);
	let_others_run(3);
	ck_assert_int_eq(arun_server_close(server), 0);
	assert_trace("0");
	hear_end(conn);
	arun_close(conn);
}

PATIENT(a_read_until_of_an_idle_connection_ends) {
	ends(serve_lines, "hello\n");
}

PATIENT(a_read_exactly_of_an_idle_connection_ends) {
	ends(serve_words, "hello");
}

PATIENT(a_read_of_an_idle_connection_ends) {
	ends(serve_bytes, "abc");
}

PATIENT(all_of_many_end) {
	arun_server *server = listening(serve_lines, NULL);
	arun_conn *conns[20];
	for (int i = 0; i < 20; i++) {
		conns[i] = client_of(server);
		say(conns[i], "hello\n");
		hear(conns[i], "hello\n");
	}
	ck_assert_int_eq(arun_server_close(server), 0);
	assert_trace("00000000000000000000");
	for (int i = 0; i < 20; i++) {
		hear_end(conns[i]);
		arun_close(conns[i]);
	}
}

/* A second of silence after it has connected. */
PATIENT(a_connection_that_never_said_anything_ends) {
	arun_server *server = listening(serve_lines, NULL);
	arun_conn *conn = client_of(server);
	ck_assert_int_eq(arun_server_close(server), 0);
	assert_trace("0");
	hear_end(conn);
	arun_close(conn);
}

enum { SLOW = 20, ANSWER = 64 * 1024 };

/* A request is a byte; its answer is more than a slow client takes. */
static int serve_answers(arun_conn *conn, void *arg) {
	static const char answer[ANSWER];
	char byte;
	int room = 2 * ANSWER;
	(void)arg;
	setsockopt(arun_fd(conn), SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
	do {
		arun_idle(conn);
		last = arun_read(conn, &byte, 1);
	} while (last > 0 && arun_write(conn, answer, sizeof answer) == 0);
	note(last == 0 ? '0' : '-');
	return (int)last;
}

/* A client that has room for little. */
static arun_conn *slow_client_of(const arun_server *server) {
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const char *port = strrchr(arun_server_address(server), ':');
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), room = 4096;
	address.sin_port = htons((uint16_t)atoi(port + 1));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	return arun_open_fd(fd);
}

/* Each is given a second to take what was sent: all of them the same one. */
PATIENT(those_that_are_slow_are_waited_for_at_the_same_time) {
	static char answer[ANSWER];
	arun_server *server = listening(serve_answers, NULL);
	arun_conn *conns[SLOW];
	for (int i = 0; i < SLOW; i++) {
		conns[i] = slow_client_of(server);
		say(conns[i], "x");
	}
	let_others_run(10);
	double begin = arun_now();
	ck_assert_int_eq(arun_server_close(server), 0);
	double took = arun_now() - begin;
	assert_trace("00000000000000000000");
	ck_assert_double_gt(took, 0.9);
	ck_assert_double_lt(took, 5);
	for (int i = 0; i < SLOW; i++) {
		/* The kernel goes on sending. */
		ck_assert_int_eq(arun_read_exactly(conns[i], answer, ANSWER), ANSWER);
		hear_end(conns[i]);
		arun_close(conns[i]);
	}
}

static void close_a_busy_server(void) {
	busy = true;
	arun_server *server = listening(serve_lines, NULL);
	arun_conn *conn = client_of(server);
	let_others_run(3);
	ck_assert_int_eq(arun_server_close(server), 0);
	assert_trace("-");
	ck_assert_int_eq(last_error, ECANCELED);
	hear_end(conn);
	arun_close(conn);
}

START_TEST(who_does_not_say_so_is_waited_for) {
	run_with_grace(close_a_busy_server, 0.2);
}
END_TEST

static int accept_and_read(void *server) {
	char byte;
	arun_conn *conn = arun_accept(server);
	ck_assert_int_eq(arun_read(conn, &byte, 1), 1);
	arun_idle(conn);
	last = arun_read(conn, &byte, 1);
	arun_close(conn);
	return (int)last;
}

PATIENT(connections_that_were_accepted_by_hand_end_too) {
	arun_server *server = listening(NULL, NULL);
	arun_task *task = waiting(accept_and_read, server);
	arun_conn *conn = client_of(server);
	say(conn, "x");
	let_others_run(5);
	ck_assert_int_eq(arun_server_close(server), 0);
	ck_assert_int_eq(joined(task), 0);
	hear_end(conn);
	arun_close(conn);
}

/* The first byte is read by the handler, all others by a task. */
static arun_conn *served;
static int serve_by_two(arun_conn *conn, void *arg) {
	char byte;
	(void)arg;
	ck_assert_int_eq(arun_read(conn, &byte, 1), 1);
	served = conn;
	arun_task *reader = arun_spawn(read_some, conn);
	note('0' + (char)joined(reader));
	return 0;
}

PATIENT(another_task_may_say_it_while_one_reads) {
	arun_server *server = listening(serve_by_two, NULL);
	arun_conn *conn = client_of(server);
	say(conn, "x");
	while (!served) {
		let_others_run(1);
	}
	arun_task *closer = waiting(close_server, server);
	let_others_run(3);
	assert_trace("");
	arun_idle(served);
	ck_assert_int_eq(joined(closer), 0);
	assert_trace("0");
	arun_close(conn);
}

/* What is not ended ---------------------------------------------------------------- */

PATIENT(a_request_that_has_begun_is_finished) {
	arun_server *server = listening(serve_words, NULL);
	arun_conn *conn = client_of(server);
	say(conn, "hello");
	hear(conn, "hello");
	say(conn, "w");
	let_others_run(3);
	arun_task *closer = waiting(close_server, server);
	say(conn, "or");
	let_others_run(3);
	assert_trace("");
	say(conn, "ld");
	hear(conn, "world");
	hear_end(conn);
	arun_close(conn);
	ck_assert_int_eq(joined(closer), 0);
	assert_trace("0");
}

PATIENT(a_request_whose_beginning_is_buffered_is_finished) {
	arun_server *server = listening(serve_lines, NULL);
	arun_conn *conn = client_of(server);
	say(conn, "one\ntw");
	hear(conn, "one\n");
	let_others_run(3);
	arun_task *closer = waiting(close_server, server);
	let_others_run(3);
	assert_trace("");
	say(conn, "o\n");
	hear(conn, "two\n");
	hear_end(conn);
	arun_close(conn);
	ck_assert_int_eq(joined(closer), 0);
}

/* Behind a byte. */
static int serve_a_word(arun_conn *conn, void *arg) {
	char word[5];
	(void)arg;
	ck_assert_int_eq(arun_read(conn, word, 1), 1);
	served = conn;
	last = arun_read_exactly(conn, word, sizeof word);
	return last > 0 ? arun_write(conn, word, sizeof word) : -1;
}

/* A part of it has come, which the call that reads has, and no buffer. */
PATIENT(a_request_in_the_middle_of_which_another_task_says_idle_is_finished) {
	arun_server *server = listening(serve_a_word, NULL);
	arun_conn *conn = client_of(server);
	say(conn, "xwo");
	while (!served) {
		let_others_run(1);
	}
	arun_idle(served);
	arun_task *closer = waiting(close_server, server);
	let_others_run(3);
	say(conn, "rld");
	hear(conn, "world");
	hear_end(conn);
	arun_close(conn);
	ck_assert_int_eq(joined(closer), 0);
}

PATIENT(requests_that_were_sent_before_are_answered) {
	arun_server *server = listening(serve_bytes, NULL);
	arun_conn *conn = client_of(server);
	say(conn, "x");
	hear(conn, "x");
	let_others_run(3);
	/* They are in the socket, and the loop has not told of them. */
	say(conn, "three times four");
	ck_assert_int_eq(arun_server_close(server), 0);
	hear(conn, "three times four");
	hear_end(conn);
	arun_close(conn);
}

PATIENT(a_first_request_is_answered_though_its_handler_has_not_begun) {
	arun_server *server = listening(serve_lines, NULL);
	arun_conn *conn = client_of(server);
	say(conn, "one\ntwo\n");
	ck_assert_int_eq(arun_server_close(server), 0);
	hear(conn, "one\ntwo\n");
	hear_end(conn);
	arun_close(conn);
	assert_trace("0");
}

static int say_goodbye(arun_conn *conn, void *arg) {
	char bytes[4];
	(void)arg;
	do {
		arun_idle(conn);
	} while (arun_read(conn, bytes, sizeof bytes) > 0);
	return arun_write(conn, "bye", 3);
}

PATIENT(a_goodbye_can_be_said) {
	arun_server *server = listening(say_goodbye, NULL);
	arun_conn *conn = client_of(server);
	say(conn, "x");
	let_others_run(5);
	ck_assert_int_eq(arun_server_close(server), 0);
	hear(conn, "bye");
	hear_end(conn);
	arun_close(conn);
}

static int serve_after_the_stop(int argc, char **argv) {
	(void)argc;
	(void)argv;
	arun_server *server = listening(serve_lines, NULL);
	arun_conn *conn = client_of(server);
	say(conn, "one\n");
	hear(conn, "one\n");
	arun_stop(0);
	arun_yield();
	let_others_run(5);
	assert_trace("");
	say(conn, "two\n");
	hear(conn, "two\n");
	int result = arun_server_close(server);
	assert_trace("0");
	hear_end(conn);
	arun_close(conn);
	return result;
}

START_TEST(a_stop_ends_nothing_before_the_server_closes) {
	arun_options options = {.struct_size = sizeof options,
		.leaks = ARUN_LEAKS_ERROR,
		.grace = FOREVER};
	ck_assert_int_eq(arun_run_forever(serve_after_the_stop, 0, NULL, &options), 0);
}
END_TEST

CLAIM(elsewhere_it_means_nothing) {
	struct pair pair = unix_pair();
	arun_idle(NULL);
	arun_idle(pair.a);
	arun_task *reader = waiting(read_some, pair.a);
	arun_idle(pair.a);
	say(pair.b, "abc");
	ck_assert_int_eq(joined(reader), 3);
	close_pair(pair);
}

Suite *suite(void) {
	Suite *suite = suite_create("idle");

	TCase *ends = tcase_create("ends");
	tcase_add_test(ends, a_read_until_of_an_idle_connection_ends);
	tcase_add_test(ends, a_read_exactly_of_an_idle_connection_ends);
	tcase_add_test(ends, a_read_of_an_idle_connection_ends);
	tcase_add_test(ends, all_of_many_end);
	tcase_add_test(ends, a_connection_that_never_said_anything_ends);
	tcase_add_test(ends, those_that_are_slow_are_waited_for_at_the_same_time);
	tcase_add_test(ends, who_does_not_say_so_is_waited_for);
	tcase_add_test(ends, connections_that_were_accepted_by_hand_end_too);
	tcase_add_test(ends, another_task_may_say_it_while_one_reads);
	suite_add_tcase(suite, ends);

	TCase *goes_on = tcase_create("goes on");
	tcase_add_test(goes_on, a_request_that_has_begun_is_finished);
	tcase_add_test(goes_on, a_request_whose_beginning_is_buffered_is_finished);
	tcase_add_test(goes_on,
		a_request_in_the_middle_of_which_another_task_says_idle_is_finished);
	tcase_add_test(goes_on, requests_that_were_sent_before_are_answered);
	tcase_add_test(
		goes_on, a_first_request_is_answered_though_its_handler_has_not_begun);
	tcase_add_test(goes_on, a_goodbye_can_be_said);
	tcase_add_test(goes_on, a_stop_ends_nothing_before_the_server_closes);
	tcase_add_test(goes_on, elsewhere_it_means_nothing);
	suite_add_tcase(suite, goes_on);
	return suite;
}
