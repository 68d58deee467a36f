/* SPDX-License-Identifier: MIT */
/*
 * bare - arun's switch without arun: what nothing that keeps a stack for each task gets below.
 *
 *	bare switch|spawn|thread|crowd COUNT [ROUNDS]
 *
 * crowd: a run queue that is an array of pointers, each fetched early, and nothing else.
 */
#include "../measure.h"
#include "context.h"

#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>

enum { STACK = 64 * 1024, CROWD = 100000, QUEUE = 1 << 17, AHEAD = 7, NEAR = 3 };

static void *main_sp, *other_sp;
static char stack[STACK] __attribute__((aligned(16)));
static volatile long sink;

static void forever(void *arg, int (*fn)(void *), void *none) {
	(void)fn, (void)none;
	(void)arg;
	for (;;) {
		context_switch(&other_sp, main_sp, 0);
	}
}

static void once(void *arg, int (*fn)(void *), void *none) {
	(void)fn, (void)none;
	sink = sink + (long)(arg != NULL);
	context_switch(&other_sp, main_sp, 0);
}

static void switch_pair(long count) {
	other_sp = context_make(stack + STACK, forever, NULL, NULL, NULL);
	while (count--) {
		context_switch(&main_sp, other_sp, 0);
	}
}

static void spawn(long count) {
	while (count--) {
		other_sp = context_make(stack + STACK, once, NULL, NULL, NULL);
		context_switch(&main_sp, other_sp, 0);
	}
}

static void *thread(void *arg) {
	sink = sink + (long)(arg != NULL);
	return NULL;
}

static void threads(long count) {
	pthread_t id;
	while (count-- && pthread_create(&id, NULL, thread, NULL) == 0) {
		pthread_join(id, NULL);
	}
}

/* The crowd ------------------------------------------------------------------------------------ */

struct task {
	void *sp;
	long unused[7];
};

static struct task *queue[QUEUE], *running;
static uint32_t head, tail;
static long left;

static __attribute__((noinline)) void yield(void) {
	struct task *self = running;
	queue[tail++ % QUEUE] = self;
	running = queue[head++ % QUEUE];
	__builtin_prefetch(queue[(head + AHEAD) % QUEUE]);
	__builtin_prefetch(queue[(head + NEAR) % QUEUE]->sp);
	context_switch(&self->sp, running->sp, 0);
}

static void yields(void *arg, int (*fn)(void *), void *none) {
	(void)fn, (void)none;
	(void)arg;
	for (;;) {
		if (--left <= 0) {
			context_switch(&running->sp, main_sp, 0);
		} else {
			yield();
		}
	}
}

static void crowd_round(long count) {
	left = count;
	context_switch(&main_sp, running->sp, 0);
}

/* Each on the top of its stack, the tops coloured. */
static struct task *task_at(char *stacks, long i) {
	char *top = stacks + STACK * (i + 1) - i * 7 % 32 * 64;
	struct task *task = (struct task *)(void *)(top - sizeof *task);
	task->sp = context_make(task, yields, NULL, NULL, NULL);
	return task;
}

static int measure_crowd(long count, int rounds) {
	static struct task *tasks[CROWD];
	static long order[CROWD];
	char *stacks = mmap(NULL, (size_t)STACK * CROWD, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	if (stacks == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	measure_shuffle(order, CROWD);
	for (long i = 0; i < CROWD; i++) {
		tasks[i] = task_at(stacks, i);
	}
	for (int i = 0; i < QUEUE; i++) {
		queue[i] = tasks[0];
	}
	running = tasks[order[0]];
	for (long i = 1; i < CROWD; i++) {
		queue[tail++ % QUEUE] = tasks[order[i]];
	}
	crowd_round(2L * CROWD);
	for (int i = 0; i < rounds; i++) {
		measure_round(crowd_round, count);
	}
	munmap(stacks, (size_t)STACK * CROWD);
	return 0;
}

static const struct bench benches[] = {
	{"switch", switch_pair},
	{"spawn", spawn},
	{"thread", threads},
};

int main(int argc, char **argv) {
	if (argc > 2 && strcmp(argv[1], "crowd") == 0) {
		return measure_crowd(atol(argv[2]), argc > 3 ? atoi(argv[3]) : 1);
	}
	return measure(benches, sizeof benches / sizeof *benches, argc, argv);
}
