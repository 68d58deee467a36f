/* SPDX-License-Identifier: MIT */
/* Who is trusted, what is agreed on, and what happens where it is not. */
#include "certificates.h"
#include "memory.h"

#include <malloc.h>

CLAIM(a_server_echoes) {
	struct secure secure = secure_open("local", echo, NULL);
	arun_conn *conn = secure_client(&secure);
	echo_once(conn);
	ck_assert_str_eq(arun_peer(conn), arun_server_address(secure.server));
	ck_assert_str_eq(arun_conn_alpn(conn), "");
	ck_assert_int_eq(arun_shutdown(conn), 0);
	hear_end(conn);
	ck_assert_int_eq(arun_close(conn), 0);
	secure_close(&secure);
}

CLAIM(the_name_to_verify_may_be_given) {
	struct secure secure = secure_open("name", echo, NULL);
	arun_connect_options options = {
		.tls = secure.client_tls, .server_name = "localhost."};
	const char *plain = arun_server_address(secure.server);
	arun_conn *conn = arun_connect_with(plain, &options);
	ck_assert_msg(conn != NULL, "%s", arun_why());
	echo_once(conn);
	ck_assert_int_eq(arun_close(conn), 0);
	secure_close(&secure);
}

/* A connection to secure is refused, with those words. */
static void assert_refused(const struct secure *secure,
	const arun_connect_options *options, int error, const char *words) {
	assert_null((arun_connect_with)(secure->endpoint, options), error);
	assert_contains(arun_why(), words);
	assert_contains(arun_why(), secure->endpoint);
}

LOUD_CLAIM(another_name_is_refused) {
	struct secure secure = secure_open("name", echo, NULL);
	arun_connect_options options = {.tls = secure.client_tls};
	assert_refused(&secure, &options, EKEYREJECTED, "IP address mismatch");
	options.server_name = "example.org";
	assert_refused(&secure, &options, EKEYREJECTED, "hostname mismatch");
	options.server_name = "localhost.example.org";
	assert_refused(&secure, &options, EKEYREJECTED, "hostname mismatch");
	secure_close(&secure);
	assert_contains(read_stderr(lines), "handshake 127.0.0.1:");
	assert_contains(read_stderr(lines), "alert");
}

LOUD_CLAIM(a_certificate_of_nobody_known_is_refused) {
	struct secure secure = secure_open("local", echo, NULL);
	arun_tls *other = client_context("other");
	assert_refused(&secure, &(arun_connect_options){.tls = other}, EKEYREJECTED,
		"certificate verify failed: self-signed certificate");
	arun_tls_free(other);
	secure_close(&secure);
}

LOUD_CLAIM(an_expired_certificate_is_refused) {
	struct secure secure = secure_open("old", echo, NULL);
	assert_refused(&secure, &(arun_connect_options){.tls = secure.client_tls},
		EKEYREJECTED, "certificate has expired");
	secure_close(&secure);
}

LOUD_CLAIM(without_a_context_the_systems_certificates_count) {
	struct secure secure = secure_open("local", echo, NULL);
	setenv("SSL_CERT_DIR", "/nonexistent", 1);
	setenv("SSL_CERT_FILE", certificate("local.pem"), 1);
	arun_conn *conn = arun_connect(secure.endpoint);
	ck_assert_msg(conn != NULL, "%s", arun_why());
	echo_once(conn);
	ck_assert_int_eq(arun_close(conn), 0);
	/* Another context reads them anew. */
	setenv("SSL_CERT_FILE", certificate("other.pem"), 1);
	arun_tls *tls = arun_tls_client(NULL);
	assert_refused(&secure, &(arun_connect_options){.tls = tls}, EKEYREJECTED,
		"certificate verify failed");
	arun_tls_free(tls);
	secure_close(&secure);
}

CLAIM(what_can_be_no_context_is_refused) {
	const char *cert = certificate("local.pem"), *key = certificate("other.key");
	assert_null(arun_tls_server(NULL, NULL), EINVAL);
	assert_null(arun_tls_server(certificate("none.pem"), NULL), ENOENT);
	assert_contains(arun_why(), "none.pem");
	assert_null(arun_tls_server(cert, certificate("none.key")), ENOENT);
	assert_null((arun_tls_server)(cert, key), EINVAL);
	assert_contains(arun_why(), "key values mismatch");
	assert_contains(arun_why(), "not the certificate's key");
	assert_null(arun_tls_server(certificate("ca.cnf"), key), EINVAL);
	assert_contains(arun_why(), "ca.cnf: no certificate in it");
	cert = certificate("local.pem");
	assert_null(arun_tls_server(cert, certificate("ca.cnf")), EINVAL);
	assert_contains(arun_why(), "ca.cnf: not the certificate's key");
	assert_null(arun_tls_client(certificate("none.pem")), ENOENT);
	assert_null((arun_tls_client)(certificate("ca.cnf")), EINVAL);
	arun_tls *tls = arun_tls_server(certificate("both.pem"), NULL);
	ck_assert_msg(tls != NULL, "%s", arun_why());
	arun_tls_free(tls);
	arun_tls_free(NULL);
}

