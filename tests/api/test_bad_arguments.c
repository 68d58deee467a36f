/* SPDX-License-Identifier: MIT */
/* Bad arguments: arun_why() names the one that is bad, and what is allowed. */
#include "datagrams.h"
#include "processes.h"

#include <math.h>
#include <stdint.h>

static int item;

static int do_nothing(void *arg) {
	(void)arg;
	return 0;
}

static void tick(void *arg) {
	(void)arg;
}

static void chan_without_size(void) {
	assert_null(arun_chan_new(1, 0), EINVAL);
}

static void chan_too_large(void) {
	assert_null(arun_chan_new(SIZE_MAX / 2, 4), EINVAL);
}

static void send_to_null(void) {
	assert_fails(arun_chan_send(NULL, &item), EINVAL);
}

static void recv_from_null(void) {
	assert_fails(arun_chan_recv(NULL, &item), EINVAL);
}

static void try_send_to_null(void) {
	assert_fails(arun_chan_try_send(NULL, &item), EINVAL);
}

static void try_recv_from_null(void) {
	assert_fails(arun_chan_try_recv(NULL, &item), EINVAL);
}

static void next_of_null(void) {
	assert_null(arun_gen_next(NULL), EINVAL);
}

static void yield_outside_a_body(void) {
	assert_fails(arun_gen_yield(&item), EPERM);
}

static void sleep_no_number(void) {
	assert_fails(arun_sleep(NAN), EINVAL);
}

static void select_too_many(void) {
	assert_fails(arun_chan_select(NULL, SIZE_MAX), EINVAL);
}

static void select_no_cases(void) {
	assert_fails(arun_chan_select(NULL, 1), EINVAL);
}

static void timer_of_nothing(void) {
	assert_null(arun_timer_start(1, 0, NULL, NULL), EINVAL);
}

static void timer_after_nan(void) {
	assert_null(arun_timer_start(NAN, 0, tick, NULL), EINVAL);
}

static void timer_every_negative(void) {
	assert_null(arun_timer_start(1, -1, tick, NULL), EINVAL);
}

static void wait_for_no_event(void) {
	assert_fails(arun_wait_fd(0, 0), EINVAL);
}

static void wait_for_unknown_events(void) {
	assert_fails(arun_wait_fd(0, 9), EINVAL);
}

static void exec_nothing(void) {
	assert_null(arun_exec(NULL, NULL), EINVAL);
}

static void exec_no_words(void) {
	assert_null(arun_exec((char *[]){NULL}, NULL), EINVAL);
}

static void exec_unknown_stream(void) {
	arun_exec_options options = {.err = 7};
	assert_null(arun_exec(WORDS("/bin/true"), &options), EINVAL);
}

static void store_without_name(void) {
	assert_fails(arun_fdstore("a:b", 0), EINVAL);
}

static void no_signals(void) {
	assert_null(arun_signals_open(NULL, 0), EINVAL);
}

static void unknown_signal(void) {
	assert_null(arun_signals_open((int[]){99}, 1), EINVAL);
}

static void signal_without_handler(void) {
	assert_null(arun_signals_open((int[]){SIGKILL}, 1), EINVAL);
}

static void join_null(void) {
	assert_fails(arun_join(NULL, NULL), EINVAL);
}

static int sleep_a_turn(void *arg) {
	(void)arg;
	return arun_sleep(0);
}

static void join_detached(void) {
	arun_task *task = arun_spawn(sleep_a_turn, NULL);
	arun_detach(task);
	assert_fails(arun_join(task, NULL), EINVAL);
}

static int join_me(void *task) {
	assert_fails(arun_join(task, NULL), EINVAL);
	assert_contains(arun_why(), "a group, a server, a generator or arun joins it");
	return 0;
}

static int have_me_joined(void *arg) {
	(void)arg;
	ck_assert_int_eq(joined(arun_spawn(join_me, arun_self())), 0);
	return 0;
}

static const struct {
	void (*call)(void);
	const char *why;
} cases[] = {
	{chan_without_size, "chan_new: item_size is 0, and is to be 1 or more"},
	{chan_too_large,
		"chan_new: capacity * item_size is more than SIZE_MAX / 2 bytes"},
	{send_to_null, "chan_send: the channel is NULL"},
	{recv_from_null, "chan_recv: the channel is NULL"},
	{try_send_to_null, "chan_try_send: the channel is NULL"},
	{try_recv_from_null, "chan_try_recv: the channel is NULL"},
	{next_of_null, "gen_next: the generator is NULL"},
	{yield_outside_a_body,
		"gen_yield main: only the body of a generator may call it"},
	{sleep_no_number, "sleep: seconds is not a number"},
	{select_too_many, "chan_select: count is more than 2147483647"},
	{select_no_cases, "chan_select: cases is NULL, where count is not 0"},
	{timer_of_nothing, "timer_start NULL: fn is NULL"},
	{timer_after_nan, "timer_start tick: after is no finite number of seconds"},
	{timer_every_negative,
		"timer_start tick: every is no finite number of seconds from 0 on"},
	{wait_for_no_event, "wait_fd fd 0: events is 0x0, and is to be ARUN_READABLE "
			    "(0x1), ARUN_WRITABLE (0x2) or both"},
	{wait_for_unknown_events,
		"wait_fd fd 0: events is 0x9, and is to be ARUN_READABLE "
		"(0x1), ARUN_WRITABLE (0x2) or both"},
	{exec_nothing, "exec: argv is NULL"},
	{exec_no_words, "exec: argv[0] is NULL, and is to be a program"},
	{exec_unknown_stream, "exec /bin/true: err is 7, and is to be ARUN_INHERIT, "
			      "ARUN_STREAM or ARUN_NULL"},
	{store_without_name, "fdstore a:b: the name is to be 1 to 255 characters of "
			     "printable ASCII, no blank and no colon"},
	{no_signals, "signals_open: no signal is given"},
	{unknown_signal, "signals_open: signal 99: signals are 1 to 64"},
	{signal_without_handler, "signals_open: signal 9: it cannot be handled"},
	{join_null, "join: the task is NULL"},
	{join_detached, "join sleep_a_turn: it is detached, and frees itself"},
};

