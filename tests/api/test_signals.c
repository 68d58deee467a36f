/* SPDX-License-Identifier: MIT */
#include "streams.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* In a child forked from a process of several threads ThreadSanitizer hands out no signal: one
 * claim is not made there. */

static arun_signals *signals_of(int signum) {
	arun_signals *signals = (arun_signals_open)(&signum, 1);
	ck_assert_msg(signals != NULL, "%s", arun_why());
	return signals;
}

static int next_signal(void *signals) {
	return arun_signals_next(signals);
}

/* Whether the action of a signal is that of signal(2). */
static bool action_is(int signum, void (*handler)(int)) {
	struct sigaction action;
	sigaction(signum, NULL, &action);
	return !(action.sa_flags & SA_SIGINFO) && action.sa_handler == handler;
}

/* Coming --------------------------------------------------------------------------- */

CLAIM(a_signal_ends_the_wait) {
	arun_signals *signals = signals_of(SIGUSR2);
	arun_task *task = waiting(next_signal, signals);
	raise(SIGUSR2);
	ck_assert_int_eq(joined(task), SIGUSR2);
	arun_signals_close(signals);
}

CLAIM(signals_that_came_before_are_one_each_the_lowest_first) {
	const int both[] = {SIGWINCH, SIGUSR2, SIGUSR2};
	arun_signals *signals = arun_signals_open(both, 3);
	ck_assert_ptr_nonnull(signals);
	for (int i = 0; i < 5; i++) {
		raise(SIGWINCH);
		raise(SIGUSR2);
	}
	ck_assert_int_eq(next_signal(signals), SIGUSR2);
	ck_assert_int_eq(next_signal(signals), SIGWINCH);
	ARUN_TIMEOUT(0.01);
	assert_fails(arun_signals_next(signals), ETIMEDOUT);
	arun_signals_close(signals);
}

CLAIM(all_that_came_before_a_wait_are_one_also_since_the_loop_has_looked) {
	arun_signals *signals = signals_of(SIGUSR2);
	raise(SIGUSR2);
	ck_assert_int_eq(arun_sleep(0.001), 0);
	raise(SIGUSR2);
	ck_assert_int_eq(next_signal(signals), SIGUSR2);
	ARUN_TIMEOUT(0.01);
	assert_fails(arun_signals_next(signals), ETIMEDOUT);
	arun_signals_close(signals);
}

CLAIM(the_lowest_that_has_come_is_first_also_since_the_loop_has_looked) {
	const int both[] = {SIGWINCH, SIGUSR2};
	arun_signals *signals = arun_signals_open(both, 2);
	ck_assert_ptr_nonnull(signals);
	raise(SIGWINCH);
	ck_assert_int_eq(arun_sleep(0.001), 0);
	raise(SIGUSR2);
	ck_assert_int_eq(next_signal(signals), SIGUSR2);
	ck_assert_int_eq(next_signal(signals), SIGWINCH);
	arun_signals_close(signals);
}

CLAIM(what_came_before_it_was_opened_is_not_its) {
	arun_signals *older = signals_of(SIGUSR2);
	raise(SIGUSR2);
	arun_signals *newer = signals_of(SIGUSR2);
	ck_assert_int_eq(next_signal(older), SIGUSR2);
	ARUN_TIMEOUT(0.01);
	assert_fails(arun_signals_next(newer), ETIMEDOUT);
	arun_signals_close(newer);
	arun_signals_close(older);
}

CLAIM(no_realtime_signal_is_lost) {
	arun_signals *signals = signals_of(SIGRTMIN + 1);
	for (int i = 0; i < 100; i++) {
		raise(SIGRTMIN + 1);
	}
	for (int i = 0; i < 100; i++) {
		ck_assert_int_eq(next_signal(signals), SIGRTMIN + 1);
	}
	ARUN_TIMEOUT(0.01);
	assert_fails(arun_signals_next(signals), ETIMEDOUT);
	arun_signals_close(signals);
}

CLAIM(every_object_that_asked_gets_it) {
	arun_signals *one = signals_of(SIGUSR2), *other = signals_of(SIGUSR2);
	arun_task *task = waiting(next_signal, one);
	raise(SIGUSR2);
	ck_assert_int_eq(joined(task), SIGUSR2);
	ck_assert_int_eq(next_signal(other), SIGUSR2);
	arun_signals_close(one);
	raise(SIGUSR2); /* deadly, were it not still asked for */
	ck_assert_int_eq(next_signal(other), SIGUSR2);
	arun_signals_close(other);
	ck_assert(action_is(SIGUSR2, SIG_DFL));
}

CLAIM(SIGCHLD_tells_of_children) {
	arun_signals *signals = signals_of(SIGCHLD);
	pid_t pid = fork();
	if (pid == 0) {
		_exit(5);
	}
	ck_assert_int_eq(next_signal(signals), SIGCHLD);
	ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), pid);
	arun_signals_close(signals);
}

