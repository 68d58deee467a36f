/* SPDX-License-Identifier: MIT */
#include "api.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct waiter {
	int fd, events, result, error;
	double ended;
};

static int wait_fd(void *arg) {
	struct waiter *self = arg;
	self->result = arun_wait_fd(self->fd, self->events);
	self->error = errno;
	self->ended = arun_now();
	return 0;
}

struct pair {
	int ends[2];
};

static struct pair pair_open(void) {
	struct pair pair;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
				 0, pair.ends),
		0);
	return pair;
}

static void pair_close(struct pair *pair) {
	for (int i = 0; i < 2; i++) {
		if (pair->ends[i] >= 0) {
			close(pair->ends[i]);
		}
	}
}

CLAIM(it_returns_what_is_ready_now) {
	struct pair pair = pair_open();
	int both = ARUN_READABLE | ARUN_WRITABLE;
	ck_assert_int_eq(arun_wait_fd(pair.ends[0], both), ARUN_WRITABLE);
	ck_assert_int_eq(write(pair.ends[1], "x", 1), 1);
	ck_assert_int_eq((arun_wait_fd)(pair.ends[0], both), both);
	ck_assert_int_eq(arun_wait_fd(pair.ends[0], ARUN_READABLE), ARUN_READABLE);
	/* Level-triggered: it is still there. */
	ck_assert_int_eq(arun_wait_fd(pair.ends[0], ARUN_READABLE), ARUN_READABLE);
	close(pair.ends[1]);
	pair.ends[1] = -1;
	char c;
	ck_assert_int_eq(read(pair.ends[0], &c, 1), 1);
	ck_assert_int_eq(arun_wait_fd(pair.ends[0], ARUN_READABLE), ARUN_READABLE);
	pair_close(&pair);
}

CLAIM(several_tasks_may_wait_for_one_descriptor) {
	struct pair pair = pair_open();
	struct waiter waiters[3];
	arun_task *tasks[3];
	for (int i = 0; i < 3; i++) {
		waiters[i] = (struct waiter){pair.ends[0], ARUN_READABLE, 0, 0, 0};
		tasks[i] = arun_spawn(wait_fd, &waiters[i]);
	}
	ck_assert_int_eq(arun_sleep(0.01), 0);
	arun_cancel(tasks[1]);
	joined(tasks[1]);
	ck_assert_int_eq(waiters[1].error, ECANCELED);
	ck_assert_int_eq(write(pair.ends[1], "x", 1), 1);
	joined(tasks[0]);
	joined(tasks[2]);
	ck_assert_int_eq(waiters[0].result, ARUN_READABLE);
	ck_assert_int_eq(waiters[2].result, ARUN_READABLE);
	pair_close(&pair);
}

CLAIM(regular_files_are_always_ready) {
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(arun_wait_fd(fd, ARUN_READABLE), ARUN_READABLE);
	close(fd);
}

CLAIM(what_is_not_open_is_EBADF_at_once) {
	assert_fails(arun_wait_fd(-1, ARUN_READABLE), EBADF);
	struct pair pair = pair_open();
	pair_close(&pair);
	assert_fails(arun_wait_fd(pair.ends[0], ARUN_READABLE), EBADF);
	assert_contains(arun_why(), "wait_fd fd ");
}

CLAIM(other_events_are_EINVAL) {
	struct pair pair = pair_open();
	assert_fails(arun_wait_fd(pair.ends[0], 0), EINVAL);
	assert_fails(arun_wait_fd(pair.ends[0], 4), EINVAL);
	assert_fails(arun_wait_fd(pair.ends[0], -1), EINVAL);
	pair_close(&pair);
}

CLAIM(a_wait_ends_with_ETIMEDOUT_and_a_later_one_works) {
	struct pair pair = pair_open();
	{
		ARUN_TIMEOUT(0.01);
		assert_fails(arun_wait_fd(pair.ends[0], ARUN_READABLE), ETIMEDOUT);
	}
	struct waiter waiter = {pair.ends[0], ARUN_READABLE, 0, 0, 0};
	arun_task *task = arun_spawn(wait_fd, &waiter);
	ck_assert_int_eq(arun_sleep(0.01), 0);
	ck_assert_int_eq(write(pair.ends[1], "x", 1), 1);
	joined(task);
	ck_assert_int_eq(waiter.result, ARUN_READABLE);
	pair_close(&pair);
}

