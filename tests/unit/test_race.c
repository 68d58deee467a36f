/* SPDX-License-Identifier: MIT */
#include "drive.h"
#include "race.h"
#include "suite.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* A host with several addresses on loopback. */
struct host {
	struct addrinfo list[4];
	struct sockaddr_storage addresses[4];
	int count;
	int fds[16], open;
};

static int host_socket(struct host *host, int fd) {
	ck_assert_int_ge(fd, 0);
	host->fds[host->open++] = fd;
	return fd;
}

/* Adds an address where a listener is, or was. Returns its descriptor. */
static int host_add(struct host *host, const char *text, int backlog) {
	struct addrinfo *entry = &host->list[host->count];
	struct sockaddr_in *in = (void *)&host->addresses[host->count];
	int fd = host_socket(host, socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	*in = (struct sockaddr_in){.sin_family = AF_INET};
	ck_assert_int_eq(inet_pton(AF_INET, text, &in->sin_addr), 1);
	socklen_t length = sizeof *in;
	ck_assert_int_eq(bind(fd, (void *)in, length), 0);
	ck_assert_int_eq(listen(fd, backlog), 0);
	ck_assert_int_eq(getsockname(fd, (void *)in, &length), 0);
	*entry = (struct addrinfo){
		.ai_family = AF_INET, .ai_addr = (void *)in, .ai_addrlen = length};
	if (host->count) {
		host->list[host->count - 1].ai_next = entry;
	}
	host->count++;
	return fd;
}

static void host_add_listening(struct host *host, const char *text) {
	host_add(host, text, 16);
}

static void host_add_refusing(struct host *host, const char *text) {
	int fd = host_add(host, text, 1);
	close(fd);
	host->open--;
}

/* Its queue is full, so that connects are neither taken nor refused. */
static void host_add_silent(struct host *host, const char *text) {
	host_add(host, text, 0);
	const struct addrinfo *at = &host->list[host->count - 1];
	for (int i = 0; i < 4; i++) {
		int fd = host_socket(host,
			socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
		connect(fd, at->ai_addr, at->ai_addrlen);
	}
}

static void host_close(struct host *host) {
	while (host->open > 0) {
		close(host->fds[--host->open]);
	}
}

static int count_open(void) {
	int count = 0;
	for (int fd = 0; fd < 256; fd++) {
		count += fcntl(fd, F_GETFD) >= 0;
	}
	return count;
}

struct outcome {
	int error;
	char peer[64], tried[512];
	double took;
};

static struct outcome race_at(const struct host *host) {
	struct outcome outcome = {.error = 0};
	struct text tried, peer;
	struct arun_conn *conn = NULL;
	double start = loop_clock();
	int before = count_open();
	text_fixed(&tried, outcome.tried, sizeof outcome.tried);
	text_fixed(&peer, outcome.peer, sizeof outcome.peer);
	outcome.error = race_connect(
		drive_loop(), sched_current->current, host->list, NULL, &conn, &tried);
	outcome.took = loop_clock() - start;
	ck_assert_int_eq(outcome.error == 0, conn != NULL);
	ck_assert_uint_eq(drive_loop()->poller.waiting, 0);
	if (conn) {
		address_text(&peer, &conn->peer);
		conn_close_now(drive_loop(), conn);
	}
	ck_assert_int_eq(count_open(), before);
	return outcome;
}

#define CASE(name)                                                                       \
	static int name##_in_task(void *arg);                                            \
	START_TEST(name) {                                                               \
		ck_assert_int_eq(drive(name##_in_task, NULL), 0);                        \
	}                                                                                \
	END_TEST                                                                         \
	static int name##_in_task(void *arg)

static bool begins(const char *text, const char *with) {
	return strncmp(text, with, strlen(with)) == 0;
}

CASE(the_first_that_answers_wins_at_once) {
	(void)arg;
	struct host host = {.count = 0};
	host_add_listening(&host, "127.0.0.1");
	host_add_listening(&host, "127.0.0.2");
	struct outcome outcome = race_at(&host);
	ck_assert_int_eq(outcome.error, 0);
	ck_assert_msg(begins(outcome.peer, "127.0.0.1:"), "%s", outcome.peer);
	ck_assert_double_lt(outcome.took, RACE_DELAY);
	host_close(&host);
	return 0;
}

CASE(after_a_refusal_the_next_is_tried_at_once) {
	(void)arg;
	struct host host = {.count = 0};
	host_add_refusing(&host, "127.0.0.1");
	host_add_listening(&host, "127.0.0.2");
	struct outcome outcome = race_at(&host);
	ck_assert_int_eq(outcome.error, 0);
	ck_assert_msg(begins(outcome.peer, "127.0.0.2:"), "%s", outcome.peer);
	ck_assert_double_lt(outcome.took, RACE_DELAY);
	host_close(&host);
	return 0;
}

CASE(one_that_does_not_answer_holds_the_next_up_for_a_quarter_of_a_second) {
	(void)arg;
	struct host host = {.count = 0};
	host_add_silent(&host, "127.0.0.1");
	host_add_listening(&host, "127.0.0.2");
	struct outcome outcome = race_at(&host);
	ck_assert_int_eq(outcome.error, 0);
	ck_assert_msg(begins(outcome.peer, "127.0.0.2:"), "%s", outcome.peer);
	ck_assert_double_ge(outcome.took, RACE_DELAY - 0.01);
	ck_assert_double_lt(outcome.took, 3 * RACE_DELAY);
	host_close(&host);
	return 0;
}

CASE(where_none_answers_each_is_named) {
	(void)arg;
	struct host host = {.count = 0};
	host_add_refusing(&host, "127.0.0.1");
	host_add_refusing(&host, "127.0.0.2");
	struct outcome outcome = race_at(&host);
	ck_assert_int_eq(outcome.error, ECONNREFUSED);
	ck_assert_msg(begins(outcome.tried, "127.0.0.1:"), "%s", outcome.tried);
	ck_assert_ptr_nonnull(strstr(outcome.tried, ": Connection refused; 127.0.0.2:"));
	host_close(&host);
	return 0;
}

CASE(a_race_that_is_cut_short_closes_all_and_names_each) {
	(void)arg;
	struct host host = {.count = 0};
	host_add_silent(&host, "127.0.0.1");
	host_add_silent(&host, "127.0.0.2");
	struct scope scope = {.task = sched_current->current, .time = loop_clock() + 0.4};
	task_set_scopes(sched_current->current, &scope);
	struct outcome outcome = race_at(&host);
	task_set_scopes(sched_current->current, NULL);
	ck_assert_int_eq(outcome.error, ETIMEDOUT);
	ck_assert_ptr_nonnull(strstr(outcome.tried, ": no answer yet; 127.0.0.2:"));
	host_close(&host);
	return 0;
}

/* Nobody listens there: the order of the words is that of the attempts. */
static void add_address(struct host *host, int family, const char *text) {
	struct addrinfo *entry = &host->list[host->count];
	struct sockaddr_storage *storage = &host->addresses[host->count];
	struct sockaddr_in *in = (void *)storage;
	struct sockaddr_in6 *in6 = (void *)storage;
	storage->ss_family = (sa_family_t)family;
	void *address =
		family == AF_INET ? (void *)&in->sin_addr : (void *)&in6->sin6_addr;
	ck_assert_int_eq(inet_pton(family, text, address), 1);
	*(family == AF_INET ? &in->sin_port : &in6->sin6_port) = htons(1);
	*entry = (struct addrinfo){.ai_family = family,
		.ai_addr = (void *)storage,
		.ai_addrlen = family == AF_INET ? sizeof *in : sizeof *in6};
	if (host->count) {
		host->list[host->count - 1].ai_next = entry;
	}
	host->count++;
}

CASE(the_families_take_turns) {
	(void)arg;
	struct host host = {.count = 0};
	add_address(&host, AF_INET6, "::1");
	add_address(&host, AF_INET6, "::1");
	add_address(&host, AF_INET, "127.0.0.1");
	add_address(&host, AF_INET, "127.0.0.2");
	struct outcome outcome = race_at(&host);
	ck_assert_int_ne(outcome.error, 0);
	const char *at = outcome.tried;
	static const char *const order[] = {
		"[::1]:1", "127.0.0.1:1", "[::1]:1", "127.0.0.2:1"};
	for (int i = 0; i < 4; i++) {
		at = strstr(at, order[i]);
		ck_assert_msg(at, "%s", outcome.tried);
		at++;
	}
	return 0;
}

Suite *suite(void) {
	Suite *suite = suite_create("race");
	TCase *race = tcase_create("race");
	tcase_add_test(race, the_first_that_answers_wins_at_once);
	tcase_add_test(race, after_a_refusal_the_next_is_tried_at_once);
	tcase_add_test(race,
		one_that_does_not_answer_holds_the_next_up_for_a_quarter_of_a_second);
	tcase_add_test(race, where_none_answers_each_is_named);
	tcase_add_test(race, a_race_that_is_cut_short_closes_all_and_names_each);
	tcase_add_test(race, the_families_take_turns);
	suite_add_tcase(suite, race);
	return suite;
}
