/* SPDX-License-Identifier: MIT */
/* What the machine refuses: memory, descriptors, rights. The call says so, and nothing is left. */
#include "datagrams.h"
#include "memory.h"
#include "processes.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netdb.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* Memory --------------------------------------------------------------------------- */

static arun_server *server;
static char address[64];
static int ends[2];
static struct pair pair;
static arun_mutex mutex;
static arun_cond cond;

static int connect_to_server(void) {
	return arun_connect(address) ? 0 : -1;
}

static int make_connection(void) {
	return arun_open_fd(ends[0]) ? 0 : -1;
}

static int listen_anywhere(void) {
	return arun_listen("127.0.0.1:0", NULL, NULL) ? 0 : -1;
}

static int open_datagrams(void) {
	return arun_udp_open("udp:127.0.0.1:0") ? 0 : -1;
}

static int start_program(void) {
	return arun_exec(WORDS("/bin/true"), &quiet) ? 0 : -1;
}

static int ask_for_signals(void) {
	return arun_signals_open((int[]){SIGUSR2}, 1) ? 0 : -1;
}

static int lock(void) {
	return arun_mutex_lock(&mutex);
}

static int wait_for_cond(void) {
	return arun_cond_wait(&cond, &mutex);
}

static int do_nothing(void *arg) {
	(void)arg;
	return 0;
}

static int make_generator(void) {
	return arun_gen_new(do_nothing, NULL) ? 0 : -1;
}

static int block(void) {
	return arun_blocking(do_nothing, NULL);
}

static int resolve(void) {
	struct addrinfo *list;
	return arun_resolve("localhost", "1", &list);
}

static int make_channel(void) {
	return arun_chan_new(1, 1) ? 0 : -1;
}

static int read_much(void) {
	static char bytes[1 << 16];
	return (int)arun_read_exactly(pair.a, bytes, sizeof bytes);
}

/* sendfile(2) does not send from that. */
static int send_memory(void) {
	int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	int result = arun_sendfile(pair.a, fd, (off_t)(uintptr_t)address, 1),
	    error = errno;
	close(fd);
	errno = error;
	return result;
}

static const struct refused {
	const char *name;
	int (*call)(void);
} needs_memory[] = {
	{"arun_connect", connect_to_server},
	{"arun_open_fd", make_connection},
	{"arun_listen", listen_anywhere},
	{"arun_udp_open", open_datagrams},
	{"arun_exec", start_program},
	{"arun_signals_open", ask_for_signals},
	{"arun_mutex_lock", lock},
	{"arun_cond_wait", wait_for_cond},
	{"arun_gen_new", make_generator},
	{"arun_chan_new", make_channel},
	{"arun_blocking", block},
	{"arun_resolve", resolve},
	{"arun_read_exactly", read_much},
	{"arun_sendfile", send_memory},
};

static const struct refused *each;

static void refuse_memory(void) {
	server = listening(NULL, NULL);
	snprintf(address, sizeof address, "%s", arun_server_address(server));
	pair = unix_pair();
	say(pair.b, "x");
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	bool locked = each->call == wait_for_cond;
	ck_assert_int_eq(locked ? lock() : 0, 0);
	int before = descriptors();
	int error = API_LIMITS ? without_memory(each->call) : ENOMEM;
	ck_assert_msg(error == ENOMEM, "%s: %s", each->name, strerror(error));
	ck_assert_int_eq(descriptors(), before);
	if (locked) {
		arun_mutex_unlock(&mutex);
	}
	close(ends[0]);
	close(ends[1]);
	close_pair(pair);
	ck_assert_int_eq(arun_server_close(server), 0);
}

START_TEST(without_memory_it_is_ENOMEM_and_nothing_is_left) {
	each = &needs_memory[_i];
	ck_assert_int_eq(run(refuse_memory), 0);
}
END_TEST

START_TEST(a_run_without_memory_is_ENOMEM) {
	api_body = NULL;
	struct rlimit old = limit_memory();
	if (API_LIMITS) {
		hoard_all();
	}
	int result = API_LIMITS ? arun_run(api_entry, 0, NULL, STRICT) : -1,
	    error = API_LIMITS ? errno : ENOMEM;
	setrlimit(RLIMIT_AS, &old);
	give_back();
	ck_assert_int_eq(result, -1);
	ck_assert_int_eq(error, ENOMEM);
}
END_TEST

/* Descriptors ---------------------------------------------------------------------- */

