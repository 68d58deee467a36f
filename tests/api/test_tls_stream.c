/* SPDX-License-Identifier: MIT */
/* A stream with TLS is a stream. */
#include "certificates.h"

#include <fcntl.h>
#include <limits.h>

enum { LARGE = 3 * 1000 * 1000 };

static unsigned char byte_at(size_t index) {
	return (unsigned char)(index * 7 + (index >> 11));
}

static unsigned char *large_bytes(void) {
	unsigned char *bytes = malloc(LARGE);
	ck_assert_ptr_nonnull(bytes);
	for (size_t i = 0; i < LARGE; i++) {
		bytes[i] = byte_at(i);
	}
	return bytes;
}

/* A task's body: reads LARGE bytes. Returns 0 where they are right. */
static int read_large(void *conn) {
	unsigned char *bytes = malloc(LARGE);
	ssize_t n = arun_read_exactly(conn, bytes, LARGE);
	int wrong = n != LARGE;
	for (size_t i = 0; i < LARGE && !wrong; i++) {
		wrong = bytes[i] != byte_at(i);
	}
	free(bytes);
	return wrong;
}

/* A task's body: writes them. */
static int write_large(void *conn) {
	unsigned char *bytes = large_bytes();
	int result = arun_write(conn, bytes, LARGE);
	free(bytes);
	return result;
}

CLAIM(bytes_go_both_ways_at_once) {
	struct pair pair = secured(tcp_pair());
	arun_task *tasks[] = {arun_spawn(read_large, pair.a),
		arun_spawn(write_large, pair.a), arun_spawn(read_large, pair.b),
		arun_spawn(write_large, pair.b)};
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(joined(tasks[i]), 0);
	}
	close_pair(pair);
}

CLAIM(it_reads_and_writes_as_every_stream_does) {
	struct pair pair = secured(unix_pair());
	char line[32];
	say(pair.a, "one\ntwo\nthree");
	ck_assert_int_eq(arun_read_until(pair.b, '\n', line, sizeof line), 4);
	ck_assert_int_eq(arun_read_until(pair.b, '\n', line, 2), -1);
	ck_assert_int_eq(errno, ENOBUFS);
	hear(pair.b, "two\n");
	ck_assert_int_eq(arun_shutdown(pair.a), 0);
	ck_assert_int_eq(arun_read_until(pair.b, '\n', line, sizeof line), -1);
	ck_assert_int_eq(errno, ENODATA);
	hear(pair.b, "three");
	hear_end(pair.b);
	close_pair(pair);
}

CLAIM(small_pieces_are_put_together) {
	enum { PIECES = IOV_MAX };
	struct pair pair = secured(tcp_pair());
	struct iovec pieces[PIECES];
	static char bytes[PIECES * 3], got[PIECES * 3];
	for (int i = 0; i < PIECES; i++) {
		memset(bytes + 3 * i, 'a' + i % 26, 3);
		pieces[i] = (struct iovec){bytes + 3 * i, i % 5 ? 3 : 0};
	}
	ck_assert_int_eq(arun_writev(pair.a, pieces, PIECES), 0);
	size_t size = arun_written(pair.a);
	ck_assert_int_eq(arun_read_exactly(pair.b, got, size), (ssize_t)size);
	for (int i = 0, at = 0; i < PIECES; at += (int)pieces[i++].iov_len) {
		ck_assert_mem_eq(got + at, bytes + 3 * i, pieces[i].iov_len);
	}
	close_pair(pair);
}

CLAIM(a_file_is_sent) {
	struct pair pair = secured(tcp_pair());
	unsigned char *bytes = large_bytes();
	FILE *file = tmpfile();
	ck_assert_uint_eq(fwrite(bytes, 1, LARGE, file), LARGE);
	ck_assert_int_eq(fflush(file), 0);
	arun_task *reader = arun_spawn(read_large, pair.b);
	ck_assert_int_eq(arun_sendfile(pair.a, fileno(file), 0, LARGE), 0);
	ck_assert_uint_eq(arun_written(pair.a), LARGE);
	ck_assert_int_eq(joined(reader), 0);
	fclose(file);
	free(bytes);
	close_pair(pair);
}

