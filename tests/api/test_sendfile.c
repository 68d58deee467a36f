/* SPDX-License-Identifier: MIT */
#include "streams.h"

#include <fcntl.h>
#include <sys/mman.h>

enum { LARGE = 5 << 20 };

static char byte_at(size_t place) {
	return (char)(place * 31 + (place >> 12));
}

/* A file of so many bytes that can be told apart. */
static int file_of(size_t size) {
	int fd = memfd_create("file", MFD_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	char *bytes = malloc(size + 1);
	for (size_t i = 0; i < size; i++) {
		bytes[i] = byte_at(i);
	}
	ck_assert_int_eq(write(fd, bytes, size), (ssize_t)size);
	free(bytes);
	return fd;
}

struct wanted {
	arun_conn *conn;
	size_t offset, size;
};

/* Reads to the end of the stream, and knows each byte. */
static int read_all(void *argument) {
	struct wanted *wanted = argument;
	char bytes[8192];
	ssize_t n;
	size_t got = 0;
	while ((n = arun_read(wanted->conn, bytes, sizeof bytes)) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			if (bytes[i] != byte_at(wanted->offset + got++)) {
				return -1;
			}
		}
	}
	ck_assert_int_eq(got, wanted->size);
	return 0;
}

/* Sends a part of a large file through pair. */
static void send_part(struct pair pair, size_t offset, size_t size) {
	int fd = file_of(LARGE);
	struct wanted wanted = {pair.b, offset, size};
	arun_task *reader = arun_spawn(read_all, &wanted);
	ck_assert_int_eq(arun_sendfile(pair.a, fd, (off_t)offset, size), 0);
	ck_assert_uint_eq(arun_written(pair.a), size);
	ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), LARGE);
	ck_assert_int_eq(arun_close(pair.a), 0);
	ck_assert_int_eq(joined(reader), 0);
	arun_close(pair.b);
	close(fd);
}

/* Sending -------------------------------------------------------------------------- */

CLAIM(a_large_file_arrives_whole_by_TCP) {
	send_part(tcp_pair(), 0, LARGE);
}

CLAIM(a_part_of_a_file_arrives_by_a_Unix_socket) {
	send_part(unix_pair(), 12345, LARGE - 20000);
}

CLAIM(a_large_file_arrives_through_a_pipe) {
	struct pair pipe = pipe_pair();
	send_part((struct pair){pipe.b, pipe.a}, 7, LARGE - 7);
}

CLAIM(what_sendfile_does_not_take_is_read_and_written) {
	/* Files of /proc cannot be mapped. */
	struct pair pair = unix_pair();
	int fd = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
	char name[64] = "", got[64] = "";
	ssize_t size = pread(fd, name, sizeof name - 1, 0);
	ck_assert_int_gt(size, 3);
	ck_assert_int_eq(arun_sendfile(pair.a, fd, 2, (size_t)size - 2), 0);
	ck_assert_int_eq(arun_read_exactly(pair.b, got, (size_t)size - 2), size - 2);
	ck_assert_str_eq(got, name + 2);
	close(fd);
	close_pair(pair);
}

CLAIM(nothing_of_a_file_is_sent_at_once) {
	struct pair pair = unix_pair();
	int fd = file_of(10);
	ck_assert_int_eq(arun_sendfile(pair.a, fd, 100, 0), 0);
	ck_assert_uint_eq(arun_written(pair.a), 0);
	close(fd);
	close_pair(pair);
}

static int note_a(void *arg) {
	(void)arg;
	note('a');
	return 0;
}

CLAIM(others_run_while_a_large_file_is_sent) {
	arun_conn *conn = arun_open_fd(open("/dev/null", O_WRONLY | O_CLOEXEC));
	int fd = file_of(LARGE);
	arun_task *task = arun_spawn(note_a, NULL);
	ck_assert_int_eq(arun_sendfile(conn, fd, 0, LARGE), 0);
	note('b');
	assert_trace("ab");
	ck_assert_int_eq(joined(task), 0);
	arun_close(conn);
	close(fd);
}

/* Refused -------------------------------------------------------------------------- */

CLAIM(a_file_that_ends_before_is_ENODATA_and_counted) {
	struct pair pair = tcp_pair();
	int fd = file_of(1000);
	assert_fails(arun_sendfile(pair.a, fd, 0, 1001), ENODATA);
	assert_contains(arun_why(), ": the file ends before that");
	ck_assert_uint_eq(arun_written(pair.a), 1000);
	assert_fails(arun_sendfile(pair.a, fd, 1000, 1), ENODATA);
	ck_assert_uint_eq(arun_written(pair.a), 0);
	struct wanted wanted = {pair.b, 0, 1000};
	arun_shutdown(pair.a);
	ck_assert_int_eq(read_all(&wanted), 0);
	close(fd);
	close_pair(pair);
}

struct sending {
	arun_conn *conn;
	int fd;
};

static int send_large(void *argument) {
	struct sending *sending = argument;
	return arun_sendfile(sending->conn, sending->fd, 0, LARGE);
}

