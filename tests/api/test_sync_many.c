/* SPDX-License-Identifier: MIT */
/* Many tasks over one mutex, one channel and one semaphore, cancelled at random. */
#include "api.h"

#include <stdlib.h>

enum { TASKS = 1000, SEEDS = 100, ROUNDS = 3, SLOTS = 3, ROOM = 4 };

struct world {
	arun_mutex mutex;
	arun_sem sem;
	arun_chan *chan;
	unsigned random;
	int holders, inside;
	/* FIFO: who asked when, and who was served when. */
	unsigned long asked, served;
	int sent[TASKS * ROUNDS], received[TASKS * ROUNDS];
};

struct worker {
	struct world *world;
	int number;
};

static unsigned next(struct world *world) {
	world->random = world->random * 1664525u + 1013904223u;
	return world->random >> 16;
}

/* EPIPE: the channel was closed. */
static bool obeys(int result) {
	if (result < 0) {
		ck_assert(errno == ECANCELED || errno == EPIPE);
	}
	return result < 0;
}

static void pause_at_random(struct world *world) {
	if (next(world) % 2) {
		int error = errno;
		(arun_sleep)(0);
		errno = error;
	}
}

static int with_mutex(struct world *world) {
	unsigned long ticket = ++world->asked;
	if (obeys(arun_mutex_lock(&world->mutex))) {
		return -1;
	}
	/* Those in between gave up. */
	ck_assert_uint_gt(ticket, world->served);
	world->served = ticket;
	ck_assert_int_eq(++world->holders, 1);
	pause_at_random(world);
	world->holders--;
	arun_mutex_unlock(&world->mutex);
	return 0;
}

static int with_sem(struct world *world) {
	if (obeys(arun_sem_acquire(&world->sem))) {
		return -1;
	}
	ck_assert_int_le(++world->inside, SLOTS);
	pause_at_random(world);
	world->inside--;
	arun_sem_release(&world->sem);
	return 0;
}

static int work(void *arg) {
	struct worker *self = arg;
	struct world *world = self->world;
	for (int round = 0; round < ROUNDS; round++) {
		int item = self->number * ROUNDS + round, got;
		if (with_mutex(world) < 0 || with_sem(world) < 0) {
			return 0;
		}
		int result = self->number % 2 ? arun_chan_send(world->chan, &item)
					      : arun_chan_recv(world->chan, &got);
		if (obeys(result)) {
			return 0;
		}
		if (self->number % 2) {
			world->sent[item]++;
		} else if (result) {
			world->received[got]++;
		}
	}
	return 0;
}

static void start(struct world *world, struct worker *workers, arun_task **tasks) {
	for (int i = 0; i < TASKS; i++) {
		workers[i] = (struct worker){world, i};
		tasks[i] = arun_spawn(work, &workers[i]);
		ck_assert_ptr_nonnull(tasks[i]);
	}
}

/* What is left in the channel counts as received. */
static void drain(struct world *world) {
	int got;
	while (arun_chan_recv(world->chan, &got) > 0) {
		world->received[got]++;
	}
}

static void check(struct world *world) {
	for (int i = 0; i < TASKS * ROUNDS; i++) {
		ck_assert_int_le(world->sent[i], 1);
		ck_assert_int_eq(world->sent[i], world->received[i]);
	}
	/* Nothing is held, and all of it is there. */
	ck_assert_int_eq(arun_mutex_lock(&world->mutex), 0);
	arun_mutex_unlock(&world->mutex);
	for (int i = 0; i < SLOTS; i++) {
		ck_assert_int_eq(arun_sem_acquire(&world->sem), 0);
	}
	ARUN_TIMEOUT(0);
	assert_fails(arun_sem_acquire(&world->sem), ETIMEDOUT);
}

static struct world world;
static unsigned seed;

static void play(void) {
	static struct worker workers[TASKS];
	static arun_task *tasks[TASKS];
	memset(&world, 0, sizeof world);
	world.random = seed;
	world.sem = (arun_sem)ARUN_SEM_INIT(SLOTS);
	world.chan = arun_chan_new(ROOM, sizeof(int));
	start(&world, workers, tasks);
	/* Each one is cancelled at some time, some of them when they have ended. */
	for (int i = 0; i < TASKS; i++) {
		let_others_run((int)(next(&world) % 3));
		int at = (int)(next(&world) % TASKS);
		arun_cancel(tasks[at]);
	}
	arun_chan_close(world.chan);
	drain(&world);
	for (int i = 0; i < TASKS; i++) {
		arun_cancel(tasks[i]);
		joined(tasks[i]);
	}
	drain(&world);
	check(&world);
	arun_chan_free(world.chan);
}

START_TEST(nothing_is_lost_nor_given_twice_where_tasks_are_cancelled_at_random) {
	for (seed = 1; seed <= SEEDS; seed++) {
		ck_assert_int_eq(run(play), 0);
	}
}
END_TEST

Suite *suite(void) {
	Suite *suite = suite_create("sync_many");
	TCase *many = tcase_create("many");
	tcase_set_timeout(many, 250);
	tcase_add_test(many,
		nothing_is_lost_nor_given_twice_where_tasks_are_cancelled_at_random);
	suite_add_tcase(suite, many);
	return suite;
}
