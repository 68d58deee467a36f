/* SPDX-License-Identifier: MIT */
/*
 * tasks - what switches, spawns, generators and idle tasks cost.
 *
 *	tasks [-d] NAME COUNT [ROUNDS]
 *
 * Prints a line a round: nanoseconds of processor time an operation; for "idle" the bytes a task. The
 * names that begin with "bare_" are the peers: the same without a runtime.
 */
#include "context.h"

#include <arun.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 1000, CROWD = 100000, BARE_STACK = 64 * 1024 };

static volatile long sink;

static int child(void *arg) {
	sink = sink + (long)(arg != NULL);
	return 0;
}

/* The bare switch ------------------------------------------------------------------------------- */

static void *bare_main, *bare_other;
static char bare_stack[BARE_STACK] __attribute__((aligned(16)));

static void bare_forever(void *arg) {
	(void)arg;
	for (;;) {
		context_switch(&bare_other, bare_main, 0);
	}
}

static void bare_once(void *arg) {
	child(arg);
	context_switch(&bare_other, bare_main, 0);
}

static void bare_switch(long count) {
	bare_other = context_make(bare_stack + BARE_STACK, bare_forever, NULL);
	while (count--) {
		context_switch(&bare_main, bare_other, 0);
	}
}

static void bare_spawn(long count) {
	while (count--) {
		bare_other = context_make(bare_stack + BARE_STACK, bare_once, NULL);
		context_switch(&bare_main, bare_other, 0);
	}
}

static void *thread(void *arg) {
	child(arg);
	return NULL;
}

static void bare_thread(long count) {
	pthread_t id;
	while (count-- && pthread_create(&id, NULL, thread, NULL) == 0) {
		pthread_join(id, NULL);
	}
}

/* Tasks ----------------------------------------------------------------------------------------- */

static bool over;

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

static int yields_often(void *arg) {
	for (long i = *(long *)arg; i > 0; i--) {
		arun_sleep(0);
	}
	return 0;
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

/* Measures ---------------------------------------------------------------------------------------- */

static double cpu_ns(void) {
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static const struct bench {
	const char *name;
	void (*fn)(long count);
} benches[] = {
	{"bare_switch", bare_switch},
	{"bare_spawn", bare_spawn},
	{"bare_thread", bare_thread},
	{"yield", yield_pair},
	{"spawn", spawn_join},
	{"batch", spawn_batch},
	{"generator", generator},
};

static int measure(const struct bench *bench, long count, int rounds) {
	bench->fn(rounds > 1 ? count / 10 + 1 : 0);
	for (int i = 0; i < rounds; i++) {
		double start = cpu_ns();
		bench->fn(count);
		printf("%.2f\n", (cpu_ns() - start) / (double)count);
	}
	return 0;
}

/* Many tasks that all yield: what a switch costs where caches no longer help. */
static int measure_crowd(long count) {
	arun_task **tasks = calloc(CROWD, sizeof *tasks);
	for (int i = 0; i < CROWD; i++) {
		tasks[i] = arun_spawn(yields_often, &count);
	}
	arun_sleep(0);
	double start = cpu_ns();
	for (int i = 0; i < CROWD; i++) {
		arun_join(tasks[i], NULL);
	}
	printf("%.2f\n", (cpu_ns() - start) / (double)(count * CROWD));
	free(tasks);
	return 0;
}

static int sleeps(void *arg) {
	(void)arg;
	return arun_sleep(3600);
}

/* Resident memory and page tables, in bytes. */
static long resident(void) {
	char line[256];
	long sum = 0;
	FILE *status = fopen("/proc/self/status", "r");
	while (status && fgets(line, sizeof line, status)) {
		if (strncmp(line, "VmRSS:", 6) == 0 || strncmp(line, "VmPTE:", 6) == 0) {
			sum += atol(line + 6) * 1024;
		}
	}
	if (status) {
		fclose(status);
	}
	return sum;
}

static int measure_idle(long count) {
	arun_task **tasks = calloc((size_t)count, sizeof *tasks);
	long before = resident();
	for (long i = 0; i < count; i++) {
		tasks[i] = arun_spawn(sleeps, NULL);
	}
	arun_sleep(0);
	printf("%ld\n", (resident() - before) / count);
	for (long i = 0; i < count; i++) {
		arun_cancel(tasks[i]);
		arun_join(tasks[i], NULL);
	}
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
		return measure_crowd(count);
	}
	for (size_t i = 0; i < sizeof benches / sizeof *benches; i++) {
		if (strcmp(name, benches[i].name) == 0) {
			return measure(&benches[i], count, argc > 3 ? atoi(argv[3]) : 1);
		}
	}
	fprintf(stderr, "usage: tasks [-d] NAME COUNT [ROUNDS]\n");
	return 2;
}

/* -d: as with --debug. */
int main(int argc, char **argv) {
	arun_options options = {.struct_size = sizeof options, .signals = true};
	options.debug = argc > 1 && strcmp(argv[1], "-d") == 0;
	int skipped = options.debug;
	return arun_run(bench, argc - skipped, argv + skipped, &options);
}
