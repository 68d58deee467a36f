/* SPDX-License-Identifier: MIT */
#include "drive.h"
#include "suite.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static int ends[2];
static struct watch watch;

/* A pair of sockets that do not block; ends[0] is watched once the loop is there. */
static void setup(void) {
	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends),
		0);
}

static struct poller *poller(void) {
	return &drive_loop()->poller;
}

static void open_watch(void) {
	ck_assert_int_eq(watch_open(poller(), &watch, ends[0]), 0);
}

static int wait_for(enum poller_events event, bool interruptible) {
	return watch_wait(poller(), &watch, event, arun_self(), INFINITY, interruptible);
}

static int wait_to_read(void *arg) {
	*(int *)arg = wait_for(POLLER_READ, true);
	return 0;
}

static int wait_to_write(void *arg) {
	*(int *)arg = wait_for(POLLER_WRITE, true);
	return 0;
}

static void join(struct arun_task *task) {
	ck_assert_int_eq(arun_join(task, NULL), 0);
}

/* Fills what ends[0] sends; returns how many bytes. */
static size_t fill(void) {
	static const char bytes[4096];
	size_t total = 0;
	ssize_t n;
	while ((n = write(ends[0], bytes, sizeof bytes)) > 0) {
		total += (size_t)n;
	}
	ck_assert_int_eq(errno, EAGAIN);
	return total;
}

static void drain(size_t size) {
	char bytes[4096];
	while (size > 0) {
		ssize_t n = read(ends[1], bytes, sizeof bytes);
		ck_assert_int_gt(n, 0);
		size -= (size_t)n;
	}
}

/* Waits ------------------------------------------------------------------------------------- */

static int start_watch(void *arg) {
	(void)arg;
	open_watch();
	ck_assert(watch.readable);
	ck_assert(watch.writable);
	ck_assert_uint_eq(watch.armed, 0);
	return 0;
}

START_TEST(a_new_watch_is_to_be_tried_first_and_is_not_registered) {
	drive(start_watch, NULL);
}
END_TEST

static int wait_for_data(void *arg) {
	int result = -1;
	(void)arg;
	open_watch();
	struct arun_task *task = drive_spawn(wait_to_read, &result);
	watch.readable = false;
	drive_until(poller()->waiting == 1);
	ck_assert(!watch.readable);

	ck_assert_int_eq(write(ends[1], "x", 1), 1);
	join(task);
	ck_assert_int_eq(result, 0);
	ck_assert(watch.readable);
	ck_assert(!watch.shy);
	ck_assert_uint_eq(poller()->waiting, 0);
	return 0;
}

START_TEST(a_reader_waits_until_data_comes) {
	drive(wait_for_data, NULL);
}
END_TEST

static int wait_for_room(void *arg) {
	int result = -1;
	(void)arg;
	open_watch();
	size_t size = fill();
	watch.writable = false;
	struct arun_task *task = drive_spawn(wait_to_write, &result);
	drive_until(poller()->waiting == 1);
	ck_assert_int_eq(result, -1);

	drain(size);
	join(task);
	ck_assert_int_eq(result, 0);
	ck_assert(watch.writable);
	return 0;
}

START_TEST(a_writer_waits_until_there_is_room) {
	drive(wait_for_room, NULL);
}
END_TEST

static int wait_both_ways(void *arg) {
	int read_result = -1, write_result = -1;
	(void)arg;
	open_watch();
	size_t size = fill();
	struct arun_task *reader = drive_spawn(wait_to_read, &read_result);
	struct arun_task *writer = drive_spawn(wait_to_write, &write_result);
	drive_until(poller()->waiting == 2);
	drain(size);
	join(writer);
	ck_assert_int_eq(read_result, -1);
	ck_assert_int_eq(write(ends[1], "x", 1), 1);
	join(reader);
	ck_assert_int_eq(write_result, 0);
	ck_assert_int_eq(read_result, 0);
	return 0;
}

START_TEST(a_reader_and_a_writer_wait_each_for_their_own) {
	drive(wait_both_ways, NULL);
}
END_TEST

