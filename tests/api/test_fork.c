/* SPDX-License-Identifier: MIT */
#include "bodies.h"
#include "misuse.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

static void *spawn_in_thread(void *arg) {
	int *error = arg;
	*error = arun_spawn(sleep_long, NULL) ? 0 : errno;
	return NULL;
}

CLAIM(another_thread_is_outside_the_run) {
	pthread_t thread;
	int error = 0;
	ck_assert_int_eq(pthread_create(&thread, NULL, spawn_in_thread, &error), 0);
	pthread_join(thread, NULL);
	ck_assert_int_eq(error, ESHUTDOWN);
}

static int return_8(int argc, char **argv) {
	(void)argc;
	(void)argv;
	return arun_sleep(0.001) < 0 ? -1 : 8;
}

static void *run_in_thread(void *arg) {
	*(int *)arg = arun_run(return_8, 0, NULL, STRICT);
	return NULL;
}

static int run_beside(int argc, char **argv) {
	(void)argc;
	(void)argv;
	pthread_t thread;
	int result = 0;
	ck_assert_int_eq(pthread_create(&thread, NULL, run_in_thread, &result), 0);
	pthread_join(thread, NULL);
	return result;
}

START_TEST(another_thread_may_have_a_run_of_its_own) {
	ck_assert_int_eq(arun_run(run_beside, 0, NULL, STRICT), 8);
}
END_TEST

/* What two runs tell each other: how far they are. */
static sem_t beside[2];
static int beside_status;

static int begin_and_wait(int argc, char **argv) {
	(void)argc;
	(void)argv;
	sem_post(&beside[0]);
	while (sem_trywait(&beside[1]) < 0) {
		ck_assert_int_eq(arun_sleep(0.001), 0);
	}
	return 0;
}

static void *run_until_told(void *arg) {
	*(int *)arg = arun_run(begin_and_wait, 0, NULL, STRICT);
	return NULL;
}

static int see_another_begin(int argc, char **argv) {
	(void)argc;
	pthread_t *thread = (void *)argv;
	ck_assert_int_eq(pthread_create(thread, NULL, run_until_told, &beside_status), 0);
	while (sem_trywait(&beside[0]) < 0) {
		ck_assert_int_eq(arun_sleep(0.001), 0);
	}
	return 0;
}

static int leave_a_descriptor(int argc, char **argv) {
	(void)argc;
	(void)argv;
	return dup(STDERR_FILENO) < 0;
}

START_TEST(what_another_run_has_open_is_no_leak_of_this) {
	pthread_t thread;
	FILE *file = catch_stderr();
	sem_init(&beside[0], 0, 0);
	sem_init(&beside[1], 0, 0);
	ck_assert_int_eq(
		arun_run(see_another_begin, 0, (char **)(void *)&thread, STRICT), 0);
	sem_post(&beside[1]);
	pthread_join(thread, NULL);
	ck_assert_int_eq(beside_status, 0);
	ck_assert_str_eq(read_stderr(file), "");
	ck_assert_int_eq(arun_run(leave_a_descriptor, 0, NULL, STRICT), 23);
}
END_TEST

static int leave_the_thread(int argc, char **argv) {
	(void)argc;
	(void)argv;
	pthread_exit(NULL);
}

static void *run_and_leave(void *arg) {
	arun_run(leave_the_thread, 0, NULL, STRICT);
	return arg;
}

START_TEST(a_run_that_pthread_exit_has_ended_is_beside_no_later_one) {
	pthread_t thread;
	FILE *file = catch_stderr();
	ck_assert_int_eq(pthread_create(&thread, NULL, run_and_leave, NULL), 0);
	pthread_join(thread, NULL);
	assert_contains(read_stderr(file), "pthread_exit() in a task");
	ck_assert_int_eq(arun_run(leave_a_descriptor, 0, NULL, STRICT), 23);
}
END_TEST

/* Threads that may post. */
struct sleeper {
	int stat; /* of the thread that is to sleep, in /proc */
	arun_event event;
};

