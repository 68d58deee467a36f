/* SPDX-License-Identifier: MIT */
/* What jobs return, and on which threads they run. */
#include "gate.h"
#include "job.h"
#include "suite.h"

#include <pthread.h>
#include <signal.h>

/* Results ---------------------------------------------------------------------- */

static int fail_with_enotty(void *arg) {
	*(pthread_t *)arg = pthread_self();
	errno = ENOTTY;
	return -3;
}

static int call_failing_job(void *arg) {
	pthread_t thread = pthread_self();
	int result = 0;
	(void)arg;

	errno = 0;
	int error = call(POOL_JOBS, fail_with_enotty, &thread, &result);

	ck_assert_int_eq(errno, ENOTTY);
	ck_assert_int_eq(error, 0);
	ck_assert_int_eq(result, -3);
	ck_assert(!pthread_equal(thread, pthread_self()));
	return 0;
}

START_TEST(a_job_runs_on_another_thread_and_its_result_and_errno_come_back) {
	with_pool(call_failing_job, NULL);
}
END_TEST

static int count_up(void *arg) {
	++*(unsigned *)arg;
	return 0;
}

static int call_many_jobs(void *arg) {
	unsigned *count = arg;
	int result;
	for (int i = 0; i < 1000; i++) {
		ck_assert_int_eq(call(POOL_JOBS, count_up, count, &result), 0);
	}
	ck_assert_uint_eq(pool_threads(drive_loop()), 1);
	return 0;
}

START_TEST(jobs_one_after_another_share_one_thread) {
	unsigned count = 0;
	with_pool(call_many_jobs, &count);
	ck_assert_uint_eq(count, 1000);
}
END_TEST

static int is_not_listed(void *arg) {
	(void)arg;
	return pool_job_here()->object.id == 0;
}

static int call_jobs_that_look(void *arg) {
	struct arun_task *self = sched_current->current;
	struct pool_request request = {
		.lane = POOL_JOBS, .name = "looks", .fn = is_not_listed};
	int result;
	(void)arg;
	for (int i = 0; i < 10000; i++) {
		ck_assert_int_eq(pool_call(self, &request, &result), 0);
		ck_assert_int_eq(result, 0);
	}
	return 0;
}

START_TEST(a_job_is_listed_before_it_runs) {
	with_pool(call_jobs_that_look, NULL);
}
END_TEST

static int let_others_run_during_job(void *arg) {
	struct gate *gate = arg;
	struct arun_task *task = drive_spawn(wait_at_gate, gate);
	drive_until(gate_count(gate) == 1);

	ck_assert(pool_busy(drive_loop()));
	ck_assert_uint_eq(drive_loop()->pending, 1);
	sem_post(&gate->open);
	ck_assert_int_eq(arun_join(task, NULL), 0);
	ck_assert(!pool_busy(drive_loop()));
	ck_assert_uint_eq(drive_loop()->pending, 0);
	return 0;
}

START_TEST(other_tasks_run_while_a_job_does_and_it_counts_as_pending) {
	struct gate gate;
	gate_init(&gate);
	with_pool(let_others_run_during_job, &gate);
	ck_assert_int_eq(gate.interrupted, 0);
	ck_assert_int_eq(gate.result, 7);
	ck_assert_uint_eq(gate.released, 0);
}
END_TEST

/* Alone, it must not be taken for a deadlock: drive() fails the test then. */
static int open_gate_from_job(void *arg) {
	struct gate *gate = arg;
	sem_post(&gate->open);
	int result = 0;
	ck_assert_int_eq(call(POOL_JOBS, gate_pass, gate, &result), 0);
	ck_assert_int_eq(result, 7);
	return 0;
}

START_TEST(a_task_that_waits_for_a_job_is_not_deadlocked) {
	struct gate gate;
	gate_init(&gate);
	with_pool(open_gate_from_job, &gate);
}
END_TEST

/* Threads ---------------------------------------------------------------------- */

enum { CROWD = 3 * POOL_THREADS };

