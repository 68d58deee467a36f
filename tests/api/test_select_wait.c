/* SPDX-License-Identifier: MIT */
/* How a select ends that waits: closed, freed, cancelled, late, or never. */
#include "misuse.h"
#include "selects.h"

/* Close and free ------------------------------------------------------------------------- */

CLAIM(a_closed_channel_is_received_from_to_its_end_and_then_goes_with_0) {
	arun_chan *chan = arun_chan_new(1, sizeof(int));
	put(chan, 3);
	arun_chan_close(chan);
	int item = 0;
	arun_chan_case cases[] = {{.chan = chan, .recv = &item}};
	ck_assert_int_eq(arun_chan_select(cases, 1), 0);
	ck_assert_int_eq(cases[0].result, 1);
	ck_assert_int_eq(item, 3);
	ck_assert_int_eq(arun_chan_select(cases, 1), 0);
	ck_assert_int_eq(cases[0].result, 0);
	arun_chan_free(chan);
}

CLAIM(a_send_to_a_closed_channel_is_EPIPE_and_the_result_says_which) {
	open_channels(0);
	int item = 1;
	arun_chan_close(channels[1]);
	arun_chan_case cases[] = {{.chan = channels[0], .send = &item},
		{.chan = channels[1], .send = &item}};
	assert_fails(arun_chan_select(cases, 2), EPIPE);
	ck_assert_int_eq(cases[0].result, 0);
	ck_assert_int_eq(cases[1].result, -1);
	free_channels();
}

CLAIM(a_close_ends_the_wait) {
	open_channels(0);
	struct chooser chooser;
	arun_task *task = receiving(&chooser);
	arun_chan_close(channels[1]);
	joined(task);
	assert_went(&chooser, 1, 0);
	free_channels();
	open_channels(0);
	task = sending(&chooser);
	arun_chan_close(channels[2]);
	arun_chan_close(channels[0]);
	joined(task);
	assert_failed(&chooser, EPIPE);
	assert_results(&chooser, 2, -1);
	free_channels();
}

static void free_one_and_all(void) {
	open_channels(0);
	struct chooser chooser, other;
	arun_task *task = receiving(&chooser);
	arun_chan_free(channels[1]);
	/* Before it runs: nobody waits for these any more. */
	arun_chan_free(channels[0]);
	arun_chan_free(channels[2]);
	joined(task);
	assert_failed(&chooser, EBADF);
	assert_results(&chooser, 1, -1);
	open_channels(0);
	task = receiving(&chooser);
	arun_task *later = receiving(&other);
	put(channels[2], 9);
	free_channels();
	joined(task);
	joined(later);
	assert_went(&chooser, 2, 1);
	ck_assert_int_eq(chooser.items[2], 9);
	assert_failed(&other, EBADF);
	assert_results(&other, 0, -1);
}

START_TEST(a_free_ends_the_wait_with_EBADF_and_is_told_of) {
	const char *text = run_reported(free_one_and_all, 0);
	assert_contains(text, "selects.h:");
	assert_contains(text, "(#3) with 0 items and 1 waiting was freed");
	ck_assert_msg(!strstr(text, "(#2)") && !strstr(text, "(#4)"), "%s", text);
}
END_TEST

CLAIM(what_was_not_chosen_may_be_freed_before_the_task_runs) {
	open_channels(0);
	struct chooser chooser;
	arun_task *task = receiving(&chooser);
	put(channels[2], 6);
	arun_chan_free(channels[0]);
	arun_chan_free(channels[1]);
	FILE *file = tmpfile();
	arun_dump(file); /* looks at all that waits */
	fclose(file);
	joined(task);
	assert_went(&chooser, 2, 1);
	ck_assert_int_eq(chooser.items[2], 6);
	arun_chan_free(channels[2]);
}

MISUSE(a_channel_that_was_freed_is_misuse,
	"misuse: arun_chan_select() of a channel that was freed") {
	arun_chan *chan = arun_chan_new(1, sizeof(int));
	arun_chan_case cases[] = {{.chan = chan, .send = &(int){1}}};
	arun_chan_free(chan);
	arun_chan_select(cases, 1);
}

