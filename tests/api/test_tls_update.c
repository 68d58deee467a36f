/* SPDX-License-Identifier: MIT */
/* The other end asks for new keys (RFC 8446, 4.6.3) where the answer cannot be sent. */
#include "certificates.h"
#include "processes.h"

/* openssl s_client, whose bytes to and from a socket pair tasks of ours carry. */
struct client {
	arun_process *process;
	arun_conn *tcp, *inner; /* its connection, and our end of the pair */
	arun_conn *served;      /* the other, with TLS */
	arun_task *up, *down;
};

/* Task's bodies: to the server, and from it. */
static int carry_up(void *arg) {
	const struct client *client = arg;
	char piece[4096];
	ssize_t n;
	while ((n = arun_read(client->tcp, piece, sizeof piece)) > 0) {
		if (arun_write(client->inner, piece, (size_t)n) < 0) {
			return -1;
		}
	}
	return (int)n;
}

static int carry_down(void *arg) {
	const struct client *client = arg;
	char piece[4096];
	ssize_t n;
	while ((n = arun_read(client->inner, piece, sizeof piece)) > 0) {
		if (arun_write(client->tcp, piece, (size_t)n) < 0) {
			return -1;
		}
	}
	return (int)n;
}

static void client_open(struct client *client) {
	arun_exec_options options = {
		.in = ARUN_STREAM, .out = ARUN_NULL, .err = ARUN_STREAM};
	arun_server *server = arun_listen("127.0.0.1:0", NULL, NULL);
	ck_assert_ptr_nonnull(server);
	client->process = started(WORDS("openssl", "s_client", "-tls1_3", "-connect",
					  arun_server_address(server)),
		&options);
	client->tcp = arun_accept(server);
	ck_assert_ptr_nonnull(client->tcp);
	ck_assert_int_eq(arun_server_close(server), 0);
	struct pair pair = unix_pair();
	client->inner = pair.a;
	client->served = pair.b;
	client->up = arun_spawn(carry_up, client);
	client->down = arun_spawn(carry_down, client);
	arun_tls *tls = server_context("local");
	ck_assert_msg(arun_starttls(client->served, tls, NULL) == 0, "%s", arun_why());
	arun_tls_free(tls);
}

/* From now on nothing of the server's comes. */
static void client_is_cut_off(struct client *client) {
	say(arun_process_stdin(client->process), "heard\n");
	hear(client->served, "heard\n"); /* its handshake is over */
	arun_cancel(client->down);
	joined(client->down);
}

/* And the server's socket is full. */
static void client_goes_deaf(struct client *client) {
	static const char bytes[65536];
	client_is_cut_off(client);
	ARUN_TIMEOUT(0.05);
	while (arun_write(client->served, bytes, sizeof bytes) == 0) {
	}
	ck_assert_int_eq(errno, ETIMEDOUT);
}

/* Has it ask once. Returns when it has. */
static void client_asks(const struct client *client) {
	char line[256];
	say(arun_process_stdin(client->process), "K\n");
	do {
		ssize_t n = arun_read_until(
			arun_process_stderr(client->process), '\n', line, sizeof line);
		ck_assert_int_gt(n, 0);
		line[n] = '\0';
	} while (strcmp(line, "KEYUPDATE\n") != 0);
}

static void client_close(struct client *client) {
	arun_cancel(client->up);
	joined(client->up);
	arun_abort(client->served);
	arun_abort(client->inner);
	arun_abort(client->tcp);
	arun_process_kill(client->process, SIGKILL);
	status_of(client->process);
	arun_process_close(client->process);
}

CLAIM(reading_goes_on_where_the_answer_cannot_be_sent) {
	struct client client;
	client_open(&client);
	client_goes_deaf(&client);
	for (int i = 0; i < 10; i++) {
		client_asks(&client);
	}
	say(arun_process_stdin(client.process), "hello\n");
	hear(client.served, "hello\n");
	client_close(&client);
}

CLAIM(reading_goes_on_where_the_answer_is_too_late) {
	struct client client;
	client_open(&client);
	client_is_cut_off(&client);
	ck_assert_int_eq(arun_shutdown(client.served), 0);
	for (int i = 0; i < 3; i++) {
		client_asks(&client);
	}
	say(arun_process_stdin(client.process), "hello\n");
	hear(client.served, "hello\n");
	client_close(&client);
}

static bool given_up;

static int read_nothing(void *arg) {
	char byte;
	ssize_t n = arun_read(arg, &byte, 1);
	given_up = true;
	return n < 0 ? -1 : 0;
}

/* Memory for answers is not without bounds. */
LOUD_CLAIM(who_asks_on_and_on_and_reads_nothing_is_given_up) {
	struct client client;
	client_open(&client);
	client_goes_deaf(&client);
	arun_task *reader = arun_spawn(read_nothing, client.served);
	for (int i = 0; i < 20000 && !given_up; i++) {
		client_asks(&client);
	}
	ck_assert_int_eq(joined(reader), -EPROTO);
	assert_contains(arun_why(), "reads no answers");
	client_close(&client);
}

Suite *suite(void) {
	Suite *suite = suite_create("tls update");
	TCase *all = tcase_create("all");
	tcase_set_timeout(all, 60);
	tcase_add_unchecked_fixture(all, make_certificates, remove_certificates);
	tcase_add_test(all, reading_goes_on_where_the_answer_cannot_be_sent);
	tcase_add_test(all, reading_goes_on_where_the_answer_is_too_late);
	tcase_add_test(all, who_asks_on_and_on_and_reads_nothing_is_given_up);
	suite_add_tcase(suite, all);
	return suite;
}