static int wait_as_second(void *arg) {
	int result = -1;
	(void)arg;
	open_watch();
	struct arun_task *task = drive_spawn(wait_to_read, &result);
	drive_until(poller()->waiting == 1);
	ck_assert_int_eq(wait_for(POLLER_READ, true), EBUSY);
	ck_assert_int_eq(write(ends[1], "x", 1), 1);
	join(task);
	ck_assert_int_eq(result, 0);
	return 0;
}

START_TEST(a_second_reader_is_EBUSY_and_the_first_waits_on) {
	drive(wait_as_second, NULL);
}
END_TEST

static int wait_to_deadline(void *arg) {
	double deadline = loop_clock() + 0.02;
	(void)arg;
	open_watch();
	ck_assert_int_eq(
		watch_wait(poller(), &watch, POLLER_READ, arun_self(), deadline, true),
		ETIME);
	ck_assert_double_ge(loop_clock(), deadline);
	return 0;
}

START_TEST(a_wait_ends_at_its_deadline) {
	drive(wait_to_deadline, NULL);
}
END_TEST

static int cancel_wait(void *arg) {
	int result = -1;
	(void)arg;
	open_watch();
	struct arun_task *task = drive_spawn(wait_to_read, &result);
	drive_until(poller()->waiting == 1);
	arun_cancel(task);
	join(task);
	ck_assert_int_eq(result, ECANCELED);
	ck_assert_uint_eq(poller()->waiting, 0);

	ck_assert_int_eq(write(ends[1], "x", 1), 1);
	ck_assert_int_eq(wait_for(POLLER_READ, true), 0);
	return 0;
}

START_TEST(after_a_cancelled_wait_the_next_one_works) {
	drive(cancel_wait, NULL);
}
END_TEST

static int hang_up(void *arg) {
	(void)arg;
	open_watch();
	close(ends[1]);
	ck_assert_int_eq(wait_for(POLLER_READ, true), 0);
	ck_assert(watch.shy);
	ck_assert(watch.readable);
	return 0;
}

START_TEST(the_end_of_the_other_side_is_readable_and_is_remembered) {
	drive(hang_up, NULL);
}
END_TEST

/* Opening and closing ----------------------------------------------------------------------- */

static int close_under_waiters(void *arg) {
	int read_result = -1, write_result = -1;
	(void)arg;
	open_watch();
	fill();
	struct arun_task *reader = drive_spawn(wait_to_read, &read_result);
	struct arun_task *writer = drive_spawn(wait_to_write, &write_result);
	drive_until(poller()->waiting == 2);
	watch_close(poller(), &watch);
	close(ends[0]);
	join(reader);
	join(writer);
	ck_assert_int_eq(read_result, 0);
	ck_assert_int_eq(write_result, 0);
	ck_assert_int_eq(watch.fd, -1);
	watch_close(poller(), &watch);
	return 0;
}

START_TEST(close_wakes_who_waits_and_they_find_no_descriptor) {
	drive(close_under_waiters, NULL);
}
END_TEST

static int open_twice(void *arg) {
	struct watch other;
	(void)arg;
	open_watch();
	ck_assert_int_eq(watch_open(poller(), &other, ends[0]), -1);
	ck_assert_int_eq(errno, EEXIST);
	watch_close(poller(), &watch);
	ck_assert_int_eq(watch_open(poller(), &other, ends[0]), 0);
	return 0;
}

START_TEST(one_descriptor_has_one_watch) {
	drive(open_twice, NULL);
}
END_TEST

static int open_high(void *arg) {
	int high = fcntl(ends[0], F_DUPFD_CLOEXEC, 900);
	(void)arg;
	ck_assert_int_ge(high, 900);
	ck_assert_int_eq(watch_open(poller(), &watch, high), 0);
	ck_assert_int_eq(write(ends[1], "x", 1), 1);
	ck_assert_int_eq(wait_for(POLLER_READ, true), 0);
	return 0;
}

START_TEST(a_descriptor_of_a_high_number_is_watched_too) {
	drive(open_high, NULL);
}
END_TEST

static int wait_for_file(void *arg) {
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	(void)arg;
	ck_assert_int_eq(watch_open(poller(), &watch, fd), 0);
	ck_assert_int_eq(wait_for(POLLER_READ, true), 0);
	ck_assert_int_eq(wait_for(POLLER_WRITE, true), 0);
	ck_assert(watch.always);
	close(fd);
	return 0;
}

