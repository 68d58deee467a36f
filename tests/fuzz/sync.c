/* SPDX-License-Identifier: MIT */
/*
 * The input is a script that several tasks read together: each takes its next step when it runs.
 * They send and receive, lock and wait, and are cut short by timeouts and cancels. No item is lost
 * or doubled, those of a sender stay in order, who holds a lock holds it alone, and nothing is left.
 */
#include "run.h"

#include <errno.h>

enum { ACTORS = 4, CHANNELS = 3, ITEMS = 512, PERMITS = 2, STEPS_MOST = 500 };

enum fate { UNSENT, ON_ITS_WAY, SENT, REFUSED, RECEIVED = 4 };

struct item {
	unsigned channel, sender, number;
};

struct actor {
	unsigned id;
	arun_task *task;
	bool timed, cancelled;
};

static struct {
	struct fuzz_script script;
	unsigned steps, changes;         /* changes: steps, and what was received */
	struct actor actors[ACTORS + 1]; /* and the main coroutine */
	arun_chan *channels[CHANNELS];
	bool closed[CHANNELS];
	unsigned char fate[CHANNELS][ACTORS][ITEMS];
	unsigned next[CHANNELS][ACTORS];             /* numbers, from 1 */
	unsigned last[ACTORS + 1][CHANNELS][ACTORS]; /* that an actor has received */
	unsigned open_items;
	arun_mutex mutex;
	arun_cond cond;
	arun_event event;
	arun_sem sem;
	const struct actor *holder;
	unsigned permits, sets;
} world;

/* Why a wait of the actor may end early. */
static bool may_fail(const struct actor *actor, int error) {
	return (error == ECANCELED && actor->cancelled) ||
	       (error == ETIMEDOUT && actor->timed);
}

static void check_wait(const struct actor *actor, int result, const char *what) {
	fuzz_check(
		result >= 0 || may_fail(actor, errno), "%s: %s", what, strerror(errno));
}

/* Channels */

/* Makes an item that is to be sent. Returns whether there was one left. */
static bool begin_send(const struct actor *actor, unsigned channel, struct item *item) {
	unsigned number = world.next[channel][actor->id] + 1;
	if (number == ITEMS) {
		return false;
	}
	*item = (struct item){channel, actor->id, number};
	world.next[channel][actor->id] = number;
	world.fate[channel][actor->id][number] = ON_ITS_WAY;
	return true;
}

static void end_send(const struct item *item, bool sent) {
	unsigned char *fate = &world.fate[item->channel][item->sender][item->number];
	fuzz_check(sent || *fate == ON_ITS_WAY, "item %u of %u came, and was not sent",
		item->number, item->sender);
	*fate = (unsigned char)((*fate & RECEIVED) | (sent ? SENT : REFUSED));
	world.open_items += sent;
}

static void send_item(const struct actor *actor, unsigned channel) {
	struct item item;
	if (!begin_send(actor, channel, &item)) {
		return;
	}
	int result = arun_chan_send(world.channels[channel], &item);
	bool closed = result < 0 && errno == EPIPE && world.closed[channel];
	if (!closed) {
		check_wait(actor, result, "send");
	}
	end_send(&item, result == 0);
}

/* An item that a task was given while it waited may be told of after one that another took later: the
 * order is that of each receiver. */
static void take_item(
	const struct actor *actor, const struct item *item, unsigned channel) {
	fuzz_check(
		item->channel == channel && item->sender < ACTORS && item->number < ITEMS,
		"an item that nobody sent");
	unsigned *last = &world.last[actor->id][channel][item->sender];
	unsigned char *fate = &world.fate[channel][item->sender][item->number];
	fuzz_check(*fate == SENT || *fate == ON_ITS_WAY, "item %u of %u: %u",
		item->number, item->sender, *fate);
	fuzz_check(item->number > *last, "item %u of %u after %u", item->number,
		item->sender, *last);
	*fate |= RECEIVED;
	*last = item->number;
	world.open_items--;
	world.changes++;
}

static void receive_item(const struct actor *actor, unsigned channel) {
	struct item item;
	int result = arun_chan_recv(world.channels[channel], &item);
	if (result > 0) {
		take_item(actor, &item, channel);
	} else if (result == 0) {
		fuzz_check(world.closed[channel], "an end");
	} else {
		check_wait(actor, result, "recv");
	}
}

