/* SPDX-License-Identifier: MIT */
#include "streams.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* An argv, of strings that exec does not change. */
#define WORDS(...) ((char **)(uintptr_t)(const char *[]){__VA_ARGS__, NULL})
#define SHELL(script) WORDS("sh", "-c", script)

static const arun_exec_options quiet = {
	.in = ARUN_NULL, .out = ARUN_NULL, .err = ARUN_NULL};

static arun_process *started(char *const argv[], const arun_exec_options *options) {
	arun_process *process = (arun_exec)(argv, options);
	ck_assert_msg(process != NULL, "%s", arun_why());
	return process;
}

static int status_of(arun_process *process) {
	int status = -1;
	ck_assert_int_eq((arun_process_wait)(process, &status), 0);
	return status;
}

/* The status of a shell's script, with nothing to read or write. */
static int script(char *text) {
	arun_process *process = started(SHELL(text), &quiet);
	int status = status_of(process);
	(arun_process_close)(process);
	return status;
}

/* All that the script writes. */
static const char *output(const arun_exec_options *options, char *text) {
	static char out[4096];
	arun_process *process = started(SHELL(text), options);
	ssize_t n = arun_read_exactly(arun_process_stdout(process), out, sizeof out - 1);
	if (n < 0) {
		n = arun_read(arun_process_stdout(process), out, sizeof out - 1);
	}
	ck_assert_int_ge(n, 0);
	out[n] = '\0';
	ck_assert_int_eq(status_of(process), 0);
	arun_process_close(process);
	return out;
}

static const arun_exec_options reads = {
	.in = ARUN_NULL, .out = ARUN_STREAM, .err = ARUN_NULL};

static int descriptors(void) {
	int count = 0;
	DIR *folder = opendir("/proc/self/fd");
	while (readdir(folder)) {
		count++;
	}
	closedir(folder);
	return count;
}

/* Not even a zombie. */
static void assert_no_child(void) {
	siginfo_t info;
	assert_fails(waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT), ECHILD);
}

/* Starting ------------------------------------------------------------------------- */

CLAIM(the_status_is_what_waitpid_has) {
	int status = script(WORD("exit 7"));
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	status = script(WORD("kill -9 $$"));
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	ck_assert_int_eq(script(WORD("exit 0")), 0);
	assert_no_child();
}

CLAIM(a_program_that_is_not_there_is_ENOENT_and_named) {
	assert_null(arun_exec(WORDS("no-such-program-at-all"), NULL), ENOENT);
	assert_contains(arun_why(), "no-such-program-at-all");
	assert_null(arun_exec(WORDS("/no/such/program"), &reads), ENOENT);
	assert_null(arun_exec(WORDS(""), NULL), ENOENT);
	assert_no_child();
}

CLAIM(a_file_that_is_no_program_is_refused_as_execve_has_it) {
	char path[] = "/tmp/arun-exec-XXXXXX";
	int fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, "no program\n", 11), 11);
	close(fd);
	assert_null(arun_exec(WORDS(path), NULL), EACCES);
	ck_assert_int_eq(chmod(path, 0700), 0);
	assert_null(arun_exec(WORDS(path), NULL), ENOEXEC);
	unlink(path);
	assert_null(arun_exec(WORDS("/etc/passwd/x"), NULL), ENOTDIR);
	size_t size = 4 << 20;
	char *word = malloc(size);
	memset(word, 'x', size - 1);
	word[size - 1] = '\0';
	assert_null(arun_exec(WORDS("true", word), NULL), E2BIG);
	free(word);
	assert_no_child();
}

CLAIM(a_folder_that_is_not_there_is_named) {
	arun_exec_options options = {.directory = "/no/such/folder"};
	assert_null(arun_exec(WORDS("true"), &options), ENOENT);
	assert_contains(arun_why(), "/no/such/folder");
}

CLAIM(what_cannot_be_started_is_EINVAL) {
	arun_exec_options options = {.out = 77};
	assert_null(arun_exec(NULL, NULL), EINVAL);
	assert_null(arun_exec((char *[]){NULL}, NULL), EINVAL);
	assert_null(arun_exec(WORDS("true"), &options), EINVAL);
}

