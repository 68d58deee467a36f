/* SPDX-License-Identifier: MIT */
/* Each call that waits: cancelled before, cancelled meanwhile, late; and then it gets all. */
#include "datagrams.h"
#include "processes.h"

static struct pair pair;
static arun_server *server;
static char endpoint[64];
static arun_gen *gen;
static arun_chan *chan;
static arun_udp *udp[2];
static arun_process *process;
static arun_signals *signals;
static arun_mutex mutex;
static arun_cond cond;
static arun_event event;
static arun_sem sem;
static arun_task *task;
static int gate[2], file, filled_up;

/* Streams -------------------------------------------------------------------------- */

static void open_pair(void) {
	pair = unix_pair();
}

static void end_pair(void) {
	close_pair(pair);
}

static void say_line(void) {
	say(pair.b, "ab\n");
}

static int read_line(void) {
	char line[3];
	return (int)arun_read(pair.a, line, sizeof line);
}

static int read_exactly_a_line(void) {
	char line[3];
	return (int)arun_read_exactly(pair.a, line, sizeof line);
}

static int read_until_its_end(void) {
	char line[8];
	return (int)arun_read_until(pair.a, '\n', line, sizeof line);
}

/* A part of a line, which an interrupted call must leave. */
static void open_with_a_part(void) {
	open_pair();
	say(pair.b, "a");
}

static void say_the_rest(void) {
	say(pair.b, "b\n");
}

