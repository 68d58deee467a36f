/* SPDX-License-Identifier: MIT */
/* What cannot be answered by an errno: one line on stderr that names the place, and SIGABRT. */
#include "misuse.h"

#include <ev.h>

/* The same outside a run. */
#define MISUSE_OUTSIDE(name, words)                                                      \
	static void name##_body(void);                                                   \
	START_TEST(name) {                                                               \
		assert_misuse(name##_body, words);                                       \
	}                                                                                \
	END_TEST                                                                         \
	static void name##_body(void)

/* Outside a task ------------------------------------------------------------------------------- */

MISUSE_OUTSIDE(a_sleep_outside_a_run_aborts, "arun_sleep() outside a task") {
	arun_sleep(0);
}

MISUSE_OUTSIDE(a_join_outside_a_run_aborts, "arun_join() outside a task") {
	arun_join(NULL, NULL);
}

MISUSE_OUTSIDE(a_yield_outside_a_run_aborts, "arun_yield() outside a task") {
	arun_yield();
}

MISUSE_OUTSIDE(a_gen_next_outside_a_run_aborts, "arun_gen_next() outside a task") {
	arun_gen_next(NULL);
}

MISUSE_OUTSIDE(a_gen_yield_outside_a_run_aborts, "arun_gen_yield() outside a task") {
	arun_gen_yield(NULL);
}

MISUSE_OUTSIDE(a_connect_outside_a_run_aborts, "arun_connect() outside a task") {
	arun_connect("tcp:127.0.0.1:1");
}

MISUSE_OUTSIDE(a_group_outside_a_run_aborts, "ARUN_GROUP") {
	ARUN_GROUP(group);
}

MISUSE_OUTSIDE(a_timeout_outside_a_run_aborts, "ARUN_TIMEOUT") {
	ARUN_TIMEOUT(1);
}

MISUSE_OUTSIDE(a_shield_outside_a_run_aborts, "ARUN_SHIELD") {
	ARUN_SHIELD(1);
}

static void sleep_in_callback(struct ev_loop *loop, ev_timer *timer, int events) {
	(void)loop;
	(void)timer;
	(void)events;
	arun_sleep(0);
}

MISUSE(a_sleep_in_a_callback_of_the_loop_aborts, "in a callback of the loop") {
	ev_timer timer;
	ev_timer_init(&timer, sleep_in_callback, 0, 0);
	ev_timer_start(arun_loop(), &timer);
	arun_sleep(FOREVER);
}

/* Handles that are gone ------------------------------------------------------------------------ */

static int return_0(void *arg) {
	(void)arg;
	return 0;
}

static arun_task *gone(void) {
	arun_task *task = arun_spawn(return_0, NULL);
	joined(task);
	return task;
}

MISUSE(a_join_of_a_joined_task_aborts, "arun_join() of a task that was joined before") {
	arun_join(gone(), NULL);
}

MISUSE(a_cancel_of_a_joined_task_aborts, "arun_cancel() of a task that is gone") {
	arun_cancel(gone());
}

/* A plain function: its place is not known. */
static void detach_gone(void) {
	arun_detach(gone());
}

static void detach_in_run(void) {
	fprintf(stderr, "%s: ", __FILE__);
	run(detach_gone);
}

START_TEST(a_detach_of_a_joined_task_aborts) {
	assert_misuse(detach_in_run, "arun_detach() of a task that is gone");
}
END_TEST

static arun_gen *closed_gen(void) {
	arun_gen *gen = arun_gen_new(return_0, NULL);
	arun_gen_close(gen);
	return gen;
}

MISUSE(a_second_close_of_a_generator_aborts,
	"arun_gen_close() of a generator that is gone") {
	arun_gen_close(closed_gen());
}

MISUSE(a_next_of_a_closed_generator_aborts,
	"arun_gen_next() of a generator that is gone") {
	arun_gen_next(closed_gen());
}

MISUSE(a_second_close_of_a_connection_aborts,
	"arun_close() of a connection that is gone") {
	arun_close(closed_conn());
}

MISUSE(a_read_of_a_closed_connection_aborts, "arun_read() of a connection that is gone") {
	char byte;
	arun_read(closed_conn(), &byte, 1);
}

static void shut_gone(void) {
	arun_shutdown(closed_conn());
}

static void shut_in_run(void) {
	fprintf(stderr, "%s: ", __FILE__);
	run(shut_gone);
}

START_TEST(a_shutdown_of_a_closed_connection_aborts) {
	assert_misuse(shut_in_run, "arun_shutdown() of a connection that is gone");
}
END_TEST

static void idle_gone(void) {
	arun_idle(closed_conn());
}

static void idle_in_run(void) {
	fprintf(stderr, "%s: ", __FILE__);
	run(idle_gone);
}

START_TEST(a_closed_connection_that_is_idle_aborts) {
	assert_misuse(idle_in_run, "arun_idle() of a connection that is gone");
}
END_TEST

static int handle_nothing(arun_conn *conn, void *arg) {
	(void)conn;
	(void)arg;
	return 0;
}

MISUSE(a_second_close_of_a_server_aborts,
	"arun_server_close() of a server that is gone") {
	arun_server *server = arun_listen("tcp:127.0.0.1:0", handle_nothing, NULL);
	ck_assert_ptr_nonnull(server);
	arun_server_close(server);
	arun_server_close(server);
}

/* Not EINVAL, as of one with a handler that is there. */
MISUSE(an_accept_of_a_closed_server_aborts, "arun_accept() of a server that is gone") {
	arun_server *server = arun_listen("tcp:127.0.0.1:0", handle_nothing, NULL);
	ck_assert_ptr_nonnull(server);
	arun_server_close(server);
	arun_accept(server);
}

/* Groups --------------------------------------------------------------------------------------- */

static int wait_for_it(void *arg) {
	return arun_group_wait(arg);
}

MISUSE(a_wait_by_another_task_than_the_groups_aborts,
	"arun_group_wait() by another task") {
	ARUN_GROUP(group);
	arun_group_spawn(group, wait_for_it, group);
	arun_group_wait(group);
}

static int first_of_it(void *arg) {
	return arun_group_first(arg);
}

MISUSE(a_first_by_another_task_than_the_groups_aborts,
	"arun_group_first() by another task") {
	ARUN_GROUP(group);
	arun_group_spawn(group, first_of_it, group);
	arun_group_wait(group);
}

Suite *suite(void) {
	Suite *suite = suite_create("misuse");

	TCase *outside = tcase_create("outside");
	tcase_add_test(outside, a_sleep_outside_a_run_aborts);
	tcase_add_test(outside, a_join_outside_a_run_aborts);
	tcase_add_test(outside, a_yield_outside_a_run_aborts);
	tcase_add_test(outside, a_gen_next_outside_a_run_aborts);
	tcase_add_test(outside, a_gen_yield_outside_a_run_aborts);
	tcase_add_test(outside, a_connect_outside_a_run_aborts);
	tcase_add_test(outside, a_group_outside_a_run_aborts);
	tcase_add_test(outside, a_timeout_outside_a_run_aborts);
	tcase_add_test(outside, a_shield_outside_a_run_aborts);
	tcase_add_test(outside, a_sleep_in_a_callback_of_the_loop_aborts);
	suite_add_tcase(suite, outside);

	TCase *handles = tcase_create("handles");
	tcase_add_test(handles, a_join_of_a_joined_task_aborts);
	tcase_add_test(handles, a_cancel_of_a_joined_task_aborts);
	tcase_add_test(handles, a_detach_of_a_joined_task_aborts);
	if (!API_ASAN) { /* which ends the program itself */
		tcase_add_test(handles, a_second_close_of_a_generator_aborts);
		tcase_add_test(handles, a_next_of_a_closed_generator_aborts);
		tcase_add_test(handles, a_second_close_of_a_connection_aborts);
		tcase_add_test(handles, a_read_of_a_closed_connection_aborts);
		tcase_add_test(handles, a_shutdown_of_a_closed_connection_aborts);
		tcase_add_test(handles, a_closed_connection_that_is_idle_aborts);
		tcase_add_test(handles, a_second_close_of_a_server_aborts);
		tcase_add_test(handles, an_accept_of_a_closed_server_aborts);
	}
	suite_add_tcase(suite, handles);

	TCase *groups = tcase_create("groups");
	tcase_add_test(groups, a_wait_by_another_task_than_the_groups_aborts);
	tcase_add_test(groups, a_first_by_another_task_than_the_groups_aborts);
	suite_add_tcase(suite, groups);
	return suite;
}
