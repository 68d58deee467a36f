/* SPDX-License-Identifier: MIT */
#include "misuse.h"

#include <stdlib.h>

struct end {
	arun_chan *chan;
	int first, count, result, error, got;
};

static int send_some(void *arg) {
	struct end *end = arg;
	for (int i = 0; i < end->count; i++) {
		int item = end->first + i;
		end->result = arun_chan_send(end->chan, &item);
		if (end->result < 0) {
			end->error = errno;
			return 0;
		}
		note('s');
	}
	return 0;
}

static int receive_one(void *arg) {
	struct end *end = arg;
	end->result = arun_chan_recv(end->chan, &end->got);
	end->error = errno;
	return 0;
}

static int receive(arun_chan *chan) {
	int item = -1;
	ck_assert_int_eq(arun_chan_recv(chan, &item), 1);
	return item;
}

/* Items ----------------------------------------------------------------------------------- */

CLAIM(items_come_out_in_the_order_in_which_they_went_in) {
	arun_chan *chan = arun_chan_new(3, sizeof(int));
	for (int round = 0; round < 4; round++) {
		for (int i = 0; i < 2; i++) {
			ck_assert_int_eq(
				(arun_chan_send)(chan, &(int){round * 2 + i}), 0);
		}
		ck_assert_int_eq(receive(chan), round * 2);
		ck_assert_int_eq(receive(chan), round * 2 + 1);
	}
	arun_chan_free(chan);
}

CLAIM(items_are_copied_whole) {
	struct item {
		char text[300];
		int number;
	} in = {"text", 7}, out = {"", 0};
	arun_chan *chan = (arun_chan_new)(1, sizeof in);
	ck_assert_int_eq(arun_chan_send(chan, &in), 0);
	in.number = 8;
	ck_assert_int_eq((arun_chan_recv)(chan, &out), 1);
	ck_assert_str_eq(out.text, "text");
	ck_assert_int_eq(out.number, 7);
	arun_chan_free(chan);
}

CLAIM(a_sender_waits_while_the_channel_is_full) {
	struct end end = {.chan = arun_chan_new(2, sizeof(int)), .count = 4};
	arun_task *task = arun_spawn(send_some, &end);
	let_others_run(2);
	assert_trace("ss");
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(receive(end.chan), i);
	}
	joined(task);
	arun_chan_free(end.chan);
}

CLAIM(with_capacity_0_each_item_goes_from_hand_to_hand) {
	struct end end = {.chan = arun_chan_new(0, sizeof(int)), .first = 5, .count = 2};
	arun_task *task = arun_spawn(send_some, &end);
	let_others_run(2);
	assert_trace("");
	ck_assert_int_eq(receive(end.chan), 5);
	ck_assert_int_eq(receive(end.chan), 6);
	joined(task);
	arun_chan_free(end.chan);
}

CLAIM(who_waits_first_is_served_first) {
	arun_chan *chan = arun_chan_new(1, sizeof(int));
	struct end ends[3];
	arun_task *tasks[3];
	for (int i = 0; i < 3; i++) {
		ends[i] = (struct end){.chan = chan, .got = -1};
		tasks[i] = arun_spawn(receive_one, &ends[i]);
	}
	let_others_run(1);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(arun_chan_send(chan, &i), 0);
	}
	for (int i = 0; i < 3; i++) {
		joined(tasks[i]);
		ck_assert_int_eq(ends[i].got, i);
	}
	arun_chan_free(chan);
}

/* Close and free -------------------------------------------------------------------------- */

