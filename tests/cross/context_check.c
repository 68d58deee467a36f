/* SPDX-License-Identifier: MIT */
/* A program that tries the switch of its processor; prints TAP. Freestanding of the rest of arun. */
#include "context.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unwind.h>

enum { STACK = 256 * 1024, ROUNDS = 1000 };

static void *main_sp, *task_sp;
static unsigned long switches;
static int claims, failures;

static void claim(int good, const char *what) {
	failures += !good;
	printf("%sok %d - %s\n", good ? "" : "not ", ++claims, what);
}

#ifdef __ARM_FEATURE_BTI_DEFAULT
/* On pages of its own, on which an indirect jump must find a landing pad. */
#define GUARDED section(".text.guarded"), aligned(4096)
#define PROT_BTI 0x10 /* Linux's <asm/mman.h> for arm64 */
#else
#define GUARDED
#endif

/* Enough values alive over a switch to need every register that is kept, of both kinds. */
static __attribute__((noinline, GUARDED)) int64_t churn(
	int64_t seed, void **save, void *const *to, int value, long *answer) {
	volatile int64_t source[12];
	volatile double real[8];
	for (int i = 0; i < 12; i++) {
		source[i] = seed * (i + 3);
	}
	for (int i = 0; i < 8; i++) {
		real[i] = (double)seed + i * 0.5;
	}
	int64_t a = source[0], b = source[1], c = source[2], d = source[3], e = source[4],
		f = source[5], g = source[6], h = source[7], i = source[8], j = source[9];
	double p = real[0], q = real[1], r = real[2], s = real[3], t = real[4],
	       u = real[5];
	*answer = (seed % 2 ? context_switch : context_switch_alike)(save, *to, value);
	return a + 2 * b + 3 * c + 5 * d + 7 * e + 11 * f + 13 * g + 17 * h + 19 * i +
	       23 * j + (int64_t)(2 * p + 4 * q + 8 * r + 16 * s + 32 * t + 64 * u);
}

/* As the pages of a plugin are that was built with branch protection. */
#ifdef __ARM_FEATURE_BTI_DEFAULT
__attribute__((GUARDED, used)) static void next_page(void) {
}

static void guard(void) {
	void *page = (void *)((uintptr_t)churn & ~(uintptr_t)4095);
	claim(mprotect(page, 4096, PROT_READ | PROT_EXEC | PROT_BTI) == 0,
		"where it is jumped back to is guarded");
}
#else
static void guard(void) {
}
#endif

static int64_t expected(int64_t seed) {
	const int64_t weights[] = {1, 2, 3, 5, 7, 11, 13, 17, 19, 23};
	int64_t sum = 0;
	for (int i = 0; i < 10; i++) {
		sum += weights[i] * seed * (i + 3);
	}
	double real = 0;
	for (int i = 0; i < 6; i++) {
		real += (double)(2 << i) * ((double)seed + i * 0.5);
	}
	return sum + (int64_t)real;
}

static long task_faults, task_misaligned;

static int half(void *number) {
	return *(int *)number / 2;
}

static int number = 84;

static void task(void *argument, int (*fn)(void *), void *arg) {
	long answer;
	task_misaligned = (long)((uintptr_t)__builtin_frame_address(0) % 16);
	task_faults += argument != &task_sp;
	task_faults += fn(arg) != 42;
	for (int64_t k = 1;; k++) {
		switches++;
		task_faults +=
			churn(-k, &task_sp, &main_sp, (int)k, &answer) != expected(-k);
		task_faults += answer != (long)(k + 1) * 10;
	}
}

static void end(void *argument, int (*fn)(void *), void *arg) {
	(void)fn, (void)arg;
	*(int64_t *)argument *= 2;
	context_end(main_sp);
}

static void leave(void *argument, int (*fn)(void *), void *arg) {
	(void)fn, (void)arg;
	*(int64_t *)argument *= 2;
	context_leave(main_sp);
}

/* Whether a context that runs once and ends leaves this one's registers as they were. */
static int ends_well(char *top, context_entry *entry, int64_t seed) {
	int64_t twice = seed;
	long answer = -1;
	void *once = context_make(top, entry, &twice, NULL, NULL);
	int good = churn(seed, &main_sp, &once, 1, &answer) == expected(seed);
	return good && answer == 0 && twice == 2 * seed;
}

/* Calls of the second stack that an unwinder finds from the first. */
static int found_task, found_main;

static _Unwind_Reason_Code unwind_frame(struct _Unwind_Context *context, void *argument) {
	void *function =
		_Unwind_FindEnclosingFunction((void *)(_Unwind_GetIP(context) - 1));
	found_task += function == (void *)(uintptr_t)task;
	found_main += function == argument;
	return _URC_NO_REASON;
}

static void visit(void *argument) {
	_Unwind_Backtrace(unwind_frame, argument);
}

int main(void) {
	char *stack = aligned_alloc(16, STACK);
	long answer = 0, faults = 0;
	guard();
	memset(stack, 0xa5, STACK);
	task_sp = context_make(stack + STACK, task, &task_sp, half, &number);
	for (int64_t k = 1; k <= ROUNDS; k++) {
		faults +=
			churn(k, &main_sp, &task_sp, (int)k * 10, &answer) != expected(k);
		faults += answer != k;
	}
	claim(switches == ROUNDS, "each switch runs the other context once");
	claim(faults == 0, "registers and values survive on the first stack");
	claim(task_faults == 0, "registers and values survive on the second stack");
	claim(task_misaligned == 0, "a new context starts with an aligned stack");
	claim((unsigned char)stack[0] == 0xa5,
		"nothing is written below the stack that is used");
	volatile int64_t kept = 42;
	context_visit(task_sp, visit, (void *)(uintptr_t)main);
	claim(found_task == 1 && found_main == 0,
		"an unwinder that starts in a visit goes on in the suspended context");
	claim(kept == 42, "the visit returns");
	int ended = 0;
	for (int64_t k = 1; k <= ROUNDS; k++) {
		ended += ends_well(stack + STACK, k % 2 ? end : leave, k);
	}
	claim(ended == ROUNDS, "a context that ends gives back what it found");
	printf("1..%d\n", claims);
	free(stack);
	return failures != 0;
}
