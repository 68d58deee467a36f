/* SPDX-License-Identifier: MIT */
#include "entries.h"

/* A run that handles signals. */
static arun_options with_signals(void) {
	return (arun_options){.struct_size = sizeof(arun_options),
		.leaks = ARUN_LEAKS_ERROR,
		.signals = true};
}

/* The descriptors ------------------------------------------------------------------------------ */

static int plain(int argc, char **argv) {
	(void)argv;
	return argc;
}
ARUN_MAIN(plain)

static int reload_nothing(void) {
	return 0;
}

static int dressed(int argc, char **argv) {
	(void)argv;
	return argc;
}
ARUN_SERVER(dressed, .name = "echo", .about = "echoes lines", .stack_size = 128 * 1024,
	.reload = reload_nothing)

START_TEST(a_main_is_declared_by_a_descriptor) {
	const struct arun_entry *found = &arun_entry_plain;
	ck_assert_uint_eq(found->abi, ARUN_ABI);
	ck_assert_uint_eq(found->size, sizeof *found);
	ck_assert_int_eq(found->kind, ARUN_ENTRY_MAIN);
	ck_assert(found->function == plain);
	ck_assert_str_eq(found->identifier, "plain");
	assert_contains(found->file, __FILE__);
	ck_assert_int_gt(found->line, 1);
	ck_assert_ptr_null(found->name);
}
END_TEST

START_TEST(a_server_is_declared_with_members_by_name) {
	const struct arun_entry *found = &arun_entry_dressed;
	ck_assert_int_eq(found->kind, ARUN_ENTRY_SERVER);
	ck_assert_str_eq(found->identifier, "dressed");
	ck_assert_str_eq(found->name, "echo");
	ck_assert_str_eq(found->about, "echoes lines");
	ck_assert_uint_eq(found->stack_size, 128 * 1024);
	ck_assert(found->reload == reload_nothing);
}
END_TEST

/* The result of a main ------------------------------------------------------------------------- */

static int return_200(void) {
	return 200;
}

static int return_1000(void) {
	return 1000;
}

START_TEST(the_result_is_the_status_and_above_255_it_is_255) {
	ck_assert_int_eq(run_main(return_200, STRICT), 200);
	ck_assert_int_eq(run_main(return_1000, STRICT), 255);
}
END_TEST

static int wait_in_vain(void) {
	return arun_sleep(FOREVER);
}

static int fail_by_timeout(void) {
	ARUN_TIMEOUT(0);
	return wait_in_vain();
}

START_TEST(a_failure_is_told_with_what_failed) {
	FILE *file = catch_stderr();
	ck_assert_int_eq(run_main(fail_by_timeout, STRICT), 1);
	assert_contains(read_stderr(file), "sleep");
	assert_contains(read_stderr(file), "ARUN_TIMEOUT");
}
END_TEST

/* The stop ------------------------------------------------------------------------------------- */

static int wait_for_stop_9(void) {
	stop_soon(9);
	int result = arun_sleep(FOREVER);
	ck_assert(arun_stopping());
	return result;
}

START_TEST(a_main_is_cancelled_by_a_stop_and_its_status_is_the_stops) {
	ck_assert_int_eq(run_main(wait_for_stop_9, STRICT), 9);
	ck_assert_int_eq(run_main(wait_for_stop_9, STRICT), 9);
}
END_TEST

static int stop_twice(void) {
	ck_assert(!arun_stopping());
	arun_stop(3);
	ck_assert(arun_stopping());
	note('a');
	arun_stop(4);
	note('b');
	return 0;
}

START_TEST(the_first_stop_counts_and_its_caller_goes_on) {
	ck_assert_int_eq(run_main(stop_twice, STRICT), 3);
	assert_trace("ab");
}
END_TEST

static int return_5_after_stop_3(void) {
	arun_stop(3);
	return 5;
}

START_TEST(the_status_of_a_stop_counts_where_it_would_have_been_0) {
	ck_assert_int_eq(run_main(return_5_after_stop_3, STRICT), 5);
}
END_TEST

static int stop_minus_1(void) {
	arun_stop(-1);
	return 0;
}

static int stop_1000(void) {
	arun_stop(1000);
	return 0;
}

START_TEST(the_status_of_a_stop_is_kept_within_0_and_255) {
	ck_assert_int_eq(run_main(stop_minus_1, STRICT), 1);
	ck_assert_int_eq(run_main(stop_1000, STRICT), 255);
}
END_TEST

START_TEST(nothing_is_stopping_outside_a_run) {
	ck_assert(!arun_stopping());
	arun_stop(1);
	ck_assert(!arun_stopping());
	ck_assert_int_eq(run_main(return_200, STRICT), 200);
}
END_TEST

static int fail_after_stop(void) {
	arun_stop(0);
	errno = EXDEV;
	return -1;
}

START_TEST(a_failure_of_another_kind_after_a_stop_is_1) {
	catch_stderr();
	ck_assert_int_eq(run_main(fail_after_stop, STRICT), 1);
}
END_TEST

