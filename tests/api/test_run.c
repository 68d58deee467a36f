/* SPDX-License-Identifier: MIT */
#include "bodies.h"

#include <ev.h>
#include <sys/resource.h>

static int return_first(int argc, char **argv) {
	(void)argc;
	ck_assert_int_eq(arun_sleep(0), 0);
	return argv[0][0] - '0';
}

/* Runs a main that returns the number which the first word is. */
static int run_number(const char *number, arun_options *options) {
	return arun_run(
		return_first, 1, (char *[]){(char *)(uintptr_t)number, NULL}, options);
}

static int fail_with_EXDEV(int argc, char **argv) {
	(void)argc;
	(void)argv;
	errno = EXDEV;
	return -1;
}

/* A server that yields and asks to stop, from another task. */
static int stop_soon(void *arg) {
	(void)arg;
	arun_stop(0);
	return 0;
}

static int serve(int argc, char **argv) {
	(void)argc;
	(void)argv;
	arun_detach(arun_spawn(stop_soon, NULL));
	return arun_yield();
}

/* Results -------------------------------------------------------------------------------------- */

START_TEST(run_returns_what_the_function_returned) {
	ck_assert_int_eq(run_number("7", STRICT), 7);
}
END_TEST

START_TEST(options_may_be_null) {
	ck_assert_int_eq(run_number("7", NULL), 7);
}
END_TEST

static int check_words(int argc, char **argv) {
	ck_assert_int_eq(argc, 2);
	ck_assert_str_eq(argv[0], "one");
	ck_assert_str_eq(argv[1], "two");
	ck_assert_ptr_null(argv[2]);
	return 0;
}

START_TEST(the_words_arrive) {
	char one[] = "one", two[] = "two";
	ck_assert_int_eq(arun_run(check_words, 2, (char *[]){one, two, NULL}, STRICT), 0);
}
END_TEST

START_TEST(a_program_may_run_twice) {
	ck_assert_int_eq(run_number("3", STRICT), 3);
	ck_assert_int_eq(run_number("4", STRICT), 4);
	ck_assert_int_eq(arun_run_forever(serve, 0, NULL, STRICT), 0);
	ck_assert_int_eq(run_number("5", STRICT), 5);
}
END_TEST

START_TEST(a_failure_is_1_and_said_with_its_name_on_stderr) {
	FILE *file = catch_stderr();
	arun_options options = {.struct_size = sizeof options, .name = "copier"};
	ck_assert_int_eq(arun_run(fail_with_EXDEV, 0, NULL, &options), 1);
	assert_contains(read_stderr(file), "copier");
	assert_contains(read_stderr(file), strerror(EXDEV));
}
END_TEST

START_TEST(run_forever_runs_a_server) {
	ck_assert_int_eq(arun_run_forever(serve, 0, NULL, STRICT), 0);
}
END_TEST

START_TEST(the_plain_functions_do) {
	int (*main_coroutine)(int (*)(int, char **), int, char **, arun_options *) =
		arun_run;
	int (*server)(int (*)(int, char **), int, char **, arun_options *) =
		arun_run_forever;
	ck_assert_int_eq(main_coroutine(check_words, 2,
				 (char *[]){WORD("one"), WORD("two"), NULL}, STRICT),
		0);
	ck_assert_int_eq(server(serve, 0, NULL, STRICT), 0);
}
END_TEST

/* Signals -------------------------------------------------------------------------------------- */

/* The system adds one of its own to the flags of what is set. */
enum {
	SIGNALS = 65,
	FLAGS = SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER | SA_NOCLDSTOP |
		SA_NOCLDWAIT
};

static void on_signal(int signum) {
	(void)signum;
}

static void read_handlers(struct sigaction *actions) {
	memset(actions, 0, SIGNALS * sizeof *actions);
	for (int i = 1; i < SIGNALS; i++) {
		sigaction(i, NULL, &actions[i]);
	}
}

static void assert_handlers(const struct sigaction *before) {
	struct sigaction after[SIGNALS];
	read_handlers(after);
	for (int i = 1; i < SIGNALS; i++) {
		ck_assert_msg(before[i].sa_handler == after[i].sa_handler,
			"the handler of signal %d is another one", i);
		ck_assert_msg((before[i].sa_flags & FLAGS) == (after[i].sa_flags & FLAGS),
			"the flags of signal %d are others", i);
	}
}

