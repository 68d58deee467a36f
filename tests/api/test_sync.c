/* SPDX-License-Identifier: MIT */
#include "api.h"

/* Mutex ----------------------------------------------------------------------------------- */

struct shared {
	arun_mutex mutex;
	arun_cond cond;
	arun_event event;
	arun_sem sem;
	int inside, most, turns;
};

struct letter {
	struct shared *shared;
	char letter;
	int result, error;
};

static int lock_and_note(void *arg) {
	struct letter *self = arg;
	if (arun_mutex_lock(&self->shared->mutex) < 0) {
		self->error = errno;
		return 0;
	}
	note(self->letter);
	self->shared->inside++;
	ck_assert_int_eq(self->shared->inside, 1);
	let_others_run(2);
	self->shared->inside--;
	arun_mutex_unlock(&self->shared->mutex);
	return 0;
}

CLAIM(a_mutex_is_held_by_one_task_at_a_time_first_come_first_served) {
	struct shared shared = {.mutex = ARUN_MUTEX_INIT};
	struct letter letters[] = {
		{&shared, 'a', 0, 0}, {&shared, 'b', 0, 0}, {&shared, 'c', 0, 0}};
	arun_task *tasks[3];
	for (int i = 0; i < 3; i++) {
		tasks[i] = arun_spawn(lock_and_note, &letters[i]);
	}
	for (int i = 0; i < 3; i++) {
		joined(tasks[i]);
	}
	assert_trace("abc");
}

CLAIM(a_mutex_that_is_let_go_goes_to_who_waits_and_not_to_who_comes) {
	struct shared shared = {.mutex = ARUN_MUTEX_INIT};
	struct letter letter = {&shared, 'w', 0, 0};
	ck_assert_int_eq(arun_mutex_lock(&shared.mutex), 0);
	arun_task *waits = arun_spawn(lock_and_note, &letter);
	let_others_run(1);
	arun_mutex_unlock(&shared.mutex);
	ck_assert_int_eq((arun_mutex_lock)(&shared.mutex), 0);
	note('m');
	arun_mutex_unlock(&shared.mutex);
	joined(waits);
	assert_trace("wm");
}

CLAIM(a_lock_of_ones_own_mutex_is_EDEADLK) {
	arun_mutex mutex = ARUN_MUTEX_INIT;
	ck_assert_int_eq(arun_mutex_lock(&mutex), 0);
	assert_fails(arun_mutex_lock(&mutex), EDEADLK);
	assert_contains(arun_why(), "mutex_lock");
	arun_mutex_unlock(&mutex);
	ck_assert_int_eq(arun_mutex_lock(&mutex), 0);
	arun_mutex_unlock(&mutex);
}

CLAIM(a_wait_for_a_mutex_that_is_cancelled_does_not_get_it) {
	struct shared shared = {.mutex = ARUN_MUTEX_INIT};
	struct letter letters[] = {{&shared, 'a', 0, 0}, {&shared, 'b', 0, 0}};
	ck_assert_int_eq(arun_mutex_lock(&shared.mutex), 0);
	arun_task *a = arun_spawn(lock_and_note, &letters[0]);
	arun_task *b = arun_spawn(lock_and_note, &letters[1]);
	let_others_run(1);
	arun_cancel(a);
	joined(a);
	ck_assert_int_eq(letters[0].error, ECANCELED);
	arun_mutex_unlock(&shared.mutex);
	joined(b);
	assert_trace("b");
}

static int lock_and_unlock(void *arg) {
	struct shared *shared = arg;
	ck_assert_int_eq(arun_mutex_lock(&shared->mutex), 0);
	note('a');
	arun_mutex_unlock(&shared->mutex);
	return 0;
}

CLAIM(a_task_that_was_given_a_mutex_before_it_was_cancelled_has_it) {
	struct shared shared = {.mutex = ARUN_MUTEX_INIT};
	ck_assert_int_eq(arun_mutex_lock(&shared.mutex), 0);
	arun_task *a = arun_spawn(lock_and_unlock, &shared);
	let_others_run(1);
	arun_mutex_unlock(&shared.mutex);
	arun_cancel(a);
	joined(a);
	assert_trace("a");
	ck_assert_int_eq(arun_mutex_lock(&shared.mutex), 0);
	arun_mutex_unlock(&shared.mutex);
}