START_TEST(what_epoll_refuses_is_always_ready) {
	drive(wait_for_file, NULL);
}
END_TEST

/* A copy keeps the former owner of the number in the set, and an event for it comes. */
static int reuse_number(void *arg) {
	int other[2], number = ends[0];
	(void)arg;
	open_watch();
	ck_assert_int_eq(watch_wait(poller(), &watch, POLLER_READ, arun_self(),
				 loop_clock(), false),
		ETIME);
	int copy = dup(number);
	watch_close(poller(), &watch);
	close(number);
	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, other),
		0);
	ck_assert_int_eq(other[0], number);
	ck_assert_int_eq(watch_open(poller(), &watch, number), 0);
	watch.readable = false;

	ck_assert_int_eq(write(ends[1], "x", 1), 1);
	ck_assert_int_eq(watch_wait(poller(), &watch, POLLER_READ, arun_self(),
				 loop_clock() + 0.03, false),
		ETIME);
	ck_assert(!watch.readable);
	ck_assert_int_eq(write(other[1], "x", 1), 1);
	ck_assert_int_eq(wait_for(POLLER_READ, true), 0);
	close(copy);
	return 0;
}

START_TEST(an_event_of_a_former_owner_of_the_number_is_dropped) {
	drive(reuse_number, NULL);
}
END_TEST

/* Where epoll has no room for one more (max_user_watches), the wait fails, too. */
static int wait_for_closed(void *arg) {
	(void)arg;
	open_watch();
	close(ends[0]);
	ck_assert_int_eq(wait_for(POLLER_READ, true), EBADF);
	ck_assert_int_eq(wait_for(POLLER_WRITE, false), EBADF);
	ck_assert_uint_eq(poller()->waiting, 0);
	watch_close(poller(), &watch);
	return 0;
}

START_TEST(a_wait_that_epoll_refuses_fails_with_its_errno) {
	drive(wait_for_closed, NULL);
}
END_TEST

/* Serving -------------------------------------------------------------------------------------- */

static unsigned served;

static void count_ready(struct watch *ready) {
	char bytes[16];
	ck_assert_ptr_eq(ready, &watch);
	ck_assert_int_gt(read(ready->fd, bytes, sizeof bytes), 0);
	served++;
}

static int serve(void *arg) {
	(void)arg;
	open_watch();
	ck_assert_int_eq(watch_serve(poller(), &watch, count_ready), 0);
	ck_assert_uint_eq(poller()->serving, 1);
	for (unsigned i = 1; i <= 3; i++) {
		ck_assert_int_eq(write(ends[1], "x", 1), 1);
		drive_until(served == i);
	}
	watch_close(poller(), &watch);
	ck_assert_uint_eq(poller()->serving, 0);
	return 0;
}

START_TEST(ready_is_called_each_time_data_comes) {
	drive(serve, NULL);
}
END_TEST

Suite *suite(void) {
	Suite *suite = suite_create("poller");
	TCase *core = tcase_create("core");
	tcase_add_checked_fixture(core, setup, NULL);
	tcase_add_test(core, a_new_watch_is_to_be_tried_first_and_is_not_registered);
	tcase_add_test(core, a_reader_waits_until_data_comes);
	tcase_add_test(core, a_writer_waits_until_there_is_room);
	tcase_add_test(core, a_reader_and_a_writer_wait_each_for_their_own);
	tcase_add_test(core, a_second_reader_is_EBUSY_and_the_first_waits_on);
	tcase_add_test(core, a_wait_ends_at_its_deadline);
	tcase_add_test(core, after_a_cancelled_wait_the_next_one_works);
	tcase_add_test(core, the_end_of_the_other_side_is_readable_and_is_remembered);
	tcase_add_test(core, close_wakes_who_waits_and_they_find_no_descriptor);
	tcase_add_test(core, one_descriptor_has_one_watch);
	tcase_add_test(core, a_descriptor_of_a_high_number_is_watched_too);
	tcase_add_test(core, what_epoll_refuses_is_always_ready);
	tcase_add_test(core, a_wait_that_epoll_refuses_fails_with_its_errno);
	tcase_add_test(core, an_event_of_a_former_owner_of_the_number_is_dropped);
	tcase_add_test(core, ready_is_called_each_time_data_comes);
	suite_add_tcase(suite, core);
	return suite;
}