/* A pair whose one end takes no more. */
static void open_full(void) {
	static const char bytes[4096];
	ssize_t n;
	open_pair();
	filled_up = 0;
	while ((n = send(arun_fd(pair.a), bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
		filled_up += (int)n;
	}
	FILE *stream = tmpfile();
	file = dup(fileno(stream));
	fclose(stream);
	ck_assert_int_eq(write(file, "xyz", 3), 3);
}

static void make_room(void) {
	char *bytes = malloc((size_t)filled_up);
	ck_assert_int_eq(arun_read_exactly(pair.b, bytes, (size_t)filled_up), filled_up);
	free(bytes);
}

/* That nothing else was sent. */
static void hear_xyz(void) {
	hear(pair.b, "xyz");
	arun_shutdown(pair.a);
	hear_end(pair.b);
	end_pair();
	close(file);
}

static int sent(int result) {
	int error = errno;
	ck_assert_uint_eq(arun_written(pair.a), result == 0 ? 3 : 0);
	errno = error;
	return result;
}

static int write_xyz(void) {
	return sent(arun_write(pair.a, "xyz", 3));
}

static int writev_xyz(void) {
	struct iovec pieces[] = {{(char[]){"xy"}, 2}, {(char[]){"z"}, 1}};
	return sent(arun_writev(pair.a, pieces, 2));
}

static int sendfile_xyz(void) {
	return sent(arun_sendfile(pair.a, file, 0, 3));
}

/* Servers -------------------------------------------------------------------------- */

static void open_server(void) {
	server = listening(NULL, NULL);
}

static void come(void) {
	pair.b = client_of(server);
}

static int accept_one(void) {
	pair.a = arun_accept(server);
	return pair.a ? 0 : -1;
}

static void end_server(void) {
	close_pair(pair);
	ck_assert_int_eq(arun_server_close(server), 0);
}

/* A queue of those who wait to be accepted that is full. */
static void open_full_server(void) {
	snprintf(endpoint, sizeof endpoint, "unix:@arun-test-%d", getpid());
	arun_listen_options options = {.backlog = 1};
	server = arun_listen_with(endpoint, NULL, NULL, &options);
	arun_conn *first = arun_connect(endpoint), *second = arun_connect(endpoint);
	arun_abort(first);
	arun_abort(second);
}

static void accept_two(void) {
	arun_abort(arun_accept(server));
	arun_abort(arun_accept(server));
}

static int connect_third(void) {
	pair.a = arun_connect(endpoint);
	return pair.a ? 0 : -1;
}

static void end_full_server(void) {
	pair.b = arun_accept(server);
	end_server();
}

/* Datagrams, processes, signals, descriptors --------------------------------------- */

static void open_udp(void) {
	struct ends ends = ends_of("udp:127.0.0.1:0");
	udp[0] = ends.server;
	udp[1] = ends.client;
}

static void send_datagram(void) {
	send_to(udp[1], "abcd", NULL);
}

static int receive_datagram(void) {
	return receive_some(udp[0]);
}

static void end_udp(void) {
	arun_udp_close(udp[0]);
	arun_udp_close(udp[1]);
}

static void start_process(void) {
	arun_exec_options options = {.in = ARUN_STREAM};
	process = started(SHELL("read line; exit 7"), &options);
}

static void end_its_input(void) {
	arun_close(arun_process_stdin(process));
}

static int wait_for_process(void) {
	int status = 0;
	int result = arun_process_wait(process, &status);
	return result < 0 ? -1 : WEXITSTATUS(status);
}

static void end_process(void) {
	arun_process_close(process);
}

static void open_signals(void) {
	signals = arun_signals_open((int[]){SIGUSR2}, 1);
}

static void send_signal(void) {
	raise(SIGUSR2);
}

static int next_signal(void) {
	return arun_signals_next(signals);
}

static void end_signals(void) {
	arun_signals_close(signals);
}

static unsigned long before_gate;

static void open_gate(void) {
	before_gate = arun_mark();
	ck_assert_int_eq(pipe2(gate, O_CLOEXEC), 0);
}

static void let_go(void) {
	ck_assert_int_eq(write(gate[1], "xxx", 3), 3);
}

static int wait_for_gate(void) {
	return arun_wait_fd(gate[0], ARUN_READABLE);
}

static int block_at_gate(void *arg) {
	char byte;
	(void)arg;
	return (int)read(gate[0], &byte, 1) + 4;
}

static int block(void) {
	return arun_blocking(block_at_gate, NULL);
}

static void end_gate(void) {
	while (arun_leaks_since(before_gate, NULL)) { /* jobs that nobody waits for */
		ck_assert_int_eq(arun_sleep(0.001), 0);
	}
	close(gate[0]);
	close(gate[1]);
}

/* Locks, channels, generators, tasks ----------------------------------------------- */

static int hold_until_set(void *arg) {
	(void)arg;
	ck_assert_int_eq(arun_mutex_lock(&mutex), 0);
	ck_assert_int_eq(arun_event_wait(&event), 0);
	arun_mutex_unlock(&mutex);
	return 0;
}

static void hold_mutex(void) {
	task = waiting(hold_until_set, NULL);
}

static void end_holder(void) {
	ck_assert_int_eq(joined(task), 0);
}

static int lock(void) {
	int result = arun_mutex_lock(&mutex);
	if (result == 0) {
		arun_mutex_unlock(&mutex);
	}
	return result;
}

static void nothing(void) {
}

static void signal_later(void *arg) {
	arun_cond_signal(arg);
}

static void signal_soon(void) {
	ck_assert_int_eq(arun_post(signal_later, &cond), 0);
}

static int wait_for_cond(void) {
	if (arun_mutex_lock(&mutex) < 0) {
		return -1;
	}
	int result = arun_cond_wait(&cond, &mutex), error = errno;
	arun_mutex_unlock(&mutex);
	errno = error;
	return result;
}

static void set_event(void) {
	arun_event_set(&event);
}

static int wait_for_event(void) {
	return arun_event_wait(&event);
}

static void release_sem(void) {
	arun_sem_release(&sem);
}

static int acquire(void) {
	return arun_sem_acquire(&sem);
}

static void open_chan(void) {
	chan = arun_chan_new(1, sizeof(int));
}

static void open_full_chan(void) {
	open_chan();
	ck_assert_int_eq(arun_chan_send(chan, &(int){1}), 0);
}

static void send_9(void) {
	ck_assert_int_eq(arun_chan_send(chan, &(int){9}), 0);
}

static int receive_item(void) {
	int item = 0, result = arun_chan_recv(chan, &item);
	return result == 1 ? item : result;
}

static void receive_1(void) {
	ck_assert_int_eq(receive_item(), 1);
}

static int send_item(void) {
	return arun_chan_send(chan, &(int){2});
}

static int select_item(void) {
	int item = 0;
	arun_chan_case cases[] = {{.chan = NULL}, {.chan = chan, .recv = &item}};
	return arun_chan_select(cases, 2) == 1 ? item : -1;
}

static void end_chan(void) {
	arun_chan_close(chan);
	int item = receive_item();
	ck_assert(item == 0 || item == 2);
	ck_assert_int_eq(item ? receive_item() : 0, 0);
	arun_chan_free(chan);
}

static int yield_when_set(void *item) {
	return arun_event_wait(&event) < 0 ? -1 : arun_gen_yield(item);
}

static void open_gen(void) {
	gen = arun_gen_new(yield_when_set, &filled_up);
}

static int next_item(void) {
	return arun_gen_next(gen) == &filled_up ? 3 : -1;
}

static void end_gen(void) {
	ck_assert_int_eq(arun_gen_close(gen), 0);
}

static int return_when_set(void *arg) {
	(void)arg;
	return arun_event_wait(&event) < 0 ? -1 : 6;
}

static void open_task(void) {
	task = arun_spawn(return_when_set, NULL);
}

static int join(void) {
	int result = -1;
	return arun_join(task, &result) < 0 ? -1 : result;
}

static int sleep_long(void) {
	return arun_sleep(FOREVER);
}

/* Each ----------------------------------------------------------------------------- */

static const struct waiting_call {
	const char *name;
	void (*open)(void);
	int (*call)(void);
	void (*provide)(void); /* what it waits for; NULL: nothing ever comes */
	int result;
	void (*end)(void);
} calls[] = {
	{"arun_read", open_pair, read_line, say_line, 3, end_pair},
	{"arun_read_exactly", open_with_a_part, read_exactly_a_line, say_the_rest, 3,
		end_pair},
	{"arun_read_until", open_with_a_part, read_until_its_end, say_the_rest, 3,
		end_pair},
	{"arun_write", open_full, write_xyz, make_room, 0, hear_xyz},
	{"arun_writev", open_full, writev_xyz, make_room, 0, hear_xyz},
	{"arun_sendfile", open_full, sendfile_xyz, make_room, 0, hear_xyz},
	{"arun_accept", open_server, accept_one, come, 0, end_server},
	{"arun_connect", open_full_server, connect_third, accept_two, 0, end_full_server},
	{"arun_udp_recv", open_udp, receive_datagram, send_datagram, 4, end_udp},
	{"arun_process_wait", start_process, wait_for_process, end_its_input, 7,
		end_process},
	{"arun_signals_next", open_signals, next_signal, send_signal, SIGUSR2,
		end_signals},
	{"arun_wait_fd", open_gate, wait_for_gate, let_go, ARUN_READABLE, end_gate},
	{"arun_blocking", open_gate, block, let_go, 5, end_gate},
	{"arun_mutex_lock", hold_mutex, lock, set_event, 0, end_holder},
	{"arun_cond_wait", nothing, wait_for_cond, signal_soon, 0, nothing},
	{"arun_event_wait", nothing, wait_for_event, set_event, 0, nothing},
	{"arun_sem_acquire", nothing, acquire, release_sem, 0, nothing},
	{"arun_chan_send", open_full_chan, send_item, receive_1, 0, end_chan},
	{"arun_chan_recv", open_chan, receive_item, send_9, 9, end_chan},
	{"arun_chan_select", open_chan, select_item, send_9, 9, end_chan},
	{"arun_gen_next", open_gen, next_item, set_event, 3, end_gen},
	{"arun_join", open_task, join, set_event, 6, nothing},
	{"arun_sleep", nothing, sleep_long, NULL, 0, nothing},
};

static const struct waiting_call *each;

static int call_each(void *arg) {
	(void)arg;
	return each->call();
}

static void interrupt(void) {
	each->open();
	arun_task *before = arun_spawn(call_each, NULL);
	arun_cancel(before);
	ck_assert_msg(joined(before) == -ECANCELED, "%s", each->name);
	arun_task *meanwhile = waiting(call_each, NULL);
	arun_cancel(meanwhile);
	ck_assert_msg(joined(meanwhile) == -ECANCELED, "%s", each->name);
	{
		ARUN_TIMEOUT(0.01);
		assert_fails(each->call(), ETIMEDOUT);
		ck_assert_msg(*arun_why(), "%s", each->name);
	}
	if (each->provide) {
		ARUN_TIMEOUT(20);
		each->provide();
		int result = each->call();
		ck_assert_msg(result == each->result, "%s: %d, %s", each->name, result,
			arun_why());
	}
	each->end();
}

START_TEST(each_call_that_waits_is_cancelled_and_late_and_loses_nothing) {
	each = &calls[_i];
	int status = run(interrupt);
	ck_assert_msg(status == 0, "%s: %d", each->name, status);
}
END_TEST

struct cancelling {
	arun_conn *conn; /* a byte there is the word */
	arun_task *task;
};

static int cancel_when_told(void *arg) {
	struct cancelling *cancelling = arg;
	char byte;
	ck_assert_int_eq(arun_read(cancelling->conn, &byte, 1), 1);
	arun_cancel(cancelling->task);
	return 0;
}

/* Both have their bytes in one turn of the loop, the one that cancels first. */
CLAIM(a_cancelled_read_takes_nothing_of_what_is_there_already) {
	struct pair told = tcp_pair(), read = tcp_pair();
	struct cancelling cancelling = {.conn = told.b};
	arun_task *canceller = waiting(cancel_when_told, &cancelling);
	cancelling.task = waiting(read_some, read.b);
	say(told.a, "!");
	say(read.a, "bytes");
	ck_assert_int_eq(joined(cancelling.task), -ECANCELED);
	arun_task *begins = arun_spawn(read_some, read.b);
	arun_cancel(begins);
	ck_assert_int_eq(joined(begins), -ECANCELED);
	hear(read.b, "bytes");
	joined(canceller);
	close_pair(told);
	close_pair(read);
}

Suite *suite(void) {
	Suite *suite = suite_create("interrupt");
	TCase *all = tcase_create("each");
	tcase_set_timeout(all, 60);
	tcase_add_loop_test(all,
		each_call_that_waits_is_cancelled_and_late_and_loses_nothing, 0,
		(int)(sizeof calls / sizeof *calls));
	tcase_add_test(all, a_cancelled_read_takes_nothing_of_what_is_there_already);
	suite_add_tcase(suite, all);
	return suite;
}
