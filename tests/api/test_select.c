/* SPDX-License-Identifier: MIT */
#include "selects.h"

enum { TIMES = 3000 };

/* One goes ------------------------------------------------------------------------------- */

CLAIM(the_one_that_is_ready_goes_at_once) {
	open_channels(1);
	int item = -1;
	put(channels[1], 5);
	arun_chan_case cases[] = {{.chan = channels[0], .recv = &item},
		{.chan = channels[1], .recv = &item},
		{.chan = channels[1], .send = &item}};
	ck_assert_int_eq((arun_chan_select)(cases, 3), 1);
	ck_assert_int_eq(item, 5);
	ck_assert_int_eq(cases[0].result, 0);
	ck_assert_int_eq(cases[1].result, 1);
	ck_assert_int_eq(arun_chan_select(cases, 3), 2);
	ck_assert_int_eq(cases[1].result, 0);
	int index = arun_chan_select(
		(arun_chan_case[]){{.chan = channels[1], .recv = &item}}, 1);
	ck_assert_int_eq(index, 0);
	assert_empty(channels[1]);
	free_channels();
}

CLAIM(the_first_that_comes_ends_the_wait_and_no_other_moves) {
	open_channels(1);
	struct chooser chooser;
	for (int i = 0; i < WAYS; i++) {
		arun_task *task = receiving(&chooser);
		put(channels[i], 7);
		put(channels[(i + 1) % WAYS], 8);
		joined(task);
		assert_went(&chooser, i, 1);
		ck_assert_int_eq(chooser.items[i], 7);
		ck_assert_int_eq(chooser.items[(i + 1) % WAYS], -1);
		ck_assert_int_eq(take(channels[(i + 1) % WAYS]), 8);
	}
	free_channels();
}

CLAIM(the_first_that_has_room_ends_the_wait_and_no_other_is_sent_to) {
	open_channels(0);
	struct chooser chooser;
	for (int i = 0; i < WAYS; i++) {
		arun_task *task = sending(&chooser);
		ck_assert_int_eq(take(channels[i]), 10 + i);
		for (int other = 0; other < WAYS; other++) {
			assert_empty(channels[other]);
		}
		joined(task);
		assert_went(&chooser, i, 1);
	}
	free_channels();
}

CLAIM(room_in_a_full_channel_is_taken_by_the_select_that_waits_to_send) {
	open_channels(2);
	for (int i = 0; i < WAYS; i++) {
		put(channels[i], 1);
		put(channels[i], 2);
	}
	struct chooser chooser;
	arun_task *task = sending(&chooser);
	ck_assert_int_eq(take(channels[2]), 1);
	joined(task);
	assert_went(&chooser, 2, 1);
	ck_assert_int_eq(take(channels[2]), 2);
	ck_assert_int_eq(take(channels[2]), 12);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(take(channels[i]), 1);
		ck_assert_int_eq(take(channels[i]), 2);
	}
	free_channels();
}

CLAIM(who_waits_first_is_served_first_by_select_or_not) {
	open_channels(0);
	struct chooser one, other;
	arun_task *first = receiving(&one);
	arun_task *second = arun_spawn(receive_one, channels[0]);
	let_others_run(1);
	arun_task *third = receiving(&other);
	for (int i = 1; i <= 3; i++) {
		put(channels[0], i);
	}
	joined(first);
	ck_assert_int_eq(one.items[0], 1);
	ck_assert_int_eq(joined(second), 2);
	joined(third);
	ck_assert_int_eq(other.items[0], 3);
	free_channels();
}

/* Fairness ------------------------------------------------------------------------------- */

/* How often each of WAYS cases goes of TIMES. */
static void count_goes(arun_chan_case *cases, size_t count, int *goes) {
	for (int i = 0; i < TIMES; i++) {
		int index = arun_chan_select(cases, count);
		ck_assert_int_ge(index, 0);
		goes[index]++;
		put(cases[index].chan, 1);
	}
}

CLAIM(of_several_that_are_ready_each_has_the_same_chance) {
	open_channels(1);
	int item, goes[WAYS] = {0};
	arun_chan_case cases[WAYS];
	for (int i = 0; i < WAYS; i++) {
		put(channels[i], 1);
		cases[i] = (arun_chan_case){.chan = channels[i], .recv = &item};
	}
	count_goes(cases, WAYS, goes);
	for (int i = 0; i < WAYS; i++) {
		ck_assert_int_gt(goes[i], TIMES / WAYS * 9 / 10);
		take(channels[i]);
	}
	free_channels();
}

CLAIM(one_after_a_shut_way_has_no_more_than_the_others) {
	open_channels(1);
	int item, goes[5] = {0};
	arun_chan_case cases[5] = {{.chan = NULL}};
	for (int i = 3; i < 5; i++) {
		put(channels[i - 3], 1);
		cases[i] = (arun_chan_case){.chan = channels[i - 3], .recv = &item};
	}
	count_goes(cases, 5, goes);
	ck_assert_int_gt(goes[3], TIMES * 9 / 20);
	ck_assert_int_gt(goes[4], TIMES * 9 / 20);
	take(channels[0]);
	take(channels[1]);
	free_channels();
}

static bool told;

static int tell(void *arg) {
	(void)arg;
	told = true;
	return 0;
}

