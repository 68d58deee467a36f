/* SPDX-License-Identifier: MIT */
/* What has come while nothing ran (a task hogs, the process is stopped) has come in time. */
#include "streams.h"

/* So many that the loop is told of what is behind them in a later turn. */
enum { CROWD = 300 };

static arun_conn *crowd[CROWD];
static int crowd_fds[CROWD];

static void crowd_gathers(void) {
	for (int i = 0; i < CROWD; i++) {
		int fds[2];
		ck_assert_int_eq(pipe(fds), 0);
		crowd[i] = arun_open_fd(fds[0]);
		ck_assert_ptr_nonnull(crowd[i]);
		crowd_fds[i] = fds[1];
		arun_detach(waiting(read_some, crowd[i]));
	}
}

static void crowd_speaks(void) {
	for (int i = 0; i < CROWD; i++) {
		ck_assert_int_eq((int)write(crowd_fds[i], "x", 1), 1);
	}
}

static void crowd_leaves(void) {
	for (int i = 0; i < CROWD; i++) {
		arun_close(crowd[i]);
		close(crowd_fds[i]);
	}
}

CLAIM(a_client_that_spoke_in_time_was_not_idle) {
	arun_listen_options options = {.idle_timeout = 0.3};
	crowd_gathers();
	arun_server *server = arun_listen_with("127.0.0.1:0", echo, NULL, &options);
	ck_assert_ptr_nonnull(server);
	arun_conn *client = client_of(server);
	echo_once(client);
	crowd_speaks();
	say(client, "again");
	usleep(600 * 1000); /* as a process that is paused: longer than idle_timeout */
	hear(client, "again");
	hear_end(client); /* now it was */
	arun_close(client);
	arun_server_close(server);
	crowd_leaves();
}

Suite *suite(void) {
	Suite *suite = suite_create("late");
	TCase *late = tcase_create("late");
	tcase_add_test(late, a_client_that_spoke_in_time_was_not_idle);
	suite_add_tcase(suite, late);
	return suite;
}
