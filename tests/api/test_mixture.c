/* SPDX-License-Identifier: MIT */
/* Many tasks that do everything at once, by chance but the same in each run. */
#include "api.h"

enum { MIXED = 600, STEPS = 20, ITEMS = 50 };

/* A number below count. */
static unsigned chance(unsigned *seed, unsigned count) {
	*seed = *seed * 1103515245 + 12345;
	return (*seed >> 16) % count;
}

static int yield_once(void *arg) {
	(void)arg;
	return arun_sleep(0);
}

/* What a task may do in a step; each may be cut short. */

static void step_yield(unsigned *seed) {
	(void)seed;
	arun_sleep(0);
}

static void step_sleep(unsigned *seed) {
	arun_sleep(0.0005 * chance(seed, 4));
}

static void step_timeout(unsigned *seed) {
	ARUN_TIMEOUT(0.0003 * chance(seed, 5));
	arun_sleep(0.001);
}

static void step_shield(unsigned *seed) {
	ARUN_SHIELD(0.0003 * chance(seed, 5));
	arun_sleep(0.001);
}

static void step_group(unsigned *seed) {
	ARUN_GROUP(group);
	for (int i = 0; i < 3; i++) {
		arun_group_spawn(group, yield_once, NULL);
	}
	if (chance(seed, 2)) {
		arun_group_wait(group);
	}
}

static void step_first(unsigned *seed) {
	ARUN_TIMEOUT(0.0003 * chance(seed, 5));
	ARUN_GROUP(group);
	arun_group_spawn(group, yield_once, NULL);
	arun_group_first(group);
}

static void step_join(unsigned *seed) {
	arun_task *task = arun_spawn(yield_once, NULL);
	if (chance(seed, 2)) {
		arun_cancel(task);
	}
	while (arun_join(task, NULL) < 0) {
		arun_cancel(task);
	}
}

static void step_detach(unsigned *seed) {
	(void)seed;
	arun_task *task = arun_spawn(yield_once, NULL);
	/* Cancelled with the run, it has not failed. */
	arun_detach(task);
}

static void (*const steps[])(unsigned *) = {step_yield, step_sleep, step_timeout,
	step_shield, step_group, step_first, step_join, step_detach};

static int ended;

static int take_steps(void *arg) {
	unsigned seed = *(unsigned *)arg;
	for (int i = 0; i < STEPS; i++) {
		steps[chance(&seed, sizeof steps / sizeof *steps)](&seed);
	}
	ended++;
	return 0;
}

/* Yields numbers that rise, some late, some in a hurry. */
static int count_by_chance(void *arg) {
	unsigned seed = *(unsigned *)arg;
	for (int i = 1;; i++) {
		if (chance(&seed, 7) == 0) {
			arun_sleep(0.0005);
		}
		ARUN_TIMEOUT(chance(&seed, 11) ? FOREVER : 0.0002);
		if (arun_gen_yield(&i) < 0 && errno == ECANCELED) {
			return i;
		}
	}
}

static int draw_by_chance(void *arg) {
	unsigned seed = *(unsigned *)arg;
	int last = 0;
	arun_gen *gen = arun_gen_new(count_by_chance, arg);
	for (int i = 0; i < ITEMS; i++) {
		ARUN_TIMEOUT(chance(&seed, 3) ? FOREVER : 0.0004);
		const int *item = arun_gen_next(gen);
		ck_assert(!item || *item > last);
		last = item ? *item : last;
	}
	ck_assert_int_ge(arun_gen_close(gen), 0);
	ended++;
	return 0;
}

CLAIM(many_tasks_that_do_everything_at_once_end_and_leave_nothing) {
	static unsigned seeds[MIXED];
	static arun_task *tasks[MIXED];
	unsigned seed = 1;
	for (unsigned i = 0; i < MIXED; i++) {
		seeds[i] = i * 7919 + 1;
		tasks[i] = arun_spawn(i % 3 ? take_steps : draw_by_chance, &seeds[i]);
		ck_assert_ptr_nonnull(tasks[i]);
	}
	for (int i = 0; i < MIXED / 2; i++) {
		arun_cancel(tasks[chance(&seed, MIXED)]);
		step_sleep(&seed);
	}
	for (int i = 0; i < MIXED; i++) {
		ck_assert_int_eq(joined(tasks[i]), 0);
	}
	ck_assert_int_eq(ended, MIXED);
}