CLAIM(no_descriptor_left_is_EMFILE_and_nothing_leaks) {
	int before = descriptors();
	struct rlimit old, now;
	getrlimit(RLIMIT_NOFILE, &old);
	for (rlim_t room = 3; room < 16; room++) {
		now = (struct rlimit){room, old.rlim_max};
		setrlimit(RLIMIT_NOFILE, &now);
		arun_exec_options options = {
			.in = ARUN_STREAM, .out = ARUN_STREAM, .err = ARUN_STREAM};
		arun_process *process = (arun_exec)(WORDS("true"), &options);
		int error = errno;
		setrlimit(RLIMIT_NOFILE, &old);
		if (process) {
			status_of(process);
			arun_process_close(process);
		} else {
			ck_assert_int_eq(error, EMFILE);
		}
		ck_assert_int_eq(descriptors(), before);
	}
	assert_no_child();
}

CLAIM(no_process_left_is_EAGAIN) {
	struct rlimit none = {0, 0};
	/* Root has no such limit; this process is of no further use. */
	ck_assert(geteuid() || setresuid(65534, 65534, 65534) == 0);
	setrlimit(RLIMIT_NPROC, &none);
	assert_null(arun_exec(WORDS("true"), NULL), EAGAIN);
	assert_contains(arun_why(), "true");
}

CLAIM(the_environment_and_the_folder_are_those_given) {
	char *const environment[] = {WORD("COLOUR=blue"), NULL};
	arun_exec_options options = {.environment = environment,
		.directory = "/usr",
		.in = ARUN_NULL,
		.out = ARUN_STREAM};
	ck_assert_str_eq(
		output(&options, WORD("echo $COLOUR $PWD $HOME")), "blue /usr\n");
	setenv("COLOUR", "red", 1);
	ck_assert_str_eq(output(&reads, WORD("echo $COLOUR")), "red\n");
}

CLAIM(it_has_the_descriptors_0_to_2_and_no_other) {
	int fds[2];
	ck_assert_int_eq(pipe(fds), 0); /* inheritable */
	/* The folder itself is the fourth. */
	ck_assert_str_eq(output(&reads, WORD("exec ls /proc/self/fd")), "0\n1\n2\n3\n");
	close(fds[0]);
	close(fds[1]);
}

CLAIM(its_signals_are_as_new) {
	signal(SIGUSR2, SIG_IGN);
	signal(SIGINT, SIG_DFL);
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	const char *text = output(&reads, WORD("exec cat /proc/self/status"));
	assert_contains(text, "SigBlk:\t0000000000000000\n");
	assert_contains(text, "SigIgn:\t0000000000000000\n");
	assert_contains(text, "SigCgt:\t0000000000000000\n");
	sigemptyset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
}

CLAIM(nohup_reaches_it) {
	signal(SIGHUP, SIG_IGN);
	const char *text = output(&reads, WORD("exec grep SigIgn /proc/self/status"));
	ck_assert_str_eq(text, "SigIgn:\t0000000000000001\n");
}

CLAIM(it_starts_where_our_own_0_to_2_are_closed) {
	int saved[3];
	for (int i = 0; i < 3; i++) {
		saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 100);
		close(i);
	}
	arun_exec_options all = {
		.in = ARUN_STREAM, .out = ARUN_STREAM, .err = ARUN_STREAM};
	arun_process *process = (arun_exec)(SHELL(WORD("cat; echo two >&2")), &all);
	int error = errno;
	for (int i = 0; i < 3 && !process; i++) {
		dup2(saved[i], i);
	}
	ck_assert_msg(process != NULL, "%s", strerror(error));
	char one[8] = "", two[8] = "";
	int written = (arun_write)(arun_process_stdin(process), "one", 3);
	arun_close(arun_process_stdin(process));
	ssize_t n = arun_read_exactly(arun_process_stdout(process), one, 3);
	ssize_t m = arun_read_exactly(arun_process_stderr(process), two, 4);
	int result = arun_process_wait(process, NULL);
	arun_process_close(process);
	for (int i = 0; i < 3; i++) {
		dup2(saved[i], i);
		close(saved[i]);
	}
	ck_assert(written == 0 && n == 3 && m == 4 && result == 0);
	ck_assert_str_eq(one, "one");
	ck_assert_str_eq(two, "two\n");
}