/* By the kernel's own call: sanitizers know what raise(3) does, and act at once. */
CLAIM(a_signal_that_interrupts_the_task_that_then_waits_comes) {
	arun_signals *signals = signals_of(SIGUSR2);
	syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR2);
	ck_assert_int_eq(next_signal(signals), SIGUSR2);
	arun_signals_close(signals);
}

static void *raise_in_thread(void *thread) {
	(void)thread;
	pthread_kill(pthread_self(), SIGUSR2);
	return NULL;
}

CLAIM(a_signal_of_another_thread_comes_too) {
	arun_signals *signals = signals_of(SIGUSR2);
	pthread_t thread;
	ck_assert_int_eq(pthread_create(&thread, NULL, raise_in_thread, NULL), 0);
	ck_assert_int_eq(next_signal(signals), SIGUSR2);
	pthread_join(thread, NULL);
	arun_signals_close(signals);
}

CLAIM(a_signal_that_was_blocked_comes_and_is_blocked_again) {
	sigset_t set, now;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR2);
	arun_signals *signals = signals_of(SIGUSR2);
	ck_assert_int_eq(next_signal(signals), SIGUSR2);
	arun_signals_close(signals);
	sigprocmask(SIG_BLOCK, NULL, &now);
	ck_assert_int_eq(sigismember(&now, SIGUSR2), 1);
}

static void on_signal(int signum) {
	(void)signum;
}

CLAIM(the_action_before_is_put_back) {
	signal(SIGUSR2, on_signal);
	signal(SIGWINCH, SIG_IGN);
	const int both[] = {SIGWINCH, SIGUSR2};
	arun_signals *signals = arun_signals_open(both, 2);
	ck_assert(!action_is(SIGUSR2, on_signal) && !action_is(SIGWINCH, SIG_IGN));
	arun_signals_close(signals);
	ck_assert(action_is(SIGUSR2, on_signal) && action_is(SIGWINCH, SIG_IGN));
}

/* Refused -------------------------------------------------------------------------- */

CLAIM(those_of_arun_are_EINVAL) {
	const int own[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGQUIT, SIGSEGV, SIGBUS,
		SIGFPE, SIGILL, SIGABRT, SIGPIPE, SIGRTMAX};
	for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
		assert_null(arun_signals_open(&own[i], 1), EINVAL);
		assert_contains(arun_why(), "arun's own");
	}
}

CLAIM(what_is_no_signal_is_EINVAL_and_nothing_is_taken) {
	const int bad[] = {SIGKILL, SIGSTOP, 0, -1, 32, 65, 1000};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		const int two[] = {SIGUSR2, bad[i]};
		assert_null(arun_signals_open(two, 2), EINVAL);
		ck_assert(action_is(SIGUSR2, SIG_DFL));
	}
	assert_null(arun_signals_open(NULL, 1), EINVAL);
	assert_null(arun_signals_open(bad, 0), EINVAL);
}

static int other_entry(int argc, char **argv) {
	const int signum = SIGUSR2;
	(void)argc;
	(void)argv;
	assert_null(arun_signals_open(&signum, 1), EBUSY);
	return 0;
}

static void *other_run(void *result) {
	arun_options options = {.struct_size = sizeof options};
	*(int *)result = arun_run(other_entry, 0, NULL, &options);
	return NULL;
}

CLAIM(a_run_in_another_thread_gets_EBUSY) {
	arun_signals *signals = signals_of(SIGUSR2);
	pthread_t thread;
	int result = -1;
	ck_assert_int_eq(pthread_create(&thread, NULL, other_run, &result), 0);
	pthread_join(thread, NULL);
	ck_assert_int_eq(result, 0);
	arun_signals_close(signals);
}

/* Interrupted ---------------------------------------------------------------------- */

CLAIM(a_cancelled_wait_leaves_the_signal_to_the_next) {
	arun_signals *signals = signals_of(SIGUSR2);
	arun_task *task = waiting(next_signal, signals);
	raise(SIGUSR2);
	arun_cancel(task);
	ck_assert_int_eq(joined(task), -ECANCELED);
	ck_assert_int_eq(next_signal(signals), SIGUSR2);
	arun_signals_close(signals);
}

CLAIM(a_second_waiter_is_busy) {
	arun_signals *signals = signals_of(SIGUSR2);
	arun_task *task = waiting(next_signal, signals);
	assert_fails(arun_signals_next(signals), EBUSY);
	raise(SIGUSR2);
	ck_assert_int_eq(joined(task), SIGUSR2);
	arun_signals_close(signals);
}

