/* SPDX-License-Identifier: MIT */
/* Each call that reads or writes a stream, with and without TLS: why it may fail. */
#include "certificates.h"

#include <fcntl.h>
#include <sys/mman.h>

static int read_some_of(arun_conn *conn) {
	char bytes[8];
	return (int)arun_read(conn, bytes, sizeof bytes);
}

static int read_exactly_of(arun_conn *conn) {
	char bytes[8];
	return (int)arun_read_exactly(conn, bytes, sizeof bytes);
}

static int read_until_of(arun_conn *conn) {
	char bytes[8];
	return (int)arun_read_until(conn, '\n', bytes, sizeof bytes);
}

/* More than any socket takes at once. */
enum { MUCH = 64 * 1000 * 1000 };
static char *much;
static int file;

static int write_to(arun_conn *conn) {
	return arun_write(conn, much, MUCH);
}

static int writev_to(arun_conn *conn) {
	struct iovec pieces[] = {{much, MUCH / 2}, {much, MUCH / 2}};
	return arun_writev(conn, pieces, 2);
}

static int sendfile_to(arun_conn *conn) {
	return arun_sendfile(conn, file, 0, MUCH);
}

static const struct stream_call {
	const char *name;
	int (*call)(arun_conn *);
	bool writes;
} calls[] = {
	{"arun_read", read_some_of, false},
	{"arun_read_exactly", read_exactly_of, false},
	{"arun_read_until", read_until_of, false},
	{"arun_write", write_to, true},
	{"arun_writev", writev_to, true},
	{"arun_sendfile", sendfile_to, true},
};

static const struct stream_call *each;
static bool with_tls;

static struct pair pair_here(void) {
	return with_tls ? secured(tcp_pair()) : tcp_pair();
}

static int call_each(void *conn) {
	return each->call(conn);
}

static void assert_errno(int result, int error, const char *when) {
	ck_assert_msg(result == -error, "%s%s, %s: %s", each->name,
		with_tls ? " with TLS" : "", when, strerror(-result));
}

static void be_busy_and_closed(void) {
	struct pair pair = pair_here();
	arun_task *first = waiting(call_each, pair.a);
	assert_errno(joined(arun_spawn(call_each, pair.a)), EBUSY, "a second one");
	arun_abort(pair.a);
	assert_errno(joined(first), EBADF, "closed meanwhile");
	arun_abort(pair.b);
}

static void be_reset(void) {
	struct pair pair = pair_here();
	arun_abort(pair.b);
	assert_errno(joined(arun_spawn(call_each, pair.a)), ECONNRESET, "reset before");
	arun_abort(pair.a);
	pair = pair_here();
	arun_task *task = waiting(call_each, pair.a);
	arun_abort(pair.b);
	assert_errno(joined(task), ECONNRESET, "reset meanwhile");
	arun_abort(pair.a);
}

static void be_shut(void) {
	struct pair pair = pair_here();
	ck_assert_int_eq(arun_shutdown(pair.a), 0);
	assert_errno(joined(arun_spawn(call_each, pair.a)), EPIPE, "shut down");
	ck_assert_uint_eq(arun_written(pair.a), 0);
	arun_abort(pair.a);
	arun_abort(pair.b);
}

static void refuse(void) {
	assert_errno(joined(arun_spawn(call_each, NULL)), EBADF, "of NULL");
	be_busy_and_closed();
	be_reset();
	if (each->writes) {
		be_shut();
	}
}

static void check(bool tls, int index) {
	with_tls = tls;
	each = &calls[index];
	much = calloc(1, MUCH);
	file = memfd_create("file", MFD_CLOEXEC);
	ck_assert_int_eq(ftruncate(file, MUCH), 0);
	ck_assert_int_eq(run(refuse), 0);
	close(file);
	free(much);
}

START_TEST(each_call_says_why) {
	check(false, _i);
}
END_TEST

START_TEST(each_call_with_tls_says_why) {
	check(true, _i);
}
END_TEST

Suite *suite(void) {
	Suite *suite = suite_create("tls refused");
	int count = (int)(sizeof calls / sizeof *calls);
	TCase *plain = tcase_create("plain");
	tcase_add_loop_test(plain, each_call_says_why, 0, count);
	suite_add_tcase(suite, plain);
	TCase *tls = tcase_create("tls");
	tcase_add_unchecked_fixture(tls, make_certificates, remove_certificates);
	tcase_add_loop_test(tls, each_call_with_tls_says_why, 0, count);
	suite_add_tcase(suite, tls);
	return suite;
}