CLAIM(what_is_in_a_closed_channel_is_received_and_then_0) {
	arun_chan *chan = arun_chan_new(2, sizeof(int));
	ck_assert_int_eq(arun_chan_send(chan, &(int){1}), 0);
	ck_assert_int_eq(arun_chan_send(chan, &(int){2}), 0);
	arun_chan_close(chan);
	arun_chan_close(chan);
	assert_fails(arun_chan_send(chan, &(int){3}), EPIPE);
	ck_assert_str_eq(arun_why(), "chan_send: the channel is closed");
	ck_assert_int_eq(receive(chan), 1);
	ck_assert_int_eq(receive(chan), 2);
	int item;
	ck_assert_int_eq(arun_chan_recv(chan, &item), 0);
	ck_assert_int_eq(arun_chan_recv(chan, &item), 0);
	arun_chan_free(chan);
}

CLAIM(a_close_ends_the_waits_of_both_sides) {
	struct end receiver = {.chan = arun_chan_new(1, sizeof(int)), .result = -9};
	arun_task *task = arun_spawn(receive_one, &receiver);
	let_others_run(1);
	arun_chan_close(receiver.chan);
	joined(task);
	ck_assert_int_eq(receiver.result, 0);
	arun_chan_free(receiver.chan);

	struct end sender = {.chan = arun_chan_new(1, sizeof(int)), .count = 2};
	task = arun_spawn(send_some, &sender);
	let_others_run(1);
	arun_chan_close(sender.chan);
	joined(task);
	ck_assert_int_eq(sender.error, EPIPE);
	ck_assert_int_eq(receive(sender.chan), 0);
	arun_chan_free(sender.chan);
}

static void free_with_tasks_waiting(void) {
	struct end receiver = {.chan = arun_chan_new(1, sizeof(int))};
	struct end sender = {.chan = arun_chan_new(0, sizeof(int)), .count = 1};
	arun_task *one = arun_spawn(receive_one, &receiver);
	arun_task *other = arun_spawn(send_some, &sender);
	let_others_run(1);
	arun_chan_free(receiver.chan);
	arun_chan_free(sender.chan);
	joined(one);
	joined(other);
	ck_assert_int_eq(receiver.result, -1);
	ck_assert_int_eq(receiver.error, EBADF);
	ck_assert_int_eq(sender.error, EBADF);
}

static void free_with_an_item(void) {
	arun_chan *chan = arun_chan_new(2, sizeof(int));
	ck_assert_int_eq(arun_chan_send(chan, &(int){1}), 0);
	arun_chan_free(chan);
}

START_TEST(a_free_ends_the_waits_with_EBADF_and_is_told_of) {
	const char *text = run_reported(free_with_tasks_waiting, 0);
	assert_contains(text, "test_chan.c:");
	assert_contains(text, "with 0 items and 1 waiting was freed");
}
END_TEST

START_TEST(a_free_with_items_in_it_is_told_of) {
	const char *text = run_reported(free_with_an_item, 0);
	assert_contains(text, "with 1 item and 0 waiting was freed");
}
END_TEST

/* Neither has run since it was given what it waits for. */
static void free_where_nobody_waits_any_more(void) {
	struct end receiver = {.chan = arun_chan_new(0, sizeof(int))};
	struct end sender = {.chan = arun_chan_new(0, sizeof(int)), .count = 1};
	arun_task *one = arun_spawn(receive_one, &receiver);
	arun_task *other = arun_spawn(send_some, &sender);
	let_others_run(1);
	ck_assert_int_eq(arun_chan_send(receiver.chan, &(int){4}), 0);
	ck_assert_int_eq(receive(sender.chan), 0);
	arun_chan_free(receiver.chan);
	arun_chan_free(sender.chan);
	joined(one);
	joined(other);
	ck_assert_int_eq(receiver.result, 1);
	ck_assert_int_eq(receiver.got, 4);
	ck_assert_int_eq(sender.result, 0);
}

START_TEST(a_free_where_nobody_waits_any_more_is_not_told_of) {
	ck_assert_str_eq(run_reported(free_where_nobody_waits_any_more, 0), "");
}
END_TEST

