/* SPDX-License-Identifier: MIT */
#include "streams.h"

#include <fcntl.h>
#include <limits.h>

/* Reading -------------------------------------------------------------------------- */

CLAIM(a_read_returns_what_is_there) {
	struct pair pair = unix_pair();
	char bytes[100];
	say(pair.a, "hello");
	ck_assert_int_eq(arun_read(pair.b, bytes, sizeof bytes), 5);
	ck_assert_mem_eq(bytes, "hello", 5);
	close_pair(pair);
}

CLAIM(a_read_of_nothing_returns_0_at_once) {
	struct pair pair = unix_pair();
	char byte;
	ck_assert_int_eq(arun_read(pair.a, &byte, 0), 0);
	ck_assert_int_eq(arun_read_exactly(pair.a, &byte, 0), 0);
	close_pair(pair);
}

CLAIM(the_end_is_read_again_and_again) {
	struct pair pair = tcp_pair();
	ck_assert_int_eq(arun_shutdown(pair.a), 0);
	hear_end(pair.b);
	hear_end(pair.b);
	close_pair(pair);
}

CLAIM(data_and_end_in_one_packet_are_both_read) {
	struct pair pair = tcp_pair();
	arun_task *reader = waiting(read_some, pair.b);
	say(pair.a, "bye");
	ck_assert_int_eq(arun_shutdown(pair.a), 0);
	ck_assert_int_eq(joined(reader), 3);
	hear_end(pair.b);
	close_pair(pair);
}

CLAIM(a_cancelled_read_loses_nothing) {
	struct pair pair = tcp_pair();
	arun_task *reader = waiting(read_some, pair.b);
	arun_cancel(reader);
	say(pair.a, "kept");
	ck_assert_int_eq(joined(reader), -ECANCELED);
	hear(pair.b, "kept");
	close_pair(pair);
}

CLAIM(bytes_that_come_with_the_cancel_stay) {
	struct pair pair = unix_pair();
	arun_task *reader = waiting(read_some, pair.b);
	say(pair.a, "kept");
	arun_cancel(reader);
	ck_assert_int_eq(joined(reader), -ECANCELED);
	hear(pair.b, "kept");
	close_pair(pair);
}

CLAIM(a_timed_out_read_leaves_the_connection_usable) {
	struct pair pair = tcp_pair();
	{
		char byte;
		ARUN_TIMEOUT(0.01);
		assert_fails(arun_read(pair.b, &byte, 1), ETIMEDOUT);
		assert_contains(arun_why(), arun_peer(pair.b));
	}
	say(pair.a, "more");
	hear(pair.b, "more");
	close_pair(pair);
}

CLAIM(a_second_reader_is_busy) {
	struct pair pair = unix_pair();
	char byte;
	arun_task *reader = waiting(read_some, pair.b);
	assert_fails(arun_read(pair.b, &byte, 1), EBUSY);
	assert_contains(arun_why(), ": another task does the same");
	say(pair.b, "writes are another thing");
	say(pair.a, "x");
	ck_assert_int_eq(joined(reader), 1);
	close_pair(pair);
}

CLAIM(a_read_of_a_connection_closed_meanwhile_fails_with_EBADF) {
	struct pair pair = tcp_pair();
	arun_task *reader = waiting(read_some, pair.b);
	ck_assert_int_eq(arun_close(pair.b), 0);
	ck_assert_int_eq(joined(reader), -EBADF);
	arun_close(pair.a);
}

CLAIM(a_read_of_NULL_fails_with_EBADF) {
	char byte;
	assert_fails(arun_read(NULL, &byte, 1), EBADF);
	assert_fails(arun_write(NULL, &byte, 1), EBADF);
	assert_fails(arun_shutdown(NULL), EBADF);
	ck_assert_int_eq(arun_close(NULL), 0);
	arun_abort(NULL);
}

CLAIM(a_reset_is_the_reads_error_and_the_closes) {
	struct pair pair = tcp_pair();
	char byte;
	arun_abort(pair.a);
	assert_fails(arun_read(pair.b, &byte, 1), ECONNRESET);
	assert_fails(arun_close(pair.b), ECONNRESET);
}