/* Starts a wait, closes its descriptor, does what reuse says, and times the wait. */
static double time_of_close(void (*reuse)(int fd)) {
	struct pair pair = pair_open();
	struct waiter waiter = {pair.ends[0], ARUN_READABLE, 0, 0, 0};
	arun_task *task = arun_spawn(wait_fd, &waiter);
	ck_assert_int_eq(arun_sleep(0.01), 0);
	double start = arun_now();
	close(pair.ends[0]);
	reuse(pair.ends[0]);
	joined(task);
	ck_assert_int_eq(waiter.result, -1);
	ck_assert_int_eq(waiter.error, EBADF);
	pair_close(&pair);
	return waiter.ended - start;
}

static void leave_it(int fd) {
	(void)fd;
}

static int pipe_ends[2];

static void put_a_pipe_there(int fd) {
	ck_assert_int_eq(pipe2(pipe_ends, O_CLOEXEC), 0);
	if (pipe_ends[0] != fd) {
		ck_assert_int_eq(dup2(pipe_ends[0], fd), fd);
		close(pipe_ends[0]);
	}
}

CLAIM(a_descriptor_closed_meanwhile_is_EBADF_within_a_second) {
	ck_assert_double_le(time_of_close(leave_it), 1);
}

CLAIM(so_is_one_whose_number_was_used_again) {
	ck_assert_double_le(time_of_close(put_a_pipe_there), 1);
	close(pipe_ends[1]);
}

CLAIM(a_descriptor_closed_before_the_loops_turn_is_EBADF) {
	struct pair pair = pair_open();
	struct waiter waiter = {pair.ends[0], ARUN_READABLE, 0, 0, 0};
	arun_task *task = arun_spawn(wait_fd, &waiter);
	let_others_run(1);
	close(pair.ends[0]);
	pair.ends[0] = -1;
	joined(task);
	ck_assert_int_eq(waiter.result, -1);
	ck_assert_int_eq(waiter.error, EBADF);
	pair_close(&pair);
}

CLAIM(a_descriptor_that_one_of_two_waits_for_no_more_may_be_closed) {
	struct pair pair = pair_open();
	while (write(pair.ends[0], api_trace, sizeof api_trace) > 0) {
	}
	struct waiter waiters[2] = {{pair.ends[0], ARUN_READABLE, 0, 0, 0},
		{pair.ends[0], ARUN_WRITABLE, 0, 0, 0}};
	arun_task *tasks[2];
	for (int i = 0; i < 2; i++) {
		tasks[i] = arun_spawn(wait_fd, &waiters[i]);
	}
	ck_assert_int_eq(arun_sleep(0.001), 0);
	arun_cancel(tasks[0]);
	joined(tasks[0]);
	close(pair.ends[0]);
	pair.ends[0] = -1;
	joined(tasks[1]);
	ck_assert_int_eq(waiters[0].error, ECANCELED);
	ck_assert_int_eq(waiters[1].error, EBADF);
	pair_close(&pair);
}

CLAIM(hundreds_of_waits_for_a_descriptor_end_when_it_is_closed) {
	struct pair pair = pair_open();
	struct waiter waiters[600];
	arun_task *tasks[600];
	for (int i = 0; i < 600; i++) {
		waiters[i] = (struct waiter){pair.ends[0], ARUN_READABLE, 0, 0, 0};
		tasks[i] = arun_spawn(wait_fd, &waiters[i]);
	}
	let_others_run(1);
	for (int i = 1; i < 600; i++) {
		arun_cancel(tasks[i]);
	}
	let_others_run(1);
	close(pair.ends[0]);
	pair.ends[0] = -1;
	for (int i = 0; i < 600; i++) {
		joined(tasks[i]);
		ck_assert_int_eq(waiters[i].error, i ? ECANCELED : EBADF);
	}
	pair_close(&pair);
}