START_TEST(a_context_is_of_a_run) {
	assert_null(arun_tls_server("x", "x"), ESHUTDOWN);
	assert_null(arun_tls_client(NULL), ESHUTDOWN);
}
END_TEST

CLAIM(a_clients_context_makes_no_server_and_a_servers_no_client) {
	arun_tls *server = server_context("local"), *client = client_context("local");
	arun_listen_options listen = {.tls = client};
	arun_connect_options connect = {.tls = server};
	assert_null(arun_listen_with("127.0.0.1:0", echo, NULL, &listen), EINVAL);
	assert_null(arun_connect_with("tls:127.0.0.1:1", &connect), EINVAL);
	connect.tls = client;
	struct pair pair = unix_pair();
	char endpoint[32];
	snprintf(endpoint, sizeof endpoint, "fd:%d", dup(arun_fd(pair.a)));
	assert_null(arun_connect_with(endpoint, &connect), EINVAL);
	assert_contains(arun_why(), "server_name");
	close_pair(pair);
	arun_tls_free(server);
	arun_tls_free(client);
}

CLAIM(a_context_that_is_freed_is_still_there_for_those_that_use_it) {
	struct secure secure = secure_open("local", echo, NULL);
	arun_tls_free(secure.server_tls);
	arun_conn *conn = secure_client(&secure);
	arun_tls_free(secure.client_tls);
	echo_once(conn);
	ck_assert_int_eq(arun_close(conn), 0);
	ck_assert_int_eq(arun_server_close(secure.server), 0);
}

static void leave_a_context(void) {
	server_context("local");
}

START_TEST(a_context_left_open_is_a_leak) {
	lines = catch_stderr();
	ck_assert_int_eq(run(leave_a_context), 23);
	assert_contains(read_stderr(lines), "leak: tls context of a server");
	assert_contains(read_stderr(lines), "1 tls context");
}
END_TEST

/* Protocols ------------------------------------------------------------------------ */

static int say_protocol(arun_conn *conn, void *arg) {
	const char *protocol = arun_conn_alpn(conn);
	(void)arg;
	return arun_write(conn, protocol, strlen(protocol));
}

CLAIM(the_servers_first_protocol_that_the_client_offers_is_chosen) {
	struct secure secure = secure_open("local", say_protocol, NULL);
	ck_assert_int_eq(arun_tls_alpn(secure.server_tls, "h2,http/1.1"), 0);
	ck_assert_int_eq(arun_tls_alpn(secure.client_tls, "spdy,http/1.1,h2"), 0);
	arun_conn *conn = secure_client(&secure);
	ck_assert_str_eq(arun_conn_alpn(conn), "h2");
	hear(conn, "h2");
	ck_assert_int_eq(arun_close(conn), 0);
	ck_assert_int_eq(arun_tls_alpn(secure.client_tls, "http/1.1"), 0);
	conn = secure_client(&secure);
	hear(conn, "http/1.1");
	ck_assert_int_eq(arun_close(conn), 0);
	secure_close(&secure);
}

LOUD_CLAIM(a_client_with_none_of_them_is_refused) {
	struct secure secure = secure_open("local", echo, NULL);
	arun_tls_alpn(secure.server_tls, "h2");
	arun_tls_alpn(secure.client_tls, "spdy");
	assert_refused(&secure, &(arun_connect_options){.tls = secure.client_tls}, EPROTO,
		"no application protocol");
	secure_close(&secure);
	ck_assert_str_eq(arun_conn_alpn(NULL), "");
}

CLAIM(what_are_no_protocols_is_refused) {
	static const char *const bad[] = {
		NULL, "", ",", "h2,", ",h2", "h2,,h3", "h2, http/1.1"};
	arun_tls *tls = client_context("local");
	char name[300];
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_fails(arun_tls_alpn(tls, bad[i]), EINVAL);
		assert_contains(arun_why(), ": protocols is not like h2,http/1.1");
	}
	memset(name, 'x', sizeof name);
	name[256] = '\0';
	assert_fails(arun_tls_alpn(tls, name), EINVAL);
	name[255] = '\0';
	ck_assert_int_eq(arun_tls_alpn(tls, name), 0);
	assert_fails(arun_tls_alpn(NULL, "h2"), EINVAL);
	arun_tls_free(tls);
}