/* Cancel and timeout --------------------------------------------------------------------- */

CLAIM(a_select_that_is_cancelled_leaves_no_trace) {
	open_channels(0);
	struct chooser chooser;
	for (int i = 0; i < 2; i++) {
		arun_task *task = i ? receiving(&chooser) : sending(&chooser);
		arun_cancel(task);
		joined(task);
		assert_failed(&chooser, ECANCELED);
		assert_results(&chooser, -1, 0);
		for (int way = 0; way < WAYS; way++) {
			assert_empty(channels[way]);
			assert_fails(
				arun_chan_try_send(channels[way], &(int){1}), EAGAIN);
		}
	}
	free_channels();
}

CLAIM(an_item_given_before_the_cancel_is_received_and_one_after_it_is_not) {
	open_channels(1);
	struct chooser chooser;
	arun_task *task = receiving(&chooser);
	put(channels[1], 1);
	arun_cancel(task);
	put(channels[0], 2);
	joined(task);
	assert_went(&chooser, 1, 1);
	ck_assert_int_eq(chooser.items[1], 1);
	ck_assert_int_eq(take(channels[0]), 2);
	task = receiving(&chooser);
	arun_cancel(task);
	put(channels[1], 3);
	put(channels[0], 4);
	joined(task);
	assert_failed(&chooser, ECANCELED);
	ck_assert_int_eq(take(channels[0]), 4);
	ck_assert_int_eq(take(channels[1]), 3);
	free_channels();
}

CLAIM(an_item_taken_before_the_cancel_was_sent_and_one_after_it_was_not) {
	open_channels(0);
	struct chooser chooser;
	arun_task *task = sending(&chooser);
	ck_assert_int_eq(take(channels[1]), 11);
	arun_cancel(task);
	assert_empty(channels[1]);
	joined(task);
	assert_went(&chooser, 1, 1);
	task = sending(&chooser);
	arun_cancel(task);
	assert_empty(channels[0]);
	assert_empty(channels[1]);
	joined(task);
	assert_failed(&chooser, ECANCELED);
	free_channels();
}

CLAIM(what_is_given_goes_past_a_select_that_was_cancelled_before) {
	open_channels(0);
	struct chooser first, second;
	arun_task *one = receiving(&first), *other = receiving(&second);
	arun_cancel(one);
	put(channels[2], 5);
	joined(other);
	joined(one);
	assert_failed(&first, ECANCELED);
	assert_went(&second, 2, 1);
	ck_assert_int_eq(second.items[2], 5);
	/* The same seen from a select: none but cancelled ones wait for what it sends. */
	one = receiving(&first);
	arun_cancel(one);
	other = sending(&second);
	joined(one);
	assert_failed(&first, ECANCELED);
	ck_assert_int_eq(take(channels[0]), 10);
	joined(other);
	assert_went(&second, 0, 1);
	free_channels();
}

CLAIM(a_case_that_only_cancelled_tasks_wait_at_does_not_hide_one_that_is_ready) {
	arun_chan *full = arun_chan_new(1, sizeof(int));
	open_channels(0);
	struct chooser chooser;
	for (int i = 0; i < 10; i++) {
		int item = -1;
		put(full, i);
		arun_task *task = sending(&chooser);
		arun_cancel(task);
		arun_chan_case cases[] = {{.chan = channels[0], .recv = &item},
			{.chan = channels[1], .recv = &item},
			{.chan = full, .recv = &item}};
		ck_assert_int_eq(arun_chan_select(cases, 3), 2);
		ck_assert_int_eq(item, i);
		joined(task);
		assert_failed(&chooser, ECANCELED);
	}
	free_channels();
	arun_chan_free(full);
}

