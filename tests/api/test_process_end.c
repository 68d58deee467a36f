/* SPDX-License-Identifier: MIT */
#include "processes.h"

#include <sys/prctl.h>

/* Killing -------------------------------------------------------------------------- */

CLAIM(one_that_has_ended_cannot_be_killed) {
	arun_process *process = started(WORDS("true"), NULL);
	ck_assert_int_eq(status_of(process), 0);
	assert_fails(arun_process_kill(process, SIGTERM), ESRCH);
	arun_process_close(process);
}

CLAIM(a_signal_that_is_none_is_EINVAL) {
	arun_process *process = started(WORDS("sleep", "600"), NULL);
	assert_fails(arun_process_kill(process, 9999), EINVAL);
	ck_assert_int_eq(arun_process_kill(process, 0), 0);
	arun_process_close(process);
}

CLAIM(a_close_ends_one_that_is_stopped) {
	arun_process *process = started(WORDS("sleep", "600"), NULL);
	ck_assert_int_eq(arun_process_kill(process, SIGSTOP), 0);
	arun_process_close(process);
	assert_no_child();
}

static int close_in_task(void *process) {
	arun_process_close(process);
	return arun_sleep(0);
}

CLAIM(a_close_works_in_a_cancelled_task) {
	arun_process *process = started(WORDS("sleep", "600"), NULL);
	arun_task *task = arun_spawn(close_in_task, process);
	arun_cancel(task);
	ck_assert_int_eq(joined(task), -ECANCELED);
	assert_no_child();
}

/* Ignores SIGTERM; says so. */
static arun_process *stubborn(void) {
	arun_process *process = started(
		SHELL(WORD("trap '' TERM; echo ready; exec sleep 600 >&-")), &reads);
	hear(arun_process_stdout(process), "ready\n");
	return process;
}

static void close_stubborn(void) {
	double start = arun_now();
	arun_process_close(stubborn());
	(arun_sleep)(0);
	ck_assert_double_ge(arun_now() - start, 0.7 * 0.4);
	assert_no_child();
}

START_TEST(a_close_kills_what_ignores_SIGTERM) {
	arun_options options = {
		.struct_size = sizeof options, .grace = 0.4, .leaks = ARUN_LEAKS_ERROR};
	api_body = close_stubborn;
	ck_assert_int_eq(arun_run(api_entry, 0, NULL, &options), 0);
}
END_TEST

/* Groups --------------------------------------------------------------------------- */

static const arun_exec_options leads = {
	.in = ARUN_NULL, .out = ARUN_STREAM, .err = ARUN_NULL, .process_group = true};
static pid_t grandchild;

/* Starts a script that writes the number of a child of its own, which is ours after its end. */
static arun_process *started_with_child(const char *text) {
	char line[32];
	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	arun_process *process = started(SHELL(text), &leads);
	arun_conn *conn = arun_process_stdout(process);
	ssize_t n = arun_read_until(conn, '\n', line, sizeof line - 1);
	ck_assert_int_gt(n, 0);
	line[n] = '\0';
	grandchild = atoi(line);
	return process;
}

static int signal_of_grandchild(void) {
	int status;
	ck_assert_int_eq(waitpid(grandchild, &status, 0), grandchild);
	return WIFSIGNALED(status) ? WTERMSIG(status) : -1;
}

CLAIM(a_signal_reaches_the_group_that_it_leads) {
	arun_process *process = started_with_child("sleep 600 & echo $!; wait");
	ck_assert_int_eq(getpgid(grandchild), arun_process_pid(process));
	ck_assert_int_eq(arun_process_kill(process, SIGUSR1), 0);
	ck_assert_int_eq(status_of(process), SIGUSR1);
	ck_assert_int_eq(signal_of_grandchild(), SIGUSR1);
	assert_fails(arun_process_kill(process, SIGUSR1), ESRCH);
	arun_process_close(process);
}

static const char *const stubborn_child =
	"sh -c 'trap \"\" TERM; echo $$; exec sleep 600' & exec sleep 600";

CLAIM(a_close_leaves_nothing_of_the_group) {
	arun_process_close(started_with_child(stubborn_child));
	ck_assert_int_eq(signal_of_grandchild(), SIGKILL);
}

/* The leader has ended, and nobody has waited for it. */
static arun_process *started_without_leader(void) {
	arun_process *process = started_with_child("sleep 600 & echo $!");
	siginfo_t info;
	ck_assert_int_eq(
		waitid(P_PID, (id_t)arun_process_pid(process), &info, WEXITED | WNOWAIT),
		0);
	return process;
}

