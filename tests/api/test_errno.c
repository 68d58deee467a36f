/* SPDX-License-Identifier: MIT */
/* A call that waited and succeeded leaves the errno of its task alone. */
#include "datagrams.h"

#include <netdb.h>

/* A task's body that succeeds in a call has this errno before and after it. */
enum { MINE = EXDEV };

/* Joins a task that waits until now, and that fails with MINE where errno was kept. */
static void assert_kept(arun_task *task) {
	ck_assert_int_eq(joined(task), -MINE);
}

static int read_once(void *conn) {
	char byte;
	errno = MINE;
	ck_assert_int_eq(arun_read(conn, &byte, 1), 1);
	return -1;
}

CLAIM(a_read_that_waited_keeps_errno) {
	struct pair pairs[] = {pipe_pair(), unix_pair(), tcp_pair()};
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		arun_task *reader = waiting(read_once, pairs[i].a);
		say(pairs[i].b, "x");
		assert_kept(reader);
		close_pair(pairs[i]);
	}
}

static int read_line(void *conn) {
	char line[8];
	errno = MINE;
	ck_assert_int_eq(arun_read_exactly(conn, line, 2), 2);
	ck_assert_int_eq(errno, MINE);
	ck_assert_int_eq(arun_read_until(conn, '\n', line, sizeof line), 3);
	return -1;
}

CLAIM(so_do_those_that_read_so_much) {
	struct pair pair = unix_pair();
	arun_task *reader = waiting(read_line, pair.a);
	for (const char *at = "12ab\n"; *at; at++) {
		say(pair.b, (char[]){*at, '\0'});
		let_others_run(2);
	}
	assert_kept(reader);
	close_pair(pair);
}

static int read_to_the_end(void *conn) {
	char bytes[8];
	ck_assert_ptr_null(arun_connect("no endpoint"));
	char why[256];
	strcpy(why, arun_why());
	errno = MINE;
	ck_assert_int_eq(arun_read(conn, bytes, sizeof bytes), 0);
	ck_assert_int_eq(arun_read_exactly(conn, bytes, sizeof bytes), 0);
	ck_assert_int_eq(arun_read_until(conn, '\n', bytes, sizeof bytes), 0);
	ck_assert_int_eq(errno, MINE);
	ck_assert_str_eq(arun_why(), why);
	return -1;
}

CLAIM(the_end_of_the_stream_is_no_failure_and_keeps_arun_why_too) {
	struct pair pair = unix_pair();
	arun_task *reader = waiting(read_to_the_end, pair.a);
	ck_assert_int_eq(arun_shutdown(pair.b), 0);
	assert_kept(reader);
	close_pair(pair);
}

static int lack_an_answer(void *conn) {
	char line[8];
	assert_fails((int)arun_read_until(conn, '\n', line, sizeof line), ENODATA);
	ck_assert_int_eq(arun_read(conn, line, sizeof line), 4);
	ck_assert_int_eq(arun_read_until(conn, '\n', line, sizeof line), 0);
	errno = ENODATA;
	return -1;
}

CLAIM(an_errno_that_is_set_at_the_end_is_not_that_of_an_earlier_failure) {
	struct pair pair = unix_pair();
	say(pair.b, "rest");
	ck_assert_int_eq(arun_shutdown(pair.b), 0);
	ARUN_GROUP(group);
	ck_assert_int_eq(arun_group_spawn(group, lack_an_answer, pair.a), 0);
	assert_fails(arun_group_wait(group), ENODATA);
	assert_contains(arun_why(), "): No data available");
	close_pair(pair);
}

enum { MUCH = 8 << 20 };

static int write_much(void *conn) {
	char *bytes = calloc(1, MUCH);
	ck_assert_ptr_nonnull(bytes);
	errno = MINE;
	ck_assert_int_eq(arun_write(conn, bytes, MUCH), 0);
	free(bytes);
	return -1;
}

static int send_much(void *conn) {
	FILE *file = tmpfile();
	ck_assert(file && ftruncate(fileno(file), MUCH) == 0);
	errno = MINE;
	ck_assert_int_eq(arun_sendfile(conn, fileno(file), 0, MUCH), 0);
	int kept = errno;
	fclose(file);
	errno = kept;
	return -1;
}

