/* SPDX-License-Identifier: MIT */
#include "datagrams.h"

/* Endpoints ------------------------------------------------------------------------ */

CLAIM(IPv4_is_asked_and_answers) {
	ask_and_answer(ends_of("udp:127.0.0.1:0"));
}

CLAIM(IPv6_is_asked_and_answers) {
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);
	struct sockaddr_in6 any = {
		.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	bool there = fd >= 0 && bind(fd, (struct sockaddr *)&any, sizeof any) == 0;
	close(fd);
	if (there) {
		ask_and_answer(ends_of("udp:[::1]:0"));
	}
}

CLAIM(a_host_name_is_looked_up) {
	arun_udp *udp = opened("udp:localhost:0");
	ck_assert_int_gt(strlen(arun_udp_local(udp)), 5);
	arun_udp_close(udp);
	ck_assert_ptr_null(arun_udp_open("udp:no-such-host.invalid:53"));
	ck_assert(errno == ENOENT || errno == EAGAIN); /* there is no name server */
}

CLAIM(a_Unix_socket_answers_and_its_file_goes) {
	char folder[] = "/tmp/arun-udp-XXXXXX", path[64];
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof path, "unix:%s/socket", folder);
	struct ends ends = {.server = opened(path)};
	ck_assert_str_eq(arun_udp_local(ends.server), path);
	snprintf(path, sizeof path, "unix:connect:%s/socket", folder);
	ends.client = opened(path);
	ask_and_answer(ends);
	ck_assert_int_eq(rmdir(folder), 0);
}

CLAIM(the_file_of_a_relative_path_is_removed_from_elsewhere) {
	char folder[] = "/tmp/arun-udp-XXXXXX";
	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(chdir(folder), 0);
	arun_udp *udp = opened("unix:socket");
	ck_assert_int_eq(chdir("/"), 0);
	arun_udp_close(udp);
	ck_assert_int_eq(rmdir(folder), 0);
}

CLAIM(the_file_of_a_dead_socket_is_replaced_that_of_a_living_one_not) {
	char folder[] = "/tmp/arun-udp-XXXXXX", path[64];
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof path, "unix:%s/socket", folder);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	strcpy(address.sun_path, path + 5);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_null(arun_udp_open(path), EADDRINUSE);
	close(fd);
	arun_udp_close(opened(path));
	ck_assert_int_eq(rmdir(folder), 0);
}

CLAIM(abstract_Unix_sockets_answer) {
	char name[64];
	snprintf(name, sizeof name, "unix:@arun-udp-%d", getpid());
	struct ends ends = {.server = opened(name)};
	snprintf(name, sizeof name, "unix:connect:@arun-udp-%d", getpid());
	ends.client = opened(name);
	ask_and_answer(ends);
}

CLAIM(a_socket_that_was_given_is_taken) {
	int fds[2];
	char endpoint[16];
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds), 0);
	snprintf(endpoint, sizeof endpoint, "fd:%d", fds[0]);
	arun_udp *udp = opened(endpoint);
	assert_null(arun_udp_open(endpoint), EBUSY);
	ck_assert_int_eq(write(fds[1], "hello", 5), 5);
	receive(udp, "hello", NULL);
	send_to(udp, "you too", NULL);
	char text[16] = "";
	ck_assert_int_eq(read(fds[1], text, sizeof text), 7);
	arun_udp_close(udp);
	ck_assert_int_eq(fcntl(fds[0], F_GETFD), -1);
	close(fds[1]);
}