START_TEST(the_handlers_of_signals_are_as_before_afterwards) {
	struct sigaction before[SIGNALS];
	sigset_t mask_before, mask_after;
	signal(SIGTERM, on_signal);
	signal(SIGINT, SIG_IGN);
	sigprocmask(SIG_SETMASK, NULL, &mask_before);
	read_handlers(before);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(run_number("6", NULL), 6);
		assert_handlers(before);
	}
	sigprocmask(SIG_SETMASK, NULL, &mask_after);
	for (int i = 1; i < SIGNALS; i++) {
		ck_assert_int_eq(
			sigismember(&mask_after, i), sigismember(&mask_before, i));
	}
}
END_TEST

static struct sigaction runs_handler;
static volatile sig_atomic_t came;

static void count_signal(int signum) {
	(void)signum;
	came++;
}

static int keep_handler(int argc, char **argv) {
	(void)argc;
	(void)argv;
	return sigaction(SIGTERM, NULL, &runs_handler);
}

/* As on another thread that was about to enter it when the run ended. */
START_TEST(a_signal_that_the_handler_gets_after_the_run_is_the_hosts) {
	siginfo_t info = {.si_signo = SIGTERM, .si_code = SI_TKILL};
	signal(SIGTERM, count_signal);
	ck_assert_int_eq(arun_run(keep_handler, 0, NULL, NULL), 0);
	runs_handler.sa_sigaction(SIGTERM, &info, NULL);
	ck_assert_int_eq(came, 1);
}
END_TEST

static struct sigaction hosts_handlers[SIGNALS];

static int check_handlers(int argc, char **argv) {
	(void)argc;
	(void)argv;
	assert_handlers(hosts_handlers);
	return 0;
}

START_TEST(without_signals_the_handlers_are_the_hosts) {
	signal(SIGTERM, on_signal);
	read_handlers(hosts_handlers);
	ck_assert_int_eq(arun_run(check_handlers, 0, NULL, STRICT), 0);
}
END_TEST

/* Errors --------------------------------------------------------------------------------------- */

static int run_inside(int argc, char **argv) {
	(void)argc;
	assert_fails(arun_run(return_first, 0, argv, NULL), EBUSY);
	assert_fails(arun_run_forever(return_first, 0, argv, NULL), EBUSY);
	ck_assert_int_eq(arun_sleep(0), 0);
	return 5;
}

START_TEST(a_run_inside_a_run_is_EBUSY_and_leaves_that_alone) {
	ck_assert_int_eq(arun_run(run_inside, 0, NULL, STRICT), 5);
}
END_TEST

START_TEST(a_wrong_struct_size_is_EINVAL) {
	arun_options options = {.struct_size = 0};
	assert_fails(run_number("7", &options), EINVAL);
	options.struct_size = 4;
	assert_fails(run_number("7", &options), EINVAL);
	options.struct_size = sizeof options + 1;
	assert_fails(run_number("7", &options), EINVAL);
}
END_TEST

START_TEST(what_cannot_be_had_is_EINVAL_and_a_line_with_its_source) {
	const char *const addresses[] = {"fd:-1", NULL};
	arun_options missing = {
		.struct_size = sizeof missing, .suppress = "/missing/file"};
	arun_options bad = {.struct_size = sizeof bad, .listen = addresses};
	FILE *file = catch_stderr();
	assert_fails(run_number("7", &missing), EINVAL);
	assert_fails(run_number("7", &bad), EINVAL);
	missing.suppress_source = "my.conf:7";
	bad.listen_source = "my.conf:8";
	assert_fails(run_number("7", &missing), EINVAL);
	assert_fails(run_number("7", &bad), EINVAL);
	const char *said = read_stderr(file);
	assert_contains(said, "arun: /missing/file: No such");
	assert_contains(said, "arun: listen fd:-1: ");
	assert_contains(said, "arun: my.conf:7: /missing/file: No such");
	assert_contains(said, "arun: my.conf:8: listen fd:-1: ");
}
END_TEST

START_TEST(a_run_without_a_descriptor_to_spare_is_EMFILE) {
	struct rlimit old, none;
	getrlimit(RLIMIT_NOFILE, &old);
	none = old;
	none.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &none);
	errno = 0;
	int result = run_number("7", STRICT), error = errno;
	setrlimit(RLIMIT_NOFILE, &old);
	ck_assert_int_eq(result, -1);
	ck_assert_int_eq(error, EMFILE);
	ck_assert_int_eq(run_number("7", STRICT), 7);
}
END_TEST