CLAIM(a_file_cut_short_meanwhile_is_ENODATA) {
	struct pair pair = unix_pair();
	struct sending sending = {pair.a, file_of(LARGE)};
	arun_task *task = waiting(send_large, &sending);
	size_t taken = arun_written(pair.a);
	ck_assert_uint_gt(taken, 0);
	ck_assert_int_eq(ftruncate(sending.fd, (off_t)taken), 0);
	char bytes[8192];
	while (taken > 0) {
		ssize_t n = arun_read(pair.b, bytes, sizeof bytes);
		ck_assert_int_gt(n, 0);
		taken -= (size_t)n < taken ? (size_t)n : taken;
	}
	ck_assert_int_eq(joined(task), -ENODATA);
	close(sending.fd);
	close_pair(pair);
}

CLAIM(what_cannot_be_read_at_an_offset_says_why) {
	struct pair pair = unix_pair();
	int fds[2], folder = open("/", O_RDONLY | O_CLOEXEC), file = file_of(10);
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	assert_fails(arun_sendfile(pair.a, -1, 0, 1), EBADF);
	assert_fails(arun_sendfile(pair.a, fds[0], 0, 1), ESPIPE);
	assert_fails(arun_sendfile(pair.a, folder, 0, 1), EISDIR);
	assert_fails(arun_sendfile(pair.a, file, -1, 1), EINVAL);
	assert_fails(arun_sendfile(NULL, file, 0, 1), EBADF);
	close(fds[0]);
	close(fds[1]);
	close(folder);
	close(file);
	say(pair.a, "the stream goes on");
	hear(pair.b, "the stream goes on");
	close_pair(pair);
}

CLAIM(who_is_gone_is_EPIPE_without_a_signal) {
	struct pair pipe = pipe_pair(), socket = unix_pair();
	int fd = file_of(10);
	signal(SIGPIPE, SIG_DFL);
	arun_close(pipe.a);
	assert_fails(arun_sendfile(pipe.b, fd, 0, 10), EPIPE);
	arun_close(socket.b);
	assert_fails(arun_sendfile(socket.a, fd, 0, 10), EPIPE);
	arun_close(pipe.b);
	arun_close(socket.a);
	close(fd);
}

/* Interrupted ---------------------------------------------------------------------- */

CLAIM(a_cancelled_one_has_sent_as_much_as_it_says) {
	struct pair pair = tcp_pair();
	struct sending sending = {pair.a, file_of(LARGE)};
	arun_task *task = waiting(send_large, &sending);
	arun_cancel(task);
	ck_assert_int_eq(joined(task), -ECANCELED);
	struct wanted wanted = {pair.b, 0, arun_written(pair.a)};
	ck_assert_uint_lt(wanted.size, LARGE);
	arun_shutdown(pair.a);
	ck_assert_int_eq(read_all(&wanted), 0);
	close(sending.fd);
	close_pair(pair);
}

CLAIM(a_timed_out_one_has_sent_as_much_as_it_says) {
	struct pair pair = unix_pair();
	struct sending sending = {pair.a, file_of(LARGE)};
	{
		ARUN_TIMEOUT(0.01);
		assert_fails(send_large(&sending), ETIMEDOUT);
	}
	struct wanted wanted = {pair.b, 0, arun_written(pair.a)};
	arun_shutdown(pair.a);
	ck_assert_int_eq(read_all(&wanted), 0);
	close(sending.fd);
	close_pair(pair);
}

CLAIM(a_second_writer_is_busy_and_a_close_ends_it) {
	struct pair pair = unix_pair();
	struct sending sending = {pair.a, file_of(LARGE)};
	arun_task *task = waiting(send_large, &sending);
	assert_fails(arun_write(pair.a, "x", 1), EBUSY);
	assert_fails(send_large(&sending), EBUSY);
	arun_abort(pair.a);
	ck_assert_int_eq(joined(task), -EBADF);
	close(sending.fd);
	arun_close(pair.b);
}

/* Suite ---------------------------------------------------------------------------- */

static void add_sending(Suite *suite) {
	TCase *tcase = tcase_create("sending");
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_large_file_arrives_whole_by_TCP);
	tcase_add_test(tcase, a_part_of_a_file_arrives_by_a_Unix_socket);
	tcase_add_test(tcase, a_large_file_arrives_through_a_pipe);
	tcase_add_test(tcase, what_sendfile_does_not_take_is_read_and_written);
	tcase_add_test(tcase, nothing_of_a_file_is_sent_at_once);
	tcase_add_test(tcase, others_run_while_a_large_file_is_sent);
	suite_add_tcase(suite, tcase);
}

static void add_refused(Suite *suite) {
	TCase *tcase = tcase_create("refused");
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_file_that_ends_before_is_ENODATA_and_counted);
	tcase_add_test(tcase, a_file_cut_short_meanwhile_is_ENODATA);
	tcase_add_test(tcase, what_cannot_be_read_at_an_offset_says_why);
	tcase_add_test(tcase, who_is_gone_is_EPIPE_without_a_signal);
	suite_add_tcase(suite, tcase);
}

static void add_interrupted(Suite *suite) {
	TCase *tcase = tcase_create("interrupted");
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_cancelled_one_has_sent_as_much_as_it_says);
	tcase_add_test(tcase, a_timed_out_one_has_sent_as_much_as_it_says);
	tcase_add_test(tcase, a_second_writer_is_busy_and_a_close_ends_it);
	suite_add_tcase(suite, tcase);
}

Suite *suite(void) {
	Suite *suite = suite_create("sendfile");
	add_sending(suite);
	add_refused(suite);
	add_interrupted(suite);
	return suite;
}