static int lock_until_set(void *arg) {
	struct shared *shared = arg;
	ck_assert_int_eq(arun_mutex_lock(&shared->mutex), 0);
	ck_assert_int_eq(arun_event_wait(&shared->event), 0);
	arun_mutex_unlock(&shared->mutex);
	return 0;
}

CLAIM(a_wait_for_a_mutex_ends_with_ETIMEDOUT) {
	struct shared shared = {.mutex = ARUN_MUTEX_INIT};
	arun_task *holder = arun_spawn(lock_until_set, &shared);
	let_others_run(1);
	{
		ARUN_TIMEOUT(0.01);
		assert_fails(arun_mutex_lock(&shared.mutex), ETIMEDOUT);
	}
	arun_event_set(&shared.event);
	joined(holder);
}

static int lock_with_timeout(void *arg) {
	struct letter *self = arg;
	ARUN_TIMEOUT(0.01);
	assert_fails(arun_mutex_lock(&self->shared->mutex), ETIMEDOUT);
	return 0;
}

CLAIM(a_timeout_in_the_queue_leaves_the_queue_whole) {
	struct shared shared = {.mutex = ARUN_MUTEX_INIT};
	struct letter letters[] = {{&shared, 'a', 0, 0}, {&shared, 'b', 0, 0}};
	ck_assert_int_eq(arun_mutex_lock(&shared.mutex), 0);
	arun_task *a = arun_spawn(lock_and_note, &letters[0]);
	arun_task *late = arun_spawn(lock_with_timeout, &letters[0]);
	arun_task *b = arun_spawn(lock_and_note, &letters[1]);
	joined(late);
	arun_mutex_unlock(&shared.mutex);
	joined(a);
	joined(b);
	assert_trace("ab");
}

/* Condition ------------------------------------------------------------------------------- */

static int wait_for_turn(void *arg) {
	struct letter *self = arg;
	struct shared *shared = self->shared;
	ck_assert_int_eq(arun_mutex_lock(&shared->mutex), 0);
	self->result = arun_cond_wait(&shared->cond, &shared->mutex);
	self->error = errno;
	/* It is held, whatever happened: the unlock would be misuse. */
	note(self->letter);
	arun_mutex_unlock(&shared->mutex);
	return 0;
}

static void start_three(
	struct shared *shared, struct letter *letters, arun_task **tasks) {
	for (int i = 0; i < 3; i++) {
		letters[i] = (struct letter){shared, (char)('a' + i), 0, 0};
		tasks[i] = arun_spawn(wait_for_turn, &letters[i]);
	}
	let_others_run(1);
}

CLAIM(a_signal_wakes_the_first_that_waits_and_a_broadcast_all) {
	struct shared shared = {.mutex = ARUN_MUTEX_INIT, .cond = ARUN_COND_INIT};
	struct letter letters[3];
	arun_task *tasks[3];
	start_three(&shared, letters, tasks);
	arun_cond_signal(&shared.cond);
	joined(tasks[0]);
	assert_trace("a");
	arun_cond_broadcast(&shared.cond);
	joined(tasks[1]);
	joined(tasks[2]);
	assert_trace("abc");
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(letters[i].result, 0);
	}
}

CLAIM(a_signal_nobody_waits_for_is_forgotten) {
	struct shared shared = {.mutex = ARUN_MUTEX_INIT, .cond = ARUN_COND_INIT};
	arun_cond_signal(&shared.cond);
	arun_cond_broadcast(&shared.cond);
	ck_assert_int_eq(arun_mutex_lock(&shared.mutex), 0);
	{
		ARUN_TIMEOUT(0.01);
		assert_fails(arun_cond_wait(&shared.cond, &shared.mutex), ETIMEDOUT);
	}
	arun_mutex_unlock(&shared.mutex);
}