CLAIM(a_timeout_ends_the_wait_and_the_next_select_waits_on) {
	open_channels(0);
	int item = 0;
	arun_chan_case cases[] = {{.chan = channels[0], .recv = &item},
		{.chan = channels[1], .send = &item}};
	for (int i = 0; i < 3; i++) {
		ARUN_TIMEOUT(0.001);
		assert_fails(arun_chan_select(cases, 2), ETIMEDOUT);
		assert_contains(arun_why(), "chan_select: timed out: ARUN_TIMEOUT");
		assert_fails(arun_chan_select(cases, 2), ETIMEDOUT);
	}
	assert_empty(channels[1]);
	ARUN_TIMEOUT(FOREVER);
	arun_task *task = arun_spawn(receive_one, channels[1]);
	ck_assert_int_eq(arun_chan_select(cases, 2), 1);
	ck_assert_int_eq(joined(task), 0);
	ck_assert_int_eq(arun_sleep(0), 0);
	free_channels();
}

CLAIM(in_a_cancelled_task_nothing_goes_even_where_it_is_ready) {
	open_channels(1);
	put(channels[0], 1);
	int item = 0;
	arun_chan_case cases[] = {{.chan = channels[0], .recv = &item}};
	arun_cancel(arun_self());
	assert_fails(arun_chan_select(cases, 1), ECANCELED);
	ck_assert_int_eq(take(channels[0]), 1);
	free_channels();
}

static int select_shielded(void *arg) {
	ARUN_SHIELD(FOREVER);
	choose(arg);
	return 0;
}

CLAIM(a_shield_keeps_the_wait_from_a_cancel) {
	open_channels(0);
	struct chooser chooser;
	memset(&chooser, 0, sizeof chooser);
	chooser.cases[1] =
		(arun_chan_case){.chan = channels[1], .recv = &chooser.items[1]};
	arun_task *task = arun_spawn(select_shielded, &chooser);
	let_others_run(1);
	arun_cancel(task);
	let_others_run(2);
	put(channels[1], 8);
	joined(task);
	assert_went(&chooser, 1, 1);
	ck_assert_int_eq(chooser.items[1], 8);
	free_channels();
}

/* Reports -------------------------------------------------------------------------------- */

static void wait_for_nobody(void) {
	int item = 0;
	open_channels(0);
	arun_chan_case cases[] = {{.chan = NULL}, {.chan = channels[1], .recv = &item},
		{.chan = channels[0], .send = &item},
		{.chan = channels[2], .recv = &item}};
	assert_fails(arun_chan_select(cases, 4), ECANCELED);
	free_channels();
}

START_TEST(a_select_nobody_can_end_is_a_deadlock_that_names_the_channels) {
	if (API_TSAN) {
		return;
	}
	assert_contains(run_reported(wait_for_nobody, 1),
		"waits here for channel \"open_channels\" (#3) with 0 items and 1 waiting"
		" or channel \"open_channels\" (#2) with 0 items and 1 waiting"
		" or channel \"open_channels\" (#4) with 0 items and 1 waiting"
		" and nothing can wake it");
}
END_TEST

static int send_one(void *chan) {
	return arun_chan_send(chan, &(int){1});
}

static void wait_for_an_event_after(void) {
	int item = 0;
	open_channels(0);
	arun_chan_case cases[] = {{.chan = channels[0], .recv = &item}};
	arun_task *task = arun_spawn(send_one, channels[0]);
	ck_assert_int_eq(arun_chan_select(cases, 1), 0);
	joined(task);
	free_channels();
	arun_event event = {{0}};
	assert_fails(arun_event_wait(&event), ECANCELED);
}

START_TEST(a_wait_after_a_select_is_not_for_its_channels) {
	if (API_TSAN) {
		return;
	}
	assert_contains(run_reported(wait_for_an_event_after, 1),
		"waits here in arun_event_wait and nothing can wake it");
}
END_TEST

static void wait_for_one_of_many(void) {
	enum { MANY = 7 };
	arun_chan *many[MANY];
	arun_chan_case cases[MANY];
	int item;
	for (int i = 0; i < MANY; i++) {
		many[i] = arun_chan_new(0, sizeof item);
		cases[i] = (arun_chan_case){.chan = many[i], .recv = &item};
	}
	assert_fails(arun_chan_select(cases, MANY), ECANCELED);
	for (int i = 0; i < MANY; i++) {
		arun_chan_free(many[i]);
	}
}

