/* SPDX-License-Identifier: MIT */
#include "api.h"

#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>

/* arun_blocking --------------------------------------------------------------------------- */

static int gate[2]; /* a job blocks until this pipe is closed */

static void gate_open(void) {
	ck_assert_int_eq(pipe2(gate, O_CLOEXEC), 0);
}

static void gate_let_go(void) {
	close(gate[1]);
}

static int wait_at_gate(void *arg) {
	char c;
	__atomic_add_fetch((int *)arg, 1, __ATOMIC_SEQ_CST);
	return (int)read(gate[0], &c, 1) + 5;
}

static int block_at_gate(void *arg) {
	return arun_blocking(wait_at_gate, arg);
}

/* Waits until so many jobs have begun. */
static void await_begun(int *begun, int count) {
	ARUN_TIMEOUT(10);
	while (__atomic_load_n(begun, __ATOMIC_SEQ_CST) < count) {
		ck_assert_int_eq(arun_sleep(0.001), 0);
	}
}

struct call {
	pthread_t thread;
	int result, error;
};

static int run_call(void *arg) {
	struct call *call = arg;
	call->thread = pthread_self();
	errno = call->error;
	return call->result;
}

CLAIM(a_call_runs_on_another_thread_and_what_it_returned_and_errno_come_back) {
	struct call call = {.result = 7, .error = ENOTTY};
	ck_assert_int_eq(arun_blocking(run_call, &call), 7);
	ck_assert_int_eq(errno, ENOTTY);
	ck_assert(!pthread_equal(call.thread, pthread_self()));
	call = (struct call){.result = -1, .error = EXDEV};
	assert_fails((arun_blocking)(run_call, &call), EXDEV);
	assert_contains(arun_why(), strerror(EXDEV));
}

CLAIM(other_tasks_run_while_a_call_blocks) {
	int begun = 0;
	gate_open();
	arun_task *task = arun_spawn(block_at_gate, &begun);
	await_begun(&begun, 1);
	gate_let_go();
	ck_assert_int_eq(joined(task), 5);
	close(gate[0]);
}

CLAIM(more_calls_than_threads_queue) {
	int begun = 0;
	arun_task *tasks[9];
	gate_open();
	for (int i = 0; i < 9; i++) {
		tasks[i] = arun_spawn(block_at_gate, &begun);
	}
	await_begun(&begun, 4);
	ck_assert_int_eq(arun_sleep(0.02), 0);
	ck_assert_int_eq(__atomic_load_n(&begun, __ATOMIC_SEQ_CST), 4);
	gate_let_go();
	for (int i = 0; i < 9; i++) {
		ck_assert_int_eq(joined(tasks[i]), 5);
	}
	close(gate[0]);
}

struct waiter {
	int *begun, error;
	char why[256];
};

static int block_and_tell(void *arg) {
	struct waiter *self = arg;
	assert_fails(arun_blocking(wait_at_gate, self->begun), ECANCELED);
	strncpy(self->why, arun_why(), sizeof self->why - 1);
	return 0;
}

CLAIM(a_wait_that_is_cancelled_orphans_the_job_and_says_so) {
	int begun = 0;
	struct waiter waiter = {.begun = &begun};
	gate_open();
	arun_task *task = arun_spawn(block_and_tell, &waiter);
	await_begun(&begun, 1);
	arun_cancel(task);
	joined(task);
	assert_contains(waiter.why, "blocking wait_at_gate: cancelled by main");
	assert_contains(waiter.why, "; the job goes on, with nobody to wait for it");
	gate_let_go();
	/* The run must find the job gone: it is joined by a later one on the same thread. */
	ck_assert_int_eq(arun_sleep(0.05), 0);
	close(gate[0]);
}

