/* SPDX-License-Identifier: MIT */
/* Names of hosts, where the name server says no, says nothing, or is not there. */
#include "datagrams.h"
#include "namespaces.h"

#include <netdb.h>

/* On a machine of its own, whose name server would be at its loopback address. */
static void set_up_machine(void) {
	ck_assert(leave_the_machine());
	ck_assert_int_eq(mount("none", "/etc", "tmpfs", 0, NULL), 0);
	ck_assert(put("/etc/nsswitch.conf", "hosts: files dns\n"));
	ck_assert(put("/etc/resolv.conf",
		"nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"));
}

static int resolve(void *arg) {
	struct addrinfo *list = NULL;
	(void)arg;
	return arun_resolve("host.example", "1", &list);
}

static int connect_by_name(void *arg) {
	(void)arg;
	return arun_connect("host.example:1") ? 0 : -1;
}

static int listen_by_name(void *arg) {
	(void)arg;
	return arun_listen("host.example:0", NULL, NULL) ? 0 : -1;
}

static int open_by_name(void *arg) {
	(void)arg;
	return arun_udp_open("udp:host.example:0") ? 0 : -1;
}

static int block(void *arg) {
	(void)arg;
	return arun_blocking(resolve, NULL);
}

static const struct lookup_call {
	const char *name;
	int (*call)(void *);
} calls[] = {
	{"arun_resolve", resolve}, {"arun_connect", connect_by_name},
	{"arun_listen", listen_by_name}, {"arun_udp_open", open_by_name},
	{"arun_blocking", block}, /* which needs a thread, but looks up nothing */
};

enum { LOOKUPS = 4, CALLS = 5 };

static void assert_each_fails(int error, const char *words) {
	for (int i = 0; i < CALLS; i++) {
		errno = 0;
		int result = calls[i].call(NULL);
		ck_assert_msg(result == -1 && errno == error, "%s: %d, %s", calls[i].name,
			result, arun_why());
		assert_contains(arun_why(), words);
	}
}

/* Answers --------------------------------------------------------------------------- */

static const struct answer {
	unsigned char code;
	int error;
	const char *words;
} answers[] = {
	{0, ENOENT, "No address"}, /* no error, and no address */
	{2, EAGAIN, "Temporary failure"},
	{3, ENOENT, "not known"},
};

static const struct answer *answer;

/* A task's body: a name server that has the same answer to all that is asked. */
static int answer_all(void *udp) {
	unsigned char query[512];
	arun_address from;
	ssize_t n;
	while ((n = arun_udp_recv(udp, query, sizeof query, &from)) > 3) {
		query[2] |= 0x80;
		query[3] = (unsigned char)(0x80 | answer->code);
		ck_assert_int_eq(arun_udp_send(udp, query, (size_t)n, &from), n);
	}
	return 0;
}

static void ask_one_that_answers(void) {
	arun_udp *udp = opened("udp:127.0.0.1:53");
	arun_task *server = arun_spawn(answer_all, udp);
	for (int i = 0; i < LOOKUPS; i++) {
		errno = 0;
		int result = calls[i].call(NULL);
		ck_assert_msg(result == -1 && errno == answer->error, "%s, %d: %d, %s",
			calls[i].name, answer->code, result, arun_why());
		assert_contains(arun_why(), "host.example");
		assert_contains(arun_why(), answer->words);
	}
	arun_udp_close(udp);
	ck_assert_int_eq(joined(server), 0);
}

START_TEST(what_a_name_server_says_is_an_errno_with_words) {
	start_loopback();
	answer = &answers[_i];
	ck_assert_int_eq(run(ask_one_that_answers), 0);
}
END_TEST

/* No answers ------------------------------------------------------------------------ */

static void ask_nobody(void) {
	for (int i = 0; i < LOOKUPS; i++) {
		assert_fails(calls[i].call(NULL), EAGAIN);
		assert_contains(arun_why(), "Temporary failure");
	}
}

CLAIM(without_a_network_it_is_EAGAIN) {
	ask_nobody();
}

CLAIM(without_a_name_server_it_is_EAGAIN) {
	start_loopback();
	ask_nobody();
}

/* Takes a question that nobody will answer. */
static void take_question(arun_udp *udp) {
	char bytes[512];
	ck_assert_int_gt(arun_udp_recv(udp, bytes, sizeof bytes, NULL), 0);
}

CLAIM(a_call_that_waits_for_a_name_can_be_cancelled) {
	start_loopback();
	arun_udp *udp = opened("udp:127.0.0.1:53");
	for (int i = 0; i < LOOKUPS; i++) {
		arun_task *before = arun_spawn(calls[i].call, NULL);
		arun_cancel(before);
		ck_assert_int_eq(joined(before), -ECANCELED);
		arun_task *meanwhile = arun_spawn(calls[i].call, NULL);
		take_question(udp);
		arun_cancel(meanwhile);
		ck_assert_int_eq(joined(meanwhile), -ECANCELED);
	}
	arun_udp_close(udp);
}

CLAIM(a_call_that_waits_for_a_name_can_be_late) {
	start_loopback();
	arun_udp *udp = opened("udp:127.0.0.1:53");
	for (int i = 0; i < LOOKUPS; i++) {
		ARUN_TIMEOUT(0.02);
		assert_fails(calls[i].call(NULL), ETIMEDOUT);
		assert_contains(arun_why(), "ARUN_TIMEOUT");
	}
	arun_udp_close(udp);
}

CLAIM(a_name_server_that_is_silent_is_EAGAIN) {
	start_loopback();
	arun_udp *udp = opened("udp:127.0.0.1:53");
	arun_task *tasks[LOOKUPS];
	for (int i = 0; i < LOOKUPS; i++) {
		tasks[i] = arun_spawn(calls[i].call, NULL);
	}
	for (int i = 0; i < LOOKUPS; i++) {
		ck_assert_int_eq(joined(tasks[i]), -EAGAIN);
	}
	arun_udp_close(udp);
}

/* Threads --------------------------------------------------------------------------- */

CLAIM(no_thread_left_is_EAGAIN) {
	struct rlimit old = limit_processes();
	assert_each_fails(EAGAIN, "no thread can be started");
	setrlimit(RLIMIT_NPROC, &old);
}

static void add_machine(Suite *suite) {
	TCase *machine = tcase_create("machine");
	tcase_set_timeout(machine, 60);
	tcase_add_checked_fixture(machine, set_up_machine, NULL);
	tcase_add_loop_test(machine, what_a_name_server_says_is_an_errno_with_words, 0,
		(int)(sizeof answers / sizeof *answers));
	tcase_add_test(machine, without_a_network_it_is_EAGAIN);
	tcase_add_test(machine, without_a_name_server_it_is_EAGAIN);
	tcase_add_test(machine, a_call_that_waits_for_a_name_can_be_cancelled);
	tcase_add_test(machine, a_call_that_waits_for_a_name_can_be_late);
	tcase_add_test(machine, a_name_server_that_is_silent_is_EAGAIN);
	suite_add_tcase(suite, machine);
}

Suite *suite(void) {
	Suite *suite = suite_create("lookup");
	TCase *threads = tcase_create("threads");
	tcase_add_test(threads, no_thread_left_is_EAGAIN);
	suite_add_tcase(suite, threads);
	if (namespaces_here()) {
		add_machine(suite);
	}
	return suite;
}