CLAIM(what_is_no_endpoint_is_EINVAL) {
	static const char *const bad[] = {NULL, "", "127.0.0.1:53", "tcp:127.0.0.1:53",
		"udp:", "udp:127.0.0.1", "udp:127.0.0.1:99999", "udp:unix:/x", "udp:fd:3",
		"udp:connect:", "udp:connect:127.0.0.1", "udp:connect:53",
		"unix:", "unix:connect:", "fd:x", "fd:0x"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_null(arun_udp_open(bad[i]), EINVAL);
		ck_assert_int_gt(strlen(arun_why()), 0);
	}
	assert_null(arun_udp_open("udp:localhost"), EINVAL);
	assert_contains(arun_why(), "udp:localhost: no port");
	assert_null(arun_udp_open("udp:connect:localhost"), EINVAL);
	assert_contains(arun_why(), "udp:connect:localhost: no port");
	assert_null(arun_udp_open("udp:http://localhost:53/"), EINVAL);
	assert_contains(arun_why(), "not like udp:HOST:PORT");
	int stream = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char endpoint[200];
	snprintf(endpoint, sizeof endpoint, "fd:%d", stream);
	assert_null(arun_udp_open(endpoint), EINVAL);
	close(stream);
	assert_null(arun_udp_open(endpoint), EBADF);
	memset(endpoint, 'x', sizeof endpoint - 1);
	memcpy(endpoint, "unix:/", 6);
	endpoint[sizeof endpoint - 1] = '\0';
	assert_null(arun_udp_open(endpoint), ENAMETOOLONG);
}

CLAIM(an_address_in_use_or_of_others_is_refused) {
	arun_udp *udp = opened("udp:127.0.0.1:0");
	assert_null(arun_udp_open(to_connect("udp:", udp)), EADDRINUSE);
	assert_contains(arun_why(), arun_udp_local(udp));
	assert_null(arun_udp_open("udp:192.0.2.1:0"), EADDRNOTAVAIL);
	arun_udp_close(udp);
}

/* Datagrams ------------------------------------------------------------------------ */

CLAIM(borders_are_kept_and_nothing_is_something) {
	struct ends ends = ends_of("udp:127.0.0.1:0");
	send_to(ends.client, "one", NULL);
	send_to(ends.client, "", NULL);
	send_to(ends.client, "two", NULL);
	receive(ends.server, "one", NULL);
	receive(ends.server, "", NULL);
	receive(ends.server, "two", NULL);
	close_ends(ends);
}

CLAIM(one_that_does_not_fit_is_EMSGSIZE_with_its_beginning) {
	struct ends ends = ends_of("udp:127.0.0.1:0");
	char bytes[4] = "";
	send_to(ends.client, "too long", NULL);
	send_to(ends.client, "fits", NULL);
	assert_fails((int)arun_udp_recv(ends.server, bytes, 3, NULL), EMSGSIZE);
	ck_assert_str_eq(bytes, "too");
	assert_contains(arun_why(), "8 bytes");
	receive(ends.server, "fits", NULL);
	static char huge[70000];
	assert_fails((int)arun_udp_send(ends.client, huge, sizeof huge, NULL), EMSGSIZE);
	close_ends(ends);
}

CLAIM(nobody_there_is_ECONNREFUSED_and_the_socket_goes_on) {
	struct ends ends = ends_of("udp:127.0.0.1:0");
	char endpoint[64];
	snprintf(endpoint, sizeof endpoint, "udp:%s", arun_udp_local(ends.server));
	arun_udp_close(ends.server);
	send_to(ends.client, "hello?", NULL);
	assert_fails(receive_some(ends.client), ECONNREFUSED);
	assert_contains(arun_why(), endpoint + strlen("udp:"));
	send_to(ends.client, "hello?", NULL);
	assert_fails((int)arun_udp_send(ends.client, "x", 1, NULL), ECONNREFUSED);
	assert_contains(arun_why(), endpoint + strlen("udp:"));
	ends.server = opened(endpoint);
	send_to(ends.client, "hello!", NULL);
	receive(ends.server, "hello!", NULL);
	close_ends(ends);
}

