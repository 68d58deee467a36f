/* SPDX-License-Identifier: MIT */
/* What is left held, and who let go of what it did not hold. */
#include "misuse.h"

static arun_mutex global = ARUN_MUTEX_INIT;

static int lock_global_and_end(void *arg) {
	(void)arg;
	return arun_mutex_lock(&global);
}

static void leave_global_locked(void) {
	joined(arun_spawn(lock_global_and_end, NULL));
}

START_TEST(a_task_that_ends_with_a_lock_is_reported_with_the_place_of_the_lock) {
	const char *text = run_reported(leave_global_locked, 23);
	assert_contains(text, "test_sync_left.c");
	assert_contains(text, "has ended and holds the lock taken here");
	assert_contains(text, ": leak: lock \"lock_global_and_end\" (#");
	assert_contains(text, "of task #2, which has ended, still held");
	assert_contains(text, "1 lock\n");
}
END_TEST

/* The stack of the task, and the mutex on it, is used again by those after it. */
static int lock_own_and_end(void *arg) {
	(void)arg;
	arun_mutex mutex = ARUN_MUTEX_INIT;
	return arun_mutex_lock(&mutex);
}

static int dirty_stack(void *arg) {
	volatile char space[4096];
	(void)arg;
	memset((char *)space, 0xa5, sizeof space);
	return space[17] == 0;
}

static void leave_own_locked(void) {
	for (int i = 0; i < 3; i++) {
		joined(arun_spawn(lock_own_and_end, NULL));
		joined(arun_spawn(dirty_stack, NULL));
	}
}

START_TEST(a_locked_mutex_may_lie_on_the_stack_of_the_task_that_ended) {
	const char *text = run_reported(leave_own_locked, 23);
	assert_contains(text, "leak: 3 locks \"lock_own_and_end\" still held: ");
	assert_contains(text, "3 locks\n");
}
END_TEST

static void lock_without_memory(void) {
	static void *blocks[100000];
	arun_mutex mutex = ARUN_MUTEX_INIT, held = ARUN_MUTEX_INIT;
	arun_cond cond = ARUN_COND_INIT;
	int count = 0;
	ck_assert_int_eq(arun_mutex_lock(&held), 0);
	assert_fails(
		arun_mutex_lock(&held), EDEADLK); /* which has memory for its words */
	struct rlimit old = limit_memory();
	for (size_t size = 1 << 16; size >= 16; size /= 2) {
		while (count < 100000 && (blocks[count] = malloc(size))) {
			count++;
		}
	}
	int locked = arun_mutex_lock(&mutex), lock_error = errno;
	int waited = arun_cond_wait(&cond, &held), wait_error = errno;
	setrlimit(RLIMIT_AS, &old);
	while (count > 0) {
		free(blocks[--count]);
	}
	ck_assert_int_eq(locked, -1);
	ck_assert_int_eq(lock_error, ENOMEM);
	ck_assert_int_eq(waited, -1);
	ck_assert_int_eq(wait_error, ENOMEM);
	arun_mutex_unlock(&held);
}

START_TEST(without_memory_it_is_ENOMEM_and_what_was_held_stays_so) {
	if (API_LIMITS) {
		ck_assert_int_eq(run(lock_without_memory), 0);
	}
}
END_TEST

static int hold_global(void *arg) {
	(void)arg;
	ck_assert_int_eq(arun_mutex_lock(&global), 0);
	arun_sleep(FOREVER);
	arun_mutex_unlock(&global);
	return 0;
}

static void leave_a_task_that_holds(void) {
	arun_spawn(hold_global, NULL);
	let_others_run(1);
}

START_TEST(a_lock_of_a_task_that_runs_is_reported_as_its) {
	const char *text = run_reported(leave_a_task_that_holds, 23);
	assert_contains(text, ": leak: lock of task \"hold_global\" \"hold_global\" (#");
	assert_contains(text, "2 leaks: 1 task, 1 lock\n");
}
END_TEST

static void leave_a_background_task_that_holds(void) {
	arun_detach(arun_spawn(hold_global, NULL));
	let_others_run(1);
}

START_TEST(a_lock_of_a_background_task_is_no_leak) {
	ck_assert_str_eq(run_reported(leave_a_background_task_that_holds, 0), "");
}
END_TEST

static void lock_what_nobody_unlocks(void) {
	joined(arun_spawn(lock_global_and_end, NULL));
	assert_fails(arun_mutex_lock(&global), ECANCELED);
}

START_TEST(a_wait_for_a_lock_that_nobody_unlocks_is_a_deadlock_that_names_it) {
	if (API_TSAN) {
		return;
	}
	const char *text = run_reported(lock_what_nobody_unlocks, 1);
	assert_contains(text,
		": deadlock: main \"main\" waits here for lock \"lock_global_and_end\"");
	assert_contains(text, "of task #2, which has ended");
}
END_TEST

static int unlock_global(void *arg) {
	(void)arg;
	arun_mutex_unlock(&global);
	return 0;
}

static void unlock_in_another_task(void) {
	ck_assert_int_eq(arun_mutex_lock(&global), 0);
	joined(arun_spawn(unlock_global, NULL));
}

static void unlock_what_is_not_locked(void) {
	arun_mutex_unlock(&global);
}

START_TEST(an_unlock_by_who_does_not_hold_it_is_misuse_that_names_both) {
	const char *text = misuse_in_run(unlock_in_another_task);
	assert_contains(text,
		"arun_mutex_unlock() of a mutex that is not held by task \"unlock_global\" (#");
	assert_contains(text, "; task #1 does, since ");
	assert_contains(text, "test_sync_left.c");
	text = misuse_in_run(unlock_what_is_not_locked);
	assert_contains(text, "not held by task \"main\"");
}
END_TEST

Suite *suite(void) {
	Suite *suite = suite_create("sync_left");
	TCase *left = tcase_create("left");
	tcase_add_test(left,
		a_task_that_ends_with_a_lock_is_reported_with_the_place_of_the_lock);
	tcase_add_test(left, a_locked_mutex_may_lie_on_the_stack_of_the_task_that_ended);
	tcase_add_test(left, a_lock_of_a_task_that_runs_is_reported_as_its);
	tcase_add_test(left, a_lock_of_a_background_task_is_no_leak);
	tcase_add_test(
		left, a_wait_for_a_lock_that_nobody_unlocks_is_a_deadlock_that_names_it);
	tcase_add_test(left, an_unlock_by_who_does_not_hold_it_is_misuse_that_names_both);
	tcase_add_test(left, without_memory_it_is_ENOMEM_and_what_was_held_stays_so);
	suite_add_tcase(suite, left);
	return suite;
}