CLAIM(an_item_that_was_handed_over_before_the_free_is_received) {
	struct end end = {.chan = arun_chan_new(0, sizeof(int))};
	arun_task *task = arun_spawn(receive_one, &end);
	let_others_run(1);
	ck_assert_int_eq(arun_chan_send(end.chan, &(int){4}), 0);
	arun_chan_close(end.chan);
	joined(task);
	arun_chan_free(end.chan);
	ck_assert_int_eq(end.result, 1);
	ck_assert_int_eq(end.got, 4);
}

CLAIM(close_and_free_take_NULL) {
	arun_chan_close(NULL);
	arun_chan_free(NULL);
	int item = 0;
	assert_fails(arun_chan_send(NULL, &item), EINVAL);
	assert_fails(arun_chan_recv(NULL, &item), EINVAL);
}

/* Cancel and timeout ---------------------------------------------------------------------- */

CLAIM(a_send_that_is_cancelled_or_late_has_sent_nothing) {
	struct end end = {.chan = arun_chan_new(0, sizeof(int)), .first = 1, .count = 1};
	arun_task *task = arun_spawn(send_some, &end);
	let_others_run(1);
	arun_cancel(task);
	joined(task);
	ck_assert_int_eq(end.error, ECANCELED);
	{
		ARUN_TIMEOUT(0.01);
		assert_fails(arun_chan_send(end.chan, &(int){2}), ETIMEDOUT);
	}
	ARUN_TIMEOUT(0.01);
	int item;
	assert_fails(arun_chan_recv(end.chan, &item), ETIMEDOUT);
	arun_chan_free(end.chan);
}

CLAIM(a_receive_that_is_cancelled_has_received_nothing) {
	struct end end = {.chan = arun_chan_new(1, sizeof(int))};
	arun_task *task = arun_spawn(receive_one, &end);
	let_others_run(1);
	arun_cancel(task);
	ck_assert_int_eq(arun_chan_send(end.chan, &(int){3}), 0);
	joined(task);
	/* It was handed to the waiter, or is still there: not both, not neither. */
	if (end.result < 0) {
		ck_assert_int_eq(end.error, ECANCELED);
		ck_assert_int_eq(receive(end.chan), 3);
	} else {
		ck_assert_int_eq(end.got, 3);
	}
	arun_cancel(arun_self());
	int item;
	assert_fails(arun_chan_recv(end.chan, &item), ECANCELED);
	assert_fails(arun_chan_send(end.chan, &item), ECANCELED);
	arun_chan_free(end.chan);
}

/* What cannot be made --------------------------------------------------------------------- */

START_TEST(outside_a_run_there_are_no_channels) {
	assert_null(arun_chan_new(1, 1), ESHUTDOWN);
}
END_TEST

CLAIM(items_of_no_size_and_too_many_of_them_are_EINVAL) {
	assert_null(arun_chan_new(1, 0), EINVAL);
	assert_null(arun_chan_new(SIZE_MAX / 2, 4), EINVAL);
	assert_contains(arun_why(), "chan_new");
}

CLAIM(without_memory_it_is_ENOMEM) {
	if (API_LIMITS) {
		assert_null(arun_chan_new(SIZE_MAX / 16, 4), ENOMEM);
	}
}

/* Reports --------------------------------------------------------------------------------- */

static void leave_items(void) {
	arun_chan *chan = arun_chan_new(4, sizeof(int));
	ck_assert_int_eq(arun_chan_send(chan, &(int){1}), 0);
	ck_assert_int_eq(arun_chan_send(chan, &(int){2}), 0);
}

START_TEST(a_channel_left_with_items_is_a_leak) {
	const char *text = run_reported(leave_items, 23);
	assert_contains(text,
		"leak: channel \"leave_items\" (#2) with 2 items and 0 waiting not freed");
	assert_contains(text, "1 leak: 1 channel\n");
}
END_TEST

static int receive_from(void *arg) {
	int item;
	return arun_chan_recv(arg, &item);
}