CLAIM(a_call_that_succeeds_keeps_errno) {
	struct pair pair = secured(tcp_pair());
	char byte;
	errno = EXDEV;
	ck_assert_int_eq(arun_write(pair.a, "12", 2), 0);
	ck_assert_int_eq(errno, EXDEV);
	ck_assert_int_eq(arun_read(pair.b, &byte, 1), 1);
	ck_assert_int_eq(arun_read_exactly(pair.b, &byte, 1), 1);
	ck_assert_int_eq(errno, EXDEV);
	ck_assert_int_eq(arun_shutdown(pair.a), 0);
	ck_assert_int_eq(errno, EXDEV);
	ck_assert_int_eq(arun_read(pair.b, &byte, 1), 0);
	ck_assert_int_eq(errno, EXDEV);
	arun_abort(pair.b);
	ck_assert_int_eq(errno, EXDEV);
	ck_assert_int_eq(arun_close(pair.a), -1);
}

/* The end ------------------------------------------------------------------------- */

CLAIM(one_side_may_end_before_the_other) {
	struct pair pair = secured(tcp_pair());
	say(pair.a, "last");
	ck_assert_int_eq(arun_shutdown(pair.a), 0);
	assert_fails(arun_write(pair.a, "x", 1), EPIPE);
	hear(pair.b, "last");
	hear_end(pair.b);
	say(pair.b, "answer");
	hear(pair.a, "answer");
	ck_assert_int_eq(arun_close(pair.b), 0);
	hear_end(pair.a);
	ck_assert_int_eq(arun_close(pair.a), 0);
}

CLAIM(an_end_without_close_notify_is_an_error) {
	struct pair pair = secured(tcp_pair());
	char byte;
	say(pair.a, "last");
	ck_assert_int_eq(shutdown(arun_fd(pair.a), SHUT_WR), 0);
	hear(pair.b, "last");
	assert_fails((int)arun_read(pair.b, &byte, 1), ECONNRESET);
	assert_contains(arun_why(), "close_notify");
	assert_fails(arun_close(pair.b), ECONNRESET);
	arun_abort(pair.a);
}

CLAIM(a_record_that_was_changed_is_an_error) {
	struct pair pair = secured(tcp_pair());
	char byte;
	ck_assert_int_eq(
		write(arun_fd(pair.a), "\x17\x03\x03\x00\x14garbage, and no record", 25),
		25);
	assert_fails((int)arun_read(pair.b, &byte, 1), EPROTO);
	assert_contains(arun_why(), "bad record mac");
	assert_fails((int)arun_read(pair.b, &byte, 1), EPROTO);
	assert_fails(arun_write(pair.b, "x", 1), EPROTO);
	assert_fails(arun_close(pair.b), EPROTO);
	arun_abort(pair.a);
}

CLAIM(a_reset_is_an_error) {
	struct pair pair = secured(tcp_pair());
	char byte;
	arun_abort(pair.a);
	assert_fails((int)arun_read(pair.b, &byte, 1), ECONNRESET);
	assert_fails(arun_close(pair.b), ECONNRESET);
}

CLAIM(a_connection_that_is_closed_fails_the_read_of_another_task) {
	struct pair pair = secured(tcp_pair());
	arun_task *reader = waiting(read_some, pair.b);
	ck_assert_int_eq(arun_shutdown(pair.a), 0);
	ck_assert_int_eq(joined(reader), 0);
	reader = waiting(read_some, pair.a);
	ck_assert_int_eq(arun_close(pair.a), 0);
	ck_assert_int_eq(joined(reader), -EBADF);
	arun_close(pair.b);
}

/* Cut short ----------------------------------------------------------------------- */

