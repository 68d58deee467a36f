/* SPDX-License-Identifier: MIT */
#include "streams.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <pty.h>
#include <signal.h>
#include <sys/un.h>

/* Connecting ----------------------------------------------------------------------- */

/* A port of the loopback that nobody listens at. */
static const char *dead_endpoint(void) {
	static char endpoint[64];
	arun_server *server = arun_listen("127.0.0.1:0", NULL, NULL);
	ck_assert_ptr_nonnull(server);
	snprintf(endpoint, sizeof endpoint, "tcp:%s", arun_server_address(server));
	arun_server_close(server);
	return endpoint;
}

CLAIM(a_refused_connect_says_where_and_why) {
	const char *endpoint = dead_endpoint();
	assert_null(arun_connect(endpoint), ECONNREFUSED);
	assert_contains(arun_why(), endpoint);
	assert_contains(arun_why(), strerror(ECONNREFUSED));
}

CLAIM(a_string_that_is_no_endpoint_is_named) {
	static const char *const bad[] = {"", "x", "tcp:", "tcp:x", "tcp::80", "*:80",
		"tcp:*:0", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:8o",
		"127.0.0.1:-1", "::1:80", "[::1]", "[::1]80", "[::1]:http", "[x]:80",
		"unix:", "unix:@", "fd:", "fd:x", "fd:-1", "fd:99999999999999999999",
		"udp:127.0.0.1:80", "a b:\n\x01", "h:a-service-that-nobody-has"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		errno = 0;
		ck_assert_ptr_null(arun_connect(bad[i]));
		ck_assert_msg(errno == EINVAL, "\"%s\": %s", bad[i], arun_why());
		ck_assert_ptr_null(arun_listen(bad[i], NULL, NULL));
		ck_assert_msg(errno == EINVAL, "\"%s\": %s", bad[i], arun_why());
	}
	assert_null(arun_connect(NULL), EINVAL);
	assert_null(arun_connect("x"), EINVAL);
	assert_contains(arun_why(), "connect x: no endpoint");
}

CLAIM(what_is_taken_from_elsewhere_is_told_what_it_should_be) {
	static const char *const urls[] = {"tcp://127.0.0.1:80", "tls://127.0.0.1:80",
		"https://example.com:443", "http://example.com", "127.0.0.1:80/",
		"/run/x.sock"};
	static const char *const kinds[] = {"ssl:127.0.0.1:80", "TCP:127.0.0.1:80"};
	for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
		assert_null(arun_connect(urls[i]), EINVAL);
		assert_contains(arun_why(), ": no URL, no path: HOST:PORT, ");
	}
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		assert_null(arun_connect(kinds[i]), EINVAL);
		assert_contains(arun_why(), ": neither tcp:, tls:, unix:, fd: nor ");
	}
	assert_null(arun_connect("fe80::1%lo:80"), EINVAL);
	assert_contains(arun_why(), ": an IPv6 address stands in brackets");
}

CLAIM(a_string_of_any_length_is_no_danger) {
	char *text = malloc(1 << 20);
	memset(text, 'x', (1 << 20) - 1);
	text[(1 << 20) - 1] = '\0';
	assert_null(arun_connect(text), EINVAL);
	memcpy(text, "tcp:", 4);
	memcpy(text + (1 << 20) - 4, ":80", 4);
	assert_null(arun_connect(text), EINVAL);
	memcpy(text, "unix:", 5);
	assert_null(arun_connect(text), ENAMETOOLONG);
	free(text);
}

CLAIM(what_is_not_built_in_is_said) {
	assert_null(arun_connect("tls:127.0.0.1"), EINVAL);
	assert_contains(arun_why(), "no port");
	assert_null(arun_listen("systemd:http", NULL, NULL), ENOENT);
	assert_contains(arun_why(), "no such socket was passed");
}

static void meet_at(const char *endpoint, const char *address_begins) {
	arun_server *server = arun_listen(endpoint, NULL, NULL);
	ck_assert_msg(server != NULL, "%s", arun_why());
	const char *address = arun_server_address(server);
	ck_assert_msg(strncmp(address, address_begins, strlen(address_begins)) == 0, "%s",
		address);
	arun_conn *client = arun_connect(address);
	ck_assert_msg(client != NULL, "%s", arun_why());
	arun_conn *other = arun_accept(server);
	ck_assert_ptr_nonnull(other);
	ck_assert_str_eq(arun_peer(client), address);
	ck_assert_str_eq(arun_local(other), address);
	ck_assert_str_eq(arun_peer(other), arun_local(client));
	say(client, "hello");
	hear(other, "hello");
	close_pair((struct pair){client, other});
	ck_assert_int_eq(arun_server_close(server), 0);
}

