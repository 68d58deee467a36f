/* SPDX-License-Identifier: MIT */
#include "drive.h"
#include "pool.h"
#include "suite.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A job that ends when it is told to. */
struct gate {
	sem_t first, entered, open;
	int result;
	unsigned released; /* by the pool */
	int interrupted;   /* what pool_call() returned */
	pid_t thread;      /* the first that entered */
};

static void gate_init(struct gate *gate) {
	*gate = (struct gate){.result = -1};
	sem_init(&gate->first, 0, 1);
	sem_init(&gate->entered, 0, 0);
	sem_init(&gate->open, 0, 0);
}

static int gate_pass(void *arg) {
	struct gate *gate = arg;
	if (!sem_trywait(&gate->first)) {
		gate->thread = (pid_t)syscall(SYS_gettid);
	}
	sem_post(&gate->entered);
	while (sem_wait(&gate->open) < 0) {
	}
	return 7;
}

static void gate_release(void *arg) {
	struct gate *gate = arg;
	gate->released++;
}

static int gate_count(struct gate *gate) {
	int count = 0;
	sem_getvalue(&gate->entered, &count);
	return count;
}

static int call(enum pool_lane lane, int (*fn)(void *), void *arg, int *result) {
	return pool_call(sched_current->current, lane, fn, arg, NULL, result);
}

/* The task of one job at a gate. */
static int wait_at_gate(void *arg) {
	struct gate *gate = arg;
	gate->interrupted = pool_call(sched_current->current, POOL_JOBS, gate_pass, gate,
		gate_release, &gate->result);
	return 0;
}

static int wait_at_gate_of_lookups(void *arg) {
	struct gate *gate = arg;
	gate->interrupted = pool_call(sched_current->current, POOL_LOOKUPS, gate_pass,
		gate, gate_release, &gate->result);
	return 0;
}

/* Runs fn in a task of a loop that collects, and ends the pool. */
static void with_pool(int (*fn)(void *), void *arg) {
	struct drive drive;
	drive_init(&drive);
	drive.loop.woken = pool_collect;
	ck_assert_int_eq(drive_run(&drive, fn, arg), 0);
	ck_assert(pool_finish(&drive.loop, loop_clock() + 10));
	ck_assert_ptr_null(drive.loop.pool);
	drive_finish(&drive);
}

/* Results
 * ----------------------------------------------------------------------------------- */

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

/* Threads
 * ----------------------------------------------------------------------------------- */

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

/* Waits that are cut short
 * -------------------------------------------------------------------- */

static int cancel_running_job(void *arg) {
	struct gate *gate = arg;
	struct arun_task *task = drive_spawn(wait_at_gate, gate);
	drive_until(gate_count(gate) == 1);

	arun_cancel(task);
	ck_assert_int_eq(arun_join(task, NULL), 0);
	ck_assert_int_eq(gate->interrupted, ECANCELED);
	ck_assert_uint_eq(gate->released, 0);
	ck_assert(pool_busy(drive_loop()));
	ck_assert_uint_eq(drive_loop()->pending, 1);

	sem_post(&gate->open);
	drive_until(gate->released == 1);
	ck_assert(!pool_busy(drive_loop()));
	ck_assert_uint_eq(drive_loop()->pending, 0);
	return 0;
}

START_TEST(a_cancelled_wait_leaves_an_orphan_that_is_released_when_it_has_ended) {
	struct gate gate;
	gate_init(&gate);
	with_pool(cancel_running_job, &gate);
	ck_assert_uint_eq(gate.released, 1);
	ck_assert_int_eq(gate.result, -1);
}
END_TEST

static int cancel_queued_job(void *arg) {
	struct gate *gates = arg;
	struct arun_task *tasks[POOL_THREADS];
	for (int i = 0; i < POOL_THREADS; i++) {
		tasks[i] = drive_spawn(wait_at_gate, &gates[0]);
	}
	drive_until(gate_count(&gates[0]) == POOL_THREADS);
	struct arun_task *late = drive_spawn(wait_at_gate, &gates[1]);
	drive_until(drive_loop()->pending == POOL_THREADS + 1);

	arun_cancel(late);
	ck_assert_int_eq(arun_join(late, NULL), 0);

	ck_assert_int_eq(gates[1].interrupted, ECANCELED);
	ck_assert_uint_eq(gates[1].released, 1);
	ck_assert_uint_eq(drive_loop()->pending, POOL_THREADS);
	for (int i = 0; i < POOL_THREADS; i++) {
		sem_post(&gates[0].open);
	}
	for (int i = 0; i < POOL_THREADS; i++) {
		ck_assert_int_eq(arun_join(tasks[i], NULL), 0);
	}
	return 0;
}