static int use_much_stack(int argc, char **argv) {
	volatile char big[1500 * 1024];
	(void)argv;
	for (size_t i = 0; i < sizeof big; i += 4096) {
		big[i] = (char)argc;
	}
	return big[8192];
}

START_TEST(the_entrys_stack_has_the_size_that_was_asked_for) {
	arun_options options = *STRICT;
	options.stack_size = 2 * 1024 * 1024;
	ck_assert_int_eq(arun_run(use_much_stack, 9, NULL, &options), 9);
}
END_TEST

/* Leaks ---------------------------------------------------------------------------------------- */

static int leave_a_task(int argc, char **argv) {
	(void)argc;
	(void)argv;
	arun_spawn(sleep_long, NULL);
	return arun_sleep(0);
}

/* The status of a run that leaves a task, and what it prints. */
static int leak(enum arun_leaks leaks, const char **text) {
	FILE *file = catch_stderr();
	arun_options options = {.struct_size = sizeof options, .leaks = leaks};
	int status = arun_run(leave_a_task, 0, NULL, &options);
	*text = read_stderr(file);
	return status;
}

START_TEST(leaks_are_told_and_leave_the_status_alone) {
	const char *text;
	ck_assert_int_eq(leak(ARUN_LEAKS_WARN, &text), 0);
	assert_contains(text, "leak: task \"sleep_long\"");
}
END_TEST

START_TEST(leaks_off_tells_nothing) {
	const char *text;
	ck_assert_int_eq(leak(ARUN_LEAKS_OFF, &text), 0);
	ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(leaks_error_makes_the_status_23) {
	const char *text;
	ck_assert_int_eq(leak(ARUN_LEAKS_ERROR, &text), 23);
	assert_contains(text, "leak: task \"sleep_long\"");
}
END_TEST

START_TEST(a_report_is_one_line_of_JSON_to_the_descriptor) {
	FILE *file = tmpfile();
	catch_stderr();
	arun_options options = {.struct_size = sizeof options, .report_fd = fileno(file)};
	ck_assert_int_eq(arun_run(leave_a_task, 0, NULL, &options), 0);
	const char *text = read_stderr(file);
	ck_assert_int_eq(text[0], '{');
	assert_contains(text, "arun-report/1");
	assert_contains(text, "sleep_long");
	ck_assert_int_eq(text[strlen(text) - 1], '\n');
	ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
}
END_TEST

/* Never ends: not by its cancellation, either. */
static int ignore_the_end(int argc, char **argv) {
	(void)argc;
	(void)argv;
	arun_stop(0);
	for (;;) {
		arun_sleep(0.01);
	}
	return 0;
}

START_TEST(
	what_ignores_the_end_of_the_grace_time_is_abandoned_and_the_process_ends_with_124) {
	arun_options options = {.struct_size = sizeof options, .grace = 0.1};
	catch_stderr();
	arun_run(ignore_the_end, 0, NULL, &options);
	ck_abort_msg("the run has returned");
}
END_TEST

/* The host's loop ------------------------------------------------------------------------------ */

static int ticks;

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events) {
	(void)loop;
	(void)timer;
	(void)events;
	ticks++;
}

static struct ev_loop *host;

static int wait_for_ticks(int argc, char **argv) {
	(void)argc;
	(void)argv;
	ck_assert_ptr_eq(arun_loop(), host);
	ARUN_TIMEOUT(30);
	while (ticks < 5) {
		if (arun_sleep(0.001) < 0) {
			return -1;
		}
	}
	return 3;
}

START_TEST(a_hosts_timer_keeps_firing_and_its_loop_is_usable_afterwards) {
	arun_options options = *STRICT;
	ev_timer timer;
	host = options.loop = ev_loop_new(EVFLAG_AUTO);
	ev_timer_init(&timer, on_tick, 0.001, 0.001);
	ev_timer_start(host, &timer);
	for (int i = 0; i < 2; i++) {
		ticks = 0;
		ck_assert_int_eq(arun_run(wait_for_ticks, 0, NULL, &options), 3);
	}
	ticks = 0;
	while (ticks < 2) {
		ev_run(host, EVRUN_ONCE);
	}
	ev_timer_stop(host, &timer);
	/* Nothing of the run is left in it. */
	ck_assert_int_eq(ev_run(host, EVRUN_NOWAIT), 0);
	ev_loop_destroy(host);
}
END_TEST