CLAIM(a_loop_of_selects_that_need_no_wait_lets_others_run) {
	arun_chan *chan = arun_chan_new(1, sizeof(int));
	int item = 0, times = 0;
	arun_chan_case cases[] = {
		{.chan = chan, .send = &item}, {.chan = chan, .recv = &item}};
	arun_task *task = arun_spawn(tell, NULL);
	while (!told) {
		ck_assert_int_lt(times++, TIMES);
		ck_assert_int_ge(arun_chan_select(cases, 2), 0);
	}
	joined(task);
	arun_chan_close(chan);
	while (arun_chan_recv(chan, &item) > 0) {
	}
	arun_chan_free(chan);
}

/* Which cases there may be --------------------------------------------------------------- */

CLAIM(with_no_way_that_is_open_only_a_timeout_or_a_cancel_ends_the_wait) {
	arun_chan_case shut[2] = {{.chan = NULL}};
	{
		ARUN_TIMEOUT(0.001);
		assert_fails(arun_chan_select(shut, 2), ETIMEDOUT);
		assert_fails(arun_chan_select(NULL, 0), ETIMEDOUT);
	}
	struct chooser chooser = {.index = 0};
	arun_task *task = arun_spawn(choose, &chooser);
	let_others_run(1);
	arun_cancel(task);
	joined(task);
	assert_failed(&chooser, ECANCELED);
}

CLAIM(a_case_that_does_both_or_neither_is_EINVAL) {
	open_channels(1);
	int item = 0;
	put(channels[1], 1);
	arun_chan_case cases[] = {{.chan = channels[1], .recv = &item},
		{.chan = channels[0], .send = &item, .recv = &item}};
	assert_fails(arun_chan_select(cases, 2), EINVAL);
	cases[1].send = cases[1].recv = NULL;
	assert_fails(arun_chan_select(cases, 2), EINVAL);
	assert_fails(arun_chan_select(NULL, 1), EINVAL);
	assert_fails(arun_chan_select(cases, SIZE_MAX), EINVAL);
	ck_assert_int_eq(take(channels[1]), 1);
	free_channels();
}

CLAIM(a_channel_may_be_in_several_cases) {
	arun_chan *chan = arun_chan_new(0, sizeof(int));
	channels[0] = channels[1] = channels[2] = chan;
	struct chooser chooser;
	arun_task *task = receiving(&chooser);
	put(chan, 4);
	assert_fails(arun_chan_try_send(chan, &(int){5}), EAGAIN);
	joined(task);
	ck_assert_int_eq(chooser.index, 0);
	ck_assert_int_eq(chooser.items[0], 4);
	task = receiving(&chooser);
	arun_chan_close(chan);
	joined(task);
	assert_went(&chooser, 0, 0);
	arun_chan_free(chan);
}

/* Sends number, or receives. */
struct side {
	arun_chan *chan;
	int number, got, index;
};

static int do_both(void *arg) {
	struct side *side = arg;
	arun_chan_case cases[] = {{.chan = side->chan, .recv = &side->got},
		{.chan = side->chan, .send = &side->number}};
	side->index = arun_chan_select(cases, 2);
	return side->index < 0 ? -1 : 0;
}

CLAIM(two_selects_that_each_send_and_receive_on_one_channel_meet) {
	arun_chan *chan = arun_chan_new(0, sizeof(int));
	for (int i = 0; i < 20; i++) {
		struct side a = {chan, 1, -1, -1}, b = {chan, 2, -1, -1};
		arun_task *one = arun_spawn(do_both, &a);
		let_others_run(1);
		ck_assert_int_eq(a.index, -1); /* not with itself */
		arun_task *other = arun_spawn(do_both, &b);
		joined(one);
		joined(other);
		ck_assert_int_eq(a.index + b.index, 1);
		ck_assert_int_eq(a.got, a.index == 0 ? 2 : -1);
		ck_assert_int_eq(b.got, b.index == 0 ? 1 : -1);
	}
	arun_chan_free(chan);
}

CLAIM(a_select_that_sends_to_all_meets_one_that_receives_from_all) {
	open_channels(0);
	struct chooser from, to;
	arun_task *receiver = receiving(&to), *sender = sending(&from);
	joined(receiver);
	joined(sender);
	assert_went(&to, from.index, 1);
	assert_went(&from, to.index, 1);
	ck_assert_int_eq(to.items[to.index], 10 + to.index);
	for (int i = 0; i < WAYS; i++) {
		assert_empty(channels[i]);
	}
	free_channels();
}

Suite *suite(void) {
	Suite *suite = suite_create("select");
	TCase *goes = tcase_create("goes");
	tcase_add_test(goes, the_one_that_is_ready_goes_at_once);
	tcase_add_test(goes, the_first_that_comes_ends_the_wait_and_no_other_moves);
	tcase_add_test(
		goes, the_first_that_has_room_ends_the_wait_and_no_other_is_sent_to);
	tcase_add_test(
		goes, room_in_a_full_channel_is_taken_by_the_select_that_waits_to_send);
	tcase_add_test(goes, who_waits_first_is_served_first_by_select_or_not);
	tcase_add_test(goes, of_several_that_are_ready_each_has_the_same_chance);
	tcase_add_test(goes, one_after_a_shut_way_has_no_more_than_the_others);
	tcase_add_test(goes, a_loop_of_selects_that_need_no_wait_lets_others_run);
	tcase_add_test(
		goes, with_no_way_that_is_open_only_a_timeout_or_a_cancel_ends_the_wait);
	tcase_add_test(goes, a_case_that_does_both_or_neither_is_EINVAL);
	tcase_add_test(goes, a_channel_may_be_in_several_cases);
	tcase_add_test(goes, two_selects_that_each_send_and_receive_on_one_channel_meet);
	tcase_add_test(goes, a_select_that_sends_to_all_meets_one_that_receives_from_all);
	suite_add_tcase(suite, goes);
	return suite;
}
