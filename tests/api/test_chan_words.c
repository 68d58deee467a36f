/* SPDX-License-Identifier: MIT */
/* Items as large as a pointer, which channels move in a way of their own. */
#include "api.h"

struct end {
	arun_chan *chan;
	long item;
	int result, error;
};

static int send_it(void *arg) {
	struct end *end = arg;
	end->result = arun_chan_send(end->chan, &end->item);
	end->error = errno;
	return 0;
}

static int receive_it(void *arg) {
	struct end *end = arg;
	end->result = arun_chan_recv(end->chan, &end->item);
	end->error = errno;
	return 0;
}

static long receive(arun_chan *chan) {
	long item = -1;
	ck_assert_int_eq(arun_chan_recv(chan, &item), 1);
	return item;
}

CLAIM(words_come_out_in_the_order_in_which_they_went_in) {
	arun_chan *chan = arun_chan_new(3, sizeof(long));
	for (long i = 0; i < 12; i += 2) {
		ck_assert_int_eq(arun_chan_send(chan, &(long){i}), 0);
		ck_assert_int_eq(arun_chan_send(chan, &(long){i + 1}), 0);
		ck_assert_int_eq(receive(chan), i);
		ck_assert_int_eq(receive(chan), i + 1);
	}
	arun_chan_free(chan);
}

static void words_of_those_that_wait(size_t capacity) {
	arun_chan *chan = arun_chan_new(capacity, sizeof(long));
	struct end ends[4];
	arun_task *tasks[4];
	for (int i = 0; i < 4; i++) {
		ends[i] = (struct end){.chan = chan, .item = i};
		tasks[i] = arun_spawn(send_it, &ends[i]);
	}
	let_others_run(1);
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(receive(chan), i);
	}
	for (int i = 0; i < 4; i++) {
		joined(tasks[i]);
		ck_assert_int_eq(ends[i].result, 0);
	}
	arun_chan_free(chan);
}

CLAIM(words_of_those_that_wait_follow_those_in_the_channel) {
	words_of_those_that_wait(0);
	words_of_those_that_wait(1);
	words_of_those_that_wait(3);
}

CLAIM(who_waits_for_a_word_first_gets_the_first) {
	arun_chan *chan = arun_chan_new(0, sizeof(long));
	struct end ends[2] = {{.chan = chan}, {.chan = chan}};
	arun_task *first = arun_spawn(receive_it, &ends[0]);
	arun_task *second = arun_spawn(receive_it, &ends[1]);
	let_others_run(1);
	ck_assert_int_eq(arun_chan_send(chan, &(long){7}), 0);
	ck_assert_int_eq(arun_chan_send(chan, &(long){8}), 0);
	joined(first);
	joined(second);
	ck_assert_int_eq(ends[0].item, 7);
	ck_assert_int_eq(ends[1].item, 8);
	arun_chan_free(chan);
}

CLAIM(words_in_a_closed_channel_are_received_and_none_is_sent) {
	arun_chan *chan = arun_chan_new(2, sizeof(long));
	long item = 1;
	ck_assert_int_eq(arun_chan_send(chan, &item), 0);
	arun_chan_close(chan);
	assert_fails(arun_chan_send(chan, &item), EPIPE);
	ck_assert_int_eq(receive(chan), 1);
	ck_assert_int_eq(arun_chan_recv(chan, &item), 0);
	arun_chan_free(chan);
}

CLAIM(a_close_ends_the_waits_for_words) {
	struct end out = {.chan = arun_chan_new(0, sizeof(long))};
	struct end in = {.chan = arun_chan_new(0, sizeof(long))};
	arun_task *sender = arun_spawn(send_it, &out),
		  *receiver = arun_spawn(receive_it, &in);
	let_others_run(1);
	arun_chan_close(out.chan);
	arun_chan_close(in.chan);
	joined(sender);
	joined(receiver);
	ck_assert_int_eq(out.result, -1);
	ck_assert_int_eq(out.error, EPIPE);
	ck_assert_int_eq(in.result, 0);
	arun_chan_free(out.chan);
	arun_chan_free(in.chan);
}

CLAIM(no_word_goes_to_who_is_cancelled_and_has_not_run_since) {
	struct end end = {.chan = arun_chan_new(1, sizeof(long))};
	arun_task *task = arun_spawn(receive_it, &end);
	let_others_run(1);
	arun_cancel(task);
	ck_assert_int_eq(arun_chan_send(end.chan, &(long){3}), 0);
	joined(task);
	ck_assert_int_eq(end.result, -1);
	ck_assert_int_eq(end.error, ECANCELED);
	ck_assert_int_eq(receive(end.chan), 3);
	arun_chan_free(end.chan);
}

CLAIM(no_word_comes_from_who_is_cancelled_and_has_not_run_since) {
	struct end cancelled = {.chan = arun_chan_new(0, sizeof(long)), .item = 4};
	struct end other = {.chan = cancelled.chan, .item = 5};
	arun_task *first = arun_spawn(send_it, &cancelled);
	arun_task *second = arun_spawn(send_it, &other);
	let_others_run(1);
	arun_cancel(first);
	ck_assert_int_eq(receive(other.chan), 5);
	joined(first);
	joined(second);
	ck_assert_int_eq(cancelled.error, ECANCELED);
	ck_assert_int_eq(other.result, 0);
	arun_chan_free(other.chan);
}

CLAIM(who_is_cancelled_or_late_moves_no_word) {
	arun_chan *chan = arun_chan_new(2, sizeof(long));
	long item = 6;
	ck_assert_int_eq(arun_chan_send(chan, &item), 0);
	{
		ARUN_TIMEOUT(0);
		assert_fails(arun_chan_send(chan, &item), ETIMEDOUT);
		assert_fails(arun_chan_recv(chan, &item), ETIMEDOUT);
	}
	arun_cancel(arun_self());
	assert_fails(arun_chan_send(chan, &item), ECANCELED);
	assert_fails(arun_chan_recv(chan, &item), ECANCELED);
	ck_assert_int_eq(arun_chan_try_recv(chan, &item), 1);
	assert_fails(arun_chan_try_recv(chan, &item), EAGAIN);
	arun_chan_free(chan);
}

Suite *suite(void) {
	Suite *suite = suite_create("channels of words");
	TCase *words = tcase_create("words");
	tcase_add_test(words, words_come_out_in_the_order_in_which_they_went_in);
	tcase_add_test(words, words_of_those_that_wait_follow_those_in_the_channel);
	tcase_add_test(words, who_waits_for_a_word_first_gets_the_first);
	tcase_add_test(words, words_in_a_closed_channel_are_received_and_none_is_sent);
	tcase_add_test(words, a_close_ends_the_waits_for_words);
	tcase_add_test(words, no_word_goes_to_who_is_cancelled_and_has_not_run_since);
	tcase_add_test(words, no_word_comes_from_who_is_cancelled_and_has_not_run_since);
	tcase_add_test(words, who_is_cancelled_or_late_moves_no_word);
	suite_add_tcase(suite, words);
	return suite;
}