/* Without memory ------------------------------------------------------------------- */

static struct starting starving;

static int make_context(void) {
	return arun_tls_client(certificate("local.pem")) ? 0 : -1;
}

static int make_server_context(void) {
	return arun_tls_server(certificate("both.pem"), NULL) ? 0 : -1;
}

static int set_protocols(void) {
	return arun_tls_alpn(starving.tls, "h2,http/1.1");
}

static int start_tls(void) {
	return start_serving(&starving);
}

CLAIM(without_memory_it_is_ENOMEM) {
	struct pair pair = unix_pair();
	starving = (struct starting){pair.a, server_context("local")};
	ck_assert_int_eq(API_LIMITS ? without_memory(make_context) : ENOMEM, ENOMEM);
	ck_assert_int_eq(
		API_LIMITS ? without_memory(make_server_context) : ENOMEM, ENOMEM);
	ck_assert_int_eq(API_LIMITS ? without_memory(set_protocols) : ENOMEM, ENOMEM);
	ck_assert_int_eq(API_LIMITS ? without_memory(start_tls) : ENOMEM, ENOMEM);
	arun_tls_free(starving.tls);
	close_pair(pair);
}

/* Servers -------------------------------------------------------------------------- */

static int connect_and_echo(void *arg) {
	arun_conn *conn = secure_client(arg);
	echo_once(conn);
	return arun_close(conn);
}

CLAIM(without_a_handler_the_handshake_is_with_the_first_read) {
	struct secure secure = secure_open("local", NULL, NULL);
	arun_task *client = arun_spawn(connect_and_echo, &secure);
	arun_conn *conn = arun_accept(secure.server);
	ck_assert_int_eq(echo(conn, NULL), 0);
	ck_assert_int_eq(joined(client), 0);
	ck_assert_int_eq(arun_close(conn), 0);
	secure_close(&secure);
}

static int write_welcome(void *conn) {
	return arun_write(conn, "welcome", 7);
}

static int hear_welcome(void *arg) {
	arun_conn *conn = secure_client(arg);
	hear(conn, "welcome");
	say(conn, "x");
	return arun_close(conn);
}

CLAIM(a_reader_and_a_writer_share_that_handshake) {
	struct secure secure = secure_open("local", NULL, NULL);
	arun_task *client = arun_spawn(hear_welcome, &secure);
	arun_conn *conn = arun_accept(secure.server);
	arun_task *reader = arun_spawn(read_some, conn);
	arun_task *writer = arun_spawn(write_welcome, conn);
	ck_assert_int_eq(joined(reader), 1);
	ck_assert_int_eq(joined(writer), 0);
	ck_assert_int_eq(joined(client), 0);
	ck_assert_int_eq(arun_close(conn), 0);
	secure_close(&secure);
}

static int never(arun_conn *conn, void *arg) {
	(void)conn;
	(void)arg;
	ck_abort_msg("the handler runs");
	return 0;
}

/* A client that speaks no TLS says words, and reads to the end. */
static void intrude(const struct secure *secure, const char *words) {
	char bytes[100];
	ssize_t n;
	arun_conn *conn = arun_connect(arun_server_address(secure->server));
	say(conn, words);
	while ((n = arun_read(conn, bytes, sizeof bytes)) > 0) {
	}
	arun_close(conn);
}

LOUD_CLAIM(a_client_without_tls_is_told_of_and_harms_nobody) {
	struct secure secure = secure_open("local", never, NULL);
	intrude(&secure, "GET / HTTP/1.0\r\n\r\n");
	assert_contains(read_stderr(lines), "http request");
	intrude(&secure, "\x16\x03\x01\x7f\xff garbage that goes on for a while");
	secure_close(&secure);
	ck_assert_uint_eq(strlen(read_stderr(lines)) > 0, 1);
}

LOUD_CLAIM(a_client_that_does_not_shake_hands_is_not_waited_for) {
	arun_tls *tls = server_context("local");
	arun_listen_options options = {.tls = tls, .idle_timeout = 0.02};
	arun_server *server = arun_listen_with("127.0.0.1:0", never, NULL, &options);
	arun_conn *conn = client_of(server);
	hear_end(conn);
	assert_contains(read_stderr(lines), "the handshake took too long");
	ck_assert_int_eq(arun_close(conn), 0);
	ck_assert_int_eq(arun_server_close(server), 0);
	arun_tls_free(tls);
}