CLAIM(a_reset_is_told_to_every_later_read) {
	struct pair tcp = tcp_pair(), local = unix_pair();
	char bytes[2];
	arun_abort(tcp.a);
	say(local.b, "unread");
	arun_abort(local.a);
	for (int i = 0; i < 3; i++) {
		assert_fails(arun_read(tcp.b, bytes, 1), ECONNRESET);
		assert_fails(arun_read_exactly(tcp.b, bytes, 2), ECONNRESET);
		assert_fails(arun_read_until(tcp.b, '\n', bytes, 2), ECONNRESET);
		assert_fails(arun_read(local.b, bytes, 1), ECONNRESET);
	}
	arun_close(tcp.b);
	arun_close(local.b);
}

CLAIM(a_reset_that_a_write_has_met_is_no_end_for_a_read) {
	struct pair pair = tcp_pair();
	char byte;
	say(pair.a, "ab");
	arun_abort(pair.a);
	assert_fails(arun_write(pair.b, "x", 1), ECONNRESET);
	hear(pair.b, "ab");
	assert_fails(arun_read(pair.b, &byte, 1), ECONNRESET);
	assert_fails(arun_close(pair.b), ECONNRESET);
}

CLAIM(an_end_stays_one_also_where_a_write_fails) {
	struct pair pair = tcp_pair();
	say(pair.a, "ab");
	ck_assert_int_eq(arun_shutdown(pair.a), 0);
	arun_abort(pair.a);
	assert_fails(arun_write(pair.b, "x", 1), EPIPE);
	hear(pair.b, "ab");
	hear_end(pair.b);
	hear_end(pair.b);
	arun_close(pair.b);
}

/* Reading exactly ------------------------------------------------------------------ */

static int read_six(void *conn) {
	char bytes[6];
	return (int)arun_read_exactly(conn, bytes, sizeof bytes);
}

CLAIM(read_exactly_waits_for_the_last_byte) {
	struct pair pair = tcp_pair();
	arun_task *reader = waiting(read_six, pair.b);
	say(pair.a, "abc");
	let_others_run(3);
	say(pair.a, "defg");
	ck_assert_int_eq(joined(reader), 6);
	hear(pair.b, "g");
	close_pair(pair);
}

CLAIM(read_exactly_returns_0_at_a_clean_end) {
	struct pair pair = unix_pair();
	arun_shutdown(pair.a);
	ck_assert_int_eq(read_six(pair.b), 0);
	close_pair(pair);
}

CLAIM(read_exactly_cut_short_gives_back_what_came) {
	struct pair pair = unix_pair();
	char bytes[10];
	say(pair.a, "abc");
	arun_shutdown(pair.a);
	assert_fails(read_six(pair.b), ENODATA);
	ck_assert_int_eq(arun_read(pair.b, bytes, sizeof bytes), 3);
	ck_assert_mem_eq(bytes, "abc", 3);
	hear_end(pair.b);
	close_pair(pair);
}

CLAIM(a_cancelled_read_exactly_gives_back_what_came) {
	struct pair pair = unix_pair();
	say(pair.a, "ab");
	arun_task *reader = waiting(read_six, pair.b);
	say(pair.a, "cd");
	let_others_run(3);
	arun_cancel(reader);
	ck_assert_int_eq(joined(reader), -ECANCELED);
	say(pair.a, "ef");
	hear(pair.b, "abcdef");
	close_pair(pair);
}

CLAIM(read_exactly_of_more_than_memory_takes_nothing) {
	struct pair pair = unix_pair();
	char bytes[4];
	say(pair.a, "kept");
	assert_fails(arun_read_exactly(pair.b, bytes, PTRDIFF_MAX), ENOMEM);
	hear(pair.b, "kept");
	close_pair(pair);
}

/* Reading lines -------------------------------------------------------------------- */

static void hear_line(arun_conn *conn, const char *line) {
	char text[64] = "";
	ck_assert_int_eq(
		arun_read_until(conn, '\n', text, sizeof text), (ssize_t)strlen(line));
	ck_assert_str_eq(text, line);
}