CLAIM(a_read_that_is_cancelled_or_late_loses_nothing) {
	struct pair pair = secured(tcp_pair());
	arun_task *reader = waiting(read_some, pair.b);
	arun_cancel(reader);
	ck_assert_int_eq(joined(reader), -ECANCELED);
	{
		char byte;
		ARUN_TIMEOUT(0.01);
		assert_fails((int)arun_read(pair.b, &byte, 1), ETIMEDOUT);
	}
	{
		char bytes[5];
		say(pair.a, "ab");
		ARUN_TIMEOUT(0.01);
		assert_fails((int)arun_read_exactly(pair.b, bytes, 5), ETIMEDOUT);
	}
	say(pair.a, "cde");
	hear(pair.b, "abcde");
	close_pair(pair);
}

/* Writes from index on until the socket is full. Returns how many bytes were taken. */
static size_t write_until_full(arun_conn *conn, const unsigned char *bytes, size_t size) {
	ARUN_TIMEOUT(0.02);
	assert_fails(arun_write(conn, bytes, size), ETIMEDOUT);
	return arun_written(conn);
}

CLAIM(what_was_taken_of_a_write_arrives_and_no_more) {
	struct pair pair = secured(unix_pair());
	unsigned char *bytes = large_bytes();
	size_t taken = write_until_full(pair.a, bytes, LARGE);
	ck_assert_uint_gt(taken, 0);
	ck_assert_uint_lt(taken, LARGE);
	/* It is full: nothing more is taken, and nothing breaks. */
	ck_assert_uint_eq(write_until_full(pair.a, bytes + taken, LARGE - taken), 0);
	arun_task *reader = arun_spawn(read_large, pair.b);
	ck_assert_int_eq(arun_write(pair.a, bytes + taken, LARGE - taken), 0);
	ck_assert_int_eq(joined(reader), 0);
	free(bytes);
	close_pair(pair);
}

/* A task's body: reads to the end. Returns 0 where *arg bytes came, which were right. */
struct reading {
	arun_conn *conn;
	size_t size;
};

static int read_to_end(void *arg) {
	struct reading *reading = arg;
	unsigned char piece[1000];
	size_t at = 0;
	ssize_t n;
	while ((n = arun_read(reading->conn, piece, sizeof piece)) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			if (piece[i] != byte_at(at++)) {
				return 1;
			}
		}
	}
	return n < 0 ? -1 : at != reading->size;
}

CLAIM(a_record_that_was_started_is_completed_by_a_close) {
	struct pair pair = secured(unix_pair());
	unsigned char *bytes = large_bytes();
	struct reading reading = {pair.b, write_until_full(pair.a, bytes, LARGE)};
	arun_task *reader = arun_spawn(read_to_end, &reading);
	ck_assert_int_eq(arun_close(pair.a), 0);
	ck_assert_int_eq(joined(reader), 0);
	ck_assert_int_eq(arun_close(pair.b), 0);
	free(bytes);
}

CLAIM(a_shutdown_does_not_wait_and_the_close_completes_it) {
	struct pair pair = secured(unix_pair());
	unsigned char *bytes = large_bytes();
	struct reading reading = {pair.b, write_until_full(pair.a, bytes, LARGE)};
	ck_assert_int_eq(arun_shutdown(pair.a), 0);
	arun_task *reader = arun_spawn(read_to_end, &reading);
	ck_assert_int_eq(arun_close(pair.a), 0);
	ck_assert_int_eq(joined(reader), 0);
	ck_assert_int_eq(arun_close(pair.b), 0);
	free(bytes);
}

/* Where a task is in the bytes, and its random times. */
struct stepping {
	arun_conn *conn;
	unsigned seed;
	size_t at;
};

static double next_time(struct stepping *stepping) {
	return rand_r(&stepping->seed) % 3 * 0.0005;
}

/* A task's body: writes them all, however often it is late. */
static int write_in_steps(void *arg) {
	struct stepping *stepping = arg;
	unsigned char *bytes = large_bytes();
	while (stepping->at < LARGE) {
		ARUN_TIMEOUT(next_time(stepping));
		int result = arun_write(
			stepping->conn, bytes + stepping->at, LARGE - stepping->at);
		if (result < 0 && errno != ETIMEDOUT) {
			break;
		}
		stepping->at += arun_written(stepping->conn);
	}
	free(bytes);
	return stepping->at == LARGE ? arun_shutdown(stepping->conn) : -1;
}

