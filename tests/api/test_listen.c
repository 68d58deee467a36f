/* SPDX-License-Identifier: MIT */
#include "streams.h"

#include <fcntl.h>
#include <sys/un.h>

CLAIM(an_address_in_use_is_said) {
	arun_server *server = listening(NULL, NULL);
	assert_null(arun_listen(arun_server_address(server), NULL, NULL), EADDRINUSE);
	assert_contains(arun_why(), arun_server_address(server));
	arun_server_close(server);
	ck_assert_int_eq((arun_server_close)(NULL), 0);
	ck_assert_str_eq(arun_server_address(NULL), "");
}

CLAIM(options_that_cannot_be_are_refused) {
	arun_listen_options bad[] = {{.backlog = -1}, {.max_connections = -1},
		{.idle_timeout = -1}, {.stack_size = (size_t)2 << 30}};
	for (int i = 0; i < 4; i++) {
		assert_null(arun_listen_with("127.0.0.1:0", NULL, NULL, &bad[i]), EINVAL);
	}
	assert_null((arun_listen_with)("tls:127.0.0.1:0", NULL, NULL, NULL), EINVAL);
	assert_contains(arun_why(), "certificate");
}

CLAIM(two_servers_share_a_port_if_both_say_so) {
	arun_listen_options options = {.reuse_port = true};
	arun_server *a = arun_listen_with("127.0.0.1:0", NULL, NULL, &options);
	arun_server *b = arun_listen_with(arun_server_address(a), NULL, NULL, &options);
	ck_assert_msg(b != NULL, "%s", arun_why());
	arun_server_close(a);
	arun_server_close(b);
}

/* A path for a socket, in a folder of its own. */
static const char *socket_path(void) {
	static char path[64] = P_tmpdir "/arun-test-XXXXXX";
	if (!strstr(path, "/s")) {
		ck_assert_ptr_nonnull(mkdtemp(path));
		strcat(path, "/s");
	}
	return path;
}

static void remove_folder(void) {
	char folder[64];
	strcpy(folder, socket_path());
	unlink(folder);
	*strrchr(folder, '/') = '\0';
	ck_assert_int_eq(rmdir(folder), 0);
}

static const char *socket_endpoint(void) {
	static char endpoint[80];
	snprintf(endpoint, sizeof endpoint, "unix:%s", socket_path());
	return endpoint;
}

CLAIM(a_unix_socket_file_is_removed_at_the_end) {
	arun_server *server = arun_listen(socket_endpoint(), echo, NULL);
	ck_assert_str_eq(arun_server_address(server), socket_endpoint());
	arun_conn *conn = client_of(server);
	echo_once(conn);
	arun_close(conn);
	arun_server_close(server);
	ck_assert_int_eq(access(socket_path(), F_OK), -1);
	remove_folder();
}

CLAIM(a_socket_file_of_a_relative_path_is_removed_from_elsewhere) {
	char folder[64];
	strcpy(folder, socket_path());
	*strrchr(folder, '/') = '\0';
	ck_assert_int_eq(chdir(folder), 0);
	arun_server *server = arun_listen("unix:s", NULL, NULL);
	ck_assert_msg(server != NULL, "%s", arun_why());
	ck_assert_str_eq(arun_server_address(server), "unix:s");
	ck_assert_int_eq(chdir("/"), 0);
	arun_server_close(server);
	ck_assert_int_eq(access(socket_path(), F_OK), -1);
	remove_folder();
}

static int bound_socket(const char *path) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	strcpy(address.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	return fd;
}

CLAIM(the_file_of_a_dead_server_is_replaced_that_of_a_living_is_not) {
	int fd = bound_socket(socket_path());
	ck_assert_int_eq(listen(fd, 1), 0);
	assert_null(arun_listen(socket_endpoint(), NULL, NULL), EADDRINUSE);
	close(fd);
	arun_server *server = arun_listen(socket_endpoint(), NULL, NULL);
	ck_assert_msg(server != NULL, "%s", arun_why());
	arun_server_close(server);
	remove_folder();
}

CLAIM(a_file_that_is_no_socket_is_left_alone) {
	close(open(socket_path(), O_CREAT | O_WRONLY, 0600));
	assert_null(arun_listen(socket_endpoint(), NULL, NULL), EADDRINUSE);
	ck_assert_int_eq(access(socket_path(), F_OK), 0);
	remove_folder();
}

CLAIM(a_socket_file_of_another_is_not_removed) {
	arun_server *server = arun_listen(socket_endpoint(), NULL, NULL);
	ck_assert_int_eq(unlink(socket_path()), 0);
	int fd = bound_socket(socket_path());
	arun_server_close(server);
	ck_assert_int_eq(access(socket_path(), F_OK), 0);
	close(fd);
	remove_folder();
}

CLAIM(an_inherited_socket_that_is_in_use_is_EBUSY) {
	char endpoint[16];
	int fd = bound_socket(socket_path());
	ck_assert_int_eq(listen(fd, 1), 0);
	snprintf(endpoint, sizeof endpoint, "fd:%d", fd);
	arun_server *server = arun_listen(endpoint, NULL, NULL);
	ck_assert_msg(server != NULL, "%s", arun_why());
	assert_null(arun_listen(endpoint, NULL, NULL), EBUSY);
	assert_contains(arun_why(), endpoint);
	arun_server_close(server);
	remove_folder();
}

CLAIM(an_inherited_socket_keeps_its_file) {
	char endpoint[16];
	int fd = bound_socket(socket_path());
	snprintf(endpoint, sizeof endpoint, "fd:%d", fd);
	assert_null(arun_listen(endpoint, NULL, NULL), EINVAL);
	ck_assert_int_eq(listen(fd, 5), 0);
	arun_server *server = (arun_listen)(endpoint, echo, NULL);
	ck_assert_msg(server != NULL, "%s", arun_why());
	arun_conn *conn = client_of(server);
	echo_once(conn);
	arun_close(conn);
	arun_server_close(server);
	ck_assert_int_eq(access(socket_path(), F_OK), 0);
	assert_null(arun_listen(endpoint, NULL, NULL), EBADF);
	remove_folder();
}

Suite *suite(void) {
	Suite *suite = suite_create("listen");
	TCase *listens = tcase_create("listen");
	tcase_add_test(listens, an_address_in_use_is_said);
	tcase_add_test(listens, options_that_cannot_be_are_refused);
	tcase_add_test(listens, two_servers_share_a_port_if_both_say_so);
	tcase_add_test(listens, a_unix_socket_file_is_removed_at_the_end);
	tcase_add_test(
		listens, a_socket_file_of_a_relative_path_is_removed_from_elsewhere);
	tcase_add_test(
		listens, the_file_of_a_dead_server_is_replaced_that_of_a_living_is_not);
	tcase_add_test(listens, a_file_that_is_no_socket_is_left_alone);
	tcase_add_test(listens, a_socket_file_of_another_is_not_removed);
	tcase_add_test(listens, an_inherited_socket_that_is_in_use_is_EBUSY);
	tcase_add_test(listens, an_inherited_socket_keeps_its_file);
	suite_add_tcase(suite, listens);
	return suite;
}