CLAIM(a_server_that_does_not_shake_hands_is_waited_for_as_long_as_said) {
	arun_server *server = arun_listen("127.0.0.1:0", NULL, NULL);
	arun_tls *tls = client_context("local");
	arun_connect_options options = {.tls = tls};
	ARUN_TIMEOUT(0.02);
	assert_null(arun_connect_with(arun_server_address(server), &options), ETIMEDOUT);
	ck_assert_int_eq(arun_server_close(server), 0);
	arun_tls_free(tls);
}

static int tell_peer(arun_conn *conn, void *arg) {
	(void)arg;
	return arun_write(conn, arun_peer(conn), strlen(arun_peer(conn)));
}

CLAIM(a_client_may_choose_where_it_comes_from) {
	arun_server *server = listening(tell_peer, NULL);
	arun_connect_options options = {.local = "127.0.0.2:0"};
	arun_conn *conn = arun_connect_with(arun_server_address(server), &options);
	ck_assert_msg(conn != NULL, "%s", arun_why());
	hear(conn, "127.0.0.2:");
	ck_assert_int_eq(arun_close(conn), 0);
	options.local = "localhost:0";
	assert_null(arun_connect_with(arun_server_address(server), &options), EINVAL);
	options.local = "192.0.2.1:0";
	assert_null(
		arun_connect_with(arun_server_address(server), &options), EADDRNOTAVAIL);
	ck_assert_int_eq(arun_server_close(server), 0);
}

/* Many ----------------------------------------------------------------------------- */

static void shake_hands(int times) {
	struct secure secure = secure_open("local", echo, NULL);
	for (int i = 0; i < times; i++) {
		arun_conn *conn = secure_client(&secure);
		if (i % 4 == 0) {
			echo_once(conn);
		}
		ck_assert_int_eq(arun_close(conn), 0);
	}
	secure_close(&secure);
}

static unsigned long memory_in_use(void) {
	return mallinfo2().uordblks;
}

/* Nothing is left of each; that the allocator keeps some for itself is no matter. */
CLAIM(handshakes_leave_memory_where_it_was) {
	enum { TIMES = 10000, LEAST = 24 };
	shake_hands(API_ASAN ? 10 : 1000);
	unsigned long before = memory_in_use();
	shake_hands(API_ASAN ? 200 : TIMES);
	if (!API_ASAN) { /* which looks itself */
		ck_assert_uint_lt(memory_in_use(), before + TIMES * LEAST);
	}
}

Suite *suite(void) {
	Suite *suite = suite_create("tls");
	TCase *all = tcase_create("all");
	tcase_add_unchecked_fixture(all, make_certificates, remove_certificates);
	tcase_add_test(all, a_server_echoes);
	tcase_add_test(all, the_name_to_verify_may_be_given);
	tcase_add_test(all, another_name_is_refused);
	tcase_add_test(all, a_certificate_of_nobody_known_is_refused);
	tcase_add_test(all, an_expired_certificate_is_refused);
	tcase_add_test(all, without_a_context_the_systems_certificates_count);
	tcase_add_test(all, what_can_be_no_context_is_refused);
	tcase_add_test(all, a_context_is_of_a_run);
	tcase_add_test(all, a_clients_context_makes_no_server_and_a_servers_no_client);
	tcase_add_test(all, a_context_that_is_freed_is_still_there_for_those_that_use_it);
	tcase_add_test(all, a_context_left_open_is_a_leak);
	tcase_add_test(all, the_servers_first_protocol_that_the_client_offers_is_chosen);
	tcase_add_test(all, a_client_with_none_of_them_is_refused);
	tcase_add_test(all, what_are_no_protocols_is_refused);
	tcase_add_test(all, without_memory_it_is_ENOMEM);
	tcase_add_test(all, without_a_handler_the_handshake_is_with_the_first_read);
	tcase_add_test(all, a_reader_and_a_writer_share_that_handshake);
	tcase_add_test(all, a_client_without_tls_is_told_of_and_harms_nobody);
	tcase_add_test(all, a_client_that_does_not_shake_hands_is_not_waited_for);
	tcase_add_test(
		all, a_server_that_does_not_shake_hands_is_waited_for_as_long_as_said);
	tcase_add_test(all, a_client_may_choose_where_it_comes_from);
	suite_add_tcase(suite, all);

	TCase *many = tcase_create("many");
	tcase_set_timeout(many, 200);
	tcase_add_unchecked_fixture(many, make_certificates, remove_certificates);
	tcase_add_test(many, handshakes_leave_memory_where_it_was);
	suite_add_tcase(suite, many);
	return suite;
}
