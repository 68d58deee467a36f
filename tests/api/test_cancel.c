/* SPDX-License-Identifier: MIT */
#include "bodies.h"

/* Bodies of tasks. */

static int sleep_long_and_tell(void *arg) {
	int *error = arg;
	*error = arun_sleep(FOREVER) < 0 ? errno : 0;
	return 0;
}

static int note_and_yield(void *arg) {
	for (int i = 0; i < 3; i++) {
		note(*(const char *)arg);
		let_others_run(1);
	}
	return 0;
}

/* Cancel --------------------------------------------------------------------------------------- */

CLAIM(cancel_ends_the_wait_with_ECANCELED) {
	int error = 0;
	arun_task *task = arun_spawn(sleep_long_and_tell, &error);
	let_others_run(1);
	arun_cancel(task);
	joined(task);
	ck_assert_int_eq(error, ECANCELED);
}

static int note_three_cancels(void *arg) {
	for (int i = 0; i < 3; i++) {
		assert_fails(arun_sleep(FOREVER), ECANCELED);
		note(*(const char *)arg);
	}
	return 0;
}

CLAIM(each_later_suspending_call_fails_and_the_others_run_in_between) {
	arun_task *task = arun_spawn(note_three_cancels, WORD("c"));
	arun_task *other = arun_spawn(note_and_yield, WORD("o"));
	arun_cancel(task);
	joined(task);
	joined(other);
	assert_trace("ocococ");
}

CLAIM(a_task_cancelled_before_it_ran_still_runs_and_its_first_wait_fails) {
	arun_task *task = arun_spawn(linger, NULL);
	arun_cancel(task);
	ck_assert_int_eq(joined(task), 5);
}

/* A task, and two that join it: one is cancelled, and lets the others run before it would wait. */
static struct {
	arun_task *task;
	bool ends;
} joint;

static int end_when_told(void *arg) {
	while (!joint.ends) {
		let_others_run(1);
	}
	return *(int *)arg;
}

static int join_and_reuse(void *arg) {
	(void)arg;
	int result = joined(joint.task);
	/* What was freed is in use again. */
	return joined(arun_spawn(return_number, &result));
}

static int join_cancelled(void *arg) {
	int result = -1;
	(void)arg;
	arun_cancel(arun_self());
	joint.ends = true;
	ck_assert_int_eq(arun_join(joint.task, &result), 0);
	return result;
}

CLAIM(a_cancelled_join_of_a_task_that_ends_meanwhile_gets_its_result) {
	int seven = 7;
	joint.task = arun_spawn(end_when_told, &seven);
	arun_task *first = arun_spawn(join_and_reuse, NULL);
	let_others_run(1);
	arun_task *second = arun_spawn(join_cancelled, NULL);
	ck_assert_int_eq(joined(first), 7);
	ck_assert_int_eq(joined(second), 7);
}

CLAIM(cancel_takes_NULL) {
	arun_cancel(NULL);
	(arun_cancel)(NULL);
}

CLAIM(cancel_of_an_ended_task_changes_nothing) {
	int seven = 7;
	arun_task *task = arun_spawn(return_number, &seven);
	let_others_run(1);
	arun_cancel(task);
	ck_assert_int_eq(joined(task), 7);
}

CLAIM(a_task_may_cancel_itself) {
	arun_cancel(arun_self());
	assert_fails(arun_sleep(0), ECANCELED);
	assert_fails(arun_sleep(0), ECANCELED);
}

static int join_it(void *arg) {
	int result = -99;
	return arun_join(*(arun_task **)arg, &result) < 0 ? -1 : result;
}

CLAIM(two_cancelled_tasks_that_join_each_other_can_be_joined_by_a_third) {
	arun_task *tasks[2], *joiners[2];
	for (int i = 0; i < 2; i++) {
		tasks[i] = arun_spawn(join_it, &tasks[1 - i]);
	}
	let_others_run(1);
	/* They find the cycle as it is before the two have run again. */
	for (int i = 0; i < 2; i++) {
		joiners[i] = arun_spawn(join_it, &tasks[i]);
	}
	arun_cancel(tasks[0]);
	arun_cancel(tasks[1]);
	ck_assert_int_eq(joined(joiners[0]), -ECANCELED);
	ck_assert_int_eq(joined(joiners[1]), -ECANCELED);
}

/* Joins it from a group, with another task between them or not. */
struct circle {
	arun_task *joined; /* by the one in the group */
	arun_task *outer;  /* that declares the group */
	int error;         /* of that one's join */
};

static int join_in_group(void *arg) {
	struct circle *circle = arg;
	int status = arun_join(circle->joined, NULL);
	circle->error = status < 0 ? errno : 0;
	return status;
}

static int declare_and_wait(void *arg) {
	ARUN_GROUP(group);
	ck_assert_int_eq(arun_group_spawn(group, join_in_group, arg), 0);
	return arun_group_wait(group);
}