CLAIM(the_words_name_the_argument) {
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		cases[i].call();
		ck_assert_str_eq(arun_why(), cases[i].why);
	}
}

CLAIM(a_case_of_select_is_named_by_its_index) {
	arun_chan *chan = arun_chan_new(1, sizeof item);
	arun_chan_case both[] = {{.chan = chan, .recv = &item},
		{.chan = chan, .send = &item, .recv = &item}};
	assert_fails(arun_chan_select(both, 2), EINVAL);
	ck_assert_str_eq(arun_why(), "chan_select: case 1 has both send and recv, and is "
				     "to have one of them");
	both[1].send = both[1].recv = NULL;
	assert_fails(arun_chan_select(both, 2), EINVAL);
	ck_assert_str_eq(arun_why(), "chan_select: case 1 has neither send nor recv, and "
				     "is to have one of them");
	arun_chan_free(chan);
}

CLAIM(a_task_of_a_group_is_the_groups_to_join) {
	ARUN_GROUP(group);
	arun_group_spawn(group, have_me_joined, NULL);
	ck_assert_int_eq(arun_group_wait(group), 0);
}

static int yield_null(void *arg) {
	(void)arg;
	assert_fails(arun_gen_yield(NULL), EINVAL);
	ck_assert_str_eq(arun_why(),
		"gen_yield yield_null: item is NULL, which means the end: return");
	return 0;
}

CLAIM(an_item_that_is_NULL_is_named) {
	arun_gen *gen = arun_gen_new(yield_null, NULL);
	assert_null(arun_gen_next(gen), 0);
	ck_assert_int_eq(arun_gen_close(gen), 0);
}

CLAIM(what_a_write_cannot_take_is_named) {
	struct pair pair = unix_pair();
	assert_fails(arun_writev(pair.a, NULL, -1), EINVAL);
	assert_contains(arun_why(), ": count is to be 0 to 1024 (IOV_MAX)");
	assert_fails(arun_writev(pair.a, NULL, 1025), EINVAL);
	assert_contains(arun_why(), ": count is to be 0 to 1024 (IOV_MAX)");
	assert_fails(arun_sendfile(pair.a, 0, -1, 1), EINVAL);
	assert_contains(arun_why(), ": offset is negative");
	say(pair.a, "still usable\n");
	hear(pair.b, "still usable\n");
	close_pair(pair);
}

CLAIM(the_address_of_a_datagram_is_named) {
	arun_udp *udp = arun_udp_open("udp:127.0.0.1:0");
	arun_address none = {.length = 0};
	assert_fails((int)arun_udp_send(udp, "x", 1, &none), EINVAL);
	assert_contains(arun_why(), ": to has a length of 0, and is to have 2 to 128");
	arun_udp_close(udp);
}

CLAIM(a_signal_that_is_none_is_named) {
	arun_exec_options options = {.in = ARUN_STREAM};
	arun_process *process = arun_exec(WORDS("/bin/cat"), &options);
	ck_assert_ptr_nonnull(process);
	assert_fails(arun_process_kill(process, 99), EINVAL);
	assert_contains(arun_why(), ": signum is to be 0 to 64");
	arun_process_close(process);
}

CLAIM(a_function_that_does_nothing_wrong_has_no_words) {
	ck_assert_int_eq(joined(arun_spawn(do_nothing, NULL)), 0);
	ck_assert_str_eq(arun_why(), "");
}

Suite *suite(void) {
	Suite *suite = suite_create("bad_arguments");
	TCase *all = tcase_create("all");
	tcase_add_test(all, the_words_name_the_argument);
	tcase_add_test(all, a_case_of_select_is_named_by_its_index);
	tcase_add_test(all, a_task_of_a_group_is_the_groups_to_join);
	tcase_add_test(all, an_item_that_is_NULL_is_named);
	tcase_add_test(all, what_a_write_cannot_take_is_named);
	tcase_add_test(all, the_address_of_a_datagram_is_named);
	tcase_add_test(all, a_signal_that_is_none_is_named);
	tcase_add_test(all, a_function_that_does_nothing_wrong_has_no_words);
	suite_add_tcase(suite, all);
	return suite;
}