CLAIM(two_lines_in_one_packet_are_two_lines) {
	struct pair pair = tcp_pair();
	say(pair.a, "one\ntwo\nthr");
	hear_line(pair.b, "one\n");
	hear_line(pair.b, "two\n");
	say(pair.a, "ee\n");
	hear_line(pair.b, "three\n");
	arun_shutdown(pair.a);
	hear_line(pair.b, "");
	close_pair(pair);
}

CLAIM(a_line_that_does_not_fit_is_not_taken) {
	struct pair pair = unix_pair();
	char text[4];
	say(pair.a, "long line\n");
	assert_fails(arun_read_until(pair.b, '\n', text, sizeof text), ENOBUFS);
	assert_contains(arun_why(), ": no delimiter within the size given");
	hear_line(pair.b, "long line\n");
	close_pair(pair);
}

CLAIM(a_last_line_without_its_end_is_left_to_the_next_read) {
	struct pair pair = unix_pair();
	char text[64];
	say(pair.a, "first\nlast");
	arun_shutdown(pair.a);
	hear_line(pair.b, "first\n");
	assert_fails(arun_read_until(pair.b, '\n', text, sizeof text), ENODATA);
	assert_contains(arun_why(), ": the stream ended without a delimiter");
	ck_assert_int_eq(arun_read(pair.b, text, sizeof text), 4);
	ck_assert_int_eq(arun_read_until(pair.b, '\n', text, sizeof text), 0);
	close_pair(pair);
}

static int read_line(void *conn) {
	char text[64];
	return (int)arun_read_until(conn, '\n', text, sizeof text);
}

CLAIM(a_cancelled_line_stays) {
	struct pair pair = tcp_pair();
	arun_task *reader = waiting(read_line, pair.b);
	say(pair.a, "half ");
	let_others_run(3);
	arun_cancel(reader);
	ck_assert_int_eq(joined(reader), -ECANCELED);
	say(pair.a, "whole\n");
	hear_line(pair.b, "half whole\n");
	close_pair(pair);
}

enum { LONG_LINE = 100000 };

static int write_long_line(void *conn) {
	char *line = malloc(LONG_LINE);
	memset(line, 'x', LONG_LINE);
	line[LONG_LINE - 1] = '\n';
	int result = arun_write(conn, line, LONG_LINE);
	free(line);
	return result;
}

CLAIM(a_line_may_be_as_long_as_the_buffer) {
	struct pair pair = unix_pair();
	char *line = malloc(LONG_LINE);
	arun_task *writer = arun_spawn(write_long_line, pair.a);
	ck_assert_int_eq(arun_read_until(pair.b, '\n', line, LONG_LINE), LONG_LINE);
	ck_assert_int_eq(joined(writer), 0);
	free(line);
	close_pair(pair);
}

/* Writing -------------------------------------------------------------------------- */

enum { MUCH = 20 << 20 };

static int write_much(void *conn) {
	char *bytes = malloc(MUCH);
	for (int i = 0; i < MUCH; i++) {
		bytes[i] = (char)(i >> 8);
	}
	int result = arun_write(conn, bytes, MUCH);
	free(bytes);
	return result;
}

/* Reads to the end, or until size bytes; all as write_much() made them. Returns how many. */
static size_t read_much(arun_conn *conn, size_t size) {
	static char bytes[65536];
	size_t got = 0, wrong = 0;
	ssize_t n = 1;
	while (got < size && (n = arun_read(conn, bytes, sizeof bytes)) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			wrong += bytes[i] != (char)((got + (size_t)i) >> 8);
		}
		got += (size_t)n;
	}
	ck_assert_int_ge(n, 0);
	ck_assert_uint_eq(wrong, 0);
	return got;
}

CLAIM(twenty_megabytes_arrive_whole) {
	struct pair pair = tcp_pair();
	arun_task *writer = arun_spawn(write_much, pair.a);
	ck_assert_uint_eq(read_much(pair.b, MUCH), MUCH);
	ck_assert_int_eq(joined(writer), 0);
	ck_assert_uint_eq(arun_written(pair.a), MUCH);
	close_pair(pair);
}