CLAIM(a_cancelled_task_does_not_wait_for_one_of_its_group_that_joins_it) {
	struct circle circle = {.error = -1};
	circle.joined = circle.outer = arun_spawn(declare_and_wait, &circle);
	let_others_run(2);
	arun_cancel(circle.outer);
	ck_assert_int_eq(joined(circle.outer), -ECANCELED);
	ck_assert_int_eq(circle.error, ECANCELED);
}

CLAIM(nor_for_one_that_joins_another_which_joins_it) {
	struct circle circle = {.error = -1};
	circle.outer = arun_spawn(declare_and_wait, &circle);
	circle.joined = arun_spawn(join_it, &circle.outer);
	let_others_run(2);
	arun_task *others[] = {circle.joined, circle.outer};
	for (int i = 0; i < 2; i++) {
		arun_cancel(others[i]);
	}
	ck_assert_int_eq(joined(circle.outer), -ECANCELED);
}

CLAIM(nor_do_two_whose_groups_join_the_other) {
	struct circle circles[2] = {{.error = -1}, {.error = -1}};
	for (int i = 0; i < 2; i++) {
		circles[i].outer = arun_spawn(declare_and_wait, &circles[i]);
		circles[1 - i].joined = circles[i].outer;
	}
	let_others_run(2);
	arun_cancel(circles[0].outer);
	arun_cancel(circles[1].outer);
	ck_assert_int_eq(joined(circles[0].outer), -ECANCELED);
	ck_assert_int_eq(joined(circles[1].outer), -ECANCELED);
}

/* One that closes a generator, or a server, is joined by the body, or by a handler. */
static arun_task *closer;
static arun_server *server;
static int closed, join_error;
static bool under_way; /* who is to be closed has begun, and the closer waits */

static int join_the_closer(void *arg) {
	(void)arg;
	while (arun_gen_yield(&closed) == 0) {
	}
	join_error = arun_join(closer, NULL) < 0 ? errno : 0;
	return 0;
}

static int close_generator(void *arg) {
	arun_gen *gen = arun_gen_new(join_the_closer, arg);
	arun_gen_next(gen);
	under_way = true;
	arun_sleep(FOREVER);
	closed = arun_gen_close(gen);
	return 0;
}

static int handle_and_join(arun_conn *conn, void *arg) {
	(void)conn;
	(void)arg;
	under_way = true;
	join_error = arun_join(closer, NULL) < 0 ? errno : 0;
	return 0;
}

static int close_server(void *arg) {
	(void)arg;
	server = arun_listen("127.0.0.1:0", handle_and_join, NULL);
	arun_conn *conn = arun_connect(arun_server_address(server));
	arun_sleep(FOREVER);
	closed = arun_server_close(server);
	arun_abort(conn);
	return 0;
}

static int (*const closers[])(void *) = {close_generator, close_server};
static int chosen;

static void cancel_the_closer(void) {
	closed = join_error = -1;
	under_way = false;
	closer = arun_spawn(closers[chosen], NULL);
	while (!under_way) {
		let_others_run(1);
	}
	arun_stop(0);
	arun_cancel(closer);
	ck_assert_int_eq(joined(closer), 0);
}

START_TEST(a_circle_through_a_close_ends_before_the_grace_time) {
	arun_options options = {.struct_size = sizeof options, .grace = 4};
	chosen = _i;
	api_body = cancel_the_closer;
	ck_assert_int_eq(arun_run(api_entry, 0, NULL, &options), 0);
	ck_assert_int_eq(join_error, ECANCELED);
	ck_assert_int_eq(closed, 0);
}
END_TEST

enum { CHAIN = 30000 };
static arun_task *chain[CHAIN];

static int join_the_one_before(void *arg) {
	arun_task **mine = arg;
	return mine == chain ? arun_sleep(FOREVER) : arun_join(mine[-1], NULL);
}

/* Each looks for a circle of those who wait for it. */
CLAIM(a_long_chain_of_joins_is_cancelled_within_the_grace_time) {
	for (int i = 0; i < CHAIN; i++) {
		chain[i] = arun_spawn(join_the_one_before, &chain[i]);
		ck_assert_ptr_nonnull(chain[i]);
	}
	let_others_run(2);
	arun_stop(0);
	for (int i = CHAIN; i-- > 0;) {
		arun_cancel(chain[i]);
	}
	ck_assert_int_eq(arun_join(chain[CHAIN - 1], NULL), 0);
}

CLAIM(the_second_cancel_changes_nothing) {
	arun_task *task = arun_spawn(linger, NULL);
	arun_cancel(task);
	let_others_run(1);
	arun_cancel(task);
	ck_assert_int_eq(joined(task), 5);
}

static int ignore_1000_cancels(void *arg) {
	(void)arg;
	for (int i = 0; i < 1000; i++) {
		if (arun_sleep(0) == 0) {
			return -1;
		}
	}
	return 0;
}

static void ignore_in_run(void) {
	arun_task *task = arun_spawn(ignore_1000_cancels, NULL);
	arun_cancel(task);
	ck_assert_int_eq(joined(task), 0);
}

