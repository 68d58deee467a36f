/* SPDX-License-Identifier: MIT */
/* Calls that only ask, of an object that is gone: no errno of theirs could tell. */
#define _GNU_SOURCE

#include "misuse.h"

static void peer(void) {
	arun_peer(closed_conn());
}

static void local(void) {
	arun_local(closed_conn());
}

static void fd(void) {
	arun_fd(closed_conn());
}

static void credentials(void) {
	struct ucred who;
	arun_peer_credentials(closed_conn(), &who);
}

static void written(void) {
	arun_written(closed_conn());
}

static void alpn(void) {
	arun_conn_alpn(closed_conn());
}

static void address(void) {
	arun_server *server = arun_listen("tcp:127.0.0.1:0", NULL, NULL);
	ck_assert_ptr_nonnull(server);
	arun_server_close(server);
	arun_server_address(server);
}

static void udp_local(void) {
	arun_udp *udp = arun_udp_open("udp:127.0.0.1:0");
	ck_assert_ptr_nonnull(udp);
	arun_udp_close(udp);
	arun_udp_local(udp);
}

static arun_process *gone_process(void) {
	char *const argv[] = {(char[]){"true"}, NULL};
	arun_process *process = arun_exec(argv, NULL);
	ck_assert_ptr_nonnull(process);
	arun_process_close(process);
	return process;
}

static void pid(void) {
	arun_process_pid(gone_process());
}

static void process_stdout(void) {
	arun_process_stdout(gone_process());
}

static void chan_close(void) {
	arun_chan *chan = arun_chan_new(1, 1);
	arun_chan_free(chan);
	arun_chan_close(chan);
}

static int end_at_once(void *arg) {
	(void)arg;
	return 0;
}

static void set_name(void) {
	arun_task *task = arun_spawn(end_at_once, NULL);
	arun_join(task, NULL);
	arun_set_name(task, "late");
}

static void detach_twice(void) {
	arun_task *task = arun_spawn(end_at_once, NULL);
	arun_detach(task);
	arun_sleep(0);
	arun_detach(task);
}

static const struct {
	void (*body)(void);
	const char *words;
	bool readable; /* by ASan as well: the memory is that of a stack */
} cases[] = {
	{peer, "arun_peer() of a connection that is gone", false},
	{local, "arun_local() of a connection that is gone", false},
	{fd, "arun_fd() of a connection that is gone", false},
	{credentials, "arun_peer_credentials() of a connection that is gone", false},
	{written, "arun_written() of a connection that is gone", false},
	{alpn, "arun_conn_alpn() of a connection that is gone", false},
	{address, "arun_server_address() of a server that is gone", false},
	{udp_local, "arun_udp_local() of a socket that is closed", false},
	{pid, "arun_process_pid() of a process that is closed", false},
	{process_stdout, "arun_process_stdout() of a process that is closed", false},
	{chan_close, "arun_chan_close() of a channel that was freed", false},
	{set_name, "arun_set_name() of a task that is gone", true},
	{detach_twice, "arun_detach() of a task that is gone", true},
};

static int each;

static void in_run(void) {
	fprintf(stderr, "%s: ", __FILE__);
	run(cases[each].body);
}

START_TEST(it_aborts_with_a_line) {
	each = _i;
	if (cases[_i].readable || !API_ASAN) { /* which ends the program itself */
		assert_misuse(in_run, cases[_i].words);
	}
}
END_TEST

Suite *suite(void) {
	Suite *suite = suite_create("gone");
	TCase *all = tcase_create("all");
	tcase_add_loop_test(all, it_aborts_with_a_line, 0, sizeof cases / sizeof *cases);
	suite_add_tcase(suite, all);
	return suite;
}