CLAIM(a_wait_ends_with_ETIMEDOUT_and_a_job_that_had_not_begun_never_runs) {
	int begun = 0, late = 0;
	arun_task *tasks[4];
	gate_open();
	for (int i = 0; i < 4; i++) {
		tasks[i] = arun_spawn(block_at_gate, &begun);
	}
	await_begun(&begun, 4);
	{
		ARUN_TIMEOUT(0.01);
		assert_fails(arun_blocking(wait_at_gate, &late), ETIMEDOUT);
		ck_assert_ptr_null(strstr(arun_why(), "goes on"));
	}
	gate_let_go();
	for (int i = 0; i < 4; i++) {
		joined(tasks[i]);
	}
	ck_assert_int_eq(late, 0);
	close(gate[0]);
}

CLAIM(four_blocked_jobs_do_not_delay_a_name) {
	int begun = 0;
	arun_task *tasks[4];
	gate_open();
	for (int i = 0; i < 4; i++) {
		tasks[i] = arun_spawn(block_at_gate, &begun);
	}
	await_begun(&begun, 4);
	struct addrinfo *list = NULL;
	{
		ARUN_TIMEOUT(5);
		ck_assert_int_eq(arun_resolve("localhost", "80", &list), 0);
	}
	ck_assert_ptr_nonnull(list);
	freeaddrinfo(list);
	gate_let_go();
	for (int i = 0; i < 4; i++) {
		joined(tasks[i]);
	}
	close(gate[0]);
}

CLAIM(without_memory_or_threads_it_is_ENOMEM_or_EAGAIN) {
	struct call call = {.result = 3};
	struct rlimit old = limit_memory();
	int result = !API_LIMITS ? -1 : arun_blocking(run_call, &call);
	int error = errno;
	setrlimit(RLIMIT_AS, &old);
	ck_assert_int_eq(result, -1);
	ck_assert(!API_LIMITS || error == EAGAIN || error == ENOMEM);
}

/* Reports --------------------------------------------------------------------------------- */

static int sleep_60_s(void *arg) {
	if (arg) {
		__atomic_store_n((int *)arg, 1, __ATOMIC_SEQ_CST);
	}
	sleep(60);
	return 0;
}

static int call_sleep_60_s(void *arg) {
	return arun_blocking(sleep_60_s, arg);
}

static int leave_a_job(int argc, char **argv) {
	(void)argc;
	(void)argv;
	static int begun;
	arun_task *task = arun_spawn(call_sleep_60_s, &begun);
	await_begun(&begun, 1);
	arun_cancel(task);
	arun_join(task, NULL);
	return 0;
}

START_TEST(a_job_that_blocks_is_named_and_abandoned_at_the_end_of_the_grace_time) {
	FILE *file = catch_stderr();
	double start = arun_now();
	pid_t child = fork();
	if (child == 0) {
		arun_options options = {.struct_size = sizeof options, .grace = 0.3};
		_exit(arun_run(leave_a_job, 0, NULL, &options));
	}
	int status = 0;
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 124);
	ck_assert_double_lt(arun_now() - start, 5);
	const char *text = read_stderr(file);
	assert_contains(text, "abandoned: job \"sleep_60_s\" (#3) of ");
	assert_contains(text, "test_thread.c:");
	assert_contains(text, "leak: job \"sleep_60_s\" (#3) still running");
	assert_contains(text, "1 leak: 1 job\n");
}
END_TEST

/* arun_post ------------------------------------------------------------------------------- */

static int posted;

static void count_post(void *arg) {
	ck_assert_ptr_null(arun_self());
	posted += *(int *)arg;
}

static int three = 3;

CLAIM(a_post_from_a_task_is_called_in_the_loop) {
	ck_assert_int_eq(arun_post(count_post, &three), 0);
	ck_assert_int_eq(posted, 0);
	ck_assert_int_eq((arun_post)(count_post, &three), 0);
	ARUN_TIMEOUT(10);
	while (posted < 6) {
		ck_assert_int_eq(arun_sleep(0.001), 0);
	}
}

CLAIM(many_posts_at_once_leave_turns_to_tasks) {
	for (int i = 0; i < 100000; i++) {
		ck_assert_int_eq(arun_post(count_post, &three), 0);
	}
	int most = 0;
	while (posted < 300000) {
		int before = posted;
		let_others_run(1);
		most = posted - before > most ? posted - before : most;
	}
	ck_assert_int_lt(most, 3 * 1000);
}

