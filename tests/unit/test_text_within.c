/* SPDX-License-Identifier: MIT */
#include "suite.h"
#include "text_within.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PIPE = 64 * 1024, LINE = 100 };

static int ends[2];
static struct text out;

static void setup(void) {
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_ge(fcntl(ends[1], F_SETPIPE_SZ, PIPE), PIPE);
	text_init(&out);
}

static void teardown(void) {
	text_finish(&out);
	close(ends[0]);
	close(ends[1]);
}

static void add_lines(size_t size) {
	char line[LINE + 1];
	memset(line, 'x', LINE);
	line[LINE - 1] = '\n';
	line[LINE] = '\0';
	while (out.length < size) {
		text_add(&out, "%s", line);
	}
}

static double now(void) {
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

START_TEST(what_fits_is_written_at_once) {
	char read_back[10 * LINE];
	add_lines(sizeof read_back);
	ck_assert_uint_eq(text_write_within(&out, ends[1], 0), sizeof read_back);
	ck_assert_int_eq(read(ends[0], read_back, sizeof read_back), sizeof read_back);
	ck_assert_mem_eq(read_back, out.data, sizeof read_back);
}
END_TEST

START_TEST(a_pipe_that_stays_full_takes_whole_lines_until_the_time_is_over) {
	double start = now();
	add_lines(3 * PIPE);
	errno = 0;
	size_t count = text_write_within(&out, ends[1], 0.2);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_uint_gt(count, PIPE / 2);
	ck_assert_uint_lt(count, out.length);
	ck_assert_uint_eq(count % LINE, 0);
	ck_assert_double_ge(now() - start, 0.2);
}
END_TEST

START_TEST(without_time_a_full_pipe_is_left_at_once) {
	add_lines(3 * PIPE);
	text_write_within(&out, ends[1], 0);
	double start = now();
	ck_assert_uint_eq(text_write_within(&out, ends[1], 0), 0);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_double_lt(now() - start, 10);
}
END_TEST

START_TEST(a_line_longer_than_a_chunk_is_written_too) {
	static char long_line[3 * PIPE_BUF];
	memset(long_line, 'x', sizeof long_line - 1);
	text_add(&out, "%s", long_line);
	ck_assert_uint_eq(text_write_within(&out, ends[1], 1), sizeof long_line - 1);
}
END_TEST

START_TEST(where_nobody_can_read_it_says_so) {
	signal(SIGPIPE, SIG_IGN);
	close(ends[0]);
	add_lines(LINE);
	ck_assert_uint_eq(text_write_within(&out, ends[1], 60), 0);
	ck_assert_int_eq(errno, EPIPE);
}
END_TEST

START_TEST(a_file_takes_all_of_it) {
	char path[] = "/tmp/arun-text-XXXXXX";
	int fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	unlink(path);
	add_lines(3 * PIPE);
	ck_assert_uint_eq(text_write_within(&out, fd, 0), out.length);
	ck_assert_int_eq(lseek(fd, 0, SEEK_END), (off_t)out.length);
	close(fd);
}
END_TEST

Suite *suite(void) {
	Suite *suite = suite_create("text_within");
	TCase *tests = tcase_create("text_within");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, what_fits_is_written_at_once);
	tcase_add_test(
		tests, a_pipe_that_stays_full_takes_whole_lines_until_the_time_is_over);
	tcase_add_test(tests, without_time_a_full_pipe_is_left_at_once);
	tcase_add_test(tests, a_line_longer_than_a_chunk_is_written_too);
	tcase_add_test(tests, where_nobody_can_read_it_says_so);
	tcase_add_test(tests, a_file_takes_all_of_it);
	suite_add_tcase(suite, tests);
	return suite;
}