CLAIM(a_close_ends_the_wait_with_EBADF) {
	arun_signals *signals = signals_of(SIGUSR2);
	arun_task *task = waiting(next_signal, signals);
	arun_signals_close(signals);
	ck_assert_int_eq(joined(task), -EBADF);
	assert_fails(arun_signals_next(NULL), EBADF);
	arun_signals_close(NULL);
}

CLAIM(who_waits_for_a_signal_is_not_deadlocked) {
	arun_signals *signals = signals_of(SIGUSR2);
	/* From outside: nothing of this run is left to happen. */
	char *const argv[] = {
		WORD("sh"), WORD("-c"), WORD("sleep 0.1; kill -USR2 $PPID"), NULL};
	arun_process *process = arun_exec(argv, NULL);
	ck_assert_ptr_nonnull(process);
	ck_assert_int_eq(next_signal(signals), SIGUSR2);
	arun_process_close(process);
	arun_signals_close(signals);
}

CLAIM(a_forked_child_has_the_action_from_before) {
	arun_signals *signals = signals_of(SIGUSR2);
	pid_t pid = fork();
	if (pid == 0) {
		raise(SIGUSR2);
		_exit(1);
	}
	int status;
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR2);
	ARUN_TIMEOUT(0.01);
	assert_fails(arun_signals_next(signals), ETIMEDOUT);
	arun_signals_close(signals);
}

/* The end of the run --------------------------------------------------------------- */

static void leave_open(void) {
	const int both[] = {SIGUSR2, SIGWINCH};
	ck_assert_ptr_nonnull(arun_signals_open(both, 2));
}

START_TEST(what_is_left_open_is_a_leak_and_put_back) {
	FILE *file = catch_stderr();
	signal(SIGUSR2, on_signal);
	ck_assert_int_eq(run(leave_open), 23);
	assert_contains(read_stderr(file), "leak: signals SIGUSR2, SIGWINCH not closed");
	assert_contains(read_stderr(file), "1 leak: 1 signals");
	ck_assert(action_is(SIGUSR2, on_signal) && action_is(SIGWINCH, SIG_DFL));
}
END_TEST

START_TEST(there_are_none_outside_a_run) {
	const int signum = SIGUSR2;
	assert_null(arun_signals_open(&signum, 1), ESHUTDOWN);
}
END_TEST

/* Suite ---------------------------------------------------------------------------- */

static void add_coming(Suite *suite) {
	TCase *tcase = tcase_create("coming");
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_signal_ends_the_wait);
	tcase_add_test(tcase, signals_that_came_before_are_one_each_the_lowest_first);
	tcase_add_test(tcase,
		all_that_came_before_a_wait_are_one_also_since_the_loop_has_looked);
	tcase_add_test(
		tcase, the_lowest_that_has_come_is_first_also_since_the_loop_has_looked);
	tcase_add_test(tcase, what_came_before_it_was_opened_is_not_its);
	tcase_add_test(tcase, no_realtime_signal_is_lost);
	tcase_add_test(tcase, every_object_that_asked_gets_it);
	tcase_add_test(tcase, SIGCHLD_tells_of_children);
	tcase_add_test(tcase, a_signal_that_interrupts_the_task_that_then_waits_comes);
	tcase_add_test(tcase, a_signal_of_another_thread_comes_too);
	tcase_add_test(tcase, a_signal_that_was_blocked_comes_and_is_blocked_again);
	tcase_add_test(tcase, the_action_before_is_put_back);
	suite_add_tcase(suite, tcase);
}

static void add_refused(Suite *suite) {
	TCase *tcase = tcase_create("refused");
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, those_of_arun_are_EINVAL);
	tcase_add_test(tcase, what_is_no_signal_is_EINVAL_and_nothing_is_taken);
	tcase_add_test(tcase, a_run_in_another_thread_gets_EBUSY);
	suite_add_tcase(suite, tcase);
}

static void add_interrupted(Suite *suite) {
	TCase *tcase = tcase_create("interrupted");
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_cancelled_wait_leaves_the_signal_to_the_next);
	tcase_add_test(tcase, a_second_waiter_is_busy);
	tcase_add_test(tcase, a_close_ends_the_wait_with_EBADF);
	tcase_add_test(tcase, who_waits_for_a_signal_is_not_deadlocked);
	if (!API_TSAN) {
		tcase_add_test(tcase, a_forked_child_has_the_action_from_before);
	}
	suite_add_tcase(suite, tcase);
}

static void add_the_end_of_the_run(Suite *suite) {
	TCase *tcase = tcase_create("the end of the run");
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, what_is_left_open_is_a_leak_and_put_back);
	tcase_add_test(tcase, there_are_none_outside_a_run);
	suite_add_tcase(suite, tcase);
}

Suite *suite(void) {
	Suite *suite = suite_create("signals");
	add_coming(suite);
	add_refused(suite);
	add_interrupted(suite);
	add_the_end_of_the_run(suite);
	return suite;
}
