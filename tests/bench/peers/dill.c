/* SPDX-License-Identifier: MIT */
/* dill - the same with libdill: yield, spawn, batch, channel. */
#include "../measure.h"

#include <libdill.h>

enum { BATCH = 1000 };

static volatile long sink;
static int over;

static coroutine void child(long item) {
	sink = sink + item;
}

static coroutine void yields(void) {
	while (!over) {
		yield();
	}
}

static void yield_pair(long count) {
	over = 0;
	int other = go(yields());
	while (count--) {
		yield();
	}
	over = 1;
	yield();
	hclose(other);
}

static void spawn_join(long count) {
	while (count--) {
		hclose(go(child(count)));
	}
}

/* go() runs the child at once: it yields, so that all are alive at a time. */
static coroutine void late_child(long item) {
	yield();
	sink = sink + item;
}

static void spawn_batch(long count) {
	for (; count > 0; count -= BATCH) {
		int all = bundle();
		for (int i = 0; i < BATCH; i++) {
			bundle_go(all, late_child(i));
		}
		bundle_wait(all, -1);
		hclose(all);
	}
}

static coroutine void answers(int in, int out) {
	long item;
	while (chrecv(in, &item, sizeof item, -1) == 0) {
		chsend(out, &item, sizeof item, -1);
	}
}

static void channel(long count) {
	int there[2], back[2];
	if (chmake(there) < 0 || chmake(back) < 0) {
		return;
	}
	int other = go(answers(there[1], back[0]));
	for (long item = 0; item < count; item++) {
		long got;
		chsend(there[0], &item, sizeof item, -1);
		chrecv(back[1], &got, sizeof got, -1);
	}
	chdone(there[0]);
	hclose(other);
	hclose(there[0]);
	hclose(there[1]);
	hclose(back[0]);
	hclose(back[1]);
}

static const struct bench benches[] = {
	{"yield", yield_pair},
	{"spawn", spawn_join},
	{"batch", spawn_batch},
	{"channel", channel},
};

int main(int argc, char **argv) {
	return measure(benches, sizeof benches / sizeof *benches, argc, argv);
}