/* Compound literals: their commas are none between the arguments of a macro. */

struct two {
	int a, b;
};

static int sum_two(void *two) {
	return ((struct two *)two)->a + ((struct two *)two)->b;
}

static int yield_two(void *unused) {
	(void)unused;
	return arun_gen_yield(&(struct two){3, 4});
}

static int nothing_to_serve(arun_conn *conn, void *arg) {
	(void)conn;
	(void)arg;
	return 0;
}

static int noted;

static void note_two(void *two) {
	noted += sum_two(two);
}

static void literals_are_sent(void) {
	arun_chan *chan = arun_chan_new(1, sizeof(struct two));
	ck_assert_int_eq(arun_chan_send(chan, &(struct two){1, 2}), 0);
	arun_chan_free(chan);
	arun_gen *gen = arun_gen_new(yield_two, &(struct two){0, 0});
	ck_assert_int_eq(sum_two(arun_gen_next(gen)), 7);
	arun_gen_close(gen);
	arun_udp *udp = arun_udp_open("udp:127.0.0.1:0");
	ck_assert_int_eq((int)arun_udp_send(udp, (char[]){1, 2}, 2, NULL), -1);
	ck_assert_int_eq(errno, EDESTADDRREQ);
	arun_udp_close(udp);
}

static void literals_are_connected(void) {
	char bytes[4];
	arun_server *server = arun_listen_with("127.0.0.1:0", NULL, &(struct two){1, 2},
		&(arun_listen_options){.name = "two", .backlog = 2});
	arun_conn *a = arun_connect_with(arun_server_address(server),
		&(arun_connect_options){.server_name = NULL, .local = "127.0.0.1:0"});
	arun_conn *b = arun_accept(server);
	ck_assert_int_eq(arun_write(a, (char[]){1, 2}, 2), 0);
	ck_assert_int_eq(arun_writev(a, (struct iovec[]){{bytes, 1}, {bytes, 1}}, 2), 0);
	ck_assert_int_eq(arun_read_exactly(b, bytes, 4), 4);
	arun_abort(a);
	arun_abort(b);
	arun_server_close(server);
	server = arun_listen("127.0.0.1:0", nothing_to_serve, &(struct two){1, 2});
	arun_server_close(server);
}

CLAIM(a_compound_literal_is_one_argument) {
	const arun_spawn_options options = {.name = "two"};
	arun_task *task = arun_spawn(sum_two, &(struct two){1, 2});
	ck_assert_int_eq(joined(task), 3);
	task = arun_spawn_with(sum_two, &(struct two){1, 2}, &options);
	ck_assert_int_eq(joined(task), 3);
	{
		ARUN_GROUP(group);
		/* Not in a macro's block, where it would end before the task runs. */
		int spawned = arun_group_spawn(group, sum_two, &(struct two){1, 2});
		ck_assert_int_eq(spawned, 0);
		ck_assert_int_eq(arun_group_first(group), 3);
	}
	ck_assert_int_eq(arun_blocking(sum_two, &(struct two){1, 2}), 3);
	arun_timer *timer = arun_timer_start(0, 0, note_two, &(struct two){1, 2});
	int posted = arun_post(note_two, &(struct two){1, 2});
	ck_assert_int_eq(posted, 0);
	while (noted < 6) {
		arun_sleep(0);
	}
	arun_timer_stop(timer);
	arun_signals_close(arun_signals_open((int[]){SIGUSR2, SIGCHLD}, 2));
	arun_process_close(arun_exec((char *[]){(char[]){"true"}, NULL}, NULL));
	literals_are_sent();
	literals_are_connected();
}

Suite *suite(void) {
	Suite *suite = suite_create("mixture");
	TCase *mixture = tcase_create("mixture");
	tcase_add_test(
		mixture, many_tasks_that_do_everything_at_once_end_and_leave_nothing);
	tcase_add_test(mixture, a_compound_literal_is_one_argument);
	suite_add_tcase(suite, mixture);
	return suite;
}