START_TEST(a_cancelled_job_that_has_not_started_never_runs) {
	struct gate gates[2];
	gate_init(&gates[0]);
	gate_init(&gates[1]);
	with_pool(cancel_queued_job, gates);
	ck_assert_int_eq(gate_count(&gates[1]), 0);
}
END_TEST

static int call_when_cancelled(void *arg) {
	arun_cancel(arun_self());
	wait_at_gate(arg);
	task_uncancel(arun_self());
	ck_assert_ptr_null(drive_loop()->pool);
	return 0;
}

START_TEST(a_cancelled_task_starts_no_job) {
	struct gate gate;
	gate_init(&gate);
	with_pool(call_when_cancelled, &gate);
	ck_assert_int_eq(gate.interrupted, ECANCELED);
	ck_assert_uint_eq(gate.released, 1);
	ck_assert_int_eq(gate_count(&gate), 0);
}
END_TEST

static int time_out(void *arg) {
	struct gate *gate = arg;
	struct arun_task *self = arun_self();
	struct scope scope = {.task = self, .seconds = 0.01, .time = loop_clock() + 0.01};
	self->scopes = &scope;
	wait_at_gate(gate);
	self->scopes = NULL;
	sem_post(&gate->open);
	drive_until(gate->released == 1);
	return 0;
}

START_TEST(a_wait_past_a_timeout_leaves_an_orphan_too) {
	struct gate gate;
	gate_init(&gate);
	with_pool(time_out, &gate);
	ck_assert_int_eq(gate.interrupted, ETIMEDOUT);
}
END_TEST

static unsigned wakes;

static void count_wake(struct loop *loop) {
	(void)loop;
	wakes++;
}

/* The job has ended before the cancel, and the loop has not collected it. */
static int cancel_ended_job(void *arg) {
	struct gate *gate = arg;
	drive_loop()->woken = count_wake;
	sem_post(&gate->open);
	struct arun_task *task = drive_spawn(wait_at_gate, gate);
	drive_until(wakes == 1);

	arun_cancel(task);
	ck_assert_int_eq(arun_join(task, NULL), 0);
	return 0;
}

START_TEST(a_result_that_is_there_is_not_lost_by_a_cancel) {
	struct gate gate;
	gate_init(&gate);
	with_pool(cancel_ended_job, &gate);
	ck_assert_int_eq(gate.interrupted, 0);
	ck_assert_int_eq(gate.result, 7);
	ck_assert_uint_eq(gate.released, 0);
}
END_TEST

static int call_without_threads(void *arg) {
	pthread_attr_t usual, huge;
	pthread_getattr_default_np(&usual);
	pthread_attr_init(&huge);
	pthread_attr_setstacksize(&huge, (size_t)1 << 46);
	ck_assert_int_eq(pthread_setattr_default_np(&huge), 0);

	wait_at_gate(arg);
	ck_assert(!pool_busy(drive_loop()));
	ck_assert_uint_eq(drive_loop()->pending, 0);

	ck_assert_int_eq(pthread_setattr_default_np(&usual), 0);
	pthread_attr_destroy(&usual);
	pthread_attr_destroy(&huge);
	return 0;
}

START_TEST(a_thread_that_cannot_be_started_is_EAGAIN_and_releases_the_argument) {
	struct gate gate;
	gate_init(&gate);
	with_pool(call_without_threads, &gate);
	ck_assert_int_eq(gate.interrupted, EAGAIN);
	ck_assert_uint_eq(gate.released, 1);
}
END_TEST

/* The end
 * --------------------------------------------------------------------------------------
 */

/* Leaves a running orphan behind. */
static int orphan_job(void *arg) {
	struct gate *gate = arg;
	struct arun_task *task = drive_spawn(wait_at_gate, gate);
	drive_until(gate_count(gate) == 1);
	arun_cancel(task);
	ck_assert_int_eq(arun_join(task, NULL), 0);
	return 0;
}

START_TEST(finish_without_a_pool_does_nothing) {
	struct drive drive;
	drive_init(&drive);
	ck_assert(pool_finish(&drive.loop, 0));
	ck_assert(!pool_busy(&drive.loop));
	ck_assert_uint_eq(pool_threads(&drive.loop), 0);
	drive_finish(&drive);
}
END_TEST