/* A task's body: reads to the end, however often it is late. */
static int read_in_steps(void *arg) {
	struct stepping *stepping = arg;
	unsigned char piece[30000];
	ssize_t n;
	do {
		ARUN_TIMEOUT(next_time(stepping));
		n = arun_read(stepping->conn, piece, sizeof piece);
		for (ssize_t i = 0; i < n; i++) {
			if (piece[i] != byte_at(stepping->at++)) {
				return 1;
			}
		}
	} while (n > 0 || (n < 0 && errno == ETIMEDOUT));
	return n < 0 ? -1 : stepping->at != LARGE;
}

CLAIM(calls_that_are_late_at_random_lose_and_double_nothing) {
	for (unsigned seed = 1; seed <= (API_ASAN ? 4 : 20); seed++) {
		struct pair pair = secured(seed % 2 ? unix_pair() : tcp_pair());
		struct stepping steps[] = {{pair.a, seed, 0}, {pair.b, seed + 100, 0},
			{pair.b, seed + 200, 0}, {pair.a, seed + 300, 0}};
		arun_task *tasks[] = {arun_spawn(write_in_steps, &steps[0]),
			arun_spawn(read_in_steps, &steps[1]),
			arun_spawn(write_in_steps, &steps[2]),
			arun_spawn(read_in_steps, &steps[3])};
		for (int i = 0; i < 4; i++) {
			int result = joined(tasks[i]);
			ck_assert_msg(result == 0, "seed %u, task %d: %d at %zu", seed, i,
				result, steps[i].at);
		}
		ck_assert_int_eq(arun_close(pair.a), 0);
		ck_assert_int_eq(arun_close(pair.b), 0);
	}
}

/* arun_starttls() ------------------------------------------------------------------ */

static int serve_upgrade(arun_conn *conn, void *tls) {
	char line[32];
	if (arun_read_until(conn, '\n', line, sizeof line) <= 0 ||
		arun_starttls(conn, tls, NULL) < 0) {
		return -1;
	}
	return echo(conn, NULL);
}

CLAIM(a_stream_becomes_one_with_tls) {
	arun_tls *server_tls = server_context("local"),
		 *client_tls = client_context("local");
	arun_server *server = listening(serve_upgrade, server_tls);
	arun_conn *conn = client_of(server);
	/* The handshake is on its way before the server is ready for it. */
	say(conn, "STARTTLS\n");
	ck_assert_int_eq(arun_starttls(conn, client_tls, "127.0.0.1"), 0);
	echo_once(conn);
	assert_fails(arun_starttls(conn, client_tls, "localhost"), EALREADY);
	echo_once(conn);
	ck_assert_int_eq(arun_close(conn), 0);
	ck_assert_int_eq(arun_server_close(server), 0);
	arun_tls_free(server_tls);
	arun_tls_free(client_tls);
}

static int send_hello(void *arg) {
	struct starting *starting = arg;
	say(starting->conn, "PROXY\n");
	return arun_starttls(starting->conn, starting->tls, "localhost");
}

CLAIM(what_was_read_ahead_belongs_to_the_handshake) {
	struct pair pair = tcp_pair();
	arun_tls *server_tls = server_context("local");
	struct starting client = {pair.a, client_context("local")};
	char line[16];
	arun_task *task = waiting(send_hello, &client);
	ck_assert_int_eq(arun_read_until(pair.b, '\n', line, sizeof line), 6);
	ck_assert_int_eq(arun_starttls(pair.b, server_tls, NULL), 0);
	ck_assert_int_eq(joined(task), 0);
	say(pair.b, "welcome");
	hear(pair.a, "welcome");
	close_pair(pair);
	arun_tls_free(server_tls);
	arun_tls_free(client.tls);
}