CLAIM(a_signal_reaches_the_group_after_the_end_of_the_leader) {
	arun_process *process = started_without_leader();
	ck_assert_int_eq(arun_process_kill(process, SIGUSR1), 0);
	ck_assert_int_eq(signal_of_grandchild(), SIGUSR1);
	ck_assert_int_eq(status_of(process), 0);
	assert_fails(arun_process_kill(process, SIGUSR1), ESRCH);
	arun_process_close(process);
}

CLAIM(a_number_that_somebody_else_has_let_go_of_is_not_signalled) {
	arun_process *process = started_without_leader();
	ck_assert_int_eq(
		waitpid(arun_process_pid(process), NULL, 0), arun_process_pid(process));
	assert_fails(arun_process_kill(process, SIGUSR1), ESRCH);
	ck_assert_int_eq(kill(grandchild, SIGUSR2), 0);
	ck_assert_int_eq(signal_of_grandchild(), SIGUSR2);
	arun_process_close(process);
}

CLAIM(a_close_after_the_end_of_the_leader_ends_the_group) {
	arun_process_close(started_without_leader());
	ck_assert_int_eq(signal_of_grandchild(), SIGKILL);
}

CLAIM(what_a_leader_that_was_waited_for_has_left_is_left_alone) {
	arun_process *process = started_with_child("sleep 600 & echo $!");
	ck_assert_int_eq(status_of(process), 0);
	arun_process_close(process);
	ck_assert_int_eq(kill(grandchild, SIGUSR1), 0);
	ck_assert_int_eq(signal_of_grandchild(), SIGUSR1);
}

static void leave_group(void) {
	started_with_child(stubborn_child);
}

START_TEST(the_end_of_the_run_leaves_nothing_of_a_group) {
	arun_options options = {.struct_size = sizeof options, .leaks = ARUN_LEAKS_OFF};
	api_body = leave_group;
	ck_assert_int_eq(arun_run(api_entry, 0, NULL, &options), 0);
	ck_assert_int_eq(signal_of_grandchild(), SIGKILL);
}
END_TEST

/* What is the plugin's ------------------------------------------------------------- */

static volatile sig_atomic_t sigchlds;

static void on_sigchld(int signum) {
	(void)signum;
	sigchlds++;
}

CLAIM(SIGCHLD_stays_the_plugins) {
	signal(SIGCHLD, on_sigchld);
	ck_assert_int_eq(script(WORD("exit 3")), 3 << 8);
	ck_assert_int_ge(sigchlds, 1);
}

CLAIM(children_of_the_plugins_own_are_left_alone) {
	pid_t pid = fork();
	if (pid == 0) {
		_exit(5);
	}
	ck_assert_int_eq(script(WORD("exit 3")), 3 << 8);
	int status;
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 5 << 8);
}

