/* SPDX-License-Identifier: MIT */
#include "bodies.h"

#include <sys/mman.h>

enum { MANY = 100000, GUARD_INSTALL = 102 };
static int asleep, all, ended;

static int sleep_until_all_do(void *arg) {
	(void)arg;
	asleep++;
	while (asleep < all) {
		if (arun_sleep(0.2) < 0) {
			return -1;
		}
	}
	ended++;
	return 0;
}

/* Where guards are mappings of their own, there are only so many of them. */
static int as_many_as_possible(void) {
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *memory = mmap(
		NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(memory, MAP_FAILED);
	bool cheap = madvise(memory, page, GUARD_INSTALL) == 0;
	munmap(memory, page);
	return cheap && !API_ASAN ? MANY : 20000;
}

CLAIM(a_hundred_thousand_tasks_asleep_at_once_end) {
	all = as_many_as_possible();
	int failed = 0;
	ARUN_GROUP(group);
	for (int i = 0; i < all; i++) {
		failed += arun_group_spawn(group, sleep_until_all_do, NULL) < 0;
	}
	ck_assert_int_eq(failed, 0);
	ck_assert_int_eq(arun_group_wait(group), 0);
	ck_assert_int_eq(ended, all);
}

/* In pages. */
static long resident(void) {
	long size, pages = -1;
	FILE *statm = fopen("/proc/self/statm", "re");
	ck_assert(statm && fscanf(statm, "%ld %ld", &size, &pages) == 2);
	fclose(statm);
	return pages;
}

static int return_1(void *arg) {
	(void)arg;
	return 1;
}

static int spawn_and_join(int times) {
	int sum = 0;
	while (times-- > 0) {
		int result = 0;
		arun_task *task = arun_spawn(return_1, NULL);
		sum += task && arun_join(task, &result) == 0 ? result : 0;
	}
	return sum;
}

CLAIM(a_million_tasks_one_after_another_leave_memory_where_it_was) {
	ck_assert_int_eq(spawn_and_join(1000), 1000);
	long before = resident();
	ck_assert_int_eq(spawn_and_join(1000000), 1000000);
	ck_assert_int_le(resident() - before, 1024 * 1024 / sysconf(_SC_PAGESIZE));
}

static int counted;

static int count_it(void *arg) {
	(void)arg;
	counted++;
	return 0;
}

static int detach_and_yield(int times) {
	counted = 0;
	while (times-- > 0) {
		arun_detach(arun_spawn(count_it, NULL));
		arun_sleep(0);
	}
	return counted;
}

CLAIM(detached_tasks_leave_memory_where_it_was) {
	ck_assert_int_eq(detach_and_yield(1000), 1000);
	long before = resident();
	ck_assert_int_eq(detach_and_yield(100000), 100000);
	ck_assert_int_le(resident() - before, 1024 * 1024 / sysconf(_SC_PAGESIZE));
}

static void sleep_once(void) {
	ck_assert_int_eq(arun_sleep(0), 0);
}

START_TEST(a_thousand_runs_leave_memory_and_descriptors_where_they_were) {
	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(run(sleep_once), 0);
	}
	long before = resident();
	int lowest = dup(0);
	close(lowest);
	for (int i = 0; i < 1000; i++) {
		ck_assert_int_eq(run(sleep_once), 0);
	}
	int after = dup(0);
	ck_assert_int_eq(after, lowest);
	close(after);
	if (!API_ASAN) {
		ck_assert_int_le(
			resident() - before, 1024 * 1024 / sysconf(_SC_PAGESIZE));
	}
}
END_TEST

static int leave_tasks(int argc, char **argv) {
	(void)argc;
	(void)argv;
	for (int i = 0; i < 50; i++) {
		arun_spawn(return_1, NULL);
		arun_spawn(sleep_long, NULL);
	}
	arun_spawn_options options = {.stack_size = 8 * 1024 * 1024};
	arun_spawn_with(return_1, NULL, &options);
	return arun_sleep(0);
}

START_TEST(runs_free_the_tasks_that_nobody_joined) {
	arun_options options = {.struct_size = sizeof options, .leaks = ARUN_LEAKS_OFF};
	ck_assert_int_eq(arun_run(leave_tasks, 0, NULL, &options), 0);
	long before = resident();
	for (int i = 0; i < 100; i++) {
		ck_assert_int_eq(arun_run(leave_tasks, 0, NULL, &options), 0);
	}
	if (!API_ASAN) {
		ck_assert_int_le(
			resident() - before, 1024 * 1024 / sysconf(_SC_PAGESIZE));
	}
}
END_TEST

Suite *suite(void) {
	Suite *suite = suite_create("many");

	TCase *many = tcase_create("many");
	tcase_add_test(many, a_hundred_thousand_tasks_asleep_at_once_end);
	if (!API_ASAN) {
		tcase_add_test(many,
			a_million_tasks_one_after_another_leave_memory_where_it_was);
		tcase_add_test(many, detached_tasks_leave_memory_where_it_was);
	}
	tcase_add_test(
		many, a_thousand_runs_leave_memory_and_descriptors_where_they_were);
	tcase_add_test(many, runs_free_the_tasks_that_nobody_joined);
	suite_add_tcase(suite, many);
	return suite;
}
