/* SPDX-License-Identifier: MIT */
/* arun_status(), arun_progress(), arun_fdstore(). */
#include "api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int manager = -1;

/* A manager at an abstract address, whose variable the run takes. */
static void set_up_manager(void) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char name[64];
	snprintf(name, sizeof name, "@arun-api-%ld", (long)getpid());
	setenv("NOTIFY_SOCKET", name, 1);
	memcpy(address.sun_path + 1, name + 1, strlen(name) - 1);
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(manager, 0);
	socklen_t length =
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
	ck_assert_int_eq(bind(manager, (struct sockaddr *)&address, length), 0);
}

/* Who does not handle the signals is not the service. */
#define MANAGED(name)                                                                    \
	static void name##_in_run(void);                                                 \
	START_TEST(name) {                                                               \
		arun_options options = *STRICT;                                          \
		options.signals = true;                                                  \
		api_body = name##_in_run;                                                \
		ck_assert_int_eq(arun_run(api_entry, 0, NULL, &options), 0);             \
		ck_assert_ptr_null(getenv("NOTIFY_SOCKET"));                             \
	}                                                                                \
	END_TEST                                                                         \
	static void name##_in_run(void)

/* The next message. */
static const char *hear(int *fd) {
	static char text[1024];
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = {text, sizeof text - 1};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof control.room};
	ssize_t length = recvmsg(manager, &message, MSG_CMSG_CLOEXEC);
	text[length < 0 ? 0 : length] = '\0';
	if (fd) {
		*fd = -1;
		if (message.msg_controllen) {
			memcpy(fd, CMSG_DATA(&control.header), sizeof *fd);
		}
	}
	return text;
}

static bool heard(const char *part) {
	const char *text;
	do {
		text = hear(NULL);
	} while (*text && !strstr(text, part));
	return *text;
}

MANAGED(a_progress_is_told_at_once_and_extends_the_start) {
	arun_progress("step %d of %s", 2, "3");
	ck_assert(heard("EXTEND_TIMEOUT_USEC=30000000"));
	ck_assert_str_eq(hear(NULL), "STATUS=step 2 of 3");
}

MANAGED(a_status_is_told_within_a_second) {
	arun_status("%s", "some words");
	ARUN_TIMEOUT(FOREVER);
	while (!heard("STATUS=some words")) {
		ck_assert_int_eq(arun_sleep(0.01), 0);
	}
	arun_status(NULL);
	while (!heard("STATUS=0 connections, 1 task")) {
		ck_assert_int_eq(arun_sleep(0.01), 0);
	}
}

MANAGED(a_descriptor_is_stored_under_its_name_and_dropped_by_it) {
	int ends[2], stored;
	ck_assert_int_eq(pipe(ends), 0);
	while (*hear(NULL)) {
	}
	ck_assert_int_eq(arun_fdstore("pipe", ends[1]), 0);
	ck_assert_str_eq(hear(&stored), "FDSTORE=1\nFDPOLL=0\nFDNAME=pipe");
	ck_assert_int_eq(write(stored, "x", 1), 1);
	char byte = 0;
	ck_assert_int_eq(read(ends[0], &byte, 1), 1);
	ck_assert_int_eq(byte, 'x');
	close(stored);
	ck_assert_int_eq(arun_fdstore("pipe", -1), 0);
	ck_assert_str_eq(hear(&stored), "FDSTOREREMOVE=1\nFDNAME=pipe");
	ck_assert_int_eq(stored, -1);
	close(ends[0]);
	close(ends[1]);
}

static void check_fails(const char *name, int fd, int error) {
	errno = 0;
	ck_assert_int_eq(arun_fdstore(name, fd), -1);
	ck_assert_int_eq(errno, error);
}

MANAGED(a_bad_name_or_descriptor_is_refused) {
	char longest[257];
	memset(longest, 'x', 256);
	longest[256] = '\0';
	check_fails(NULL, 0, EINVAL);
	check_fails("", 0, EINVAL);
	check_fails("a:b", 0, EINVAL);
	check_fails("a b", 0, EINVAL);
	check_fails("a\nREADY=1", 0, EINVAL);
	check_fails("\xc3\xa4", 0, EINVAL);
	check_fails(longest, 0, EINVAL);
	ck_assert_int_eq(arun_fdstore(longest + 1, 0), 0);
	check_fails("name", 12345, EBADF);
}

MANAGED(a_manager_that_does_not_read_is_EAGAIN) {
	int stored = 0;
	while (stored < 10000 && arun_fdstore("name", 0) == 0) {
		stored++;
	}
	check_fails("name", 0, EAGAIN);
	assert_contains(arun_why(), "name");
	/* Once it reads there is room again. */
	for (int fd; *hear(&fd);) {
		close(fd);
	}
	ck_assert_int_eq(arun_fdstore("name", -1), 0);
}

CLAIM(without_a_manager_nothing_happens) {
	arun_status("%d", 1);
	arun_progress("%d", 2);
	check_fails("name", 0, ENOTCONN);
}

static int takes_what_is_listened_at(int argc, char **argv) {
	(void)argc, (void)argv;
	arun_server *server = arun_listen("systemd:http", NULL, NULL);
	ck_assert_ptr_nonnull(server);
	ck_assert_ptr_null(arun_listen("systemd:http", NULL, NULL));
	ck_assert_int_eq(errno, EBUSY);
	ck_assert_ptr_null(arun_listen("systemd:none", NULL, NULL));
	ck_assert_int_eq(errno, ENOENT);
	return arun_server_close(server);
}

START_TEST(what_a_host_lists_is_open_for_its_entry) {
	const char *const list[] = {"http=127.0.0.1:0", "127.0.0.1:0", NULL};
	arun_options options = *STRICT;
	options.listen = list;
	ck_assert_int_eq(arun_run(takes_what_is_listened_at, 0, NULL, &options), 0);
}
END_TEST

START_TEST(what_cannot_be_listened_at_is_EINVAL) {
	const char *const list[] = {"http=nowhere", NULL};
	arun_options options = *STRICT;
	options.listen = list;
	errno = 0;
	ck_assert_int_eq(arun_run(takes_what_is_listened_at, 0, NULL, &options), -1);
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(outside_a_run_nothing_happens) {
	api_body = NULL;
	arun_status("%d", 1);
	arun_progress("%d", 2);
	check_fails("name", 0, ENOTCONN);
}
END_TEST

Suite *suite(void) {
	Suite *suite = suite_create("systemd");
	TCase *alone = tcase_create("alone");
	tcase_add_test(alone, without_a_manager_nothing_happens);
	tcase_add_test(alone, outside_a_run_nothing_happens);
	tcase_add_test(alone, what_a_host_lists_is_open_for_its_entry);
	tcase_add_test(alone, what_cannot_be_listened_at_is_EINVAL);
	suite_add_tcase(suite, alone);
	TCase *managed = tcase_create("managed");
	tcase_add_checked_fixture(managed, set_up_manager, NULL);
	tcase_add_test(managed, a_progress_is_told_at_once_and_extends_the_start);
	tcase_add_test(managed, a_status_is_told_within_a_second);
	tcase_add_test(managed, a_descriptor_is_stored_under_its_name_and_dropped_by_it);
	tcase_add_test(managed, a_bad_name_or_descriptor_is_refused);
	tcase_add_test(managed, a_manager_that_does_not_read_is_EAGAIN);
	suite_add_tcase(suite, managed);
	return suite;
}