static int spawned_in_callback;

static int count_it(void *arg) {
	(void)arg;
	spawned_in_callback++;
	return 0;
}

static void spawn_in_callback(struct ev_loop *loop, ev_timer *timer, int events) {
	(void)loop;
	(void)timer;
	(void)events;
	ck_assert_ptr_null(arun_self());
	arun_detach(arun_spawn(count_it, NULL));
}

CLAIM(a_callback_of_the_loop_may_spawn) {
	ev_timer timer;
	ev_timer_init(&timer, spawn_in_callback, 0, 0);
	ev_timer_start(arun_loop(), &timer);
	ARUN_TIMEOUT(30);
	while (!spawned_in_callback) {
		ck_assert_int_eq(arun_sleep(0), 0);
	}
}

CLAIM(there_is_a_loop_inside_a_run) {
	ck_assert_ptr_nonnull(arun_loop());
}

START_TEST(there_is_no_loop_outside_a_run) {
	ck_assert_ptr_null(arun_loop());
	ck_assert_int_eq(run_number("1", STRICT), 1);
	ck_assert_ptr_null(arun_loop());
}
END_TEST

START_TEST(the_version_is_three_numbers) {
	int major, minor, patch, length = 0;
	ck_assert_int_eq(
		sscanf(arun_version(), "%d.%d.%d%n", &major, &minor, &patch, &length), 3);
	ck_assert_uint_eq((size_t)length, strlen(arun_version()));
}
END_TEST

static void add_results(Suite *suite) {
	TCase *results = tcase_create("results");
	tcase_add_test(results, run_returns_what_the_function_returned);
	tcase_add_test(results, options_may_be_null);
	tcase_add_test(results, the_words_arrive);
	tcase_add_test(results, a_program_may_run_twice);
	tcase_add_test(results, a_failure_is_1_and_said_with_its_name_on_stderr);
	tcase_add_test(results, run_forever_runs_a_server);
	tcase_add_test(results, the_plain_functions_do);
	tcase_add_test(results, the_handlers_of_signals_are_as_before_afterwards);
	tcase_add_test(
		results, a_signal_that_the_handler_gets_after_the_run_is_the_hosts);
	tcase_add_test(results, without_signals_the_handlers_are_the_hosts);
	tcase_add_test(results, the_entrys_stack_has_the_size_that_was_asked_for);
	tcase_add_test(results, the_version_is_three_numbers);
	suite_add_tcase(suite, results);

	TCase *errors = tcase_create("errors");
	tcase_add_test(errors, a_run_inside_a_run_is_EBUSY_and_leaves_that_alone);
	tcase_add_test(errors, a_wrong_struct_size_is_EINVAL);
	tcase_add_test(errors, what_cannot_be_had_is_EINVAL_and_a_line_with_its_source);
	tcase_add_test(errors, a_run_without_a_descriptor_to_spare_is_EMFILE);
	suite_add_tcase(suite, errors);
}

static void add_ends(Suite *suite) {
	TCase *leaks = tcase_create("leaks");
	tcase_add_test(leaks, leaks_are_told_and_leave_the_status_alone);
	tcase_add_test(leaks, leaks_off_tells_nothing);
	tcase_add_test(leaks, leaks_error_makes_the_status_23);
	tcase_add_test(leaks, a_report_is_one_line_of_JSON_to_the_descriptor);
	tcase_add_exit_test(leaks,
		what_ignores_the_end_of_the_grace_time_is_abandoned_and_the_process_ends_with_124,
		124);
	suite_add_tcase(suite, leaks);
}

static void add_loop(Suite *suite) {
	TCase *loop = tcase_create("loop");
	tcase_add_test(
		loop, a_hosts_timer_keeps_firing_and_its_loop_is_usable_afterwards);
	tcase_add_test(loop, a_callback_of_the_loop_may_spawn);
	tcase_add_test(loop, there_is_a_loop_inside_a_run);
	tcase_add_test(loop, there_is_no_loop_outside_a_run);
	suite_add_tcase(suite, loop);
}

Suite *suite(void) {
	Suite *suite = suite_create("run");
	add_results(suite);
	add_ends(suite);
	add_loop(suite);
	return suite;
}