CLAIM(a_wait_for_a_condition_that_is_cancelled_holds_the_mutex_and_took_no_signal) {
	struct shared shared = {.mutex = ARUN_MUTEX_INIT, .cond = ARUN_COND_INIT};
	struct letter letters[3];
	arun_task *tasks[3];
	start_three(&shared, letters, tasks);
	arun_cancel(tasks[0]);
	arun_cond_signal(&shared.cond);
	joined(tasks[0]);
	ck_assert_int_eq(letters[0].result, -1);
	ck_assert_int_eq(letters[0].error, ECANCELED);
	joined(tasks[1]);
	ck_assert_int_eq(letters[1].result, 0);
	arun_cancel(tasks[2]);
	joined(tasks[2]);
	ck_assert_int_eq(letters[2].result, -1);
	ck_assert_int_eq(letters[2].error, ECANCELED);
	assert_trace("abc");
}

CLAIM(a_wait_for_a_condition_without_its_mutex_is_EPERM) {
	arun_mutex mutex = ARUN_MUTEX_INIT;
	arun_cond cond = ARUN_COND_INIT;
	assert_fails(arun_cond_wait(&cond, &mutex), EPERM);
	assert_fails((arun_cond_wait)(&cond, &mutex), EPERM);
}

static int cond_wait_cancelled(void *arg) {
	struct shared *shared = arg;
	ck_assert_int_eq(arun_mutex_lock(&shared->mutex), 0);
	arun_cancel(arun_self());
	assert_fails(arun_cond_wait(&shared->cond, &shared->mutex), ECANCELED);
	arun_mutex_unlock(&shared->mutex);
	return 0;
}

CLAIM(a_cancelled_task_lets_go_of_the_mutex_meanwhile) {
	struct shared shared = {.mutex = ARUN_MUTEX_INIT, .cond = ARUN_COND_INIT};
	struct letter letter = {&shared, 'o', 0, 0};
	arun_task *task = arun_spawn(cond_wait_cancelled, &shared);
	arun_task *other = arun_spawn(lock_and_note, &letter);
	joined(task);
	joined(other);
	assert_trace("o");
}

/* Event ----------------------------------------------------------------------------------- */

static int wait_for_event(void *arg) {
	struct letter *self = arg;
	self->result = arun_event_wait(&self->shared->event);
	self->error = errno;
	note(self->letter);
	return 0;
}

CLAIM(a_set_event_wakes_all_and_stays_set_until_it_is_cleared) {
	struct shared shared = {.event = ARUN_EVENT_INIT};
	struct letter letters[] = {{&shared, 'a', -1, 0}, {&shared, 'b', -1, 0}};
	arun_task *a = arun_spawn(wait_for_event, &letters[0]);
	arun_task *b = arun_spawn(wait_for_event, &letters[1]);
	let_others_run(2);
	assert_trace("");
	arun_event_set(&shared.event);
	ck_assert_int_eq(arun_event_wait(&shared.event), 0);
	joined(a);
	joined(b);
	assert_trace("ab");
	ck_assert_int_eq((arun_event_wait)(&shared.event), 0);
	arun_event_clear(&shared.event);
	ARUN_TIMEOUT(0.01);
	assert_fails(arun_event_wait(&shared.event), ETIMEDOUT);
}

CLAIM(who_an_event_has_woken_is_not_put_back_by_a_clear) {
	struct shared shared = {.event = ARUN_EVENT_INIT};
	struct letter letter = {&shared, 'a', -1, 0};
	arun_task *a = arun_spawn(wait_for_event, &letter);
	let_others_run(1);
	arun_event_set(&shared.event);
	arun_event_clear(&shared.event);
	joined(a);
	ck_assert_int_eq(letter.result, 0);
}

CLAIM(a_wait_for_an_event_can_be_cancelled) {
	struct shared shared = {.event = ARUN_EVENT_INIT};
	struct letter letter = {&shared, 'a', 0, 0};
	arun_task *a = arun_spawn(wait_for_event, &letter);
	let_others_run(1);
	arun_cancel(a);
	joined(a);
	ck_assert_int_eq(letter.result, -1);
	ck_assert_int_eq(letter.error, ECANCELED);
	arun_event_set(&shared.event);
}

