/* SPDX-License-Identifier: MIT */
/* A call on a thread that nobody waits for any more, and what it was given. */
#include "api.h"

/* What a call is given: it ends when there is something to read. */
struct call {
	int begun, fd;
};

static int wait_for_a_byte(void *arg) {
	struct call *call = arg;
	char byte;
	int fd = call->fd;
	__atomic_store_n(&call->begun, 1, __ATOMIC_SEQ_CST);
	return (int)read(fd, &byte, 1);
}

static struct call *given;

static int fail_to_wait(struct call *call) {
	given = call;
	assert_fails(arun_blocking(wait_for_a_byte, call), ECANCELED);
	return 0;
}

static int give_what_is_static(void *fd) {
	static struct call call;
	call.fd = *(int *)fd;
	return fail_to_wait(&call);
}

static int give_an_own_variable(void *fd) {
	struct call call = {.fd = *(int *)fd};
	return fail_to_wait(&call);
}

static int shield_an_own_variable(void *fd) {
	struct call call = {.fd = *(int *)fd};
	given = &call;
	ARUN_SHIELD(FOREVER);
	return arun_blocking(wait_for_a_byte, given);
}

/* Cancels a task whose call has begun, and returns what is on stderr then. */
static const char *cancel_in_call(int (*fn)(void *), int wanted) {
	int fds[2];
	FILE *file = catch_stderr();
	unsigned long mark = arun_mark();
	ck_assert_int_eq(pipe(fds), 0);
	arun_task *task = arun_spawn(fn, &fds[0]);
	let_others_run(1);
	while (!__atomic_load_n(&given->begun, __ATOMIC_SEQ_CST)) {
		ck_assert_int_eq(arun_sleep(0.001), 0);
	}
	arun_cancel(task);
	let_others_run(2);
	ck_assert_int_eq(write(fds[1], "x", 1), 1);
	ck_assert_int_eq(joined(task), wanted);
	while (arun_leaks_since(mark, NULL)) { /* the job */
		ck_assert_int_eq(arun_sleep(0.001), 0);
	}
	close(fds[0]);
	close(fds[1]);
	const char *text = read_stderr(file);
	fclose(file);
	return text;
}

CLAIM(what_lives_longer_is_nothing_to_tell_of) {
	ck_assert_str_eq(cancel_in_call(give_what_is_static, 0), "");
}

CLAIM(what_is_on_the_stack_of_the_task_is_told_of) {
	const char *text = cancel_in_call(give_an_own_variable, 0);
	assert_contains(text, "test_orphan.c:");
	assert_contains(text,
		": job \"wait_for_a_byte\" goes on, and what it was given is on the stack of task \"fn\" (#2), which waits no longer: the call needs an ARUN_SHIELD\n");
}

CLAIM(a_shield_holds_the_wait) {
	ck_assert_str_eq(cancel_in_call(shield_an_own_variable, 1), "");
}

Suite *suite(void) {
	Suite *suite = suite_create("orphan");
	TCase *told = tcase_create("told");
	tcase_add_test(told, what_lives_longer_is_nothing_to_tell_of);
	tcase_add_test(told, what_is_on_the_stack_of_the_task_is_told_of);
	tcase_add_test(told, a_shield_holds_the_wait);
	suite_add_tcase(suite, told);
	return suite;
}