/* How a case of choose_item() came out. */
static void end_case(const struct actor *actor, const arun_chan_case *one,
	const struct item *item, unsigned channel) {
	if (one->send) {
		end_send(item, one->result == 1);
	} else if (one->result == 1) {
		take_item(actor, item, channel);
	} else {
		fuzz_check(!item->number, "received, and was not chosen");
	}
}

/* Of all channels; a bit of ways says whether to send. One may be left out. */
static void choose_item(const struct actor *actor, unsigned ways) {
	arun_chan_case cases[CHANNELS] = {{.chan = NULL}};
	struct item items[CHANNELS] = {{0}};
	for (unsigned i = 0; i < CHANNELS; i++) {
		bool sends = ways >> i & 1;
		bool shut = ways >> CHANNELS == i + 1;
		if (!shut && (!sends || begin_send(actor, i, &items[i]))) {
			cases[i].chan = world.channels[i];
			cases[i].send = sends ? &items[i] : NULL;
			cases[i].recv = sends ? NULL : &items[i];
		}
	}
	int result = arun_chan_select(cases, CHANNELS), error = errno;
	for (unsigned i = 0; i < CHANNELS; i++) {
		bool ended = result == (int)i && !cases[i].result;
		bool refused = cases[i].result < 0;
		fuzz_check(!(ended || refused) || world.closed[i], "an end");
		fuzz_check(cases[i].result <= 0 || result == (int)i, "two went");
		fuzz_check(!refused || error == EPIPE, "%s", strerror(error));
		if (cases[i].chan) {
			end_case(actor, &cases[i], &items[i], i);
		}
	}
	fuzz_check(result >= 0 || error == EPIPE || may_fail(actor, error), "select: %s",
		strerror(error));
}

/* Locks */

static void hold(const struct actor *actor) {
	fuzz_check(!world.holder, "held by %u", world.holder->id);
	world.holder = actor;
}

static void let_go(const struct actor *actor) {
	fuzz_check(world.holder == actor, "lost");
	world.holder = NULL;
}

static void lock(const struct actor *actor, unsigned how) {
	int result = arun_mutex_lock(&world.mutex);
	check_wait(actor, result, "lock");
	if (result < 0) {
		return;
	}
	hold(actor);
	if (how % 4 == 1) {
		check_wait(actor, arun_sleep(0), "sleep");
	} else if (how % 4 == 2) {
		let_go(actor);
		check_wait(actor, arun_cond_wait(&world.cond, &world.mutex), "cond");
		hold(actor);
	} else if (how % 4 == 3) {
		fuzz_check(arun_mutex_lock(&world.mutex) < 0 &&
				   (errno == EDEADLK || may_fail(actor, errno)),
			"twice");
	}
	let_go(actor);
	arun_mutex_unlock(&world.mutex);
}

static void use_permit(const struct actor *actor) {
	int result = arun_sem_acquire(&world.sem);
	check_wait(actor, result, "acquire");
	if (result == 0) {
		fuzz_check(++world.permits <= PERMITS, "%u at once", world.permits);
		check_wait(actor, arun_sleep(0), "sleep");
		world.permits--;
		arun_sem_release(&world.sem);
	}
}

static void wait_event(const struct actor *actor) {
	int result = arun_event_wait(&world.event);
	check_wait(actor, result, "event");
	fuzz_check(result < 0 || world.sets, "never set");
}

/* The script */

/* What needs no wait, and wakes others. */
static void stir(unsigned number) {
	struct actor *actor = &world.actors[number % ACTORS];
	switch (number / ACTORS % 6) {
	case 0:
		actor->cancelled = actor->task;
		arun_cancel(actor->task);
		break;
	case 1:
		world.sets++;
		arun_event_set(&world.event);
		break;
	case 2:
		arun_event_clear(&world.event);
		break;
	case 3:
		arun_cond_signal(&world.cond);
		break;
	case 4:
		arun_cond_broadcast(&world.cond);
		break;
	default:
		world.closed[number % CHANNELS] = true;
		arun_chan_close(world.channels[number % CHANNELS]);
	}
}

