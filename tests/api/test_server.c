/* SPDX-License-Identifier: MIT */
#include "streams.h"

#include <netinet/in.h>
#include <sys/resource.h>

/* Handlers ------------------------------------------------------------------------- */

static int fail_at_once(arun_conn *conn, void *arg) {
	(void)conn;
	(void)arg;
	errno = EIO;
	return -1;
}

static int close_myself(arun_conn *conn, void *abort) {
	hear(conn, "go");
	if (*(bool *)abort) {
		arun_abort(conn);
		return 0;
	}
	return arun_close(conn);
}

/* Reads to the end; the errno of what ended it. */
static int read_to_end(arun_conn *conn, void *ended_with) {
	char byte;
	while (arun_read(conn, &byte, 1) > 0) {
	}
	*(int *)ended_with = errno;
	return -1;
}

/* Connections ---------------------------------------------------------------------- */

CLAIM(each_connection_has_a_handler_of_its_own) {
	arun_server *server = listening(echo, NULL);
	arun_conn *conns[50];
	for (int i = 0; i < 50; i++) {
		conns[i] = client_of(server);
	}
	for (int i = 49; i >= 0; i--) {
		echo_once(conns[i]);
		ck_assert_int_eq(arun_close(conns[i]), 0);
	}
	ck_assert_int_eq(arun_server_close(server), 0);
}

CLAIM(a_connection_is_closed_when_its_handler_returns) {
	arun_server *server = listening(fail_at_once, NULL);
	arun_conn *conn = client_of(server);
	hear_end(conn);
	arun_close(conn);
	ck_assert_int_eq(arun_server_close(server), 0);
}

CLAIM(a_server_that_is_closed_keeps_errno) {
	arun_server *server = listening(echo, NULL);
	arun_conn *conn = client_of(server);
	echo_once(conn);
	arun_close(conn);
	errno = EXDEV;
	ck_assert_int_eq(arun_server_close(server), 0);
	ck_assert_int_eq(errno, EXDEV);
}

CLAIM(a_handler_may_close_its_connection) {
	bool abort = false;
	arun_server *server = listening(close_myself, &abort);
	arun_conn *conn = client_of(server);
	say(conn, "go");
	hear_end(conn);
	arun_close(conn);
	abort = true;
	conn = client_of(server);
	say(conn, "go");
	char byte;
	assert_fails(arun_read(conn, &byte, 1), ECONNRESET);
	arun_abort(conn);
	ck_assert_int_eq(arun_server_close(server), 0);
}

CLAIM(no_more_than_max_connections_are_accepted) {
	arun_listen_options options = {.max_connections = 2, .name = "few"};
	arun_server *server = arun_listen_with("127.0.0.1:0", echo, NULL, &options);
	arun_conn *a = client_of(server), *b = client_of(server), *c = client_of(server);
	echo_once(a);
	echo_once(b);
	say(c, "hello");
	{
		char byte;
		ARUN_TIMEOUT(0.05);
		assert_fails(arun_read(c, &byte, 1), ETIMEDOUT);
	}
	arun_close(a);
	hear(c, "hello");
	close_pair((struct pair){b, c});
	ck_assert_int_eq(arun_server_close(server), 0);
}

static int close_conn(void *conn) {
	return arun_close(conn);
}

/* Returns while another task closes conn, which takes until the client does. */
static int greet_and_let_close(arun_conn *conn, void *arg) {
	say(conn, "x");
	*(arun_task **)arg = waiting(close_conn, conn);
	return 0;
}

CLAIM(a_connection_that_another_task_closes_makes_room_for_the_next) {
	arun_listen_options options = {.max_connections = 1};
	arun_task *closes = NULL;
	arun_server *server =
		arun_listen_with("127.0.0.1:0", greet_and_let_close, &closes, &options);
	ck_assert_ptr_nonnull(server);
	for (int i = 0; i < 3; i++) {
		arun_conn *client = client_of(server);
		hear(client, "x");
		hear_end(client);
		let_others_run(5);
		arun_close(client);
		ck_assert_int_eq(joined(closes), 0);
	}
	ck_assert_int_eq(arun_server_close(server), 0);
}