CLAIM(a_cancelled_write_has_sent_as_much_as_it_says) {
	struct pair pair = tcp_pair();
	arun_task *writer = waiting(write_much, pair.a);
	arun_cancel(writer);
	ck_assert_int_eq(joined(writer), -ECANCELED);
	size_t written = arun_written(pair.a);
	ck_assert_uint_gt(written, 0);
	ck_assert_uint_lt(written, MUCH);
	arun_shutdown(pair.a);
	ck_assert_uint_eq(read_much(pair.b, MUCH), written);
	close_pair(pair);
}

CLAIM(a_write_that_is_late_from_the_start_has_sent_nothing) {
	struct pair pair = tcp_pair();
	ck_assert_int_eq(arun_write(pair.a, "abc", 3), 0);
	ck_assert_uint_eq(arun_written(pair.a), 3);
	{
		ARUN_TIMEOUT(0);
		while (arun_sleep(0) == 0) {
		}
		assert_fails(arun_write(pair.a, "def", 3), ETIMEDOUT);
		ck_assert_uint_eq(arun_written(pair.a), 0);
	}
	ck_assert_int_eq(arun_write(pair.a, "de", 2), 0);
	assert_fails(arun_writev(pair.a, NULL, -1), EINVAL);
	ck_assert_uint_eq(arun_written(pair.a), 0);
	arun_shutdown(pair.a);
	char text[8] = "";
	assert_fails(arun_read_exactly(pair.b, text, 6), ENODATA);
	assert_contains(arun_why(), ": the stream ended before the last byte");
	ck_assert_int_eq(arun_read(pair.b, text, sizeof text), 5);
	ck_assert_str_eq(text, "abcde");
	close_pair(pair);
}

CLAIM(a_second_writer_is_busy) {
	struct pair pair = unix_pair();
	arun_task *writer = waiting(write_much, pair.a);
	assert_fails(arun_write(pair.a, "x", 1), EBUSY);
	ck_assert_uint_gt(arun_written(pair.a), 1); /* the other task's */
	assert_contains(arun_why(), ": another task does the same");
	arun_cancel(writer);
	ck_assert_int_eq(joined(writer), -ECANCELED);
	close_pair(pair);
}

CLAIM(a_write_to_who_is_gone_fails_without_a_signal) {
	struct pair pair = unix_pair();
	arun_close(pair.b);
	assert_fails(arun_write(pair.a, "x", 1), EPIPE);
	ck_assert_uint_eq(arun_written(pair.a), 0);
	assert_fails(arun_close(pair.a), EPIPE);
}

CLAIM(a_write_to_a_broken_pipe_fails_without_a_signal) {
	struct pair pair = pipe_pair();
	arun_close(pair.a);
	assert_fails(arun_write(pair.b, "x", 1), EPIPE);
	assert_fails(arun_close(pair.b), EPIPE);
}

CLAIM(a_write_of_a_connection_aborted_meanwhile_fails_with_EBADF) {
	struct pair pair = unix_pair();
	arun_task *writer = waiting(write_much, pair.a);
	arun_abort(pair.a);
	ck_assert_int_eq(joined(writer), -EBADF);
	arun_close(pair.b);
}

CLAIM(writev_sends_all_pieces_in_their_order) {
	struct pair pair = pipe_pair();
	struct iovec pieces[41];
	char wanted[42] = "";
	for (int i = 0; i < 41; i++) {
		wanted[i] = (char)('0' + i);
		pieces[i] = (struct iovec){&wanted[i], i != 20};
	}
	ck_assert_int_eq(arun_writev(pair.b, pieces, 41), 0);
	ck_assert_uint_eq(arun_written(pair.b), 40);
	memmove(wanted + 20, wanted + 21, 21);
	hear(pair.a, wanted);
	ck_assert_int_eq(arun_writev(pair.b, pieces, 0), 0);
	assert_fails(arun_writev(pair.b, pieces, -1), EINVAL);
	assert_fails(arun_writev(pair.b, pieces, IOV_MAX + 1), EINVAL);
	close_pair(pair);
}

/* The plain functions -------------------------------------------------------------- */