static int tell_why_stopped(void) {
	arun_stop(0);
	assert_fails(arun_sleep(0), ECANCELED);
	assert_contains(arun_why(), "arun_stop()");
	assert_contains(arun_why(), __FILE__);
	return 0;
}

START_TEST(why_tells_of_the_stop) {
	ck_assert_int_eq(run_main(tell_why_stopped, STRICT), 0);
}
END_TEST

static int yielded = -99;

/* Signals -------------------------------------------------------------------------------------- */

static int raise_it(void *arg) {
	raise(*(int *)arg);
	return 0;
}

static int yield_until_signal(void) {
	static int signum = SIGTERM;
	arun_detach(arun_spawn(raise_it, &signum));
	yielded = arun_yield();
	return 0;
}

START_TEST(yield_returns_SIGTERM_and_the_status_is_0) {
	arun_options options = with_signals();
	ck_assert_int_eq(run_server(yield_until_signal, &options), 0);
	ck_assert_int_eq(yielded, SIGTERM);
	ck_assert_int_eq(options.signal, 0);
}
END_TEST

static int yield_until_interrupt(void) {
	static int signum = SIGINT;
	arun_detach(arun_spawn(raise_it, &signum));
	yielded = arun_yield();
	return 0;
}

START_TEST(after_SIGINT_the_signal_to_die_of_is_SIGINT) {
	arun_options options = with_signals();
	ck_assert_int_eq(run_server(yield_until_interrupt, &options), 128 + SIGINT);
	ck_assert_int_eq(yielded, SIGINT);
	ck_assert_int_eq(options.signal, SIGINT);
}
END_TEST

static int raise_then_yield(void) {
	raise(SIGTERM);
	assert_fails(arun_sleep(FOREVER), ECANCELED);
	assert_contains(arun_why(), "SIGTERM");
	yielded = arun_yield();
	return arun_sleep(0.001);
}

START_TEST(a_signal_before_the_yield_cancels_the_start_and_yield_returns_it) {
	arun_options options = with_signals();
	ck_assert_int_eq(run_server(raise_then_yield, &options), 0);
	ck_assert_int_eq(yielded, SIGTERM);
}
END_TEST

static int wait_for_SIGTERM(void) {
	raise(SIGTERM);
	return arun_sleep(FOREVER);
}

START_TEST(a_main_that_SIGTERM_ended_dies_of_it) {
	arun_options options = with_signals();
	ck_assert_int_eq(run_main(wait_for_SIGTERM, &options), 128 + SIGTERM);
	ck_assert_int_eq(options.signal, SIGTERM);
}
END_TEST

static int handle_SIGTERM(void) {
	raise(SIGTERM);
	assert_fails(arun_sleep(FOREVER), ECANCELED);
	return 0;
}

START_TEST(a_main_that_returns_0_after_SIGTERM_has_handled_it) {
	arun_options options = with_signals();
	ck_assert_int_eq(run_main(handle_SIGTERM, &options), 0);
	ck_assert_int_eq(options.signal, 0);
}
END_TEST

static int return_0(void) {
	return 0;
}

START_TEST(a_stop_says_how_much_of_the_grace_time_it_has_left) {
	arun_options options = with_signals();
	options.grace = 1000;
	ck_assert_int_eq(run_server(yield_until_signal, &options), 0);
	ck_assert(options.left > 900 && options.left <= 1000);
	options.grace = 0.9;
	ck_assert_int_eq(run_server(yield_until_signal, &options), 0);
	ck_assert_double_eq(options.left, 1);
	ck_assert_int_eq(run_main(return_0, &options), 0);
	ck_assert_double_eq(options.left, 0);
}
END_TEST

static int reloads;

static int count_reload(void) {
	if (arun_sleep(0.001) == 0) {
		reloads++;
	}
	return 0;
}

static int wait_for_reload(void) {
	raise(SIGHUP);
	ARUN_TIMEOUT(30);
	while (!reloads) {
		if (arun_sleep(0.001) < 0) {
			return -1;
		}
	}
	return 0;
}

START_TEST(SIGHUP_runs_the_reload_in_a_task) {
	arun_options options = with_signals();
	options.reload = count_reload;
	ck_assert_int_eq(run_main(wait_for_reload, &options), 0);
	ck_assert_int_eq(reloads, 1);
}
END_TEST

static arun_task *delivered_in;
static bool delivered;

static void look_who_runs(void *unused) {
	(void)unused;
	delivered_in = arun_self();
	delivered = true;
}

static int reload_and_post(void) {
	return arun_post(look_who_runs, NULL);
}

static int wait_for_the_post(void) {
	raise(SIGHUP);
	ARUN_TIMEOUT(30);
	while (!delivered) {
		if (arun_sleep(0.001) < 0) {
			return -1;
		}
	}
	return 0;
}

START_TEST(what_a_reload_has_posted_is_called_in_the_loop) {
	arun_options options = with_signals();
	options.reload = reload_and_post;
	ck_assert_int_eq(run_main(wait_for_the_post, &options), 0);
	ck_assert_ptr_null(delivered_in);
}
END_TEST

