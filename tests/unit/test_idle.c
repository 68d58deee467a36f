/* SPDX-License-Identifier: MIT */
/* How long one that has said nothing yet is given: the clock is the test's. */
#include "conn.h"
#include "drive.h"
#include "suite.h"

#include <sys/socket.h>
#include <unistd.h>

struct fresh {
	struct arun_conn *conn;
	struct arun_task *reader;
	int other; /* the other end's descriptor */
	bool over;
	ssize_t got;
	char bytes[8];
};

/* One that leaves, and was accepted so many seconds ago. */
static struct fresh fresh_open(double age) {
	int fds[2];
	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
		0);
	struct fresh fresh = {.conn = conn_create(drive_loop(), fds[0]), .other = fds[1]};
	ck_assert_ptr_nonnull(fresh.conn);
	fresh.conn->socket = true;
	conn_publish(drive_loop(), fresh.conn, ARUN_SITE);
	fresh.conn->object.born -= age;
	return fresh;
}

static int fresh_read(void *arg) {
	struct fresh *fresh = arg;
	arun_idle(fresh->conn);
	fresh->got = arun_read(fresh->conn, fresh->bytes, sizeof fresh->bytes);
	fresh->over = true;
	return 0;
}

static void fresh_start(struct fresh *fresh) {
	fresh->over = false;
	fresh->reader = drive_spawn(fresh_read, fresh);
}

/* What it has read, once it has. */
static ssize_t fresh_got(struct fresh *fresh) {
	ck_assert_int_eq(arun_join(fresh->reader, NULL), 0);
	return fresh->got;
}

static void fresh_close(struct fresh *fresh) {
	conn_close_now(drive_loop(), fresh->conn);
	close(fresh->other);
}

/* Turns of the loop, each with a look at the descriptors. */
static void turn(void) {
	for (int i = 0; i < 5; i++) {
		drive_sleep_until(sched_current->registry.now + 0.001);
	}
}

#define CASE(name)                                                                       \
	static int name##_in_task(void *arg);                                            \
	START_TEST(name) {                                                               \
		ck_assert_int_eq(drive(name##_in_task, NULL), 0);                        \
	}                                                                                \
	END_TEST                                                                         \
	static int name##_in_task(void *arg __attribute__((unused)))

CASE(a_young_one_may_still_say_something) {
	struct fresh fresh = fresh_open(-1000);
	fresh_start(&fresh);
	turn();
	conn_leave(sched_current, fresh.conn);
	turn();
	ck_assert(!fresh.over);
	ck_assert_int_eq(write(fresh.other, "abc", 3), 3);
	ck_assert_int_eq(fresh_got(&fresh), 3);
	/* Now it is one like the others. */
	fresh_start(&fresh);
	ck_assert_int_eq(fresh_got(&fresh), 0);
	fresh_close(&fresh);
	return 0;
}

CASE(an_old_one_ends_at_once) {
	struct fresh fresh = fresh_open(1000);
	fresh_start(&fresh);
	turn();
	ck_assert(!fresh.over);
	conn_leave(sched_current, fresh.conn);
	ck_assert_int_eq(fresh_got(&fresh), 0);
	fresh_close(&fresh);
	return 0;
}

CASE(one_that_grows_old_ends_then) {
	struct fresh fresh = fresh_open(0.9);
	conn_leave(sched_current, fresh.conn);
	fresh_start(&fresh);
	ck_assert_int_eq(fresh_got(&fresh), 0);
	ck_assert_double_ge(sched_current->registry.now, fresh.conn->object.born + 0.999);
	fresh_close(&fresh);
	return 0;
}

CASE(an_idle_timeout_that_is_shorter_comes_first) {
	struct fresh fresh = fresh_open(-1000);
	fresh.conn->idle_timeout = 0.01;
	conn_leave(sched_current, fresh.conn);
	fresh_start(&fresh);
	ck_assert_int_eq(fresh_got(&fresh), -1);
	fresh_close(&fresh);
	return 0;
}

Suite *suite(void) {
	Suite *suite = suite_create("idle");
	TCase *fresh = tcase_create("fresh");
	tcase_add_test(fresh, a_young_one_may_still_say_something);
	tcase_add_test(fresh, an_old_one_ends_at_once);
	tcase_add_test(fresh, one_that_grows_old_ends_then);
	tcase_add_test(fresh, an_idle_timeout_that_is_shorter_comes_first);
	suite_add_tcase(suite, fresh);
	return suite;
}
