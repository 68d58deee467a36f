/* SPDX-License-Identifier: MIT */
/* Handshakes that come to nothing: the other end goes, or says nothing, or there is no libssl. */
#include "certificates.h"
#include "namespaces.h"

#include <dlfcn.h>
#include <link.h>

/* What comes --------------------------------------------------------------------------- */

/* A peer that sends faster than anybody reads. */
static bool floods;
static unsigned received;

ssize_t recv(int fd, void *buf, size_t size, int flags) {
	enum { FLOOD = 20000 };
	if (floods && ++received < FLOOD) {
		memset(buf, 'x', size < 64 ? size : 64);
		return (ssize_t)size;
	}
	return recvfrom(fd, buf, size, flags, NULL, NULL);
}

/* The other end goes ---------------------------------------------------------------- */

/* How it goes. */
enum going { ENDS, SHUTS, ABORTS, GOINGS };
static const char *const going_names[] = {"ends", "shuts", "aborts"};

static void go(struct pair *pair, enum going going) {
	if (going == ABORTS) {
		arun_abort(pair->b);
		pair->b = NULL;
	} else {
		int how = going == ENDS ? SHUT_WR : SHUT_RDWR;
		ck_assert_int_eq(shutdown(arun_fd(pair->b), how), 0);
	}
}

static struct pair either_pair(bool tcp) {
	return tcp ? tcp_pair() : unix_pair();
}

static void assert_gone(const struct pair *pair, int result, const char *name, bool tcp,
	enum going going) {
	ck_assert_msg(result == -ECONNRESET, "%s, %s, the other end %s: %s", name,
		tcp ? "TCP" : "Unix", going_names[going], strerror(-result));
	assert_fails(arun_close(pair->a), ECONNRESET);
	arun_abort(pair->b);
}

static void leave_before(arun_tls *tls, const char *name, bool tcp, enum going going) {
	struct pair pair = either_pair(tcp);
	struct starting starting = {pair.a, tls};
	go(&pair, going);
	assert_gone(&pair, joined(arun_spawn(start_asking, &starting)), name, tcp, going);
}

static void leave_meanwhile(arun_tls *tls, const char *name, bool tcp, enum going going) {
	struct pair pair = either_pair(tcp);
	struct starting starting = {pair.a, tls};
	arun_task *task = waiting(start_asking, &starting);
	go(&pair, going);
	assert_gone(&pair, joined(task), name, tcp, going);
}

/* A server that has read a client's first words, and has nobody to answer. */
static void leave_after(arun_tls *client, arun_tls *tls, bool tcp, enum going going) {
	char hello[4096];
	size_t size = client_hello(client, hello, sizeof hello);
	struct pair pair = either_pair(tcp);
	struct starting starting = {pair.a, tls};
	ck_assert_int_eq(arun_write(pair.b, hello, size), 0);
	go(&pair, going);
	assert_gone(&pair, joined(arun_spawn(start_asking, &starting)),
		"server, after hello", tcp, going);
}

CLAIM(an_end_that_goes_in_the_handshake_is_ECONNRESET) {
	arun_tls *client = client_context("local"), *server = server_context("local");
	for (int i = 0; i < 2 * GOINGS; i++) {
		bool tcp = i % 2;
		leave_before(client, "client, before", tcp, i / 2);
		leave_before(server, "server, before", tcp, i / 2);
		leave_meanwhile(client, "client, meanwhile", tcp, i / 2);
		leave_meanwhile(server, "server, meanwhile", tcp, i / 2);
		leave_after(client, server, tcp, i / 2);
	}
	arun_tls_free(client);
	arun_tls_free(server);
}

static int leave_at_once(arun_conn *conn, void *arg) {
	(void)conn;
	(void)arg;
	return 0;
}

CLAIM(a_server_that_goes_is_ECONNRESET_of_a_connect) {
	arun_server *server = listening(leave_at_once, NULL);
	arun_tls *tls = client_context("local");
	arun_connect_options options = {.tls = tls};
	for (int i = 0; i < 20; i++) {
		assert_null(arun_connect_with(arun_server_address(server), &options),
			ECONNRESET);
		assert_contains(arun_why(), arun_server_address(server));
	}
	arun_tls_free(tls);
	ck_assert_int_eq(arun_server_close(server), 0);
}

