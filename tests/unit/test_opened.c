/* SPDX-License-Identifier: MIT */
#include "opened.h"
#include "suite.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <unistd.h>

enum { FD = 100, ENDS = 300, MOMENT = 100 };

/* A place that is not arun's own. */
static const void *caller;

static void setup(void) {
	backtrace_prepare();
	caller = dlsym(RTLD_DEFAULT, "qsort");
}

START_TEST(the_calls_are_found_until_the_descriptor_is_closed) {
	opened_start();
	ck_assert_ptr_null(opened_find(FD));
	ck_assert_int_eq(opened_note(FD, caller), FD);
	ck_assert_ptr_nonnull(opened_find(FD));
	opened_forget(FD);
	ck_assert_ptr_null(opened_find(FD));
	opened_stop();
}
END_TEST

START_TEST(what_was_noted_before_the_end_is_not_found_after_a_new_beginning) {
	opened_start();
	opened_note(FD, caller);
	opened_stop();
	ck_assert_ptr_null(opened_find(FD));
	opened_note(FD + 1, caller);
	opened_start();
	ck_assert_ptr_null(opened_find(FD));
	ck_assert_ptr_null(opened_find(FD + 1));
	opened_stop();
}
END_TEST

static bool over;

static void *keep_noting(void *arg) {
	while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
		opened_note(FD, caller);
		opened_forget(FD);
	}
	return arg;
}

START_TEST(another_thread_may_open_descriptors_while_it_ends) {
	pthread_t thread;
	ck_assert_int_eq(pthread_create(&thread, NULL, keep_noting, NULL), 0);
	for (int i = 0; i < ENDS; i++) {
		opened_start();
		usleep(MOMENT);
		opened_stop();
	}
	__atomic_store_n(&over, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
}
END_TEST

Suite *suite(void) {
	Suite *suite = suite_create("opened");
	TCase *core = tcase_create("core");
	tcase_add_checked_fixture(core, setup, NULL);
	tcase_add_test(core, the_calls_are_found_until_the_descriptor_is_closed);
	tcase_add_test(
		core, what_was_noted_before_the_end_is_not_found_after_a_new_beginning);
	tcase_add_test(core, another_thread_may_open_descriptors_while_it_ends);
	suite_add_tcase(suite, core);
	return suite;
}