static void *post_once(void *arg) {
	ck_assert_int_eq(arun_post(count_post, arg), 0);
	return NULL;
}

static void set_event(void *arg) {
	arun_event_set(arg);
}

static void *post_event(void *arg) {
	ck_assert_int_eq(arun_post(set_event, arg), 0);
	return NULL;
}

CLAIM(a_post_from_a_thread_wakes_a_loop_that_has_nothing_else_to_do) {
	for (int i = 0; i < 200; i++) {
		arun_event event = ARUN_EVENT_INIT;
		pthread_t thread;
		ck_assert_int_eq(pthread_create(&thread, NULL, post_event, &event), 0);
		ck_assert_int_eq(arun_event_wait(&event), 0);
		pthread_join(thread, NULL);
	}
}

START_TEST(a_post_without_a_run_is_ESHUTDOWN) {
	assert_fails(arun_post(count_post, &three), ESHUTDOWN);
}
END_TEST

static void nothing(void) {
}

START_TEST(a_post_after_the_run_is_ESHUTDOWN) {
	ck_assert_int_eq(run(nothing), 0);
	assert_fails(arun_post(count_post, &three), ESHUTDOWN);
}
END_TEST

CLAIM(a_post_without_memory_is_ENOMEM) {
	static void *blocks[100000];
	struct rlimit old = limit_memory();
	int count = 0, error = 0;
	while (API_LIMITS && count < 100000 && (blocks[count] = malloc(200))) {
		count++;
	}
	for (int i = 0; API_LIMITS && i < 100000 && !error; i++) {
		error = arun_post(count_post, &three) < 0 ? errno : 0;
	}
	setrlimit(RLIMIT_AS, &old);
	while (count > 0) {
		free(blocks[--count]);
	}
	ck_assert(!API_LIMITS || error == ENOMEM);
	let_others_run(1);
	ck_assert_int_eq(arun_sleep(0.01), 0);
}

static void leave_a_post(void) {
	ck_assert_int_eq(arun_post(count_post, &three), 0);
}

START_TEST(a_post_that_was_not_delivered_at_the_end_is_a_leak_and_is_delivered) {
	assert_contains(run_reported(leave_a_post, 23),
		"leak: post \"count_post\" (#2) not delivered");
	ck_assert_int_eq(posted, 3);
}
END_TEST

static char refusal[128];

/* Until the loop takes no more. */
static void post_again(void *arg) {
	if (arun_post(post_again, arg) < 0) {
		ck_assert_int_eq(errno, ESHUTDOWN);
		snprintf(refusal, sizeof refusal, "%s", arun_why());
	}
}

static void begin_to_post(void) {
	ck_assert_int_eq(arun_post(post_again, NULL), 0);
}

START_TEST(a_post_that_comes_too_late_is_ESHUTDOWN_and_says_which) {
	assert_contains(run_reported(begin_to_post, 23), "leak: post \"post_again\"");
	assert_contains(refusal, "post post_again: ");
}
END_TEST

enum { POSTERS = 8, POSTS = 125000 };

struct poster {
	pthread_t thread;
	int last; /* number that came */
	arun_event *done;
	int *left;
};

struct item {
	struct poster *poster;
	int number;
};

static struct item items[POSTERS][POSTS];

static void take_item(void *arg) {
	struct item *item = arg;
	ck_assert_int_eq(item->number, item->poster->last + 1);
	item->poster->last = item->number;
	if (--*item->poster->left == 0) {
		arun_event_set(item->poster->done);
	}
}

static void *post_items(void *arg) {
	struct item *mine = arg;
	for (int i = 0; i < POSTS; i++) {
		while (arun_post(take_item, &mine[i]) < 0) {
			ck_assert_int_eq(errno, ENOMEM);
		}
	}
	return NULL;
}