CLAIM(the_plain_functions_do_what_the_macros_do) {
	struct pair pair = unix_pair();
	char text[8];
	struct iovec piece = {text, 2};
	ck_assert_int_eq((arun_write)(pair.a, "a\n", 2), 0);
	ck_assert_int_eq((arun_read_until)(pair.b, '\n', text, 8), 2);
	ck_assert_int_eq((arun_writev)(pair.a, &piece, 1), 0);
	ck_assert_int_eq((arun_read)(pair.b, text, 8), 2);
	ck_assert_int_eq(arun_write_at(ARUN_SITE, pair.a, "bcd", 3), 0);
	ck_assert_int_eq((arun_read_exactly)(pair.b, text, 3), 3);
	ck_assert_mem_eq(text, "bcd", 3);
	arun_shutdown(pair.b);
	ck_assert_int_eq((arun_close)(pair.a), 0);
	ck_assert_int_eq((arun_close)(pair.b), 0);
}

static void add_reads(Suite *suite) {
	TCase *reads = tcase_create("read");
	tcase_add_test(reads, a_read_returns_what_is_there);
	tcase_add_test(reads, a_read_of_nothing_returns_0_at_once);
	tcase_add_test(reads, the_end_is_read_again_and_again);
	tcase_add_test(reads, data_and_end_in_one_packet_are_both_read);
	tcase_add_test(reads, a_cancelled_read_loses_nothing);
	tcase_add_test(reads, bytes_that_come_with_the_cancel_stay);
	tcase_add_test(reads, a_timed_out_read_leaves_the_connection_usable);
	tcase_add_test(reads, a_second_reader_is_busy);
	tcase_add_test(reads, a_read_of_a_connection_closed_meanwhile_fails_with_EBADF);
	tcase_add_test(reads, a_read_of_NULL_fails_with_EBADF);
	tcase_add_test(reads, a_reset_is_the_reads_error_and_the_closes);
	tcase_add_test(reads, a_reset_is_told_to_every_later_read);
	tcase_add_test(reads, a_reset_that_a_write_has_met_is_no_end_for_a_read);
	tcase_add_test(reads, an_end_stays_one_also_where_a_write_fails);
	tcase_add_test(reads, read_exactly_waits_for_the_last_byte);
	tcase_add_test(reads, read_exactly_returns_0_at_a_clean_end);
	tcase_add_test(reads, read_exactly_cut_short_gives_back_what_came);
	tcase_add_test(reads, a_cancelled_read_exactly_gives_back_what_came);
	if (!API_ASAN) { /* whose malloc() aborts */
		tcase_add_test(reads, read_exactly_of_more_than_memory_takes_nothing);
	}
	suite_add_tcase(suite, reads);
}

static void add_lines(Suite *suite) {
	TCase *lines = tcase_create("lines");
	tcase_add_test(lines, two_lines_in_one_packet_are_two_lines);
	tcase_add_test(lines, a_line_that_does_not_fit_is_not_taken);
	tcase_add_test(lines, a_last_line_without_its_end_is_left_to_the_next_read);
	tcase_add_test(lines, a_cancelled_line_stays);
	tcase_add_test(lines, a_line_may_be_as_long_as_the_buffer);
	suite_add_tcase(suite, lines);
}

static void add_writes(Suite *suite) {
	TCase *writes = tcase_create("write");
	tcase_add_test(writes, twenty_megabytes_arrive_whole);
	tcase_add_test(writes, a_cancelled_write_has_sent_as_much_as_it_says);
	tcase_add_test(writes, a_write_that_is_late_from_the_start_has_sent_nothing);
	tcase_add_test(writes, a_second_writer_is_busy);
	tcase_add_test(writes, a_write_to_who_is_gone_fails_without_a_signal);
	tcase_add_test(writes, a_write_to_a_broken_pipe_fails_without_a_signal);
	tcase_add_test(
		writes, a_write_of_a_connection_aborted_meanwhile_fails_with_EBADF);
	tcase_add_test(writes, writev_sends_all_pieces_in_their_order);
	tcase_add_test(writes, the_plain_functions_do_what_the_macros_do);
	suite_add_tcase(suite, writes);
}

Suite *suite(void) {
	Suite *suite = suite_create("stream");
	add_reads(suite);
	add_lines(suite);
	add_writes(suite);
	return suite;
}