CLAIM(a_number_that_is_used_again_can_be_waited_for) {
	for (int i = 0; i < 3; i++) {
		struct pair pair = pair_open();
		struct waiter waiter = {pair.ends[0], ARUN_READABLE, 0, 0, 0};
		arun_task *task = arun_spawn(wait_fd, &waiter);
		ck_assert_int_eq(arun_sleep(0.001), 0);
		ck_assert_int_eq(write(pair.ends[1], "x", 1), 1);
		joined(task);
		ck_assert_int_eq(waiter.result, ARUN_READABLE);
		pair_close(&pair);
	}
}

CLAIM(a_task_that_never_needs_to_wait_lets_the_others_run) {
	struct pair pair = pair_open();
	struct waiter waiter = {pair.ends[0], ARUN_WRITABLE, 0, 0, 0};
	arun_task *other = arun_spawn(wait_fd, &waiter);
	for (int i = 0; i < 100000 && !waiter.result; i++) {
		ck_assert_int_eq(
			arun_wait_fd(pair.ends[0], ARUN_WRITABLE), ARUN_WRITABLE);
	}
	ck_assert_int_eq(waiter.result, ARUN_WRITABLE);
	joined(other);
	pair_close(&pair);
}

static int keep_fd(arun_conn *conn, void *arg) {
	char byte;
	*(int *)arg = arun_fd(conn);
	return arun_read(conn, &byte, 1) < 0 ? -1 : 0;
}

static void assert_no_socket_at_stdin(void) {
	struct stat status;
	ck_assert(fstat(STDIN_FILENO, &status) < 0 || S_ISCHR(status.st_mode));
}

CLAIM(nothing_takes_the_number_of_a_standard_stream) {
	char cat[] = "cat", *words[] = {cat, NULL};
	const arun_exec_options options = {.in = ARUN_STREAM, .out = ARUN_STREAM};
	int accepted = 0;
	close(STDIN_FILENO);
	arun_server *server = arun_listen("127.0.0.1:0", keep_fd, &accepted);
	assert_no_socket_at_stdin();
	close(STDIN_FILENO);
	arun_udp *udp = arun_udp_open("udp:127.0.0.1:0");
	assert_no_socket_at_stdin();
	close(STDIN_FILENO);
	arun_conn *conn = arun_connect(arun_server_address(server));
	assert_no_socket_at_stdin();
	ck_assert_int_gt(arun_fd(conn), STDERR_FILENO);
	close(STDIN_FILENO);
	while (!accepted) {
		arun_sleep(0.001);
	}
	assert_no_socket_at_stdin();
	ck_assert_int_gt(accepted, STDERR_FILENO);
	close(STDIN_FILENO);
	arun_process *process = arun_exec(words, &options);
	assert_no_socket_at_stdin();
	ck_assert_int_gt(arun_fd(arun_process_stdin(process)), STDERR_FILENO);
	ck_assert_int_gt(arun_fd(arun_process_stdout(process)), STDERR_FILENO);
	arun_process_close(process);
	arun_close(conn);
	arun_udp_close(udp);
	ck_assert_int_eq(arun_server_close(server), 0);
}

Suite *suite(void) {
	Suite *suite = suite_create("fd");
	TCase *fd = tcase_create("fd");
	tcase_add_test(fd, it_returns_what_is_ready_now);
	tcase_add_test(fd, several_tasks_may_wait_for_one_descriptor);
	tcase_add_test(fd, regular_files_are_always_ready);
	tcase_add_test(fd, what_is_not_open_is_EBADF_at_once);
	tcase_add_test(fd, other_events_are_EINVAL);
	tcase_add_test(fd, a_wait_ends_with_ETIMEDOUT_and_a_later_one_works);
	tcase_add_test(fd, a_descriptor_closed_meanwhile_is_EBADF_within_a_second);
	tcase_add_test(fd, so_is_one_whose_number_was_used_again);
	tcase_add_test(fd, a_descriptor_closed_before_the_loops_turn_is_EBADF);
	tcase_add_test(fd, a_descriptor_that_one_of_two_waits_for_no_more_may_be_closed);
	tcase_add_test(fd, hundreds_of_waits_for_a_descriptor_end_when_it_is_closed);
	tcase_add_test(fd, a_number_that_is_used_again_can_be_waited_for);
	tcase_add_test(fd, a_task_that_never_needs_to_wait_lets_the_others_run);
	tcase_add_test(fd, nothing_takes_the_number_of_a_standard_stream);
	suite_add_tcase(suite, fd);
	return suite;
}