CLAIM(no_address_to_send_to_is_refused) {
	arun_udp *udp = opened("udp:127.0.0.1:0");
	arun_address none = {.length = 0}, long_one = {.length = 1000};
	assert_fails((int)arun_udp_send(udp, "x", 1, NULL), EDESTADDRREQ);
	assert_fails((int)arun_udp_send(udp, "x", 1, &none), EINVAL);
	assert_fails((int)arun_udp_send(udp, "x", 1, &long_one), EINVAL);
	arun_udp_close(udp);
	char name[64];
	snprintf(name, sizeof name, "unix:@arun-udp-%d", getpid());
	udp = opened(name);
	assert_fails((int)arun_udp_send(udp, "x", 1, NULL), EDESTADDRREQ);
	arun_udp_close(udp);
}

CLAIM(NULL_is_no_socket) {
	assert_fails(receive_some(NULL), EBADF);
	assert_fails((int)arun_udp_send(NULL, "x", 1, NULL), EBADF);
	ck_assert_str_eq(arun_udp_local(NULL), "");
	arun_udp_close(NULL);
}

/* Interrupted ---------------------------------------------------------------------- */

CLAIM(a_cancelled_receive_loses_nothing) {
	struct ends ends = ends_of("udp:127.0.0.1:0");
	arun_task *task = waiting(receive_some, ends.server);
	arun_cancel(task);
	send_to(ends.client, "kept", NULL);
	ck_assert_int_eq(joined(task), -ECANCELED);
	receive(ends.server, "kept", NULL);
	close_ends(ends);
}

CLAIM(a_timed_out_receive_loses_nothing) {
	struct ends ends = ends_of("udp:127.0.0.1:0");
	{
		ARUN_TIMEOUT(0.01);
		assert_fails(receive_some(ends.server), ETIMEDOUT);
		assert_contains(arun_why(), arun_udp_local(ends.server));
		assert_contains(arun_why(), "ARUN_TIMEOUT of 10 ms at ");
	}
	send_to(ends.client, "kept", NULL);
	receive(ends.server, "kept", NULL);
	close_ends(ends);
}

CLAIM(a_second_receiver_is_busy) {
	struct ends ends = ends_of("udp:127.0.0.1:0");
	arun_task *task = waiting(receive_some, ends.server);
	assert_fails(receive_some(ends.server), EBUSY);
	assert_contains(arun_why(), ": another task does the same");
	send_to(ends.client, "word", NULL);
	ck_assert_int_eq(joined(task), 4);
	close_ends(ends);
}

CLAIM(a_close_ends_the_wait_with_EBADF) {
	struct ends ends = ends_of("udp:127.0.0.1:0");
	arun_task *task = waiting(receive_some, ends.server);
	close_ends(ends);
	ck_assert_int_eq(joined(task), -EBADF);
}

/* Sends until it is stopped; what it sent is counted. */
static int filled;

static int fill(void *udp) {
	while (arun_udp_send(udp, "x", 1, NULL) == 1) {
		filled++;
	}
	return -1;
}

/* A full queue: of a Unix socket nobody reads. */
static struct ends full_ends(arun_task **sender) {
	char name[64];
	snprintf(name, sizeof name, "unix:@arun-udp-%d", getpid());
	struct ends ends = {.server = opened(name)};
	snprintf(name, sizeof name, "unix:connect:@arun-udp-%d", getpid());
	ends.client = opened(name);
	filled = 0;
	*sender = arun_spawn(fill, ends.client);
	for (int before = -1; before != filled || !filled;) {
		before = filled;
		ck_assert_int_eq(arun_sleep(0.01), 0);
	}
	return ends;
}

CLAIM(a_cancelled_send_has_not_sent) {
	arun_task *sender;
	struct ends ends = full_ends(&sender);
	assert_fails((int)arun_udp_send(ends.client, "x", 1, NULL), EBUSY);
	arun_cancel(sender);
	ck_assert_int_eq(joined(sender), -ECANCELED);
	{
		ARUN_TIMEOUT(0.01);
		assert_fails((int)arun_udp_send(ends.client, "x", 1, NULL), ETIMEDOUT);
	}
	for (int i = 0; i < filled; i++) {
		receive(ends.server, "x", NULL);
	}
	ARUN_TIMEOUT(0.01);
	assert_fails(receive_some(ends.server), ETIMEDOUT);
	close_ends(ends);
}