static void exec_in_child(void) {
	pid_t pid = fork();
	if (pid == 0) {
		bool refused = !(arun_exec)(WORDS("true"), NULL) && errno == ESHUTDOWN;
		_exit(refused ? 0 : 1);
	}
	int status;
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

CLAIM(a_forked_child_starts_nothing) {
	exec_in_child();
}

/* Many ----------------------------------------------------------------------------- */

enum { MANY = 1000, AT_ONCE = 50 };

static int one_of_many(void *number) {
	bool killed = *(int *)number % 2;
	arun_process *process =
		started(killed ? WORDS("sleep", "600") : WORDS("true"), &quiet);
	if (killed) {
		ck_assert_int_eq(arun_process_kill(process, SIGKILL), 0);
	}
	ck_assert_int_eq(status_of(process), killed ? SIGKILL : 0);
	arun_process_close(process);
	return 0;
}

CLAIM(of_a_thousand_no_zombie_and_no_descriptor_is_left) {
	static int numbers[MANY];
	int before = descriptors();
	for (int i = 0; i < MANY; i += AT_ONCE) {
		ARUN_GROUP(group);
		for (int j = i; j < i + AT_ONCE; j++) {
			numbers[j] = j;
			ck_assert_int_eq(
				arun_group_spawn(group, one_of_many, &numbers[j]), 0);
		}
		ck_assert_int_eq(arun_group_wait(group), 0);
	}
	assert_no_child();
	ck_assert_int_eq(descriptors(), before);
}

CLAIM(a_wait_is_enough_for_no_zombie_and_no_descriptor) {
	int before = descriptors();
	ck_assert_int_eq(status_of(started(WORDS("true"), NULL)), 0);
	assert_no_child();
	ck_assert_int_eq(descriptors(), before);
}

/* The end of the run --------------------------------------------------------------- */

static void leave_one(void) {
	started(WORDS("sleep", "600"), NULL);
}

START_TEST(one_that_is_left_is_a_leak_and_ended) {
	const char *text = run_reported(leave_one, 23);
	assert_contains(text, "leak: process \"sleep 600\" (pid ");
	assert_contains(text, ") not waited for");
	assert_contains(text, "1 leak: 1 process");
	assert_no_child();
}
END_TEST

static void leave_stubborn(void) {
	stubborn();
	stubborn();
}

START_TEST(those_that_ignore_SIGTERM_are_killed_in_time) {
	FILE *file = catch_stderr();
	arun_options options = {
		.struct_size = sizeof options, .grace = 2, .leaks = ARUN_LEAKS_ERROR};
	api_body = leave_stubborn;
	ck_assert_int_eq(arun_run(api_entry, 0, NULL, &options), 23);
	assert_contains(read_stderr(file), "2 processes not waited for");
	assert_no_child();
}
END_TEST

static pid_t forked[2];

static void fork_and_leave(void) {
	for (int i = 0; i < 2; i++) {
		forked[i] = fork();
		while (forked[i] == 0) {
			pause();
		}
	}
}

START_TEST(children_that_were_forked_and_left_are_named) {
	const char *text = run_reported(fork_and_leave, 23);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(kill(forked[i], SIGKILL), 0);
		ck_assert_int_eq(waitpid(forked[i], NULL, 0), forked[i]);
	}
	assert_contains(text, "leak: 2 children \"api-test_proces\" not waited for");
	assert_contains(text, "2 leaks: 2 children");
}
END_TEST

START_TEST(children_from_before_the_run_are_none_of_its) {
	pid_t pid = fork();
	if (pid == 0) {
		pause();
		_exit(0);
	}
	ck_assert_int_eq(run(exec_in_child), 0);
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}
END_TEST

/* Suite ---------------------------------------------------------------------------- */

static void add_killing(Suite *suite) {
	TCase *tcase = tcase_create("killing");
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, one_that_has_ended_cannot_be_killed);
	tcase_add_test(tcase, a_signal_that_is_none_is_EINVAL);
	tcase_add_test(tcase, a_close_ends_one_that_is_stopped);
	tcase_add_test(tcase, a_close_works_in_a_cancelled_task);
	tcase_add_test(tcase, a_close_kills_what_ignores_SIGTERM);
	tcase_add_test(tcase, SIGCHLD_stays_the_plugins);
	tcase_add_test(tcase, children_of_the_plugins_own_are_left_alone);
	tcase_add_test(tcase, a_forked_child_starts_nothing);
	suite_add_tcase(suite, tcase);
}

static void add_groups(Suite *suite) {
	TCase *tcase = tcase_create("groups");
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_signal_reaches_the_group_that_it_leads);
	tcase_add_test(tcase, a_signal_reaches_the_group_after_the_end_of_the_leader);
	tcase_add_test(tcase, a_number_that_somebody_else_has_let_go_of_is_not_signalled);
	tcase_add_test(tcase, a_close_leaves_nothing_of_the_group);
	tcase_add_test(tcase, a_close_after_the_end_of_the_leader_ends_the_group);
	tcase_add_test(tcase, what_a_leader_that_was_waited_for_has_left_is_left_alone);
	tcase_add_test(tcase, the_end_of_the_run_leaves_nothing_of_a_group);
	suite_add_tcase(suite, tcase);
}

static void add_many(Suite *suite) {
	TCase *tcase = tcase_create("many");
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, of_a_thousand_no_zombie_and_no_descriptor_is_left);
	tcase_add_test(tcase, a_wait_is_enough_for_no_zombie_and_no_descriptor);
	suite_add_tcase(suite, tcase);
}

static void add_the_end_of_the_run(Suite *suite) {
	TCase *tcase = tcase_create("the end of the run");
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, one_that_is_left_is_a_leak_and_ended);
	tcase_add_test(tcase, those_that_ignore_SIGTERM_are_killed_in_time);
	tcase_add_test(tcase, children_that_were_forked_and_left_are_named);
	tcase_add_test(tcase, children_from_before_the_run_are_none_of_its);
	suite_add_tcase(suite, tcase);
}

Suite *suite(void) {
	Suite *suite = suite_create("process_end");
	add_killing(suite);
	add_groups(suite);
	add_many(suite);
	add_the_end_of_the_run(suite);
	return suite;
}