static void read_away(arun_conn *conn, size_t size) {
	char bytes[65536];
	while (size) {
		ssize_t n = arun_read(conn, bytes, sizeof bytes);
		ck_assert_int_gt(n, 0);
		size -= (size_t)n;
	}
}

CLAIM(so_do_writes) {
	int (*const writes[])(void *) = {write_much, send_much};
	for (size_t i = 0; i < sizeof writes / sizeof *writes; i++) {
		struct pair pair = tcp_pair();
		arun_task *writer = waiting(writes[i], pair.a);
		read_away(pair.b, MUCH);
		assert_kept(writer);
		close_pair(pair);
	}
}

static arun_conn *accepted;

static int accept_one(void *server) {
	errno = MINE;
	accepted = arun_accept(server);
	return accepted ? -1 : -ENOMSG;
}

CLAIM(so_do_connects_and_accepts) {
	arun_server *server = arun_listen("127.0.0.1:0", NULL, NULL);
	arun_task *task = waiting(accept_one, server);
	errno = MINE;
	arun_conn *conn = arun_connect(arun_server_address(server));
	ck_assert_ptr_nonnull(conn);
	ck_assert_int_eq(errno, MINE);
	assert_kept(task);
	close_pair((struct pair){conn, accepted});
	arun_server_close(server);
}

static int receive_one(void *udp) {
	char byte;
	errno = MINE;
	ck_assert_int_eq(arun_udp_recv(udp, &byte, 1, NULL), 1);
	return -1;
}

CLAIM(so_do_datagrams) {
	struct ends ends = ends_of("udp:127.0.0.1:0");
	arun_task *task = waiting(receive_one, ends.server);
	errno = MINE;
	ck_assert_int_eq(arun_udp_send(ends.client, "x", 1, NULL), 1);
	ck_assert_int_eq(errno, MINE);
	assert_kept(task);
	close_ends(ends);
}

static int wait_readable(void *fd) {
	errno = MINE;
	ck_assert_int_eq(arun_wait_fd(*(int *)fd, ARUN_READABLE), ARUN_READABLE);
	return -1;
}

CLAIM(so_do_waits_for_descriptors) {
	int fds[2];
	ck_assert_int_eq(pipe(fds), 0);
	arun_task *tasks[] = {
		waiting(wait_readable, &fds[0]), waiting(wait_readable, &fds[0])};
	ck_assert_int_eq(write(fds[1], "x", 1), 1);
	assert_kept(tasks[0]);
	assert_kept(tasks[1]);
	close(fds[0]);
	close(fds[1]);
}

static int read_and_fail(void *conn) {
	char byte;
	return arun_read(conn, &byte, 1) == 1 ? -1 : 0;
}

CLAIM(so_do_lookups) {
	const char *const hosts[] = {"127.0.0.1", "localhost"};
	for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
		struct addrinfo *list;
		errno = MINE;
		ck_assert_int_eq(arun_resolve(hosts[i], "80", &list), 0);
		ck_assert_int_eq(errno, MINE);
		freeaddrinfo(list);
	}
}

CLAIM(a_task_that_set_no_errno_is_not_given_that_of_a_wait) {
	struct pair pair = unix_pair();
	arun_task *reader = waiting(read_and_fail, pair.a);
	say(pair.b, "x");
	ck_assert_int_eq(joined(reader), -EIO);
	close_pair(pair);
}

Suite *suite(void) {
	Suite *suite = suite_create("errno");
	TCase *kept = tcase_create("kept");
	tcase_add_test(kept, a_read_that_waited_keeps_errno);
	tcase_add_test(kept, so_do_those_that_read_so_much);
	tcase_add_test(kept, the_end_of_the_stream_is_no_failure_and_keeps_arun_why_too);
	tcase_add_test(
		kept, an_errno_that_is_set_at_the_end_is_not_that_of_an_earlier_failure);
	tcase_add_test(kept, so_do_writes);
	tcase_add_test(kept, so_do_connects_and_accepts);
	tcase_add_test(kept, so_do_datagrams);
	tcase_add_test(kept, so_do_waits_for_descriptors);
	tcase_add_test(kept, so_do_lookups);
	tcase_add_test(kept, a_task_that_set_no_errno_is_not_given_that_of_a_wait);
	suite_add_tcase(suite, kept);
	return suite;
}