static int write_to_nobody(void) {
	int ends[2];
	ck_assert_int_eq(pipe(ends), 0);
	close(ends[0]);
	assert_fails((int)write(ends[1], "x", 1), EPIPE);
	close(ends[1]);
	return 0;
}

START_TEST(SIGPIPE_does_not_end_a_run) {
	arun_options options = with_signals();
	ck_assert_int_eq(run_main(write_to_nobody, &options), 0);
}
END_TEST

/* Deadlock ------------------------------------------------------------------------------------- */

static arun_task *main_task;

static int join_main(void *arg) {
	(void)arg;
	return arun_join(*(arun_task **)arg, NULL);
}

static int wait_for_each_other(void) {
	static arun_task *tasks[2];
	main_task = arun_self();
	tasks[0] = arun_spawn(join_main, &tasks[1]);
	tasks[1] = arun_spawn(join_main, &tasks[0]);
	return arun_join(tasks[0], NULL);
}

START_TEST(tasks_that_wait_for_each_other_are_a_deadlock) {
	FILE *file = catch_stderr();
	ck_assert_int_eq(run_main(wait_for_each_other, STRICT), 1);
	assert_contains(read_stderr(file), "deadlock");
	assert_contains(read_stderr(file), "join_main");
}
END_TEST

static int yield_only(void) {
	static int zero;
	arun_task *task = arun_spawn(stop_with, &zero);
	joined(task);
	return arun_yield();
}

START_TEST(a_server_in_yield_is_no_deadlock) {
	ck_assert_int_eq(run_server(yield_only, STRICT), 0);
}
END_TEST

static int end_slowly(void) {
	arun_stop(0);
	ARUN_SHIELD(FOREVER);
	return arun_sleep(1.3);
}

/* A signal that would force nothing, as it is the first one or the host's. */
START_TEST(a_stop_that_no_signal_asked_for_is_not_said_to_be_forced_by_another) {
	FILE *file = catch_stderr();
	arun_options options = with_signals();
	ck_assert_int_eq(run_main(end_slowly, STRICT), 0);
	ck_assert_int_eq(run_main(end_slowly, &options), 0);
	assert_contains(read_stderr(file), "left for: main \"main\" waits at ");
	ck_assert_ptr_null(strstr(read_stderr(file), "force"));
}
END_TEST

static void add_stop(Suite *suite) {
	TCase *stop = tcase_create("stop");
	tcase_add_test(stop, the_result_is_the_status_and_above_255_it_is_255);
	tcase_add_test(stop, a_failure_is_told_with_what_failed);
	tcase_add_test(stop, a_main_is_cancelled_by_a_stop_and_its_status_is_the_stops);
	tcase_add_test(stop, the_first_stop_counts_and_its_caller_goes_on);
	tcase_add_test(stop, the_status_of_a_stop_counts_where_it_would_have_been_0);
	tcase_add_test(stop, the_status_of_a_stop_is_kept_within_0_and_255);
	tcase_add_test(stop, nothing_is_stopping_outside_a_run);
	tcase_add_test(stop, a_failure_of_another_kind_after_a_stop_is_1);
	tcase_add_test(stop, why_tells_of_the_stop);
	suite_add_tcase(suite, stop);
}

static void add_signals(Suite *suite) {
	TCase *signals = tcase_create("signals");
	tcase_add_test(signals, yield_returns_SIGTERM_and_the_status_is_0);
	tcase_add_test(signals, after_SIGINT_the_signal_to_die_of_is_SIGINT);
	tcase_add_test(signals,
		a_signal_before_the_yield_cancels_the_start_and_yield_returns_it);
	tcase_add_test(signals, a_main_that_SIGTERM_ended_dies_of_it);
	tcase_add_test(signals, a_main_that_returns_0_after_SIGTERM_has_handled_it);
	tcase_add_test(signals, a_stop_says_how_much_of_the_grace_time_it_has_left);
	tcase_add_test(signals, SIGHUP_runs_the_reload_in_a_task);
	tcase_add_test(signals, what_a_reload_has_posted_is_called_in_the_loop);
	tcase_add_test(signals,
		a_stop_that_no_signal_asked_for_is_not_said_to_be_forced_by_another);
	tcase_add_test(signals, SIGPIPE_does_not_end_a_run);
	suite_add_tcase(suite, signals);
}

Suite *suite(void) {
	Suite *suite = suite_create("entry");

	TCase *descriptor = tcase_create("descriptor");
	tcase_add_test(descriptor, a_main_is_declared_by_a_descriptor);
	tcase_add_test(descriptor, a_server_is_declared_with_members_by_name);
	suite_add_tcase(suite, descriptor);
	add_stop(suite);
	add_signals(suite);

	TCase *deadlock = tcase_create("deadlock");
	tcase_add_test(deadlock, tasks_that_wait_for_each_other_are_a_deadlock);
	tcase_add_test(deadlock, a_server_in_yield_is_no_deadlock);
	suite_add_tcase(suite, deadlock);
	return suite;
}