/* Streams -------------------------------------------------------------------------- */

CLAIM(a_filter_is_written_to_and_read_from) {
	arun_exec_options options = {.in = ARUN_STREAM, .out = ARUN_STREAM};
	arun_process *cat = started(WORDS("cat"), &options);
	ck_assert_ptr_null(arun_process_stderr(cat));
	say(arun_process_stdin(cat), "hello");
	hear(arun_process_stdout(cat), "hello");
	ck_assert_int_eq(arun_close(arun_process_stdin(cat)), 0);
	ck_assert_ptr_null(arun_process_stdin(cat));
	hear_end(arun_process_stdout(cat));
	ck_assert_int_eq(status_of(cat), 0);
	arun_process_close(cat);
}

CLAIM(what_it_wrote_is_read_after_its_end) {
	arun_process *process = started(SHELL(WORD("echo last words")), &reads);
	ck_assert_int_eq(status_of(process), 0);
	hear(arun_process_stdout(process), "last words\n");
	hear_end(arun_process_stdout(process));
	arun_process_close(process);
}

CLAIM(a_write_to_one_that_has_ended_is_EPIPE) {
	arun_exec_options options = {.in = ARUN_STREAM};
	arun_process *process = started(WORDS("true"), &options);
	ck_assert_int_eq(status_of(process), 0);
	assert_fails(arun_write(arun_process_stdin(process), "x", 1), EPIPE);
	arun_process_close(process);
}

static int read_stdout(void *process) {
	char byte;
	return (int)arun_read(arun_process_stdout(process), &byte, 1);
}

CLAIM(a_close_ends_the_reads_of_its_streams) {
	arun_process *process = started(WORDS("sleep", "600"), &reads);
	arun_task *reader = waiting(read_stdout, process);
	arun_process_close(process);
	ck_assert_int_eq(joined(reader), -EBADF);
	assert_no_child();
}

/* Waiting -------------------------------------------------------------------------- */

static int wait_for(void *process) {
	int status = 0;
	return arun_process_wait(process, &status) < 0 ? -1 : status;
}

CLAIM(all_who_wait_get_the_status_now_and_later) {
	arun_process *process =
		started(WORDS("cat"), &(arun_exec_options){.in = ARUN_STREAM});
	arun_task *one = waiting(wait_for, process), *other = waiting(wait_for, process);
	arun_close(arun_process_stdin(process));
	ck_assert_int_eq(joined(one), 0);
	ck_assert_int_eq(joined(other), 0);
	ck_assert_int_eq(status_of(process), 0);
	ck_assert_int_eq(arun_process_wait(process, NULL), 0);
	arun_process_close(process);
}

CLAIM(a_cancelled_wait_loses_nothing) {
	arun_process *process = started(WORDS("sleep", "600"), NULL);
	arun_task *task = waiting(wait_for, process);
	arun_task *other = waiting(wait_for, process);
	arun_cancel(task);
	ck_assert_int_eq(joined(task), -ECANCELED);
	ck_assert_int_eq(arun_process_kill(process, SIGKILL), 0);
	ck_assert_int_eq(joined(other), SIGKILL);
	arun_process_close(process);
}

CLAIM(a_timed_out_wait_loses_nothing) {
	arun_process *process = started(WORDS("sleep", "600"), NULL);
	{
		ARUN_TIMEOUT(0.01);
		assert_fails(arun_process_wait(process, NULL), ETIMEDOUT);
		assert_contains(arun_why(), "sleep 600");
	}
	ck_assert_int_eq(arun_process_kill(process, SIGTERM), 0);
	ck_assert_int_eq(status_of(process), SIGTERM);
	arun_process_close(process);
}

CLAIM(a_wait_of_one_closed_meanwhile_is_EBADF) {
	arun_process *process = started(WORDS("sleep", "600"), NULL);
	arun_task *task = waiting(wait_for, process);
	arun_process_close(process);
	ck_assert_int_eq(joined(task), -EBADF);
}