CLAIM(a_client_that_goes_is_ECONNRESET_of_the_first_read_or_write) {
	struct secure secure = secure_open("local", NULL, NULL);
	for (int i = 0; i < 2; i++) {
		char byte = 0;
		arun_conn *client = arun_connect(arun_server_address(secure.server));
		arun_conn *conn = arun_accept(secure.server);
		arun_abort(client);
		assert_fails(
			i ? arun_write(conn, &byte, 1) : (int)arun_read(conn, &byte, 1),
			ECONNRESET);
		arun_abort(conn);
	}
	secure_close(&secure);
}

/* The other end is not what it should be --------------------------------------------- */

/* A handshake of both, of which the client's fails. */
static void assert_refused(arun_tls *client_tls, int error, const char *words) {
	struct pair pair = tcp_pair();
	struct starting client = {pair.a, client_tls},
			server = {pair.b, server_context("local")};
	arun_task *task = arun_spawn(start_asking, &server);
	assert_fails(start_asking(&client), error);
	assert_contains(arun_why(), words);
	ck_assert_int_eq(joined(task), -EPROTO);
	arun_abort(pair.a);
	arun_abort(pair.b);
	arun_tls_free(server.tls);
}

CLAIM(who_is_not_to_be_trusted_is_EKEYREJECTED) {
	arun_tls *other = client_context("other");
	assert_refused(other, EKEYREJECTED, "certificate verify failed");
	arun_tls_free(other);
}

CLAIM(what_is_no_handshake_is_EPROTO) {
	arun_tls *contexts[] = {client_context("local"), server_context("local")};
	for (int i = 0; i < 2; i++) {
		struct pair pair = tcp_pair();
		struct starting starting = {pair.a, contexts[i]};
		say(pair.b, "220 this is something else\r\n");
		assert_fails(start_asking(&starting), EPROTO);
		arun_abort(pair.a);
		arun_abort(pair.b);
		arun_tls_free(contexts[i]);
	}
}

CLAIM(after_a_shutdown_it_is_EPIPE) {
	arun_tls *tls = client_context("local");
	struct pair pair = tcp_pair();
	struct starting starting = {pair.a, tls};
	ck_assert_int_eq(arun_shutdown(pair.a), 0);
	assert_fails(start_asking(&starting), EPIPE);
	close_pair(pair);
	arun_tls_free(tls);
}

/* The other end says nothing -------------------------------------------------------- */

enum { PATIENCE = 10 };

static int never(arun_conn *conn, void *arg) {
	(void)conn;
	(void)arg;
	ck_abort_msg("the handler runs");
	return 0;
}

static int connect_to_silence(void *tls) {
	arun_server *server = listening(NULL, NULL);
	arun_connect_options options = {.tls = tls};
	arun_conn *conn = arun_connect_with(arun_server_address(server), &options);
	int error = errno;
	assert_contains(arun_why(), "took too long");
	ck_assert_int_eq(arun_server_close(server), 0);
	errno = error;
	return conn ? 0 : -1;
}

static int be_silent(void *tls) {
	arun_listen_options options = {.tls = tls};
	arun_server *server = arun_listen_with("127.0.0.1:0", never, NULL, &options);
	arun_conn *conn = client_of(server);
	hear_end(conn);
	arun_close(conn);
	return arun_server_close(server);
}

/* All at once: it takes as long as it says. */
static void wait_for_the_silent(void) {
	struct pair pairs[2] = {tcp_pair(), tcp_pair()};
	struct starting client = {pairs[0].a, client_context("local")},
			server = {pairs[1].a, server_context("local")};
	double begin = arun_now();
	arun_task *tasks[] = {arun_spawn(start_asking, &client),
		arun_spawn(start_asking, &server),
		arun_spawn(connect_to_silence, client.tls),
		arun_spawn(be_silent, server.tls)};
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(joined(tasks[i]), i < 3 ? -ETIMEDOUT : 0);
		ck_assert_double_ge(arun_now() - begin, PATIENCE - 0.1);
	}
	arun_tls_free(client.tls);
	arun_tls_free(server.tls);
	for (int i = 0; i < 2; i++) {
		assert_fails(arun_close(pairs[i].a), ETIMEDOUT);
		arun_abort(pairs[i].b);
	}
}