static void leave_a_waiter(void) {
	arun_spawn(receive_from, arun_chan_new(0, sizeof(int)));
	let_others_run(1);
}

START_TEST(a_channel_left_with_a_task_waiting_is_a_leak) {
	const char *text = run_reported(leave_a_waiter, 23);
	assert_contains(text, "with 0 items and 1 waiting not freed");
	assert_contains(text, "1 task, 1 channel\n");
}
END_TEST

static void leave_empty(void) {
	ck_assert_ptr_nonnull(arun_chan_new(4, sizeof(int)));
}

START_TEST(an_empty_channel_that_nobody_waits_for_is_no_leak) {
	ck_assert_str_eq(run_reported(leave_empty, 0), "");
}
END_TEST

static void wait_for_nobody(void) {
	arun_chan *chan = arun_chan_new(1, sizeof(int));
	int item;
	assert_fails(arun_chan_recv(chan, &item), ECANCELED);
	arun_chan_free(chan);
}

START_TEST(a_receive_nobody_can_end_is_a_deadlock_that_names_the_channel) {
	if (API_TSAN) {
		return;
	}
	const char *text = run_reported(wait_for_nobody, 1);
	assert_contains(text, "waits here for channel \"wait_for_nobody\" (#2)");
}
END_TEST

static void free_again(void) {
	arun_chan *chan = arun_chan_new(1, sizeof(int));
	arun_chan_free(chan);
	arun_chan_free(chan);
}

START_TEST(a_second_free_is_misuse) {
	if (!API_LIMITS) {
		return; /* it finds that first */
	}
	assert_contains(misuse_in_run(free_again),
		"arun: misuse: arun_chan_free() of a channel that was freed; in task "
		"\"main\" (#1) (run with --debug for the line)\n");
}
END_TEST

/* Without a wait ------------------------------------------------------------------------- */

CLAIM(a_try_sends_and_receives_as_long_as_nobody_has_to_wait) {
	arun_chan *chan = arun_chan_new(2, sizeof(int));
	int item = 0;
	assert_fails(arun_chan_try_recv(chan, &item), EAGAIN);
	ck_assert_int_eq(arun_chan_try_send(chan, &(int){1}), 0);
	ck_assert_int_eq(arun_chan_try_send(chan, &(int){2}), 0);
	assert_fails(arun_chan_try_send(chan, &(int){3}), EAGAIN);
	for (int i = 1; i <= 2; i++) {
		ck_assert_int_eq(arun_chan_try_recv(chan, &item), 1);
		ck_assert_int_eq(item, i);
	}
	assert_fails(arun_chan_try_recv(chan, &item), EAGAIN);
	arun_chan_close(chan);
	ck_assert_int_eq(arun_chan_try_recv(chan, &item), 0);
	assert_fails(arun_chan_try_send(chan, &item), EPIPE);
	assert_fails(arun_chan_try_send(NULL, &item), EINVAL);
	assert_fails(arun_chan_try_recv(NULL, &item), EINVAL);
	arun_chan_free(chan);
}

static int take_item(void *arg) {
	int item = 0;
	return arun_chan_recv(arg, &item) == 1 ? item : -1;
}

static int send_seven(void *chan) {
	return arun_chan_send(chan, &(int){7});
}

CLAIM(a_try_finds_who_waits_from_hand_to_hand) {
	arun_chan *chan = arun_chan_new(0, sizeof(int));
	int item = 0;
	assert_fails(arun_chan_try_send(chan, &item), EAGAIN);
	arun_task *task = arun_spawn(take_item, chan);
	let_others_run(1);
	ck_assert_int_eq(arun_chan_try_send(chan, &(int){5}), 0);
	ck_assert_int_eq(joined(task), 5);
	task = arun_spawn(send_seven, chan);
	let_others_run(1);
	ck_assert_int_eq(arun_chan_try_recv(chan, &item), 1);
	ck_assert_int_eq(item, 7);
	ck_assert_int_eq(joined(task), 0);
	arun_chan_free(chan);
}