CLAIM(it_is_refused_where_it_can_not_begin) {
	arun_tls *tls = client_context("local");
	struct pair pipe = pipe_pair(), pair = unix_pair();
	assert_fails(arun_starttls(pipe.a, tls, "localhost"), ENOTSOCK);
	assert_fails(arun_starttls(pair.a, tls, NULL), EINVAL);
	assert_fails(arun_starttls(pair.a, tls, ""), EINVAL);
	arun_task *reader = waiting(read_some, pair.a);
	assert_fails(arun_starttls(pair.a, tls, "localhost"), EBUSY);
	say(pair.b, "x");
	ck_assert_int_eq(joined(reader), 1);
	assert_fails(arun_starttls(NULL, tls, "localhost"), EBADF);
	close_pair(pair);
	close_pair(pipe);
	arun_tls_free(tls);
}

CLAIM(a_handshake_that_is_cut_short_leaves_nothing_but_to_close) {
	arun_tls *tls = client_context("local");
	struct pair pair = tcp_pair();
	{
		ARUN_TIMEOUT(0.02);
		assert_fails(arun_starttls(pair.a, tls, "localhost"), ETIMEDOUT);
	}
	assert_fails(arun_write(pair.a, "x", 1), ECONNABORTED);
	assert_contains(arun_why(), "cut short");
	assert_fails(arun_close(pair.a), ECONNABORTED);
	arun_close(pair.b);
	arun_tls_free(tls);
}

static int start_client(void *arg) {
	struct starting *starting = arg;
	return arun_starttls(starting->conn, starting->tls, "localhost");
}

CLAIM(a_handshake_ends_where_it_is_cancelled_or_its_connection_closed) {
	struct pair pair = tcp_pair(), other = tcp_pair();
	struct starting client = {pair.a, client_context("local")};
	arun_task *task = waiting(start_client, &client);
	arun_cancel(task);
	ck_assert_int_eq(joined(task), -ECANCELED);
	client.conn = other.a;
	task = waiting(start_client, &client);
	arun_close(other.a);
	ck_assert_int_eq(joined(task), -EBADF);
	arun_close(pair.a);
	arun_close(pair.b);
	arun_close(other.b);
	arun_tls_free(client.tls);
}

Suite *suite(void) {
	Suite *suite = suite_create("tls stream");
	TCase *all = tcase_create("all");
	tcase_add_unchecked_fixture(all, make_certificates, remove_certificates);
	tcase_add_test(all, bytes_go_both_ways_at_once);
	tcase_add_test(all, it_reads_and_writes_as_every_stream_does);
	tcase_add_test(all, small_pieces_are_put_together);
	tcase_add_test(all, a_file_is_sent);
	tcase_add_test(all, a_call_that_succeeds_keeps_errno);
	tcase_add_test(all, one_side_may_end_before_the_other);
	tcase_add_test(all, an_end_without_close_notify_is_an_error);
	tcase_add_test(all, a_record_that_was_changed_is_an_error);
	tcase_add_test(all, a_reset_is_an_error);
	tcase_add_test(all, a_connection_that_is_closed_fails_the_read_of_another_task);
	tcase_add_test(all, a_read_that_is_cancelled_or_late_loses_nothing);
	tcase_add_test(all, what_was_taken_of_a_write_arrives_and_no_more);
	tcase_add_test(all, a_record_that_was_started_is_completed_by_a_close);
	tcase_add_test(all, a_shutdown_does_not_wait_and_the_close_completes_it);
	tcase_add_test(all, calls_that_are_late_at_random_lose_and_double_nothing);
	tcase_add_test(all, a_stream_becomes_one_with_tls);
	tcase_add_test(all, what_was_read_ahead_belongs_to_the_handshake);
	tcase_add_test(all, it_is_refused_where_it_can_not_begin);
	tcase_add_test(all, a_handshake_that_is_cut_short_leaves_nothing_but_to_close);
	tcase_add_test(
		all, a_handshake_ends_where_it_is_cancelled_or_its_connection_closed);
	suite_add_tcase(suite, all);
	return suite;
}