static void *post_when_it_sleeps(void *arg) {
	struct sleeper *sleeper = arg;
	char text[256] = "";
	while (!strstr(text, ") S ")) {
		ssize_t size = pread(sleeper->stat, text, sizeof text - 1, 0);
		ck_assert_int_gt(size, 0);
		text[size] = '\0';
		sched_yield();
	}
	arun_post((void (*)(void *))arun_event_set, &sleeper->event);
	return NULL;
}

/* As without /proc. */
CLAIM(a_thread_may_post_also_where_none_can_be_counted) {
	struct sleeper sleeper = {.event = ARUN_EVENT_INIT};
	struct rlimit old, none;
	pthread_t thread;
	sleeper.stat = open("/proc/thread-self/stat", O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(sleeper.stat, 0);
	getrlimit(RLIMIT_NOFILE, &old);
	none = (struct rlimit){0, old.rlim_max};
	setrlimit(RLIMIT_NOFILE, &none);
	pthread_create(&thread, NULL, post_when_it_sleeps, &sleeper);
	ck_assert_int_eq(arun_event_wait(&sleeper.event), 0);
	pthread_join(thread, NULL);
	setrlimit(RLIMIT_NOFILE, &old);
	close(sleeper.stat);
}

static void wait_for_nothing(void) {
	arun_event event = ARUN_EVENT_INIT;
	struct rlimit old, none;
	getrlimit(RLIMIT_NOFILE, &old);
	none = (struct rlimit){0, old.rlim_max};
	setrlimit(RLIMIT_NOFILE, &none);
	arun_event_wait(&event);
	setrlimit(RLIMIT_NOFILE, &old); /* LeakSanitizer's look needs descriptors */
}

START_TEST(a_deadlock_is_told_also_where_threads_cannot_be_counted) {
	assert_contains(run_reported(wait_for_nothing, 1), "deadlock");
}
END_TEST

/* Waking from another thread, which has no run ------------------------------------------------- */

static arun_event woken_event;
static arun_sem woken_sem;
static arun_cond woken_cond;
static arun_mutex woken_mutex;
static arun_chan *woken_chan;

static int wait_for_event(void *arg) {
	(void)arg;
	return arun_event_wait(&woken_event);
}

static int wait_for_sem(void *arg) {
	(void)arg;
	return arun_sem_acquire(&woken_sem);
}

static int wait_for_cond(void *arg) {
	(void)arg;
	arun_mutex_lock(&woken_mutex);
	int result = arun_cond_wait(&woken_cond, &woken_mutex);
	arun_mutex_unlock(&woken_mutex);
	return result;
}

static int wait_for_item(void *arg) {
	long item;
	(void)arg;
	return arun_chan_recv(woken_chan, &item);
}

static void set_event(void) {
	arun_event_set(&woken_event);
}

static void release_sem(void) {
	arun_sem_release(&woken_sem);
}

static void signal_cond(void) {
	arun_cond_signal(&woken_cond);
}

static void broadcast_cond(void) {
	arun_cond_broadcast(&woken_cond);
}

static void close_chan(void) {
	arun_chan_close(woken_chan);
}

static const struct {
	int (*waits)(void *arg);
	void (*wakes)(void);
	const char *words;
} wakings[] = {{wait_for_event, set_event, "misuse: arun_event_set() "},
	{wait_for_sem, release_sem, "misuse: arun_sem_release() "},
	{wait_for_cond, signal_cond, "misuse: arun_cond_signal() "},
	{wait_for_cond, broadcast_cond, "misuse: arun_cond_broadcast() "},
	{wait_for_item, close_chan, "misuse: arun_chan_close() "}};
static int waking;

static void *wake(void *arg) {
	wakings[waking].wakes();
	return arg;
}

static void wake_from_a_thread(void) {
	pthread_t thread;
	woken_chan = arun_chan_new(0, sizeof(long));
	arun_spawn(wakings[waking].waits, NULL);
	let_others_run(1);
	pthread_create(&thread, NULL, wake, NULL);
	pthread_join(thread, NULL);
}

static void wake_in_a_run(void) {
	run(wake_from_a_thread);
}

START_TEST(waking_a_task_from_another_thread_is_misuse) {
	FILE *file = tmpfile();
	waking = _i;
	int status = status_of_child(wake_in_a_run, file);
	const char *text = read_stderr(file);
	assert_contains(text, wakings[waking].words);
	assert_contains(
		text, "there is no run in this thread; arun_post() calls into one");
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}
END_TEST

START_TEST(an_event_that_nobody_waits_for_may_be_set_before_the_run) {
	arun_event_set(&woken_event);
	arun_sem_release(&woken_sem);
	arun_cond_broadcast(&woken_cond);
	ck_assert_uint_eq(woken_sem.count, 1);
}
END_TEST

static arun_timer *forked_timer;
static arun_tls *forked_tls;
static arun_chan *forked_chan;

static void end_objects_in_child(void) {
	arun_timer_stop(forked_timer);
	arun_tls_free(forked_tls);
	arun_chan_free(forked_chan);
}

static void do_nothing(void *arg) {
	(void)arg;
}

CLAIM(what_the_parent_has_can_be_ended_in_a_forked_child) {
	forked_timer = arun_timer_start(FOREVER, 0, do_nothing, NULL);
	forked_tls = arun_tls_client(NULL); /* NULL where there is no libssl */
	forked_chan = arun_chan_new(1, sizeof(long));
	ck_assert_int_eq(status_of_child(end_objects_in_child, NULL), 0);
	arun_timer_stop(forked_timer);
	arun_tls_free(forked_tls);
	arun_chan_free(forked_chan);
}

static void sleep_in_child(void) {
	arun_sleep(0);
}

static void fork_and_sleep(void) {
	int status = status_of_child(sleep_in_child, NULL);
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), SIGABRT);
	ck_assert_int_eq(arun_sleep(0.001), 0);
}