CLAIM(a_send_goes_on_when_there_is_room) {
	arun_task *sender;
	struct ends ends = full_ends(&sender);
	for (int i = 0, first = filled; i < 10 * first; i++) {
		receive(ends.server, "x", NULL);
	}
	arun_udp_close(ends.client);
	ck_assert_int_eq(joined(sender), -EBADF);
	arun_udp_close(ends.server);
}

CLAIM(a_send_to_a_full_Unix_socket_by_its_address_goes_on) {
	arun_task *sender;
	struct ends ends = full_ends(&sender);
	arun_cancel(sender);
	joined(sender);
	arun_address to = {.length = 0};
	struct sockaddr_un *un = (struct sockaddr_un *)&to.storage;
	un->sun_family = AF_UNIX;
	int length = snprintf(un->sun_path + 1, sizeof un->sun_path - 1, "%s",
		strchr(arun_udp_local(ends.server), '@') + 1);
	to.length =
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
	char name[64];
	snprintf(name, sizeof name, "unix:@arun-other-%d", getpid());
	arun_udp *other = opened(name);
	{
		ARUN_TIMEOUT(0.05);
		assert_fails((int)arun_udp_send(other, "y", 1, &to), ETIMEDOUT);
	}
	receive(ends.server, "x", NULL);
	send_to(other, "y", &to);
	for (int i = 1; i < filled; i++) {
		receive(ends.server, "x", NULL);
	}
	receive(ends.server, "y", NULL);
	arun_udp_close(other);
	close_ends(ends);
}

/* Suite ---------------------------------------------------------------------------- */

static void add_endpoints(Suite *suite) {
	TCase *tcase = tcase_create("endpoints");
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, IPv4_is_asked_and_answers);
	tcase_add_test(tcase, IPv6_is_asked_and_answers);
	tcase_add_test(tcase, a_host_name_is_looked_up);
	tcase_add_test(tcase, a_Unix_socket_answers_and_its_file_goes);
	tcase_add_test(tcase, the_file_of_a_relative_path_is_removed_from_elsewhere);
	tcase_add_test(
		tcase, the_file_of_a_dead_socket_is_replaced_that_of_a_living_one_not);
	tcase_add_test(tcase, abstract_Unix_sockets_answer);
	tcase_add_test(tcase, a_socket_that_was_given_is_taken);
	tcase_add_test(tcase, what_is_no_endpoint_is_EINVAL);
	tcase_add_test(tcase, an_address_in_use_or_of_others_is_refused);
	suite_add_tcase(suite, tcase);
}

static void add_datagrams(Suite *suite) {
	TCase *tcase = tcase_create("datagrams");
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, borders_are_kept_and_nothing_is_something);
	tcase_add_test(tcase, one_that_does_not_fit_is_EMSGSIZE_with_its_beginning);
	tcase_add_test(tcase, nobody_there_is_ECONNREFUSED_and_the_socket_goes_on);
	tcase_add_test(tcase, no_address_to_send_to_is_refused);
	tcase_add_test(tcase, NULL_is_no_socket);
	suite_add_tcase(suite, tcase);
}

static void add_interrupted(Suite *suite) {
	TCase *tcase = tcase_create("interrupted");
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_cancelled_receive_loses_nothing);
	tcase_add_test(tcase, a_timed_out_receive_loses_nothing);
	tcase_add_test(tcase, a_second_receiver_is_busy);
	tcase_add_test(tcase, a_close_ends_the_wait_with_EBADF);
	tcase_add_test(tcase, a_cancelled_send_has_not_sent);
	tcase_add_test(tcase, a_send_goes_on_when_there_is_room);
	tcase_add_test(tcase, a_send_to_a_full_Unix_socket_by_its_address_goes_on);
	suite_add_tcase(suite, tcase);
}

Suite *suite(void) {
	Suite *suite = suite_create("udp");
	add_endpoints(suite);
	add_datagrams(suite);
	add_interrupted(suite);
	return suite;
}