static const struct refused needs_descriptor[] = {
	{"arun_connect", connect_to_server},
	{"arun_listen", listen_anywhere},
	{"arun_udp_open", open_datagrams},
};

static void refuse_descriptors(void) {
	server = listening(NULL, NULL);
	snprintf(address, sizeof address, "%s", arun_server_address(server));
	struct rlimit old, now;
	getrlimit(RLIMIT_NOFILE, &old);
	int next = dup(0), before = descriptors();
	close(next);
	now = (struct rlimit){(rlim_t)next, old.rlim_max};
	setrlimit(RLIMIT_NOFILE, &now);
	errno = 0;
	int result = each->call(), error = errno;
	setrlimit(RLIMIT_NOFILE, &old);
	ck_assert_msg(
		result == -1 && error == EMFILE, "%s: %s", each->name, strerror(error));
	assert_contains(arun_why(), strerror(EMFILE));
	ck_assert_int_eq(descriptors(), before - 1);
	ck_assert_int_eq(arun_server_close(server), 0);
}

START_TEST(without_a_descriptor_it_is_EMFILE_and_nothing_is_left) {
	each = &needs_descriptor[_i];
	ck_assert_int_eq(run(refuse_descriptors), 0);
}
END_TEST

static bool forbid(const struct sock_filter *say, size_t length) {
	struct sock_fprog filter = {(unsigned short)length, (void *)(uintptr_t)say};
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

/* The kernel says so for the whole machine; here a filter does, for what makes descriptors. */
static bool machine_is_full(void) {
	const struct sock_filter say[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socketpair, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pipe2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENFILE),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	return forbid(say, sizeof say / sizeof *say);
}

static int start_with_a_stream(void) {
	return arun_exec(WORDS("/bin/true"), &reads) ? 0 : -1;
}

static const struct refused needs_room[] = {
	{"arun_connect", connect_to_server},
	{"arun_listen", listen_anywhere},
	{"arun_udp_open", open_datagrams},
	{"arun_exec", start_with_a_stream},
};

static void refuse_room(void) {
	server = listening(NULL, NULL);
	snprintf(address, sizeof address, "%s", arun_server_address(server));
	int before = descriptors();
	ck_assert(machine_is_full());
	errno = 0;
	int result = each->call(), error = errno;
	ck_assert_msg(
		result == -1 && error == ENFILE, "%s: %s", each->name, strerror(error));
	assert_contains(arun_why(), strerror(ENFILE));
	ck_assert_int_eq(descriptors(), before);
	ck_assert_int_eq(arun_server_close(server), 0);
}

START_TEST(where_the_machine_has_no_descriptor_it_is_ENFILE_and_nothing_is_left) {
	each = &needs_room[_i];
	ck_assert_int_eq(run(refuse_room), 0);
}
END_TEST

static bool forbid_call(unsigned number, unsigned error) {
	const struct sock_filter say[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	return forbid(say, sizeof say / sizeof *say);
}

/* A container may forbid the call. */
static bool accepting_is_forbidden(void) {
	return forbid_call(SYS_accept4, EPERM);
}

static void accept_though_forbidden(void) {
	server = listening(NULL, NULL);
	ck_assert(accepting_is_forbidden());
	arun_conn *conn = arun_connect(arun_server_address(server));
	{
		ARUN_TIMEOUT(0.05);
		assert_null(arun_accept(server), ETIMEDOUT);
	}
	arun_abort(conn);
	ck_assert_int_eq(arun_server_close(server), 0);
}

START_TEST(a_server_that_may_not_accept_says_so_and_waits) {
	assert_contains(run_reported(accept_though_forbidden, 0),
		"accepting paused: Operation not permitted");
}
END_TEST

/* Rights --------------------------------------------------------------------------- */

enum { NOBODY = 65534 };

/* The sanitizer of leaks looks at its own process. */
static void become(uid_t user) {
	ck_assert_int_eq(setresuid(user, user, -1), 0);
	prctl(PR_SET_DUMPABLE, 1);
}

static void refuse_rights(void) {
	char folder[] = P_tmpdir "/arun-test-XXXXXX", endpoint[64];
	ck_assert_ptr_nonnull(mkdtemp(folder));
	chmod(folder, 0555);
	uid_t user = getuid();
	if (user == 0) { /* who may do all */
		become(NOBODY);
	}
	snprintf(endpoint, sizeof endpoint, "unix:%s/s", folder);
	assert_null(arun_listen(endpoint, NULL, NULL), EACCES);
	assert_contains(arun_why(), endpoint);
	assert_null(arun_udp_open(endpoint), EACCES);
	assert_contains(arun_why(), endpoint);
	become(user);
	ck_assert_int_eq(rmdir(folder), 0);
}

CLAIM(where_a_user_may_not_write_it_is_EACCES) {
	refuse_rights();
}

/* Only who was root can have a process of another user. */
CLAIM(a_process_of_another_user_cannot_be_killed) {
	arun_exec_options options = {.in = ARUN_STREAM};
	arun_process *process = started(WORDS("cat"), &options);
	bool root = getuid() == 0;
	if (root) {
		become(NOBODY);
		assert_fails(arun_process_kill(process, SIGTERM), EPERM);
		become(0);
	}
	ck_assert_int_eq(arun_process_kill(process, SIGTERM), 0);
	ck_assert_int_eq(WTERMSIG(status_of(process)), SIGTERM);
	arun_process_close(process);
	assert_fails(arun_process_kill(NULL, SIGTERM), EBADF);
}

/* Valgrind does not know the call that does it by the descriptor. */
static bool signalling_is_unknown(void) {
	return forbid_call(SYS_pidfd_send_signal, ENOSYS);
}

CLAIM(a_process_is_killed_by_its_number_where_the_system_has_no_other_way) {
	arun_process *process = started(WORDS("sleep", "600"), &quiet);
	ck_assert(signalling_is_unknown());
	ck_assert_int_eq(arun_process_kill(process, SIGINT), 0);
	ck_assert_int_eq(WTERMSIG(status_of(process)), SIGINT);
	assert_fails(arun_process_kill(process, SIGINT), ESRCH);
	arun_process_close(process);
	arun_process_close(started(WORDS("sleep", "600"), &quiet));
	assert_no_child();
}

/* Addresses ------------------------------------------------------------------------ */

static int accept_and_reset(void *unused) {
	(void)unused;
	arun_conn *conn = arun_accept(server);
	ck_assert_int_eq(arun_shutdown(conn), 0);
	arun_abort(conn);
	return 0;
}

/* Before who connects has run again. Of this the kernel says EPIPE, as to a write. */
CLAIM(a_connection_that_has_ended_and_was_reset_by_then_is_ECONNRESET) {
	server = arun_listen("127.0.0.1:0", NULL, NULL);
	ck_assert_ptr_nonnull(server);
	arun_task *task = arun_spawn(accept_and_reset, NULL);
	assert_null(arun_connect(arun_server_address(server)), ECONNRESET);
	ck_assert_int_eq(joined(task), 0);
	arun_server_close(server);
}

CLAIM(an_address_of_another_machine_is_EADDRNOTAVAIL) {
	assert_null(arun_listen("192.0.2.1:0", NULL, NULL), EADDRNOTAVAIL);
	assert_null(arun_udp_open("udp:192.0.2.1:0"), EADDRNOTAVAIL);
}

Suite *suite(void) {
	Suite *suite = suite_create("refused");
	TCase *all = tcase_create("all");
	tcase_set_timeout(all, 60);
	tcase_add_loop_test(all, without_memory_it_is_ENOMEM_and_nothing_is_left, 0,
		(int)(sizeof needs_memory / sizeof *needs_memory));
	tcase_add_test(all, a_run_without_memory_is_ENOMEM);
	tcase_add_loop_test(all, without_a_descriptor_it_is_EMFILE_and_nothing_is_left, 0,
		(int)(sizeof needs_descriptor / sizeof *needs_descriptor));
	tcase_add_test(all, a_server_that_may_not_accept_says_so_and_waits);
	tcase_add_loop_test(all,
		where_the_machine_has_no_descriptor_it_is_ENFILE_and_nothing_is_left, 0,
		(int)(sizeof needs_room / sizeof *needs_room));
	tcase_add_test(all, where_a_user_may_not_write_it_is_EACCES);
	tcase_add_test(all, a_process_of_another_user_cannot_be_killed);
	tcase_add_test(
		all, a_process_is_killed_by_its_number_where_the_system_has_no_other_way);
	tcase_add_test(
		all, a_connection_that_has_ended_and_was_reset_by_then_is_ECONNRESET);
	tcase_add_test(all, an_address_of_another_machine_is_EADDRNOTAVAIL);
	suite_add_tcase(suite, all);
	return suite;
}
