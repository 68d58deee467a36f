/* SPDX-License-Identifier: MIT */
/*
 * tasks - what switches, spawns, channels, generators and idle tasks cost.
 *
 *	arun ./tasks.so NAME COUNT [ROUNDS]
 *
 * As measure.h has it; "idle" prints the bytes of a task, its mappings, and the nanoseconds of processor
 * time that it took to make one, and to cancel and join one. "crowd" takes the number of tasks after
 * ROUNDS.
 */
#include "measure.h"
#include "memory.h"

#include <arun.h>

enum { BATCH = 1000 };

static volatile long sink;
static bool over;

static int child(void *arg) {
	sink = sink + (long)(arg != NULL);
	return 0;
}

static int yields(void *arg) {
	(void)arg;
	while (!over) {
		arun_sleep(0);
	}
	return 0;
}

/* There and back: two switches. */
static void yield_pair(long count) {
	over = false;
	arun_task *other = arun_spawn(yields, NULL);
	while (count--) {
		arun_sleep(0);
	}
	over = true;
	arun_join(other, NULL);
}

static void spawn_join(long count) {
	while (count--) {
		arun_join(arun_spawn(child, NULL), NULL);
	}
}

static void spawn_batch(long count) {
	static arun_task *tasks[BATCH];
	for (; count > 0; count -= BATCH) {
		for (int i = 0; i < BATCH; i++) {
			tasks[i] = arun_spawn(child, NULL);
		}
		for (int i = 0; i < BATCH; i++) {
			arun_join(tasks[i], NULL);
		}
	}
}

static int counts(void *arg) {
	static int item;
	for (long i = *(long *)arg; i > 0; i--) {
		if (arun_gen_yield(&item) < 0) {
			return -1;
		}
	}
	return 0;
}

static void generator(long count) {
	arun_gen *gen = arun_gen_new(counts, &count);
	while (arun_gen_next(gen)) {
	}
	arun_gen_close(gen);
}

/* From hand to hand, there and back. */
static int answers(void *arg) {
	arun_chan **chans = arg;
	long item;
	while (arun_chan_recv(chans[0], &item) > 0) {
		arun_chan_send(chans[1], &item);
	}
	return 0;
}

static void channel(long count) {
	arun_chan *chans[2] = {
		arun_chan_new(0, sizeof(long)), arun_chan_new(0, sizeof(long))};
	arun_task *other = arun_spawn(answers, chans);
	for (long item = 0; item < count; item++) {
		long back;
		arun_chan_send(chans[0], &item);
		arun_chan_recv(chans[1], &back);
	}
	arun_chan_close(chans[0]);
	arun_join(other, NULL);
	arun_chan_free(chans[0]);
	arun_chan_free(chans[1]);
}

static const struct bench benches[] = {
	{"yield", yield_pair},
	{"spawn", spawn_join},
	{"batch", spawn_batch},
	{"generator", generator},
	{"channel", channel},
};

/* Many tasks that all yield: what a switch costs where caches no longer help. ------------------- */

static struct crowd {
	long size;
	arun_task **tasks;
	arun_event *gates;
	long *order;
} crowd;

static int waits_then_yields(void *arg) {
	arun_event_wait(arg);
	return yields(NULL);
}

/* Each yield here lets every other task yield once. */
static void crowd_round(long count) {
	for (; count > 0; count -= crowd.size) {
		arun_sleep(0);
	}
}

/* They are woken, and so run ever after, in an order that no prefetcher knows. */
static void crowd_begin(void) {
	over = false;
	measure_shuffle(crowd.order, crowd.size);
	for (long i = 0; i < crowd.size; i++) {
		crowd.tasks[i] = arun_spawn(waits_then_yields, &crowd.gates[i]);
	}
	arun_sleep(0);
	for (long i = 0; i < crowd.size; i++) {
		arun_event_set(&crowd.gates[crowd.order[i]]);
	}
	crowd_round(2 * crowd.size);
}

static void crowd_end(void) {
	over = true;
	for (long i = 0; i < crowd.size; i++) {
		arun_join(crowd.tasks[i], NULL);
	}
}

static int measure_crowd(long count, int rounds, long size) {
	crowd.size = size;
	crowd.tasks = calloc((size_t)size, sizeof *crowd.tasks);
	crowd.gates = calloc((size_t)size, sizeof *crowd.gates);
	crowd.order = calloc((size_t)size, sizeof *crowd.order);
	if (crowd.tasks && crowd.gates && crowd.order) {
		crowd_begin();
		for (int i = 0; i < rounds; i++) {
			measure_round(crowd_round, count);
		}
		crowd_end();
	}
	free(crowd.tasks);
	free(crowd.gates);
	free(crowd.order);
	return 0;
}

/* Tasks that sleep ----------------------------------------------------------------------------- */

static int sleeps(void *arg) {
	(void)arg;
	return arun_sleep(36000);
}

static void end_all(arun_task **tasks, long count) {
	for (long i = 0; i < count; i++) {
		arun_cancel(tasks[i]);
	}
	for (long i = 0; i < count; i++) {
		arun_join(tasks[i], NULL);
	}
}

static int measure_idle(long count) {
	arun_task **tasks = calloc((size_t)count, sizeof *tasks);
	long bytes = memory_bytes(), mappings = memory_mappings();
	double begun = measure_ns(CLOCK_PROCESS_CPUTIME_ID);
	for (long i = 0; tasks && i < count; i++) {
		tasks[i] = arun_spawn(sleeps, NULL);
	}
	arun_sleep(0);
	begun = measure_ns(CLOCK_PROCESS_CPUTIME_ID) - begun;
	bytes = memory_bytes() - bytes;
	mappings = memory_mappings() - mappings;
	double ended = measure_ns(CLOCK_PROCESS_CPUTIME_ID);
	end_all(tasks, tasks ? count : 0);
	ended = measure_ns(CLOCK_PROCESS_CPUTIME_ID) - ended;
	printf("%.1f %ld %.1f %.1f\n", (double)bytes / (double)count, mappings,
		begun / (double)count, ended / (double)count);
	free(tasks);
	return 0;
}

static int bench(int argc, char **argv) {
	const char *name = argc > 1 ? argv[1] : "";
	long count = argc > 2 ? atol(argv[2]) : 1000000;
	if (strcmp(name, "idle") == 0) {
		return measure_idle(count);
	}
	if (strcmp(name, "crowd") == 0) {
		return measure_crowd(count, argc > 3 ? atoi(argv[3]) : 1,
			argc > 4 ? atol(argv[4]) : 100000);
	}
	return measure(benches, sizeof benches / sizeof *benches, argc, argv);
}
ARUN_MAIN(bench)
