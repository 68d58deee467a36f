/* SPDX-License-Identifier: MIT */
#include "api.h"

#include <stdlib.h>

static const char key, other_key;
static char one[] = "one", two[] = "two";

static int read_local(void *arg) {
	*(const char **)arg = arun_local_get(&key);
	return 0;
}

static int change_local(void *arg) {
	(void)arg;
	ck_assert_str_eq(arun_local_get(&key), "one");
	ck_assert_int_eq(arun_local_set(&key, two), 0);
	ck_assert_int_eq(arun_local_set(&other_key, one), 0);
	let_others_run(1);
	ck_assert_str_eq(arun_local_get(&key), "two");
	return 0;
}

static int spawn_a_reader(void *arg) {
	joined(arun_spawn(read_local, arg));
	return 0;
}

CLAIM(what_was_not_set_is_NULL) {
	ck_assert_ptr_null(arun_local_get(&key));
	ck_assert_int_eq(arun_local_set(&key, one), 0);
	ck_assert_ptr_null(arun_local_get(&other_key));
	ck_assert_int_eq(arun_local_set(&key, NULL), 0);
	ck_assert_ptr_null(arun_local_get(&key));
}

CLAIM(a_task_inherits_what_was_set_when_it_was_spawned) {
	const char *before = "", *after = "", *grandchild = "";
	arun_task *early = arun_spawn(read_local, &before);
	ck_assert_int_eq(arun_local_set(&key, one), 0);
	arun_task *late = arun_spawn(read_local, &after);
	arun_task *deep = arun_spawn(spawn_a_reader, &grandchild);
	ck_assert_int_eq(arun_local_set(&key, two), 0);
	joined(early);
	joined(late);
	joined(deep);
	ck_assert_ptr_null(before);
	ck_assert_str_eq(after, "one");
	ck_assert_str_eq(grandchild, "one");
}

CLAIM(what_a_task_sets_is_not_seen_by_the_one_that_spawned_it) {
	ck_assert_int_eq(arun_local_set(&key, one), 0);
	arun_task *tasks[2];
	for (int i = 0; i < 2; i++) {
		tasks[i] = arun_spawn(change_local, NULL);
	}
	for (int i = 0; i < 2; i++) {
		joined(tasks[i]);
	}
	ck_assert_str_eq(arun_local_get(&key), "one");
	ck_assert_ptr_null(arun_local_get(&other_key));
}

CLAIM(there_may_be_many_keys) {
	static char keys[200];
	for (int i = 0; i < 200; i++) {
		ck_assert_int_eq(arun_local_set(&keys[i], &keys[199 - i]), 0);
	}
	for (int i = 0; i < 200; i++) {
		ck_assert_ptr_eq(arun_local_get(&keys[i]), &keys[199 - i]);
	}
}

CLAIM(without_memory_it_is_ENOMEM_and_the_old_values_stay) {
	static char keys[100];
	for (int i = 0; i < 100; i++) {
		ck_assert_int_eq(arun_local_set(&keys[i], &keys[i]), 0);
	}
	struct rlimit old = limit_memory();
	void *large = NULL;
	for (size_t size = 1 << 20; size >= 16; size /= 2) {
		for (void *block; API_LIMITS && (block = malloc(size));) {
			*(void **)block = large;
			large = block;
		}
	}
	int result = !API_LIMITS ? -1 : arun_local_set(&key, one);
	int failure = !API_LIMITS ? ENOMEM : errno;
	setrlimit(RLIMIT_AS, &old);
	while (large) {
		void *block = large;
		large = *(void **)block;
		free(block);
	}
	ck_assert_int_eq(result, -1);
	ck_assert_int_eq(failure, ENOMEM);
	ck_assert(!API_LIMITS || arun_local_get(&keys[5]) == &keys[5]);
}

START_TEST(outside_a_task_there_are_none) {
	ck_assert_ptr_null(arun_local_get(&key));
	assert_fails(arun_local_set(&key, one), EPERM);
}
END_TEST

Suite *suite(void) {
	Suite *suite = suite_create("local");
	TCase *local = tcase_create("local");
	tcase_add_test(local, what_was_not_set_is_NULL);
	tcase_add_test(local, a_task_inherits_what_was_set_when_it_was_spawned);
	tcase_add_test(local, what_a_task_sets_is_not_seen_by_the_one_that_spawned_it);
	tcase_add_test(local, there_may_be_many_keys);
	tcase_add_test(local, without_memory_it_is_ENOMEM_and_the_old_values_stay);
	tcase_add_test(local, outside_a_task_there_are_none);
	suite_add_tcase(suite, local);
	return suite;
}