START_TEST(finish_waits_for_a_job_that_ends_in_time_and_releases_it) {
	struct drive drive;
	struct gate gate;
	gate_init(&gate);
	drive_init(&drive);
	drive.loop.woken = pool_collect;
	ck_assert_int_eq(drive_run(&drive, orphan_job, &gate), 0);

	sem_post(&gate.open);
	ck_assert(pool_finish(&drive.loop, loop_clock() + 10));

	ck_assert_uint_eq(gate.released, 1);
	ck_assert_uint_eq(drive.loop.pending, 0);
	drive_finish(&drive);
}
END_TEST

static struct pool *volatile kept; /* LeakSanitizer sees that it is not lost */

START_TEST(finish_abandons_a_job_at_the_deadline_and_the_job_may_go_on) {
	struct drive drive;
	static struct gate gate;
	gate_init(&gate);
	drive_init(&drive);
	drive.loop.woken = pool_collect;
	ck_assert_int_eq(drive_run(&drive, orphan_job, &gate), 0);
	kept = drive.loop.pool;
	char name[64];
	double start = loop_clock();

	ck_assert(!pool_finish(&drive.loop, start + 0.05));
	drive_finish(&drive);
	ck_assert_double_gt(loop_clock() - start, 0.04);
	ck_assert_double_lt(loop_clock() - start, 5);

	memset(&drive, 0xdb, sizeof drive);
	sem_post(&gate.open);
	snprintf(name, sizeof name, "/proc/self/task/%d", (int)gate.thread);
	while (access(name, F_OK) == 0) {
		ck_assert_double_lt(loop_clock() - start, 10);
		sched_yield();
	}
	ck_assert_uint_eq(gate.released, 0);
}
END_TEST

/* One more than there are threads, so that the last has no thread. */
static int leave_queued_job(void *arg) {
	struct gate *gates = arg;
	for (int i = 0; i < POOL_THREADS; i++) {
		drive_spawn(wait_at_gate, &gates[0]);
	}
	drive_until(gate_count(&gates[0]) == POOL_THREADS);
	struct arun_task *last = drive_spawn(wait_at_gate, &gates[1]);
	drive_until(drive_loop()->pending == POOL_THREADS + 1);
	kept = drive_loop()->pool;
	ck_assert(!pool_finish(drive_loop(), loop_clock()));
	ck_assert_int_eq(arun_join(last, NULL), 0);
	return 0;
}

START_TEST(finish_drops_jobs_that_have_not_started_and_their_tasks_get_ECANCELED) {
	static struct gate gates[2]; /* the threads are abandoned at one of them */
	gate_init(&gates[0]);
	gate_init(&gates[1]);
	with_pool(leave_queued_job, gates);
	ck_assert_int_eq(gate_count(&gates[1]), 0);
	ck_assert_int_eq(gates[1].interrupted, ECANCELED);
	ck_assert_uint_eq(gates[1].released, 1);
}
END_TEST

Suite *suite(void) {
	Suite *suite = suite_create("pool");
	TCase *core = tcase_create("core");
	tcase_add_test(
		core, a_job_runs_on_another_thread_and_its_result_and_errno_come_back);
	tcase_add_test(core, jobs_one_after_another_share_one_thread);
	tcase_add_test(core, other_tasks_run_while_a_job_does_and_it_counts_as_pending);
	tcase_add_test(core, a_task_that_waits_for_a_job_is_not_deadlocked);
	tcase_add_test(
		core, at_most_four_jobs_of_a_lane_run_at_once_and_all_get_their_turn);
	tcase_add_test(core, lookups_that_hang_do_not_hold_up_jobs);
	tcase_add_test(core, threads_block_all_signals_and_the_caller_keeps_its_mask);
	tcase_add_test(core, idle_threads_end_by_themselves_and_come_back_when_needed);
	tcase_add_test(core,
		a_cancelled_wait_leaves_an_orphan_that_is_released_when_it_has_ended);
	tcase_add_test(core, a_cancelled_job_that_has_not_started_never_runs);
	tcase_add_test(core, a_cancelled_task_starts_no_job);
	tcase_add_test(core, a_wait_past_a_timeout_leaves_an_orphan_too);
	tcase_add_test(core, a_result_that_is_there_is_not_lost_by_a_cancel);
	tcase_add_test(core,
		a_thread_that_cannot_be_started_is_EAGAIN_and_releases_the_argument);
	tcase_add_test(core, finish_without_a_pool_does_nothing);
	tcase_add_test(core, finish_waits_for_a_job_that_ends_in_time_and_releases_it);
	tcase_add_test(core, finish_abandons_a_job_at_the_deadline_and_the_job_may_go_on);
	tcase_add_test(core,
		finish_drops_jobs_that_have_not_started_and_their_tasks_get_ECANCELED);
	suite_add_tcase(suite, core);
	return suite;
}
