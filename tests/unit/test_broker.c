/* SPDX-License-Identifier: MIT */
#include "broker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "drive.h"
#include "handler.h"
#include "suite.h"

/* What a broker answers, before it is asked. */
static struct broker broker;
static int parent;

static void setup(void) {
	int ends[2];
	char variable[32];
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	parent = ends[0];
	snprintf(variable, sizeof variable, "%d:%d", ends[1], (int)getpid());
	setenv("ARUN_BROKER", variable, 1);
	broker_init(&broker, true);
	ck_assert_int_eq(broker.fd, ends[1]);
}

static void teardown(void) {
	broker_finish(&broker);
	close(parent);
}

static void answer(char kind, const int *fds, size_t count) {
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(4 * sizeof(int))];
	} control = {.header = {.cmsg_len = CMSG_LEN(count * sizeof *fds),
			     .cmsg_level = SOL_SOCKET,
			     .cmsg_type = SCM_RIGHTS}};
	struct iovec part = {&kind, 1};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	if (count) {
		memcpy(CMSG_DATA(&control.header), fds, count * sizeof *fds);
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(count * sizeof *fds);
	}
	ck_assert_int_eq(sendmsg(parent, &message, 0), 1);
}

static bool has_ended(int fd) {
	struct pollfd poller = {.fd = fd};
	return poll(&poller, 1, 0) == 1 && poller.revents & POLLHUP;
}

START_TEST(of_several_descriptors_the_first_counts_and_none_is_left_open) {
	int taken = -1, pipes[4][2], writers[4] = {0};
	for (int i = 0; i <= _i; i++) {
		ck_assert_int_eq(pipe2(pipes[i], O_CLOEXEC), 0);
		writers[i] = pipes[i][1];
	}
	answer('H', writers, (size_t)_i + 1);
	for (int i = 0; i <= _i; i++) {
		close(writers[i]);
	}
	ck_assert_int_eq(broker_ask(&broker, "name", false, &taken), BROKER_HERE);
	ck_assert_int_eq(fcntl(taken, F_GETFD), FD_CLOEXEC);
	for (int i = 0; i <= _i; i++) {
		ck_assert_msg(has_ended(pipes[i][0]) == (i > 0), "%d", i);
	}
	close(taken);
	for (int i = 0; i <= _i; i++) {
		ck_assert(has_ended(pipes[i][0]));
		close(pipes[i][0]);
	}
}
END_TEST

START_TEST(what_is_no_descriptor_is_not_taken_for_one) {
	const int on = 1;
	int taken = -1;
	ck_assert_int_eq(
		setsockopt(broker.fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on), 0);
	answer('H', NULL, 0);
	ck_assert_int_eq(broker_ask(&broker, "name", false, &taken), BROKER_REFUSED);
	ck_assert_int_eq(taken, -1);
}
END_TEST

START_TEST(an_answer_that_needs_none_leaves_no_descriptor) {
	int taken = -1, ends[2];
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	answer("ORX"[_i], &ends[1], 1);
	close(ends[1]);
	ck_assert_int_ne(broker_ask(&broker, "name", false, &taken), BROKER_HERE);
	ck_assert_int_eq(taken, -1);
	ck_assert(has_ended(ends[0]));
	close(ends[0]);
}
END_TEST

START_TEST(what_the_plugin_has_put_in_its_place_is_left_alone) {
	int ends[2], taken = -1, number = broker.fd;
	char byte;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends), 0);
	ck_assert_int_eq(dup2(ends[1], number), number);
	close(ends[1]);
	broker_tell(&broker, "2/fd/fd/fds");
	ck_assert_int_eq(recv(ends[0], &byte, 1, 0), -1);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert(!broker_keep(&broker, number, NULL));
	ck_assert(broker_says(&broker, "failed"));
	ck_assert_int_eq(broker_ask(&broker, "name", false, &taken), BROKER_NONE);
	broker_finish(&broker);
	ck_assert_int_eq(recv(ends[0], &byte, 1, 0), -1);
	ck_assert_int_eq(errno, EAGAIN); /* not 0 either: it is open */
	close(ends[0]);
	close(number);
}
END_TEST

/* Asked to stop by others, a while ago, then by its parent. Returns the signal that forces; 0: none. */
static int stopped_by_two(void) {
	struct drive drive;
	drive_init(&drive);
	drive.loop.broker = broker;
	struct handler handler = {.loop = &drive.loop, .grace = 1000};
	ck_assert_int_eq(handler_install(&handler, true), 0);
	raise(SIGTERM);
	ck_assert_int_eq(handler.stop, SIGTERM);
	handler.sent_at -= 1;
	ck_assert_int_eq(write(STDOUT_FILENO, "x", 1), 1);
	while (!handler.forwarded_at && !handler.forced) {
		poll(NULL, 0, 1);
	}
	int forced = handler.forced;
	handler_restore(&handler);
	drive_finish(&drive);
	return forced;
}

START_TEST(what_a_parent_forwards_is_apart_also_where_it_has_not_answered) {
	int status, pipes[2], taken = -1;
	char byte;
	shutdown(parent, SHUT_WR);
	ck_assert_int_eq(broker_ask(&broker, "name", false, &taken), BROKER_NONE);
	ck_assert_int_eq(broker.fd, 0);
	ck_assert_int_eq(pipe(pipes), 0);
	pid_t child = fork();
	if (child == 0) {
		dup2(pipes[1], STDOUT_FILENO);
		alarm(10);
		_exit(stopped_by_two());
	}
	close(pipes[1]);
	ck_assert_int_eq(read(pipes[0], &byte, 1), 1);
	kill(child, SIGTERM);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_msg(WIFEXITED(status), "signal %d", WTERMSIG(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
	close(pipes[0]);
}
END_TEST

Suite *suite(void) {
	Suite *suite = suite_create("broker");
	TCase *all = tcase_create("all");
	tcase_add_checked_fixture(all, setup, teardown);
	tcase_add_loop_test(
		all, of_several_descriptors_the_first_counts_and_none_is_left_open, 0, 4);
	tcase_add_test(all, what_is_no_descriptor_is_not_taken_for_one);
	tcase_add_loop_test(all, an_answer_that_needs_none_leaves_no_descriptor, 0, 3);
	tcase_add_test(
		all, what_a_parent_forwards_is_apart_also_where_it_has_not_answered);
	tcase_add_test(all, what_the_plugin_has_put_in_its_place_is_left_alone);
	suite_add_tcase(suite, all);
	return suite;
}