START_TEST(a_sleep_in_a_forked_child_aborts_it_and_not_the_parent) {
	assert_contains(run_reported(fork_and_sleep, 0), "arun_exec()");
}
END_TEST

static void exit_in_child(void) {
	if (API_ASAN) {
		/* It takes what only the entry's thread's stack points at for leaks. */
		_exit(3);
	}
	exit(3);
}

static void fork_and_exit(void) {
	arun_task *task = arun_spawn(sleep_long, NULL);
	ck_assert_int_eq(arun_sleep(0), 0);
	int status = status_of_child(exit_in_child, NULL);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 3);
	ck_assert_int_eq(arun_sleep(0.001), 0);
	arun_cancel(task);
	ck_assert_int_eq(joined(task), -ECANCELED);
}

START_TEST(a_forked_child_that_exits_reports_nothing) {
	ck_assert_str_eq(run_reported(fork_and_exit, 0), "");
}
END_TEST

Suite *suite(void) {
	Suite *suite = suite_create("fork");

	TCase *forks = tcase_create("threads and forks");
	tcase_add_test(forks, another_thread_is_outside_the_run);
	tcase_add_test(forks, another_thread_may_have_a_run_of_its_own);
	tcase_add_test(forks, what_another_run_has_open_is_no_leak_of_this);
	tcase_add_test(forks, a_thread_may_post_also_where_none_can_be_counted);
	if (!API_TSAN) {
		tcase_add_test(
			forks, a_deadlock_is_told_also_where_threads_cannot_be_counted);
	}
	if (!API_ASAN) { /* which sees no stack go that nobody returns from */
		tcase_add_test(
			forks, a_run_that_pthread_exit_has_ended_is_beside_no_later_one);
	}
	tcase_add_loop_test(forks, waking_a_task_from_another_thread_is_misuse, 0,
		(int)(sizeof wakings / sizeof *wakings));
	tcase_add_test(forks, an_event_that_nobody_waits_for_may_be_set_before_the_run);
	tcase_add_test(forks, what_the_parent_has_can_be_ended_in_a_forked_child);
	tcase_add_test(forks, a_sleep_in_a_forked_child_aborts_it_and_not_the_parent);
	tcase_add_test(forks, a_forked_child_that_exits_reports_nothing);
	suite_add_tcase(suite, forks);
	return suite;
}
