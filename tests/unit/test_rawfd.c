/* SPDX-License-Identifier: MIT */
#include "suite.h"

#include "rawfd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct rawfd rawfd;
static struct registry registry;
static int found[64], count;

static void remember(void *context, int fd) {
	(void)context;
	ck_assert_int_lt(count, 64);
	found[count++] = fd;
}

static void begin(void) {
	registry_init(&registry);
	ck_assert_int_eq(rawfd_baseline(&rawfd), 0);
}

static int search(void) {
	count = 0;
	rawfd_each(&rawfd, &registry, remember, NULL);
	return count;
}

static const char *name_of(int fd, const char **type) {
	static char buffer[1024];
	struct text text;
	ck_assert_int_ge(fd, 0);
	text_fixed(&text, buffer, sizeof buffer);
	*type = rawfd_name(&rawfd, fd, &text);
	return buffer;
}

static void is_named(int fd, const char *name, const char *type) {
	const char *got;
	ck_assert_str_eq(name_of(fd, &got), name);
	ck_assert_str_eq(got, type);
}

START_TEST(what_was_open_at_the_baseline_is_not_found) {
	int before = open("/dev/null", O_RDONLY);
	begin();
	int after = open("/dev/null", O_RDONLY);
	ck_assert_int_eq(search(), 1);
	ck_assert_int_eq(found[0], after);
	close(after);
	ck_assert_int_eq(search(), 0);
	close(before);
}
END_TEST

START_TEST(what_was_open_before_is_found_when_it_has_been_handed_out) {
	int fd = dup2(STDERR_FILENO, 500);
	begin();
	ck_assert_int_eq(search(), 0);
	rawfd_disown(&rawfd, fd);
	ck_assert_int_eq(search(), 1);
}
END_TEST

static int listed;

static int listed_fd(const struct object *object) {
	(void)object;
	return listed;
}

START_TEST(what_an_object_of_the_registry_has_is_not_found) {
	static const struct kind kind = {.index = KIND_CONNECTION, .fd = listed_fd};
	begin();
	listed = dup(STDERR_FILENO);
	struct object object = {0};
	registry_add(&registry, &object, &kind, NULL);
	ck_assert_int_eq(search(), 0);
	registry_remove(&object);
	ck_assert_int_eq(search(), 1);
}
END_TEST

START_TEST(they_are_found_when_no_descriptor_is_left) {
	begin();
	struct rlimit before, limit;
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = (struct rlimit){32, before.rlim_max};
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	int opened = 0;
	while (dup(STDERR_FILENO) >= 0) {
		opened++;
	}
	ck_assert_int_eq(errno, EMFILE);
	ck_assert_int_eq(search(), opened);
	const char *type;
	ck_assert_str_ne(name_of(found[0], &type), "?");
	/* LeakSanitizer needs some. */
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
}
END_TEST

START_TEST(files_pipes_and_others_are_named) {
	begin();
	is_named(open("/etc/passwd", O_RDONLY), "/etc/passwd", "file");
	is_named(open("/etc", O_RDONLY), "/etc", "folder");
	is_named(open("/dev/null", O_RDONLY), "/dev/null", "device");
	is_named(eventfd(0, 0), "eventfd", "eventfd");
	int ends[2];
	ck_assert_int_eq(pipe(ends), 0);
	is_named(ends[0], "pipe", "pipe");
}
END_TEST

static int listen_at(const void *address, socklen_t size, int family) {
	int fd = socket(family, SOCK_STREAM, 0);
	if (fd < 0 || bind(fd, address, size) < 0) {
		return -1;
	}
	ck_assert_int_eq(listen(fd, 1), 0);
	return fd;
}

START_TEST(a_tcp_socket_is_named_by_its_peer_else_by_itself) {
	begin();
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int server = listen_at(&address, sizeof address, AF_INET);
	socklen_t size = sizeof address;
	ck_assert_int_eq(getsockname(server, (struct sockaddr *)&address, &size), 0);
	char name[64];
	snprintf(name, sizeof name, "tcp 127.0.0.1:%d", ntohs(address.sin_port));
	is_named(server, name, "tcp");
	int client = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(connect(client, (struct sockaddr *)&address, size), 0);
	is_named(client, name, "tcp");
}
END_TEST

START_TEST(an_ipv6_address_is_shortened_as_the_c_library_does) {
	begin();
	static const char *const addresses[] = {"::", "::1"};
	for (size_t i = 0; i < count_of(addresses); i++) {
		struct sockaddr_in6 address = {.sin6_family = AF_INET6};
		inet_pton(AF_INET6, addresses[i], &address.sin6_addr);
		int fd = listen_at(&address, sizeof address, AF_INET6);
		socklen_t size = sizeof address;
		if (fd < 0) {
			ck_assert_int_eq(
				errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL, 1);
			return;
		}
		getsockname(fd, (struct sockaddr *)&address, &size);
		char name[100];
		snprintf(name, sizeof name, "tcp [%s]:%d", addresses[i],
			ntohs(address.sin6_port));
		is_named(fd, name, "tcp");
	}
}
END_TEST

START_TEST(unix_sockets_are_named) {
	begin();
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int length = snprintf(address.sun_path + 1, sizeof address.sun_path - 1,
		"arun-test-%d", (int)getpid());
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length);
	char name[120];
	snprintf(name, sizeof name, "unix @%s", address.sun_path + 1);
	is_named(listen_at(&address, size, AF_UNIX), name, "unix");
	int pair[2];
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	is_named(pair[1], "socketpair", "unix");
	is_named(socket(AF_UNIX, SOCK_DGRAM, 0), "unix", "unix");
}
END_TEST

START_TEST(the_detail_has_flags_and_position) {
	begin();
	char buffer[200], byte;
	struct text text;
	int fd = open("/etc/passwd", O_RDONLY | O_APPEND);
	ck_assert_int_eq(read(fd, &byte, 1), 1);
	text_fixed(&text, buffer, sizeof buffer);
	rawfd_detail(fd, "file", &text);
	ck_assert_str_eq(buffer,
		"\"type\": \"file\", \"flags\": \"O_RDONLY|O_APPEND\", \"pos\": 1");
}
END_TEST

Suite *suite(void) {
	Suite *suite = suite_create("rawfd");
	TCase *search_case = tcase_create("search");
	tcase_add_test(search_case, what_was_open_at_the_baseline_is_not_found);
	tcase_add_test(
		search_case, what_was_open_before_is_found_when_it_has_been_handed_out);
	tcase_add_test(search_case, what_an_object_of_the_registry_has_is_not_found);
	tcase_add_test(search_case, they_are_found_when_no_descriptor_is_left);
	suite_add_tcase(suite, search_case);
	TCase *names = tcase_create("names");
	tcase_add_test(names, files_pipes_and_others_are_named);
	tcase_add_test(names, a_tcp_socket_is_named_by_its_peer_else_by_itself);
	tcase_add_test(names, an_ipv6_address_is_shortened_as_the_c_library_does);
	tcase_add_test(names, unix_sockets_are_named);
	tcase_add_test(names, the_detail_has_flags_and_position);
	suite_add_tcase(suite, names);
	return suite;
}