START_TEST(a_task_that_ignores_1000_cancelled_waits_is_named_on_stderr) {
	assert_contains(run_reported(ignore_in_run, 0), "\"ignore_1000_cancels\"");
}
END_TEST

/* errno and arun_why() ------------------------------------------------------------------------- */

static int keep_errno(void *arg) {
	int mine = *(int *)arg;
	for (int i = 0; i < 5; i++) {
		errno = mine;
		let_others_run(1);
		ck_assert_int_eq(errno, mine);
	}
	return 0;
}

CLAIM(errno_is_kept_per_task_across_suspensions) {
	int errors[] = {EXDEV, EDOM};
	arun_task *first = arun_spawn(keep_errno, &errors[0]);
	arun_task *second = arun_spawn(keep_errno, &errors[1]);
	joined(first);
	joined(second);
}

static int tell_errno(void *arg) {
	*(int *)arg = errno;
	return 0;
}

CLAIM(a_task_starts_with_errno_0) {
	int error = -1;
	arun_task *task = arun_spawn(tell_errno, &error);
	errno = EDOM;
	joined(task);
	ck_assert_int_eq(error, 0);
}

CLAIM(why_is_empty_where_nothing_failed) {
	ck_assert_str_eq(arun_why(), "");
}

START_TEST(why_is_empty_outside_a_run) {
	ck_assert_str_eq(arun_why(), "");
}
END_TEST

static int tell_why(void *arg) {
	arun_sleep(FOREVER);
	strncpy(arg, arun_why(), 255);
	return 0;
}

CLAIM(why_says_who_cancelled_and_where) {
	char why[256] = "", where[256];
	arun_set_name(NULL, "the boss");
	arun_task *task = arun_spawn(tell_why, why);
	arun_cancel(task);
	snprintf(where, sizeof where, "%s:%d", __FILE__, __LINE__ - 1);
	joined(task);
	assert_contains(why, "sleep");
	assert_contains(why, "cancelled by the boss");
	assert_contains(why, where);
}

CLAIM(why_names_the_task_that_could_not_be_joined) {
	arun_task *task = arun_spawn(sleep_long, NULL);
	arun_set_name(task, "slow %d", 1);
	{
		ARUN_TIMEOUT(0);
		assert_fails(arun_join(task, NULL), ETIMEDOUT);
	}
	assert_contains(arun_why(), "join slow 1");
	arun_cancel(task);
	joined(task);
}

CLAIM(why_belongs_to_its_task) {
	int error = 0;
	arun_task *task = arun_spawn(sleep_long_and_tell, &error);
	arun_cancel(task);
	joined(task);
	ck_assert_str_eq(arun_why(), "");
}

static void add_cancel(Suite *suite) {
	TCase *cancel = tcase_create("cancel");
	tcase_add_test(cancel, cancel_ends_the_wait_with_ECANCELED);
	tcase_add_test(
		cancel, each_later_suspending_call_fails_and_the_others_run_in_between);
	tcase_add_test(cancel,
		a_task_cancelled_before_it_ran_still_runs_and_its_first_wait_fails);
	tcase_add_test(
		cancel, a_cancelled_join_of_a_task_that_ends_meanwhile_gets_its_result);
	tcase_add_test(cancel, cancel_takes_NULL);
	tcase_add_test(cancel, cancel_of_an_ended_task_changes_nothing);
	tcase_add_test(cancel, a_task_may_cancel_itself);
	tcase_add_test(cancel,
		two_cancelled_tasks_that_join_each_other_can_be_joined_by_a_third);
	tcase_add_test(cancel,
		a_cancelled_task_does_not_wait_for_one_of_its_group_that_joins_it);
	tcase_add_test(cancel, nor_for_one_that_joins_another_which_joins_it);
	tcase_add_test(cancel, nor_do_two_whose_groups_join_the_other);
	tcase_add_loop_test(
		cancel, a_circle_through_a_close_ends_before_the_grace_time, 0, 2);
	tcase_add_test(cancel, a_long_chain_of_joins_is_cancelled_within_the_grace_time);
	tcase_add_test(cancel, the_second_cancel_changes_nothing);
	tcase_add_test(
		cancel, a_task_that_ignores_1000_cancelled_waits_is_named_on_stderr);
	suite_add_tcase(suite, cancel);

	TCase *why = tcase_create("why");
	tcase_add_test(why, errno_is_kept_per_task_across_suspensions);
	tcase_add_test(why, a_task_starts_with_errno_0);
	tcase_add_test(why, why_is_empty_where_nothing_failed);
	tcase_add_test(why, why_is_empty_outside_a_run);
	tcase_add_test(why, why_says_who_cancelled_and_where);
	tcase_add_test(why, why_names_the_task_that_could_not_be_joined);
	tcase_add_test(why, why_belongs_to_its_task);
	suite_add_tcase(suite, why);
}

Suite *suite(void) {
	Suite *suite = suite_create("cancel");
	add_cancel(suite);
	return suite;
}