static int crowd_at_gate(void *arg) {
	struct gate *gate = arg;
	struct arun_task *tasks[CROWD];
	for (int i = 0; i < CROWD; i++) {
		tasks[i] = drive_spawn(wait_at_gate, gate);
	}
	drive_until(gate_count(gate) == POOL_THREADS);

	ck_assert_uint_eq(pool_threads(drive_loop()), POOL_THREADS);
	ck_assert_uint_eq(drive_loop()->pending, CROWD);
	for (int i = 0; i < CROWD; i++) {
		sem_post(&gate->open);
	}
	for (int i = 0; i < CROWD; i++) {
		ck_assert_int_eq(arun_join(tasks[i], NULL), 0);
	}
	ck_assert_int_eq(gate_count(gate), CROWD);
	ck_assert_uint_eq(pool_threads(drive_loop()), POOL_THREADS);
	return 0;
}

START_TEST(at_most_four_jobs_of_a_lane_run_at_once_and_all_get_their_turn) {
	struct gate gate;
	gate_init(&gate);
	with_pool(crowd_at_gate, &gate);
}
END_TEST

static int call_past_full_lane(void *arg) {
	struct gate *gate = arg;
	struct arun_task *tasks[POOL_THREADS];
	for (int i = 0; i < POOL_THREADS; i++) {
		tasks[i] = drive_spawn(wait_at_gate_of_lookups, gate);
	}
	drive_until(gate_count(gate) == POOL_THREADS);

	unsigned count = 0;
	int result;
	ck_assert_int_eq(call(POOL_JOBS, count_up, &count, &result), 0);
	ck_assert_uint_eq(count, 1);

	for (int i = 0; i < POOL_THREADS; i++) {
		sem_post(&gate->open);
	}
	for (int i = 0; i < POOL_THREADS; i++) {
		ck_assert_int_eq(arun_join(tasks[i], NULL), 0);
	}
	return 0;
}

START_TEST(lookups_that_hang_do_not_hold_up_jobs) {
	struct gate gate;
	gate_init(&gate);
	with_pool(call_past_full_lane, &gate);
}
END_TEST

static int look_at_mask(void *arg) {
	pthread_sigmask(SIG_SETMASK, NULL, arg);
	return 0;
}

static int call_for_mask(void *arg) {
	int result;
	return call(POOL_JOBS, look_at_mask, arg, &result);
}

START_TEST(threads_block_all_signals_and_the_caller_keeps_its_mask) {
	sigset_t before, inside, after;
	pthread_sigmask(SIG_SETMASK, NULL, &before);
	sigemptyset(&inside);

	with_pool(call_for_mask, &inside);

	const int signals[] = {
		SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGUSR1, SIGCHLD, SIGALRM};
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	for (size_t i = 0; i < count_of(signals); i++) {
		ck_assert_int_eq(sigismember(&inside, signals[i]), 1);
		ck_assert_int_eq(sigismember(&after, signals[i]),
			sigismember(&before, signals[i]));
	}
}
END_TEST

static int wait_for_idle_end(void *arg) {
	unsigned count = 0;
	int result;
	(void)arg;
	ck_assert_int_eq(call(POOL_JOBS, count_up, &count, &result), 0);
	double start = loop_clock();

	drive_until(pool_threads(drive_loop()) == 0);

	ck_assert_double_gt(loop_clock() - start, POOL_IDLE - 0.5);
	ck_assert_int_eq(call(POOL_JOBS, count_up, &count, &result), 0);
	ck_assert_uint_eq(count, 2);
	return 0;
}

START_TEST(idle_threads_end_by_themselves_and_come_back_when_needed) {
	with_pool(wait_for_idle_end, NULL);
}
END_TEST

Suite *suite(void) {
	Suite *suite = suite_create("pool");
	TCase *core = tcase_create("core");
	tcase_add_test(
		core, a_job_runs_on_another_thread_and_its_result_and_errno_come_back);
	tcase_add_test(core, jobs_one_after_another_share_one_thread);
	tcase_add_test(core, a_job_is_listed_before_it_runs);
	tcase_add_test(core, other_tasks_run_while_a_job_does_and_it_counts_as_pending);
	tcase_add_test(core, a_task_that_waits_for_a_job_is_not_deadlocked);
	tcase_add_test(
		core, at_most_four_jobs_of_a_lane_run_at_once_and_all_get_their_turn);
	tcase_add_test(core, lookups_that_hang_do_not_hold_up_jobs);
	tcase_add_test(core, threads_block_all_signals_and_the_caller_keeps_its_mask);
	tcase_add_test(core, idle_threads_end_by_themselves_and_come_back_when_needed);
	suite_add_tcase(suite, core);
	return suite;
}