CLAIM(a_million_posts_of_eight_threads_all_come_in_order_per_thread) {
	static struct poster posters[POSTERS];
	arun_event done = ARUN_EVENT_INIT;
	int left = POSTERS * POSTS;
	for (int i = 0; i < POSTERS; i++) {
		posters[i] = (struct poster){.done = &done, .left = &left};
		for (int j = 0; j < POSTS; j++) {
			items[i][j] = (struct item){&posters[i], j + 1};
		}
		ck_assert_int_eq(
			pthread_create(&posters[i].thread, NULL, post_items, items[i]),
			0);
	}
	ck_assert_int_eq(arun_event_wait(&done), 0);
	for (int i = 0; i < POSTERS; i++) {
		pthread_join(posters[i].thread, NULL);
		ck_assert_int_eq(posters[i].last, POSTS);
	}
}

static int posting = 1, zero;

static void *post_on(void *arg) {
	while (arun_post(count_post, arg) == 0) {
	}
	ck_assert_int_eq(errno, ESHUTDOWN);
	posting = 0;
	return NULL;
}

static pthread_t poster;

static void end_while_posting(void) {
	ck_assert_int_eq(pthread_create(&poster, NULL, post_on, &zero), 0);
	ck_assert_int_eq(arun_sleep(0.02), 0);
}

START_TEST(a_thread_may_post_while_the_run_ends) {
	catch_stderr();
	int status = run(end_while_posting);
	ck_assert(status == 0 || status == 23);
	pthread_join(poster, NULL);
	ck_assert_int_eq(posting, 0);
}
END_TEST

static void post_from_thread(void) {
	pthread_t thread;
	ck_assert_int_eq(pthread_create(&thread, NULL, post_once, &three), 0);
	pthread_join(thread, NULL);
	ARUN_TIMEOUT(10);
	while (!posted) {
		ck_assert_int_eq(arun_sleep(0.001), 0);
	}
}

START_TEST(a_run_after_another_takes_posts_too) {
	ck_assert_int_eq(run(post_from_thread), 0);
	posted = 0;
	ck_assert_int_eq(run(post_from_thread), 0);
	ck_assert_int_eq(posted, 3);
}
END_TEST

Suite *suite(void) {
	Suite *suite = suite_create("thread");
	TCase *blocking = tcase_create("blocking");
	tcase_set_timeout(blocking, 30);
	tcase_add_test(blocking,
		a_call_runs_on_another_thread_and_what_it_returned_and_errno_come_back);
	tcase_add_test(blocking, other_tasks_run_while_a_call_blocks);
	tcase_add_test(blocking, more_calls_than_threads_queue);
	tcase_add_test(blocking, a_wait_that_is_cancelled_orphans_the_job_and_says_so);
	tcase_add_test(blocking,
		a_wait_ends_with_ETIMEDOUT_and_a_job_that_had_not_begun_never_runs);
	tcase_add_test(blocking, four_blocked_jobs_do_not_delay_a_name);
	tcase_add_test(blocking, without_memory_or_threads_it_is_ENOMEM_or_EAGAIN);
	tcase_add_test(blocking,
		a_job_that_blocks_is_named_and_abandoned_at_the_end_of_the_grace_time);
	suite_add_tcase(suite, blocking);
	TCase *post = tcase_create("post");
	tcase_set_timeout(post, 120);
	tcase_add_test(post, a_post_from_a_task_is_called_in_the_loop);
	tcase_add_test(post, many_posts_at_once_leave_turns_to_tasks);
	tcase_add_test(
		post, a_post_from_a_thread_wakes_a_loop_that_has_nothing_else_to_do);
	tcase_add_test(post, a_post_without_a_run_is_ESHUTDOWN);
	tcase_add_test(post, a_post_after_the_run_is_ESHUTDOWN);
	tcase_add_test(post, a_post_without_memory_is_ENOMEM);
	tcase_add_test(post,
		a_post_that_was_not_delivered_at_the_end_is_a_leak_and_is_delivered);
	tcase_add_test(post, a_post_that_comes_too_late_is_ESHUTDOWN_and_says_which);
	tcase_add_test(
		post, a_million_posts_of_eight_threads_all_come_in_order_per_thread);
	tcase_add_test(post, a_thread_may_post_while_the_run_ends);
	tcase_add_test(post, a_run_after_another_takes_posts_too);
	suite_add_tcase(suite, post);
	return suite;
}
