/* SPDX-License-Identifier: MIT */
/* Many tasks that select among a few channels, cancelled and late at random, against a model. */
#include "api.h"

enum { TASKS = 60, CHANNELS = 5, ROUNDS = 6, CASES = 4, SEEDS = 60 };
enum { ITEMS = TASKS * ROUNDS * CASES, NOTHING = -1 };

struct item {
	int number, channel;
};

static struct {
	arun_chan *channels[CHANNELS];
	bool closed[CHANNELS];
	unsigned random;
	int offered; /* items that were made */
	int sent[ITEMS], received[ITEMS];
	int moved, refused, late; /* that all of it has happened */
} world;

static unsigned seed;

static unsigned next(unsigned limit) {
	world.random = world.random * 1664525u + 1013904223u;
	return (world.random >> 16) % limit;
}

/* A select of one task: where a case points to. */
struct turn {
	arun_chan_case cases[CASES];
	struct item items[CASES];
	int channel[CASES];
	int count;
};

static struct turn make_turn(void) {
	struct turn turn = {.count = (int)next(CASES) + 1};
	for (int i = 0; i < turn.count; i++) {
		turn.channel[i] = (int)next(CHANNELS);
	}
	return turn;
}

/* Each item is offered once, to one channel. */
static void aim(struct turn *turn) {
	for (int i = 0; i < turn->count; i++) {
		arun_chan_case *one = &turn->cases[i];
		struct item *item = &turn->items[i];
		*item = (struct item){NOTHING, NOTHING};
		one->chan = next(8) ? world.channels[turn->channel[i]] : NULL;
		if (next(2)) {
			*item = (struct item){world.offered++, turn->channel[i]};
			one->send = item;
		} else {
			one->recv = item;
		}
	}
}

static void take(const struct item *item, int channel) {
	ck_assert_int_ge(item->number, 0);
	ck_assert_int_lt(item->number, world.offered);
	ck_assert_int_eq(item->channel, channel);
	world.received[item->number]++;
	world.moved++;
}

/* That of a turn only the case that went has moved anything. */
static void check_case(const struct turn *turn, int i, int index) {
	const arun_chan_case *one = &turn->cases[i];
	if (i != index) {
		ck_assert_int_eq(one->result, 0);
	}
	if (i == index && one->result == 1 && one->send) {
		world.sent[turn->items[i].number]++;
	} else if (i == index && one->result == 1) {
		take(&turn->items[i], turn->channel[i]);
	} else if (one->recv) {
		ck_assert_int_eq(turn->items[i].number, NOTHING);
	}
	if (i == index && one->result == 0) {
		ck_assert(one->recv && world.closed[turn->channel[i]]);
	}
}

/* Which case was refused: EPIPE; -1: none was. */
static int refused(const struct turn *turn) {
	for (int i = 0; i < turn->count; i++) {
		if (turn->cases[i].result < 0) {
			ck_assert(turn->cases[i].send && world.closed[turn->channel[i]]);
			return i;
		}
	}
	return -1;
}

static void check_turn(const struct turn *turn, int index, int error) {
	if (index < 0) {
		ck_assert(error == ECANCELED || error == ETIMEDOUT || error == EPIPE);
		int at = refused(turn);
		ck_assert_int_eq(error == EPIPE, at >= 0);
		world.refused += error == EPIPE;
		world.late += error == ETIMEDOUT;
		index = at;
	}
	for (int i = 0; i < turn->count; i++) {
		check_case(turn, i, index);
	}
}

static int select_in_time(struct turn *turn) {
	ARUN_TIMEOUT(next(4) ? FOREVER : 0.00001 * next(20));
	return arun_chan_select(turn->cases, (size_t)turn->count);
}

static int work(void *arg) {
	(void)arg;
	for (int round = 0; round < ROUNDS; round++) {
		struct turn turn = make_turn();
		aim(&turn);
		int index = next(2) ? select_in_time(&turn)
				    : arun_chan_select(turn.cases, (size_t)turn.count);
		int error = errno;
		check_turn(&turn, index, error);
		if (index < 0 && error == ECANCELED) {
			return 0;
		}
		if (next(2)) {
			(arun_sleep)(0);
		}
	}
	return 0;
}

/* The plain calls, on the same channels. */
static int send_all(void *arg) {
	int channel = *(int *)arg;
	for (int round = 0; round < ROUNDS; round++) {
		struct item item = {world.offered++, channel};
		if (arun_chan_send(world.channels[channel], &item) < 0) {
			return 0;
		}
		world.sent[item.number]++;
	}
	return 0;
}

static int receive_all(void *arg) {
	int channel = *(int *)arg;
	struct item item;
	while (arun_chan_recv(world.channels[channel], &item) > 0) {
		take(&item, channel);
	}
	return 0;
}

static arun_task *start(int i, int *channel) {
	*channel = i % CHANNELS;
	return arun_spawn(i % 6 == 4   ? send_all
			  : i % 6 == 5 ? receive_all
				       : work,
		channel);
}

/* What is left in the channels counts as received. */
static void drain(void) {
	struct item item;
	for (int i = 0; i < CHANNELS; i++) {
		while (arun_chan_recv(world.channels[i], &item) > 0) {
			take(&item, i);
		}
		arun_chan_free(world.channels[i]);
	}
}

static void close_one(int channel) {
	world.closed[channel] = true;
	arun_chan_close(world.channels[channel]);
}

static void check(void) {
	for (int i = 0; i < ITEMS; i++) {
		ck_assert_int_le(world.sent[i], 1);
		ck_assert_int_eq(world.sent[i], world.received[i]);
	}
}

static void play(void) {
	arun_task *tasks[TASKS];
	int channels[TASKS];
	for (int i = 0; i < CHANNELS; i++) {
		world.channels[i] = arun_chan_new((size_t)i / 2, sizeof(struct item));
	}
	for (int i = 0; i < TASKS; i++) {
		tasks[i] = start(i, &channels[i]);
	}
	for (int i = 0; i < TASKS; i++) {
		let_others_run((int)next(3));
		arun_cancel(next(2) ? tasks[next(TASKS)] : NULL);
		if (next(TASKS) < 3) {
			close_one((int)next(CHANNELS));
		}
	}
	for (int i = 0; i < TASKS; i++) {
		arun_cancel(next(2) ? tasks[i] : NULL);
	}
	for (int i = 0; i < CHANNELS; i++) {
		close_one(i);
	}
	for (int i = 0; i < TASKS; i++) {
		arun_cancel(tasks[i]);
		joined(tasks[i]);
	}
	drain();
	check();
}

START_TEST(each_item_moves_once_or_not_at_all_whatever_is_cancelled_late_or_closed) {
	int moved = 0, refusals = 0, late = 0;
	for (seed = 1; seed <= SEEDS; seed++) {
		memset(&world, 0, sizeof world);
		world.random = seed;
		ck_assert_int_eq(run(play), 0);
		moved += world.moved;
		refusals += world.refused;
		late += world.late;
	}
	ck_assert_int_gt(moved, SEEDS * TASKS);
	ck_assert_int_gt(refusals, SEEDS / 2);
	ck_assert_int_gt(late, SEEDS / 2);
}
END_TEST

Suite *suite(void) {
	Suite *suite = suite_create("select_many");
	TCase *many = tcase_create("many");
	tcase_set_timeout(many, 250);
	tcase_add_test(many,
		each_item_moves_once_or_not_at_all_whatever_is_cancelled_late_or_closed);
	suite_add_tcase(suite, many);
	return suite;
}