START_TEST(an_end_that_is_silent_is_ETIMEDOUT_after_10_s) {
	lines = catch_stderr();
	ck_assert_int_eq(run(wait_for_the_silent), 0);
	assert_contains(read_stderr(lines), "the handshake took too long");
}
END_TEST

/* Without a library ----------------------------------------------------------------- */

/* The file that would be loaded; looked for in a process that ends. */
static void find_library(char *path, size_t size) {
	int ends[2];
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	if (fork() == 0) {
		struct link_map *map;
		void *handle = dlopen("libssl.so.3", RTLD_NOW);
		if (handle && dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0) {
			_exit(write(ends[1], map->l_name, strlen(map->l_name)) < 0);
		}
		_exit(1);
	}
	close(ends[1]);
	ssize_t n = read(ends[0], path, size - 1);
	ck_assert_int_gt(n, 0);
	path[n] = '\0';
	close(ends[0]);
	wait(NULL);
}

static void set_up_no_library(void) {
	char path[512];
	find_library(path, sizeof path);
	ck_assert(leave_the_machine());
	start_loopback();
	ck_assert_int_eq(mount("/dev/null", path, NULL, MS_BIND, NULL), 0);
}

CLAIM(without_libssl_it_is_EOPNOTSUPP) {
	struct pair pair = unix_pair();
	arun_server *server = listening(NULL, NULL);
	char endpoint[64];
	snprintf(endpoint, sizeof endpoint, "tls:%s", arun_server_address(server));
	assert_null(arun_tls_server("x", "x"), EOPNOTSUPP);
	assert_contains(arun_why(), "libssl");
	assert_null(arun_tls_client(NULL), EOPNOTSUPP);
	assert_contains(arun_why(), "libssl");
	assert_null(arun_connect(endpoint), EOPNOTSUPP);
	assert_contains(arun_why(), "libssl");
	assert_fails(arun_starttls(pair.a, NULL, "localhost"), EOPNOTSUPP);
	assert_contains(arun_why(), "libssl");
	/* The stream is as it was. */
	say(pair.a, "x");
	hear(pair.b, "x");
	close_pair(pair);
	ck_assert_int_eq(arun_server_close(server), 0);
}

CLAIM(who_floods_a_failed_handshake_holds_nobody_up) {
	struct pair pair = tcp_pair();
	struct starting starting = {pair.a,
		arun_tls_server(certificate("local.pem"), certificate("local.key"))};
	floods = true;
	ck_assert_int_eq(joined(arun_spawn(start_asking, &starting)), -EPROTO);
	floods = false;
	ck_assert_uint_lt(received, 1000);
	assert_fails(arun_close(pair.a), EPROTO);
	arun_abort(pair.b);
	arun_tls_free(starting.tls);
}

Suite *suite(void) {
	Suite *suite = suite_create("tls handshake");
	TCase *all = tcase_create("all");
	tcase_set_timeout(all, 60);
	tcase_add_unchecked_fixture(all, make_certificates, remove_certificates);
	tcase_add_test(all, an_end_that_goes_in_the_handshake_is_ECONNRESET);
	tcase_add_test(all, a_server_that_goes_is_ECONNRESET_of_a_connect);
	tcase_add_test(all, a_client_that_goes_is_ECONNRESET_of_the_first_read_or_write);
	tcase_add_test(all, who_is_not_to_be_trusted_is_EKEYREJECTED);
	tcase_add_test(all, what_is_no_handshake_is_EPROTO);
	tcase_add_test(all, who_floods_a_failed_handshake_holds_nobody_up);
	tcase_add_test(all, after_a_shutdown_it_is_EPIPE);
	tcase_add_test(all, an_end_that_is_silent_is_ETIMEDOUT_after_10_s);
	suite_add_tcase(suite, all);
	if (namespaces_here()) {
		TCase *without = tcase_create("without");
		tcase_add_checked_fixture(without, set_up_no_library, NULL);
		tcase_add_test(without, without_libssl_it_is_EOPNOTSUPP);
		suite_add_tcase(suite, without);
	}
	return suite;
}
