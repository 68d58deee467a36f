/* SPDX-License-Identifier: MIT */
/* What is made while the run ends, behind the end of others of its kind. */
#include "streams.h"

#include <fcntl.h>

enum { FDS = 256 };

static int left[2], late[2], begun;

static int count_fds(void) {
	int count = 0;
	for (int fd = 0; fd < FDS; fd++) {
		count += fcntl(fd, F_GETFD) >= 0;
	}
	return count;
}

/* The end of the run ends the streams first. */
static int outlast_the_streams(void *make) {
	char byte;
	__atomic_store_n(&begun, 1, __ATOMIC_SEQ_CST);
	ck_assert_int_eq((int)read(left[1], &byte, 1), 0);
	close(left[1]);
	ck_assert_int_eq(arun_post(*(void (**)(void *))make, NULL), 0);
	return 0;
}

static int call_it(void *make) {
	assert_fails(arun_blocking(outlast_the_streams, make), ECANCELED);
	return 0;
}

static void (*made)(void *);

static int leave(int argc, char **argv) {
	(void)argc;
	(void)argv;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, left), 0);
	ck_assert_ptr_nonnull(arun_open_fd(left[0]));
	arun_detach(arun_spawn(call_it, &made));
	while (!__atomic_load_n(&begun, __ATOMIC_SEQ_CST)) {
		ck_assert_int_eq(arun_sleep(0.001), 0);
	}
	return 0;
}

/* The status of a run at the end of which make(NULL) is called. */
static int ends_with(void (*make)(void *)) {
	arun_options options = {.struct_size = sizeof options,
		.leaks = ARUN_LEAKS_OFF,
		.signals = true}; /* so that other threads' posts are its own */
	made = make;
	return arun_run(leave, 0, NULL, &options);
}

static void make_connection(void *unused) {
	(void)unused;
	ck_assert_int_eq(pipe(late), 0);
	ck_assert_ptr_nonnull(arun_open_fd(late[0]));
}

START_TEST(a_connection_is_closed) {
	ck_assert_int_eq(ends_with(make_connection), 0);
	ck_assert_int_eq(fcntl(late[0], F_GETFD), -1);
	close(late[1]);
}
END_TEST

static void make_server(void *unused) {
	(void)unused;
	ck_assert_ptr_nonnull(arun_listen("127.0.0.1:0", echo, NULL));
}

START_TEST(a_server_is_closed) {
	int before = count_fds();
	ck_assert_int_eq(ends_with(make_server), 0);
	ck_assert_int_eq(count_fds(), before);
}
END_TEST

static int make_one(void *unused) {
	(void)unused;
	ck_assert_int_eq(arun_gen_yield(&made), -1);
	note(errno == ECANCELED ? 'c' : '?');
	return 0;
}

static int take_one(void *unused) {
	ARUN_SHIELD(FOREVER);
	ck_assert_ptr_eq(arun_gen_next(arun_gen_new(make_one, unused)), &made);
	return 0;
}

static void make_generator(void *unused) {
	arun_detach(arun_spawn(take_one, unused));
}

START_TEST(a_generator_is_closed) {
	ck_assert_int_eq(ends_with(make_generator), 0);
	assert_trace("c");
}
END_TEST

/* Its other end, which stays, is waited for as long as others still have their share of the time. */
static int leave_late(int argc, char **argv) {
	(void)argc;
	(void)argv;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, left), 0);
	ck_assert_int_eq(arun_write(arun_open_fd(left[0]), "x", 1), 0);
	arun_stop(7);
	ARUN_SHIELD(FOREVER);
	return arun_sleep(3.2);
}

START_TEST(a_stop_with_little_time_left_does_not_run_out_of_it_for_a_connection) {
	arun_options options = {
		.struct_size = sizeof options, .leaks = ARUN_LEAKS_OFF, .grace = 4};
	ck_assert_int_eq(arun_run(leave_late, 0, NULL, &options), 7);
}
END_TEST

enum { SILENT = 9 };

/* A connection whose other end, left[1], says nothing and stays. */
static arun_conn *silent(void) {
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, left), 0);
	arun_conn *conn = arun_open_fd(left[0]);
	ck_assert_int_eq(arun_write(conn, "x", 1), 0);
	return conn;
}

/* As a proxy does; each of the other ends, which stay, is waited for. */
static int leave_one_by_one(int argc, char **argv) {
	arun_conn *conns[SILENT];
	int others[SILENT];
	(void)argc;
	(void)argv;
	for (int i = 0; i < SILENT; i++) {
		conns[i] = silent();
		others[i] = left[1];
	}
	arun_stop(0);
	for (int i = 0; i < SILENT; i++) {
		arun_close(conns[i]);
		close(others[i]);
	}
	return 0;
}

START_TEST(who_closes_many_connections_is_not_cut_short) {
	arun_options options = {
		.struct_size = sizeof options, .leaks = ARUN_LEAKS_ERROR, .grace = 2};
	ck_assert_int_eq(arun_run(leave_one_by_one, 0, NULL, &options), 0);
}
END_TEST

static int close_it(void *conn) {
	return arun_close(conn);
}

static int stop_while_it_closes(int argc, char **argv) {
	(void)argc;
	(void)argv;
	arun_conn *conn = silent();
	arun_task *closer = waiting(close_it, conn);
	arun_stop(0);
	arun_cancel(closer); /* so that the join waits, in this cancelled task */
	ck_assert_int_eq(joined(closer), 0);
	close(left[1]);
	return 0;
}

START_TEST(a_stop_leaves_a_close_that_is_under_way_no_more_than_its_share) {
	arun_options options = {
		.struct_size = sizeof options, .leaks = ARUN_LEAKS_ERROR, .grace = 0.8};
	ck_assert_int_eq(arun_run(stop_while_it_closes, 0, NULL, &options), 0);
}
END_TEST

Suite *suite(void) {
	Suite *suite = suite_create("last");
	TCase *closed = tcase_create("closed");
	tcase_add_test(closed, a_connection_is_closed);
	tcase_add_test(closed, a_server_is_closed);
	tcase_add_test(closed, a_generator_is_closed);
	tcase_add_test(closed,
		a_stop_with_little_time_left_does_not_run_out_of_it_for_a_connection);
	tcase_add_test(closed, who_closes_many_connections_is_not_cut_short);
	tcase_add_test(
		closed, a_stop_leaves_a_close_that_is_under_way_no_more_than_its_share);
	suite_add_tcase(suite, closed);
	return suite;
}