CLAIM(an_idle_connection_times_out) {
	int error = 0;
	arun_listen_options options = {.idle_timeout = 0.01};
	arun_server *server =
		arun_listen_with("127.0.0.1:0", read_to_end, &error, &options);
	arun_conn *conn = client_of(server);
	hear_end(conn);
	ck_assert_int_eq(error, ETIMEDOUT);
	arun_close(conn);
	arun_server_close(server);
}

/* Leaves room for one more descriptor. */
static void limit_descriptors(void) {
	int next = dup(0);
	close(next);
	struct rlimit limit = {(rlim_t)next + 1, (rlim_t)next + 1};
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* A connection made without letting the server accept it meanwhile. */
static arun_conn *unnoticed_client_of(const arun_server *server) {
	struct sockaddr_in to = {.sin_family = AF_INET,
		.sin_port = htons(
			(uint16_t)atoi(strchr(arun_server_address(server), ':') + 1)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	return arun_open_fd(fd);
}

static void run_out_of_descriptors(void) {
	arun_listen_options options = {.name = "poor"};
	arun_server *server = arun_listen_with("127.0.0.1:0", echo, NULL, &options);
	arun_conn *conns[4];
	for (int i = 0; i < 4; i++) {
		conns[i] = unnoticed_client_of(server);
	}
	limit_descriptors();
	for (int i = 0; i < 4; i++) {
		echo_once(conns[i]);
		arun_close(conns[i]);
	}
	arun_conn *conn = NULL;
	while (!conn) { /* until the server's ends are closed */
		conn = arun_connect(arun_server_address(server));
		ck_assert(conn || errno == EMFILE);
		let_others_run(1);
	}
	echo_once(conn);
	arun_close(conn);
	ck_assert_int_eq(arun_server_close(server), 0);
}

START_TEST(who_runs_out_of_descriptors_says_so_once_and_serves_on) {
	FILE *errors = catch_stderr();
	ck_assert_int_eq(run(run_out_of_descriptors), 0);
	const char *text = read_stderr(errors);
	assert_contains(text, "server \"poor\": accepting paused: Too many open files");
	ck_assert_ptr_null(strstr(strstr(text, "paused") + 1, "paused"));
}
END_TEST

/* Accepting by hand ---------------------------------------------------------------- */

static int accept_one(void *server) {
	arun_conn *conn = arun_accept(server);
	if (!conn) {
		return -1;
	}
	return arun_close(conn);
}

CLAIM(accept_waits_for_a_connection) {
	arun_server *server = listening(NULL, NULL);
	arun_task *acceptor = waiting(accept_one, server);
	assert_null((arun_accept)(server), EBUSY);
	arun_conn *conn = client_of(server);
	ck_assert_int_eq(joined(acceptor), 0);
	arun_abort(conn);
	arun_server_close(server);
}

CLAIM(a_cancelled_accept_loses_no_connection) {
	arun_server *server = listening(NULL, NULL);
	arun_task *acceptor = waiting(accept_one, server);
	arun_cancel(acceptor);
	arun_conn *conn = client_of(server);
	ck_assert_int_eq(joined(acceptor), -ECANCELED);
	ck_assert_int_eq(accept_one(server), 0);
	arun_abort(conn);
	arun_server_close(server);
}

CLAIM(accept_ends_with_its_server) {
	arun_server *server = listening(NULL, NULL);
	arun_task *acceptor = waiting(accept_one, server);
	ck_assert_int_eq(arun_server_close(server), 0);
	ck_assert_int_eq(joined(acceptor), -ESHUTDOWN);
}

CLAIM(accept_is_not_for_servers_with_a_handler) {
	arun_server *server = listening(echo, NULL);
	assert_null(arun_accept(server), EINVAL);
	assert_null(arun_accept(NULL), EINVAL);
	arun_server_close(server);
}

CLAIM(accept_respects_max_connections) {
	arun_listen_options options = {.max_connections = 1};
	arun_server *server = arun_listen_with("127.0.0.1:0", NULL, NULL, &options);
	arun_conn *a = client_of(server), *b = client_of(server);
	arun_conn *first = arun_accept(server);
	arun_task *acceptor = waiting(accept_one, server);
	let_others_run(3);
	arun_abort(first);
	ck_assert_int_eq(joined(acceptor), 0);
	arun_abort(a);
	arun_abort(b);
	arun_server_close(server);
}

static int serve_by_hand(int argc, char **argv) {
	(void)argc;
	(void)argv;
	arun_server *server = listening(NULL, NULL);
	arun_task *acceptor = waiting(accept_one, server);
	arun_stop(0);
	arun_yield();
	ck_assert_int_eq(joined(acceptor), -ESHUTDOWN);
	return arun_server_close(server);
}

START_TEST(accept_ends_when_the_run_stops) {
	ck_assert_int_eq(arun_run_forever(serve_by_hand, 0, NULL, STRICT), 0);
}
END_TEST

/* Closing -------------------------------------------------------------------------- */

/* Reads a byte, and answers it. */
static int answer_late(arun_conn *conn, void *arg) {
	char byte;
	(void)arg;
	return arun_read(conn, &byte, 1) == 1 ? arun_write(conn, "late", 4) : -1;
}

CLAIM(close_lets_handlers_finish) {
	arun_server *server = listening(answer_late, NULL);
	arun_conn *conn = client_of(server);
	let_others_run(3);
	arun_task *closer = waiting(close_server, server);
	assert_fails(arun_server_close(server), EBADF);
	say(conn, "x");
	hear(conn, "late");
	arun_close(conn);
	ck_assert_int_eq(joined(closer), 0);
}

CLAIM(who_was_connected_before_the_close_is_served) {
	arun_server *server = listening(answer_late, NULL);
	arun_conn *conn = client_of(server);
	arun_task *closer = arun_spawn(close_server, server);
	say(conn, "x");
	hear(conn, "late");
	arun_close(conn);
	ck_assert_int_eq(joined(closer), 0);
}

static int run_with_grace(void (*body)(void), double grace) {
	arun_options options = {
		.struct_size = sizeof options, .leaks = ARUN_LEAKS_ERROR, .grace = grace};
	api_body = body;
	return arun_run(api_entry, 0, NULL, &options);
}

static void close_under_a_silent_client(void) {
	int error = 0;
	arun_server *server = listening(read_to_end, &error);
	arun_conn *conn = client_of(server);
	let_others_run(3);
	ck_assert_int_eq(arun_server_close(server), 0);
	ck_assert_int_eq(error, ECANCELED);
	arun_close(conn);
}

START_TEST(close_cancels_handlers_after_three_quarters_of_the_grace_time) {
	ck_assert_int_eq(run_with_grace(close_under_a_silent_client, 0.2), 0);
}
END_TEST

static int ignore_cancels(arun_conn *conn, void *go) {
	(void)conn;
	while (!*(bool *)go) {
		ARUN_SHIELD(60);
		arun_sleep(0.01);
	}
	note('h');
	return 0;
}

static void close_under_a_stubborn_handler(void) {
	bool go = false;
	arun_server *server = listening(ignore_cancels, &go);
	arun_conn *conn = client_of(server);
	let_others_run(3);
	assert_fails(arun_server_close(server), ETIMEDOUT);
	assert_trace("");
	go = true;
	hear_end(conn);
	assert_trace("h");
	arun_close(conn);
}

START_TEST(handlers_that_ignore_it_run_on_without_the_server) {
	ck_assert_int_eq(run_with_grace(close_under_a_stubborn_handler, 0.1), 0);
}
END_TEST

static int close_my_server(arun_conn *conn, void *server) {
	int result = arun_server_close(*(arun_server **)server);
	return result < 0 ? result : arun_write(conn, "done", 4);
}

CLAIM(a_handler_may_close_its_server) {
	arun_server *server;
	server = listening(close_my_server, &server);
	arun_conn *conn = client_of(server);
	hear(conn, "done");
	arun_close(conn);
}

enum { CLIENTS = 30, CHUNK = 1000 };

struct load {
	const char *address;
	size_t heard;
};

/* Sends and hears until the server ends. */
static int load_server(void *arg) {
	struct load *load = arg;
	char bytes[CHUNK] = "";
	arun_conn *conn = arun_connect(load->address);
	ssize_t n = 1;
	while (conn && n > 0 && !arun_stopping() && echoed < CLIENTS * CHUNK * 20) {
		n = arun_write(conn, bytes, CHUNK);
		n = n < 0 ? n : arun_read(conn, bytes, CHUNK);
		load->heard += n > 0 ? (size_t)n : 0;
	}
	if (conn) {
		arun_shutdown(conn);
	}
	while (conn && (n = arun_read(conn, bytes, CHUNK)) > 0) {
		load->heard += (size_t)n;
	}
	arun_close(conn);
	return 0;
}

CLAIM(a_stop_under_load_loses_nothing) {
	arun_server *server = listening(echo, NULL);
	struct load loads[CLIENTS];
	arun_task *clients[CLIENTS];
	size_t heard = 0;
	for (int i = 0; i < CLIENTS; i++) {
		loads[i] = (struct load){.address = arun_server_address(server)};
		clients[i] = arun_spawn(load_server, &loads[i]);
	}
	while (echoed < CLIENTS * CHUNK) {
		ck_assert_int_eq(arun_sleep(0), 0);
	}
	ck_assert_int_eq(arun_server_close(server), 0);
	for (int i = 0; i < CLIENTS; i++) {
		joined(clients[i]);
		heard += loads[i].heard;
	}
	ck_assert_uint_eq(heard, echoed);
}

static void leave_server(void) {
	arun_server *server = arun_listen("127.0.0.1:0", echo, NULL);
	echo_once(client_of(server));
}

START_TEST(a_server_left_open_is_a_leak_with_its_connections) {
	FILE *errors = catch_stderr();
	ck_assert_int_eq(run(leave_server), 23);
	assert_contains(read_stderr(errors), "leak: server \"echo\" 127.0.0.1:");
	assert_contains(read_stderr(errors), "connection of server \"echo\" 127.0.0.1:");
}
END_TEST

static void add_connections(Suite *suite) {
	TCase *conns = tcase_create("connections");
	tcase_add_test(conns, each_connection_has_a_handler_of_its_own);
	tcase_add_test(conns, a_connection_is_closed_when_its_handler_returns);
	tcase_add_test(conns, a_server_that_is_closed_keeps_errno);
	tcase_add_test(conns, a_handler_may_close_its_connection);
	tcase_add_test(conns, no_more_than_max_connections_are_accepted);
	tcase_add_test(
		conns, a_connection_that_another_task_closes_makes_room_for_the_next);
	tcase_add_test(conns, an_idle_connection_times_out);
	tcase_add_test(conns, who_runs_out_of_descriptors_says_so_once_and_serves_on);
	suite_add_tcase(suite, conns);

	TCase *accepts = tcase_create("accept");
	tcase_add_test(accepts, accept_waits_for_a_connection);
	tcase_add_test(accepts, a_cancelled_accept_loses_no_connection);
	tcase_add_test(accepts, accept_ends_with_its_server);
	tcase_add_test(accepts, accept_is_not_for_servers_with_a_handler);
	tcase_add_test(accepts, accept_respects_max_connections);
	tcase_add_test(accepts, accept_ends_when_the_run_stops);
	suite_add_tcase(suite, accepts);
}

static void add_closing(Suite *suite) {
	TCase *closing = tcase_create("close");
	tcase_add_test(closing, close_lets_handlers_finish);
	tcase_add_test(closing, who_was_connected_before_the_close_is_served);
	tcase_add_test(
		closing, close_cancels_handlers_after_three_quarters_of_the_grace_time);
	tcase_add_test(closing, handlers_that_ignore_it_run_on_without_the_server);
	tcase_add_test(closing, a_handler_may_close_its_server);
	tcase_add_test(closing, a_stop_under_load_loses_nothing);
	tcase_add_test(closing, a_server_left_open_is_a_leak_with_its_connections);
	suite_add_tcase(suite, closing);
}

Suite *suite(void) {
	Suite *suite = suite_create("server");
	add_connections(suite);
	add_closing(suite);
	return suite;
}