/* Semaphore ------------------------------------------------------------------------------- */

static int take_and_note(void *arg) {
	struct letter *self = arg;
	self->result = arun_sem_acquire(&self->shared->sem);
	self->error = errno;
	if (self->result < 0) {
		return 0;
	}
	note(self->letter);
	let_others_run(1);
	arun_sem_release(&self->shared->sem);
	return 0;
}

CLAIM(a_semaphore_lets_so_many_in_first_come_first_served) {
	struct shared shared = {.sem = ARUN_SEM_INIT(2)};
	struct letter letters[5];
	arun_task *tasks[5];
	for (int i = 0; i < 5; i++) {
		letters[i] = (struct letter){&shared, (char)('a' + i), 0, 0};
		tasks[i] = arun_spawn(take_and_note, &letters[i]);
	}
	let_others_run(1);
	assert_trace("ab");
	for (int i = 0; i < 5; i++) {
		joined(tasks[i]);
	}
	assert_trace("abcde");
	ck_assert_int_eq(arun_sem_acquire(&shared.sem), 0);
	ck_assert_int_eq((arun_sem_acquire)(&shared.sem), 0);
	ARUN_TIMEOUT(0.01);
	assert_fails(arun_sem_acquire(&shared.sem), ETIMEDOUT);
}

CLAIM(a_cancelled_wait_for_a_semaphore_takes_nothing) {
	struct shared shared = {.sem = ARUN_SEM_INIT(0)};
	struct letter letters[] = {{&shared, 'a', 0, 0}, {&shared, 'b', 0, 0}};
	arun_task *a = arun_spawn(take_and_note, &letters[0]);
	arun_task *b = arun_spawn(take_and_note, &letters[1]);
	let_others_run(1);
	arun_cancel(a);
	joined(a);
	ck_assert_int_eq(letters[0].error, ECANCELED);
	arun_sem_release(&shared.sem);
	joined(b);
	assert_trace("b");
	ck_assert_int_eq(arun_sem_acquire(&shared.sem), 0);
}

Suite *suite(void) {
	Suite *suite = suite_create("sync");
	TCase *tasks = tcase_create("tasks");
	tcase_add_test(
		tasks, a_mutex_is_held_by_one_task_at_a_time_first_come_first_served);
	tcase_add_test(
		tasks, a_mutex_that_is_let_go_goes_to_who_waits_and_not_to_who_comes);
	tcase_add_test(tasks, a_lock_of_ones_own_mutex_is_EDEADLK);
	tcase_add_test(tasks, a_wait_for_a_mutex_that_is_cancelled_does_not_get_it);
	tcase_add_test(
		tasks, a_task_that_was_given_a_mutex_before_it_was_cancelled_has_it);
	tcase_add_test(tasks, a_wait_for_a_mutex_ends_with_ETIMEDOUT);
	tcase_add_test(tasks, a_timeout_in_the_queue_leaves_the_queue_whole);
	tcase_add_test(tasks, a_signal_wakes_the_first_that_waits_and_a_broadcast_all);
	tcase_add_test(tasks, a_signal_nobody_waits_for_is_forgotten);
	tcase_add_test(tasks,
		a_wait_for_a_condition_that_is_cancelled_holds_the_mutex_and_took_no_signal);
	tcase_add_test(tasks, a_wait_for_a_condition_without_its_mutex_is_EPERM);
	tcase_add_test(tasks, a_cancelled_task_lets_go_of_the_mutex_meanwhile);
	tcase_add_test(tasks, a_set_event_wakes_all_and_stays_set_until_it_is_cleared);
	tcase_add_test(tasks, who_an_event_has_woken_is_not_put_back_by_a_clear);
	tcase_add_test(tasks, a_wait_for_an_event_can_be_cancelled);
	tcase_add_test(tasks, a_semaphore_lets_so_many_in_first_come_first_served);
	tcase_add_test(tasks, a_cancelled_wait_for_a_semaphore_takes_nothing);
	suite_add_tcase(suite, tasks);
	return suite;
}