START_TEST(of_many_channels_a_deadlock_names_five) {
	if (API_TSAN) {
		return;
	}
	assert_contains(run_reported(wait_for_one_of_many, 1),
		"(#6) with 0 items and 1 waiting or others and nothing can wake it");
}
END_TEST

static struct chooser left;

static void leave_a_chooser(void) {
	open_channels(0);
	receiving(&left);
}

START_TEST(a_task_left_in_a_select_is_a_leak_and_JSON_has_all_that_it_waits_for) {
	FILE *file = catch_stderr(), *report = tmpfile();
	char line[8192] = "";
	api_body = leave_a_chooser;
	ck_assert_int_eq(arun_run(api_entry, 0, NULL,
				 &(arun_options){.struct_size = sizeof(arun_options),
					 .leaks = ARUN_LEAKS_ERROR,
					 .report_fd = fileno(report)}),
		23);
	assert_contains(read_stderr(file), "task \"choose\" (#5) still running, ");
	rewind(report);
	ck_assert_ptr_nonnull(fgets(line, sizeof line, report));
	assert_contains(line,
		"\"awaits\": {\"kind\": \"channel\", \"id\": 2}, \"or\": "
		"[{\"kind\": \"channel\", \"id\": 3}, {\"kind\": \"channel\", \"id\": 4}]");
	fclose(report);
}
END_TEST

static void add_waits(Suite *suite) {
	TCase *waits = tcase_create("waits");
	tcase_add_test(waits, a_select_that_is_cancelled_leaves_no_trace);
	tcase_add_test(waits,
		an_item_given_before_the_cancel_is_received_and_one_after_it_is_not);
	tcase_add_test(
		waits, an_item_taken_before_the_cancel_was_sent_and_one_after_it_was_not);
	tcase_add_test(waits, what_is_given_goes_past_a_select_that_was_cancelled_before);
	tcase_add_test(waits,
		a_case_that_only_cancelled_tasks_wait_at_does_not_hide_one_that_is_ready);
	tcase_add_test(waits, a_timeout_ends_the_wait_and_the_next_select_waits_on);
	tcase_add_test(waits, in_a_cancelled_task_nothing_goes_even_where_it_is_ready);
	tcase_add_test(waits, a_shield_keeps_the_wait_from_a_cancel);
	suite_add_tcase(suite, waits);
}

static void add_reports(Suite *suite) {
	TCase *reports = tcase_create("reports");
	tcase_add_test(
		reports, a_select_nobody_can_end_is_a_deadlock_that_names_the_channels);
	tcase_add_test(reports, a_wait_after_a_select_is_not_for_its_channels);
	tcase_add_test(reports, of_many_channels_a_deadlock_names_five);
	tcase_add_test(reports,
		a_task_left_in_a_select_is_a_leak_and_JSON_has_all_that_it_waits_for);
	suite_add_tcase(suite, reports);
}

static void add_ends(Suite *suite) {
	TCase *ends = tcase_create("ends");
	tcase_add_test(
		ends, a_closed_channel_is_received_from_to_its_end_and_then_goes_with_0);
	tcase_add_test(
		ends, a_send_to_a_closed_channel_is_EPIPE_and_the_result_says_which);
	tcase_add_test(ends, a_close_ends_the_wait);
	tcase_add_test(ends, a_free_ends_the_wait_with_EBADF_and_is_told_of);
	tcase_add_test(ends, what_was_not_chosen_may_be_freed_before_the_task_runs);
	if (API_LIMITS) { /* a sanitizer finds that first */
		tcase_add_test(ends, a_channel_that_was_freed_is_misuse);
	}
	suite_add_tcase(suite, ends);
}

Suite *suite(void) {
	Suite *suite = suite_create("select_wait");
	add_ends(suite);
	add_waits(suite);
	add_reports(suite);
	return suite;
}
