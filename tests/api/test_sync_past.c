/* SPDX-License-Identifier: MIT */
/* Two wait; the first is cancelled, and before it runs one of them is given what both want. */
#include "api.h"

static struct {
	arun_mutex mutex;
	arun_cond cond;
	arun_sem sem;
	arun_chan *chan;
	int item;
} shared;

/* Each waits, and keeps what it is given. */

static int wait_for_mutex(void *arg) {
	(void)arg;
	if (arun_mutex_lock(&shared.mutex) < 0) {
		return -1;
	}
	arun_mutex_unlock(&shared.mutex);
	return 0;
}

static int wait_for_condition(void *arg) {
	(void)arg;
	ck_assert_int_eq(arun_mutex_lock(&shared.mutex), 0);
	int result = arun_cond_wait(&shared.cond, &shared.mutex);
	int error = errno;
	arun_mutex_unlock(&shared.mutex);
	errno = error;
	return result;
}

static int wait_for_semaphore(void *arg) {
	(void)arg;
	return arun_sem_acquire(&shared.sem);
}

static int wait_to_receive(void *arg) {
	(void)arg;
	return arun_chan_recv(shared.chan, &shared.item) == 1 ? 0 : -1;
}

static int wait_to_send(void *arg) {
	(void)arg;
	return arun_chan_send(shared.chan, &shared.item);
}

/* Each gives one of them what it waits for. */

static void give_mutex(void) {
	arun_mutex_unlock(&shared.mutex);
}

static void give_signal(void) {
	arun_cond_signal(&shared.cond);
}

static void give_semaphore(void) {
	arun_sem_release(&shared.sem);
}

static void give_item(void) {
	int seven = 7;
	ck_assert_int_eq(arun_chan_send(shared.chan, &seven), 0);
}

static void give_room(void) {
	ck_assert_int_eq(arun_chan_recv(shared.chan, &shared.item), 1);
}

static const struct {
	int (*wait)(void *);
	void (*give)(void);
} cases[] = {
	{wait_for_mutex, give_mutex},
	{wait_for_condition, give_signal},
	{wait_for_semaphore, give_semaphore},
	{wait_to_receive, give_item},
	{wait_to_send, give_room},
};

static int each;

static void give_past_the_first(void) {
	shared.chan = arun_chan_new(0, sizeof(int));
	if (cases[each].wait == wait_for_mutex) {
		ck_assert_int_eq(arun_mutex_lock(&shared.mutex), 0);
	}
	arun_task *first = arun_spawn(cases[each].wait, NULL);
	arun_task *second = arun_spawn(cases[each].wait, NULL);
	let_others_run(2);
	arun_cancel(first);
	cases[each].give();
	ck_assert_int_eq(joined(second), 0);
	ck_assert_int_eq(joined(first), -ECANCELED);
	arun_chan_free(shared.chan);
}

START_TEST(what_is_given_goes_past_one_that_was_cancelled_before) {
	each = _i;
	ck_assert_int_eq(run(give_past_the_first), 0);
}
END_TEST

/* An event is set for all. */
static int wait_for_event(void *event) {
	return arun_event_wait(event);
}

CLAIM(an_event_is_set_for_all_but_those_cancelled_before) {
	arun_event event = ARUN_EVENT_INIT;
	arun_task *tasks[3];
	for (int i = 0; i < 3; i++) {
		tasks[i] = arun_spawn(wait_for_event, &event);
	}
	let_others_run(1);
	arun_cancel(tasks[1]);
	arun_event_set(&event);
	ck_assert_int_eq(joined(tasks[0]), 0);
	ck_assert_int_eq(joined(tasks[1]), -ECANCELED);
	ck_assert_int_eq(joined(tasks[2]), 0);
}

Suite *suite(void) {
	Suite *suite = suite_create("sync_past");
	TCase *given = tcase_create("given");
	tcase_add_loop_test(given, what_is_given_goes_past_one_that_was_cancelled_before,
		0, sizeof cases / sizeof *cases);
	tcase_add_test(given, an_event_is_set_for_all_but_those_cancelled_before);
	suite_add_tcase(suite, given);
	return suite;
}