CLAIM(both_ends_know_both_addresses) {
	meet_at("127.0.0.1:0", "127.0.0.1:");
	meet_at("tcp:127.0.0.1:0", "127.0.0.1:");
	meet_at("unix:@arun-test-both-ends", "unix:@arun-test-both-ends");
}

CLAIM(ipv6_stands_in_brackets) {
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 loopback = {
		.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	bool there = bind(fd, (struct sockaddr *)&loopback, sizeof loopback) == 0;
	close(fd);
	if (there) {
		meet_at("tcp:[::1]:0", "[::1]:");
	} else {
		assert_null(arun_listen("tcp:[::1]:0", NULL, NULL), EADDRNOTAVAIL);
	}
}

CLAIM(a_host_is_looked_up) {
	char endpoint[64];
	arun_server *server = arun_listen("tcp:localhost:0", NULL, NULL);
	ck_assert_msg(server != NULL, "%s", arun_why());
	snprintf(endpoint, sizeof endpoint, "localhost%s",
		strrchr(arun_server_address(server), ':'));
	arun_conn *conn = arun_connect(endpoint);
	ck_assert_msg(conn != NULL, "%s", arun_why());
	arun_close(conn);
	arun_server_close(server);
}

static int connect_to(void *endpoint) {
	arun_conn *conn = arun_connect(endpoint);
	if (!conn) {
		return -1;
	}
	arun_close(conn);
	return 0;
}

CLAIM(a_cancelled_connect_leaves_nothing_open) {
	char endpoint[] = "unix:@arun-test-full";
	arun_server *server = arun_listen_with(
		endpoint, NULL, NULL, &(arun_listen_options){.backlog = 1});
	arun_conn *conns[2] = {arun_connect(endpoint), arun_connect(endpoint)};
	arun_task *third = waiting(connect_to, endpoint);
	arun_cancel(third);
	ck_assert_int_eq(joined(third), -ECANCELED);
	close_pair((struct pair){conns[0], conns[1]});
	arun_server_close(server);
}

CLAIM(a_connect_waits_for_room_in_the_queue) {
	char endpoint[] = "unix:@arun-test-full";
	arun_server *server = arun_listen_with(
		endpoint, NULL, NULL, &(arun_listen_options){.backlog = 1});
	arun_conn *conns[2] = {arun_connect(endpoint), arun_connect(endpoint)};
	arun_task *third = waiting(connect_to, endpoint);
	for (int i = 0; i < 3; i++) {
		arun_close(arun_accept(server));
	}
	ck_assert_int_eq(joined(third), 0);
	close_pair((struct pair){conns[0], conns[1]});
	arun_server_close(server);
}

/* Any descriptor ------------------------------------------------------------------- */

CLAIM(what_is_no_stream_stays_the_callers) {
	int fds[] = {open("/", O_RDONLY | O_DIRECTORY), socket(AF_INET, SOCK_DGRAM, 0),
		socket(AF_INET, SOCK_STREAM, 0)};
	ck_assert_int_eq(listen(fds[2], 1), 0);
	for (int i = 0; i < 3; i++) {
		assert_null(arun_open_fd(fds[i]), EINVAL);
		ck_assert_int_eq(close(fds[i]), 0);
		assert_null(arun_open_fd(fds[i]), EBADF);
	}
	assert_null((arun_open_fd)(-1), EBADF);
}

CLAIM(one_descriptor_is_one_connection) {
	struct pair pair = pipe_pair();
	assert_null(arun_open_fd(arun_fd(pair.a)), EEXIST);
	assert_null(arun_connect("fd:12345"), EBADF);
	close_pair(pair);
}

CLAIM(a_regular_file_is_read_to_its_end) {
	char text[16];
	FILE *file = tmpfile();
	fputs("one\ntwo\n", file);
	fflush(file);
	rewind(file);
	arun_conn *conn = arun_open_fd(dup(fileno(file)));
	ck_assert_int_eq(arun_read_until(conn, '\n', text, sizeof text), 4);
	ck_assert_int_eq(arun_read_until(conn, '\n', text, sizeof text), 4);
	ck_assert_int_eq(arun_read_until(conn, '\n', text, sizeof text), 0);
	ck_assert_int_eq(arun_close(conn), 0);
	fclose(file);
}

CLAIM(standard_input_from_a_file_keeps_its_place) {
	FILE *file = tmpfile();
	fputs("skipped, read", file);
	fflush(file);
	lseek(fileno(file), 9, SEEK_SET);
	ck_assert_int_eq(dup2(fileno(file), STDIN_FILENO), STDIN_FILENO);
	arun_conn *conn = arun_open_fd(STDIN_FILENO);
	hear(conn, "read");
	hear_end(conn);
	arun_close(conn);
	fclose(file);
}

CLAIM(two_lines_of_a_terminal_at_once_are_both_read) {
	int master, slave;
	char text[64];
	ck_assert_int_eq(openpty(&master, &slave, NULL, NULL, NULL), 0);
	struct pair pair = pair_of(master, slave);
	arun_task *reader = waiting(read_some, pair.b);
	say(pair.a, "one\ntwo\n");
	ck_assert_int_eq(joined(reader), 4);
	ck_assert_int_eq(arun_read(pair.b, text, sizeof text), 4);
	ck_assert_mem_eq(text, "two\n", 4);
	arun_close(pair.b);
	arun_abort(pair.a);
}

CLAIM(a_shared_descriptor_blocks_again_at_the_end) {
	int fds[2];
	ck_assert_int_eq(pipe(fds), 0);
	int shared = dup(fds[0]);
	arun_conn *conn = arun_open_fd(fds[0]);
	ck_assert_int_ne(fcntl(shared, F_GETFL) & O_NONBLOCK, 0);
	arun_close(conn);
	ck_assert_int_eq(fcntl(shared, F_GETFL) & O_NONBLOCK, 0);
	close(shared);
	close(fds[1]);
}

CLAIM(standard_input_does_not_learn_of_O_NONBLOCK) {
	int fds[2];
	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(dup2(fds[0], STDIN_FILENO), STDIN_FILENO);
	arun_conn *conn = arun_open_fd(STDIN_FILENO);
	ck_assert_int_eq(fcntl(STDIN_FILENO, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_eq(write(fds[1], "hello", 5), 5);
	hear(conn, "hello");
	arun_close(conn);
	ck_assert_int_ge(fcntl(STDIN_FILENO, F_GETFD), 0);
	close(fds[0]);
	close(fds[1]);
}

CLAIM(a_unix_peer_has_credentials) {
	struct ucred who;
	struct pair near = unix_pair(), pipe = pipe_pair(), far = tcp_pair();
	ck_assert_int_eq(arun_peer_credentials(near.a, &who), 0);
	ck_assert_int_eq(who.pid, getpid());
	assert_fails(arun_peer_credentials(pipe.a, &who), ENOTSOCK);
	assert_fails(arun_peer_credentials(far.a, &who), EINVAL);
	ck_assert_str_eq(arun_peer(pipe.a), "");
	close_pair(near);
	close_pair(pipe);
	close_pair(far);
}

/* Closing -------------------------------------------------------------------------- */

CLAIM(shutdown_ends_one_side_only) {
	struct pair pair = tcp_pair(), pipe = pipe_pair();
	ck_assert_int_eq(arun_shutdown(pair.a), 0);
	assert_fails(arun_write(pair.a, "x", 1), EPIPE);
	say(pair.b, "still");
	hear(pair.a, "still");
	assert_fails(arun_shutdown(pipe.b), ENOTSOCK);
	close_pair(pair);
	close_pair(pipe);
}

CLAIM(a_write_after_the_shutdown_is_no_error_of_the_connection) {
	struct pair pair = tcp_pair();
	ck_assert_int_eq(arun_shutdown(pair.a), 0);
	assert_fails(arun_write(pair.a, "x", 1), EPIPE);
	say(pair.b, "not read");
	ck_assert_int_eq(arun_shutdown(pair.b), 0);
	ck_assert_int_eq(arun_close(pair.a), 0);
	hear_end(pair.b);
	ck_assert_int_eq(arun_close(pair.b), 0);
}

static int write_until_it_fails(void *conn) {
	static const char bytes[1 << 16];
	while (arun_write(conn, bytes, sizeof bytes) == 0) {
	}
	return -1;
}

CLAIM(a_shutdown_ends_the_write_that_waits) {
	struct pair pairs[] = {tcp_pair(), unix_pair()};
	for (size_t i = 0; i < 2; i++) {
		arun_task *writer = waiting(write_until_it_fails, pairs[i].a);
		ck_assert_int_eq(arun_shutdown(pairs[i].a), 0);
		ck_assert_int_eq(joined(writer), -EPIPE);
		ck_assert_int_eq(arun_shutdown(pairs[i].a), 0);
		arun_abort(pairs[i].b);
		arun_abort(pairs[i].a);
	}
}

/* TCP's: a recv(2) ends before one, whatever has come behind it. */
CLAIM(what_has_come_behind_an_urgent_byte_is_read) {
	struct pair pair = tcp_pair();
	arun_task *reader = waiting(read_some, pair.b);
	say(pair.a, "ab");
	ck_assert_int_eq(joined(reader), 2);
	say(pair.a, "cd");
	ck_assert_int_eq(send(arun_fd(pair.a), "!", 1, MSG_OOB), 1);
	say(pair.a, "ef");
	hear(pair.b, "cdef");
	close_pair(pair);
}

CLAIM(shutdown_of_who_was_reset_fails) {
	struct pair pair = tcp_pair();
	char byte;
	arun_abort(pair.b);
	assert_fails(arun_read(pair.a, &byte, 1), ECONNRESET);
	assert_fails(arun_shutdown(pair.a), ENOTCONN);
	arun_close(pair.a);
}

static int answer_unread(void *conn) {
	return arun_write(conn, "no", 2) < 0 ? -1 : arun_close(conn);
}

CLAIM(an_answer_outlives_a_close_with_unread_input) {
	struct pair pair = tcp_pair();
	char *request = calloc(1, 100000);
	ck_assert_int_eq(arun_write(pair.a, request, 100000), 0);
	arun_task *closer = waiting(answer_unread, pair.b);
	ck_assert_int_eq(arun_write(pair.a, request, 100000), 0);
	hear(pair.a, "no");
	hear_end(pair.a);
	ck_assert_int_eq(arun_close(pair.a), 0);
	ck_assert_int_eq(joined(closer), 0);
	free(request);
}

static int close_it(void *conn) {
	return arun_close(conn);
}

CLAIM(a_close_in_a_cancelled_task_does_its_work) {
	struct pair pair = tcp_pair();
	say(pair.b, "bye");
	arun_task *closer = arun_spawn(close_it, pair.b);
	arun_cancel(closer);
	hear(pair.a, "bye");
	hear_end(pair.a);
	arun_close(pair.a);
	ck_assert_int_eq(joined(closer), 0);
}

CLAIM(a_close_that_is_under_way_is_not_begun_again) {
	struct pair pair = tcp_pair();
	say(pair.b, "bye");
	arun_task *closer = waiting(close_it, pair.b);
	assert_fails(arun_close(pair.b), EBADF);
	arun_close(pair.a);
	ck_assert_int_eq(joined(closer), 0);
}

/* A task's body: cleans up after a failure, as many do: the result, the errno of what failed. */
static int close_after_failure(void *conn) {
	errno = EXDEV;
	return arun_close(conn) < 0 ? -EIO : -errno;
}

CLAIM(a_close_that_succeeds_keeps_errno) {
	struct pair pair = tcp_pair();
	say(pair.a, "unread");
	arun_task *closer = waiting(close_after_failure, pair.b);
	hear_end(pair.a);
	arun_close(pair.a);
	ck_assert_int_eq(joined(closer), -EXDEV);
}

static void read_closed(void) {
	struct pair pair = unix_pair();
	char byte;
	arun_close(pair.a);
	arun_read(pair.a, &byte, 1);
}

START_TEST(a_read_of_a_closed_connection_aborts) {
	catch_stderr();
	run(read_closed);
}
END_TEST

static void leave_open(void) {
	struct pair pair = tcp_pair();
	(void)pair;
}

START_TEST(connections_left_open_are_leaks_and_are_closed) {
	FILE *errors = catch_stderr();
	ck_assert_int_eq(run(leave_open), 23);
	assert_contains(read_stderr(errors), "leak: ");
	assert_contains(read_stderr(errors), "connection");
}
END_TEST

static void add_connects(Suite *suite) {
	TCase *connects = tcase_create("connect");
	tcase_add_test(connects, a_refused_connect_says_where_and_why);
	tcase_add_test(connects, a_string_that_is_no_endpoint_is_named);
	tcase_add_test(connects, what_is_taken_from_elsewhere_is_told_what_it_should_be);
	tcase_add_test(connects, a_string_of_any_length_is_no_danger);
	tcase_add_test(connects, what_is_not_built_in_is_said);
	tcase_add_test(connects, both_ends_know_both_addresses);
	tcase_add_test(connects, ipv6_stands_in_brackets);
	tcase_add_test(connects, a_host_is_looked_up);
	tcase_add_test(connects, a_cancelled_connect_leaves_nothing_open);
	tcase_add_test(connects, a_connect_waits_for_room_in_the_queue);
	suite_add_tcase(suite, connects);
}

static void add_descriptors(Suite *suite) {
	TCase *fds = tcase_create("descriptors");
	tcase_add_test(fds, what_is_no_stream_stays_the_callers);
	tcase_add_test(fds, one_descriptor_is_one_connection);
	tcase_add_test(fds, a_regular_file_is_read_to_its_end);
	tcase_add_test(fds, standard_input_from_a_file_keeps_its_place);
	tcase_add_test(fds, two_lines_of_a_terminal_at_once_are_both_read);
	tcase_add_test(fds, a_shared_descriptor_blocks_again_at_the_end);
	tcase_add_test(fds, standard_input_does_not_learn_of_O_NONBLOCK);
	tcase_add_test(fds, a_unix_peer_has_credentials);
	suite_add_tcase(suite, fds);
}

/* A peer that has sent so many pieces, and then its end. */
static unsigned pieces;

ssize_t recv(int fd, void *buf, size_t size, int flags) {
	if (pieces) {
		memset(buf, 'x', size);
		return --pieces ? (ssize_t)size : 0;
	}
	return recvfrom(fd, buf, size, flags, NULL, NULL);
}

static void leave_much_unread(void) {
	struct pair pair = unix_pair();
	ck_assert_int_eq(write(arun_fd(pair.b), "x", 1), 1);
	pieces = 2000;
}

START_TEST(what_has_come_is_read_away_at_the_end_however_much_it_is) {
	arun_options options = {.struct_size = sizeof options, .leaks = ARUN_LEAKS_OFF};
	api_body = leave_much_unread;
	ck_assert_int_eq(arun_run(api_entry, 0, NULL, &options), 0);
	ck_assert_uint_eq(pieces, 0);
}
END_TEST

Suite *suite(void) {
	Suite *suite = suite_create("conn");
	add_connects(suite);
	add_descriptors(suite);

	TCase *urgent = tcase_create("urgent");
	tcase_add_test(urgent, what_has_come_behind_an_urgent_byte_is_read);
	suite_add_tcase(suite, urgent);

	TCase *closes = tcase_create("close");
	tcase_add_test(closes, shutdown_ends_one_side_only);
	tcase_add_test(closes, a_write_after_the_shutdown_is_no_error_of_the_connection);
	tcase_add_test(closes, a_shutdown_ends_the_write_that_waits);
	tcase_add_test(closes, shutdown_of_who_was_reset_fails);
	tcase_add_test(closes, an_answer_outlives_a_close_with_unread_input);
	tcase_add_test(closes, a_close_in_a_cancelled_task_does_its_work);
	tcase_add_test(closes, a_close_that_is_under_way_is_not_begun_again);
	tcase_add_test(closes, a_close_that_succeeds_keeps_errno);
	if (!API_ASAN) { /* which finds it first */
		tcase_add_test_raise_signal(
			closes, a_read_of_a_closed_connection_aborts, SIGABRT);
	}
	tcase_add_test(closes, connections_left_open_are_leaks_and_are_closed);
	tcase_add_test(closes, what_has_come_is_read_away_at_the_end_however_much_it_is);
	suite_add_tcase(suite, closes);
	return suite;
}