CLAIM(a_status_that_somebody_else_took_is_ECHILD) {
	arun_process *process = started(WORDS("true"), NULL);
	ck_assert_int_eq(
		waitpid(arun_process_pid(process), NULL, 0), arun_process_pid(process));
	assert_fails(arun_process_wait(process, NULL), ECHILD);
	arun_process_close(process);
}

CLAIM(NULL_is_no_process) {
	assert_fails(arun_process_wait(NULL, NULL), EBADF);
	assert_fails(arun_process_kill(NULL, SIGTERM), EBADF);
	ck_assert_int_eq(arun_process_pid(NULL), -1);
	ck_assert_ptr_null(arun_process_stdin(NULL));
	arun_process_close(NULL);
}

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
	FILE *file = catch_stderr();
	ck_assert_int_eq(run(leave_one), 23);
	assert_contains(read_stderr(file), "leak: process \"sleep 600\" (pid ");
	assert_contains(read_stderr(file), ") not waited for");
	assert_contains(read_stderr(file), "1 leak: 1 process");
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
		.struct_size = sizeof options, .grace = 0.5, .leaks = ARUN_LEAKS_ERROR};
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
	FILE *file = catch_stderr();
	ck_assert_int_eq(run(fork_and_leave), 23);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(kill(forked[i], SIGKILL), 0);
		ck_assert_int_eq(waitpid(forked[i], NULL, 0), forked[i]);
	}
	assert_contains(
		read_stderr(file), "leak: 2 children \"api-test_proces\" not waited for");
	assert_contains(read_stderr(file), "2 leaks: 2 children");
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

static void add_starting(Suite *suite) {
	TCase *tcase = tcase_create("starting");
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, the_status_is_what_waitpid_has);
	tcase_add_test(tcase, a_program_that_is_not_there_is_ENOENT_and_named);
	tcase_add_test(tcase, a_file_that_is_no_program_is_refused_as_execve_has_it);
	tcase_add_test(tcase, a_folder_that_is_not_there_is_named);
	tcase_add_test(tcase, what_cannot_be_started_is_EINVAL);
	tcase_add_test(tcase, no_descriptor_left_is_EMFILE_and_nothing_leaks);
	tcase_add_test(tcase, no_process_left_is_EAGAIN);
	tcase_add_test(tcase, the_environment_and_the_folder_are_those_given);
	tcase_add_test(tcase, it_has_the_descriptors_0_to_2_and_no_other);
	tcase_add_test(tcase, its_signals_are_as_new);
	tcase_add_test(tcase, nohup_reaches_it);
	tcase_add_test(tcase, it_starts_where_our_own_0_to_2_are_closed);
	suite_add_tcase(suite, tcase);
}

static void add_streams(Suite *suite) {
	TCase *tcase = tcase_create("streams");
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_filter_is_written_to_and_read_from);
	tcase_add_test(tcase, what_it_wrote_is_read_after_its_end);
	tcase_add_test(tcase, a_write_to_one_that_has_ended_is_EPIPE);
	tcase_add_test(tcase, a_close_ends_the_reads_of_its_streams);
	suite_add_tcase(suite, tcase);
}

static void add_waiting(Suite *suite) {
	TCase *tcase = tcase_create("waiting");
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, all_who_wait_get_the_status_now_and_later);
	tcase_add_test(tcase, a_cancelled_wait_loses_nothing);
	tcase_add_test(tcase, a_timed_out_wait_loses_nothing);
	tcase_add_test(tcase, a_wait_of_one_closed_meanwhile_is_EBADF);
	tcase_add_test(tcase, a_status_that_somebody_else_took_is_ECHILD);
	tcase_add_test(tcase, NULL_is_no_process);
	suite_add_tcase(suite, tcase);
}

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
	Suite *suite = suite_create("process");
	add_starting(suite);
	add_streams(suite);
	add_waiting(suite);
	add_killing(suite);
	add_many(suite);
	add_the_end_of_the_run(suite);
	return suite;
}
