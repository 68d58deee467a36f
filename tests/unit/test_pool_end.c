/* SPDX-License-Identifier: MIT */
/* Jobs that nobody waits for any more, and the end of the pool. */
#include "gate.h"
#include "suite.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

/* Waits that are cut short ----------------------------------------------------- */

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
	task_set_scopes(self, &scope);
	wait_at_gate(gate);
	task_set_scopes(self, NULL);
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

/* The end ---------------------------------------------------------------------- */

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
	Suite *suite = suite_create("pool_end");
	TCase *core = tcase_create("core");
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