static int try_cancelled(void *chan) {
	arun_cancel(arun_self());
	return arun_chan_try_send(chan, &(int){9});
}

static void send_from_timer(void *chan) {
	ck_assert_int_eq(arun_chan_try_send(chan, &(int){8}), 0);
}

CLAIM(a_try_works_where_nothing_may_wait) {
	arun_chan *chan = arun_chan_new(1, sizeof(int));
	int item = 0;
	ck_assert_int_eq(joined(arun_spawn(try_cancelled, chan)), 0);
	ck_assert_int_eq(arun_chan_recv(chan, &item), 1);
	ck_assert_int_eq(item, 9);
	arun_timer *timer = arun_timer_start(0.001, 0, send_from_timer, chan);
	ck_assert_int_eq(arun_chan_recv(chan, &item), 1);
	ck_assert_int_eq(item, 8);
	arun_timer_stop(timer);
	arun_chan_free(chan);
}

START_TEST(a_try_outside_a_run_is_ESHUTDOWN) {
	int item = 0;
	assert_fails(arun_chan_try_send(NULL, &item), ESHUTDOWN);
	assert_fails(arun_chan_try_recv(NULL, &item), ESHUTDOWN);
}
END_TEST

static void add_tries(Suite *suite) {
	TCase *tries = tcase_create("tries");
	tcase_add_test(tries, a_try_sends_and_receives_as_long_as_nobody_has_to_wait);
	tcase_add_test(tries, a_try_finds_who_waits_from_hand_to_hand);
	tcase_add_test(tries, a_try_works_where_nothing_may_wait);
	tcase_add_test(tries, a_try_outside_a_run_is_ESHUTDOWN);
	suite_add_tcase(suite, tries);
}

Suite *suite(void) {
	Suite *suite = suite_create("chan");
	TCase *items = tcase_create("items");
	tcase_add_test(items, items_come_out_in_the_order_in_which_they_went_in);
	tcase_add_test(items, items_are_copied_whole);
	tcase_add_test(items, a_sender_waits_while_the_channel_is_full);
	tcase_add_test(items, with_capacity_0_each_item_goes_from_hand_to_hand);
	tcase_add_test(items, who_waits_first_is_served_first);
	tcase_add_test(items, what_is_in_a_closed_channel_is_received_and_then_0);
	tcase_add_test(items, a_close_ends_the_waits_of_both_sides);
	tcase_add_test(items, a_free_ends_the_waits_with_EBADF_and_is_told_of);
	tcase_add_test(items, a_free_with_items_in_it_is_told_of);
	tcase_add_test(items, a_free_where_nobody_waits_any_more_is_not_told_of);
	tcase_add_test(items, an_item_that_was_handed_over_before_the_free_is_received);
	tcase_add_test(items, close_and_free_take_NULL);
	tcase_add_test(items, a_send_that_is_cancelled_or_late_has_sent_nothing);
	tcase_add_test(items, a_receive_that_is_cancelled_has_received_nothing);
	suite_add_tcase(suite, items);
	TCase *other = tcase_create("other");
	tcase_add_test(other, outside_a_run_there_are_no_channels);
	tcase_add_test(other, items_of_no_size_and_too_many_of_them_are_EINVAL);
	tcase_add_test(other, without_memory_it_is_ENOMEM);
	tcase_add_test(other, a_channel_left_with_items_is_a_leak);
	tcase_add_test(other, a_channel_left_with_a_task_waiting_is_a_leak);
	tcase_add_test(other, an_empty_channel_that_nobody_waits_for_is_no_leak);
	tcase_add_test(
		other, a_receive_nobody_can_end_is_a_deadlock_that_names_the_channel);
	tcase_add_test(other, a_second_free_is_misuse);
	suite_add_tcase(suite, other);
	add_tries(suite);
	return suite;
}
