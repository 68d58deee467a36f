/* SPDX-License-Identifier: MIT */
#include "processes.h"

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
	struct rlimit old = limit_processes();
	assert_null(arun_exec(WORDS("true"), NULL), EAGAIN);
	assert_contains(
		arun_why(), "true: no more processes are allowed (ulimit -u, pids.max)");
	setrlimit(RLIMIT_NPROC, &old);
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
		assert_contains(arun_why(), "ARUN_TIMEOUT of 10 ms at ");
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

Suite *suite(void) {
	Suite *suite = suite_create("process");
	add_starting(suite);
	add_streams(suite);
	add_waiting(suite);
	return suite;
}