static void act(struct actor *actor, char op, unsigned number) {
	switch (op) {
	case 's':
		send_item(actor, number % CHANNELS);
		break;
	case 'r':
		receive_item(actor, number % CHANNELS);
		break;
	case 'c':
		choose_item(actor, number);
		break;
	case 'l':
		lock(actor, number);
		break;
	case 'a':
		use_permit(actor);
		break;
	case 'e':
		wait_event(actor);
		break;
	case 'z':
		check_wait(actor, arun_sleep(0), "sleep");
		break;
	default:
		stir(number);
	}
}

static void act_in_time(struct actor *actor, char op, unsigned number) {
	ARUN_TIMEOUT(number % 2 ? 0 : 1e-4);
	actor->timed = true;
	act(actor, op, number);
	actor->timed = false;
}

static bool script_has_more(void) {
	return world.script.next < world.script.end && world.steps < STEPS_MOST;
}

static void next_step(struct actor *actor) {
	static const char ops[] = "srlaezxcSRLAEZC"; /* capitals: with a timeout */
	char op = fuzz_letter(&world.script, ops);
	unsigned number = fuzz_number(&world.script);
	world.steps++;
	world.changes++;
	if (op < 'a') {
		act_in_time(actor, (char)(op - 'A' + 'a'), number);
	} else {
		act(actor, op, number);
	}
}

static int actor_main(void *arg) {
	struct actor *actor = arg;
	while (script_has_more() && !actor->cancelled) {
		next_step(actor);
	}
	return 0;
}

static void end_actor(struct actor *actor) {
	if (actor->task) {
		actor->cancelled = true;
		arun_cancel(actor->task);
		fuzz_check(arun_join(actor->task, NULL) == 0, "%s", arun_why());
	}
}

/* Gives the place of a cancelled actor to a new one. */
static void start_actors(void) {
	for (unsigned i = 0; i < ACTORS; i++) {
		struct actor *actor = &world.actors[i];
		if (!actor->task || actor->cancelled) {
			end_actor(actor);
			*actor = (struct actor){.id = i};
			actor->task = arun_spawn(actor_main, actor);
			fuzz_check(actor->task, "%s", arun_why());
		}
	}
}

/* What was sent and not received is in the channels. */
static void finish(void) {
	struct item item;
	for (unsigned i = 0; i < ACTORS; i++) {
		end_actor(&world.actors[i]);
	}
	for (unsigned i = 0; i < CHANNELS; i++) {
		int result;
		arun_chan_close(world.channels[i]);
		while ((result = arun_chan_recv(world.channels[i], &item)) > 0) {
			take_item(&world.actors[ACTORS], &item, i);
		}
		fuzz_check(result == 0, "%s", arun_why());
		arun_chan_free(world.channels[i]);
	}
	fuzz_check(!world.open_items, "%d items", (int)world.open_items);
	fuzz_check(!world.holder && !world.permits, "held");
	fuzz_check(arun_mutex_lock(&world.mutex) == 0, "%s", arun_why());
	arun_mutex_unlock(&world.mutex);
	for (int i = 0; i < PERMITS; i++) {
		fuzz_check(arun_sem_acquire(&world.sem) == 0, "%s", arun_why());
	}
}

/* Where all wait for each other, the script goes on here. */
static int body(int argc, char **argv) {
	unsigned long mark = arun_mark();
	(void)argc, (void)argv;
	for (unsigned i = 0; i < CHANNELS; i++) {
		world.channels[i] = arun_chan_new(i * i, sizeof(struct item));
		fuzz_check(world.channels[i], "%s", arun_why());
	}
	while (script_has_more()) {
		unsigned before = world.changes;
		start_actors();
		fuzz_check(arun_sleep(0) == 0, "%s", arun_why());
		if (world.changes == before) {
			world.steps++;
			stir(fuzz_number(&world.script));
		}
	}
	finish();
	fuzz_check(arun_leaks_since(mark, stderr) == 0, "leaks");
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	memset(&world, 0, sizeof world);
	world.script = (struct fuzz_script){data, data + size};
	world.sem.count = PERMITS;
	world.actors[ACTORS].id = ACTORS;
	fuzz_run(body);
	return 0;
}
