/* SPDX-License-Identifier: MIT */
#include "base.h"
#include "context.h"
#include "suite.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { SIZE = 128 * 1024 };

static _Alignas(64) char memory[2][SIZE];
static void *home, *away[2];
static long seen[8];
static int count;

static void (*entries[2])(void *);

static void enter(void *self, int (*fn)(void *), void *argument) {
	(void)fn;
	(*(void (**)(void *))self)(argument);
}

static void *make(int index, void (*entry)(void *), void *argument) {
	entries[index] = entry;
	return away[index] = context_make(
		       memory[index] + SIZE, enter, &entries[index], NULL, argument);
}

static void note_argument(void *argument) {
	seen[count++] = *(long *)argument;
	context_switch(&away[0], home, 0);
}

START_TEST(the_first_switch_calls_the_function_with_its_argument) {
	long argument = 42;
	context_switch(&home, make(0, note_argument, &argument), 0);
	ck_assert_int_eq(count, 1);
	ck_assert_int_eq(seen[0], 42);
}
END_TEST

static int add_one(void *number) {
	return *(int *)number + 1;
}

static void note_arguments(void *self, int (*fn)(void *), void *arg) {
	seen[0] = self == &count;
	seen[1] = fn(arg);
	context_switch(&away[0], home, 0);
}

START_TEST(the_function_gets_all_its_arguments) {
	int number = 41;
	away[0] =
		context_make(memory[0] + SIZE, note_arguments, &count, add_one, &number);
	context_switch(&home, away[0], 0);
	ck_assert_int_eq(seen[0], 1);
	ck_assert_int_eq(seen[1], 42);
}
END_TEST

static void echo_values(void *argument) {
	long value = 1;
	(void)argument;
	for (;;) {
		value = context_switch(&away[0], home, value * 2);
	}
}

START_TEST(a_switch_hands_over_a_value_both_ways) {
	ck_assert_int_eq(context_switch(&home, make(0, echo_values, NULL), 0), 2);
	ck_assert_int_eq(context_switch(&home, away[0], 21), 42);
	ck_assert_int_eq(context_switch(&home, away[0], -5), -10);
}
END_TEST

static void end_at_home(void *argument) {
	seen[count++] = *(long *)argument;
	context_end(home);
}

START_TEST(a_context_that_ends_goes_on_in_another_whose_call_returns_zero) {
	for (long i = 0; i < 8; i++) {
		ck_assert_int_eq(context_switch(&home, make(0, end_at_home, &i), 1), 0);
		ck_assert_int_eq(seen[i], i);
	}
	ck_assert_int_eq(count, 8);
}
END_TEST

static void leave_for_home(void *argument) {
	seen[count++] = *(long *)argument;
	context_leave(home);
}

static void leave_for_the_next(void *argument) {
	seen[count++] = -1;
	context_leave(argument);
}

START_TEST(a_context_may_leave_for_one_that_never_ran) {
	long value = 3;
	void *next = make(1, leave_for_home, &value);
	ck_assert_int_eq(context_switch(&home, make(0, leave_for_the_next, next), 1), 0);
	ck_assert_int_eq(count, 2);
	ck_assert_int_eq(seen[0], -1);
	ck_assert_int_eq(seen[1], 3);
}
END_TEST

static int (*const switches[])(void **, void *, int) = {
	context_switch, context_switch_alike};
static int (*exchange)(void **, void *, int);

/* Fills every register that a callee must keep with other values. */
static void trample(void *argument) {
	long seed = (long)(intptr_t)argument;
	for (;;) {
		long a = seed * 3, b = seed * 5, c = seed * 7, d = seed * 11,
		     e = seed * 13, f = seed * 17, g = seed * 19, h = seed * 23,
		     i = seed * 29, j = seed * 31;
		__asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e));
		__asm__ volatile("" : "+r"(f), "+r"(g), "+r"(h), "+r"(i), "+r"(j));
		exchange(&away[1], home, 0);
		seed++;
		seen[0] = a + b + c + d + e + f + g + h + i + j;
	}
}

START_TEST(what_is_kept_in_registers_survives_a_switch) {
	long a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7, h = 8, i = 9, j = 10;
	exchange = switches[_i];
	make(1, trample, (void *)(intptr_t)1);
	for (int round = 0; round < 3; round++) {
		__asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e));
		__asm__ volatile("" : "+r"(f), "+r"(g), "+r"(h), "+r"(i), "+r"(j));
		exchange(&home, away[1], 1);
		ck_assert_int_eq(a + 10 * b + 100 * c + 1000 * d + 10000 * e, 54321);
		ck_assert_int_eq(f + 10 * g + 100 * h + 1000 * i + 10000 * j, 109876);
	}
	ck_assert_int_eq(seen[0], 2 * (3 + 5 + 7 + 11 + 13 + 17 + 19 + 23 + 29 + 31));
}
END_TEST

static void note_alignment(void *argument) {
	_Alignas(16) char aligned[16];
	__asm__ volatile("" : : "r"(aligned) : "memory");
	seen[0] = (long)((uintptr_t)aligned % 16);
	seen[1] = aligned > memory[0] && aligned < memory[0] + SIZE;
	/* Conversion of a double fails on a stack that is not aligned. */
	snprintf(argument, 16, "%.3f", 2.5);
	context_switch(&away[0], home, 0);
}

START_TEST(a_new_stack_is_aligned_as_the_ABI_wants_it) {
	char number[16];
	context_switch(&home, make(0, note_alignment, number), 0);
	ck_assert_int_eq(seen[0], 0);
	ck_assert_int_eq(seen[1], 1);
	ck_assert_str_eq(number, "2.500");
}
END_TEST

static void ping(void *argument) {
	for (;;) {
		seen[count++] = 1;
		context_switch(&away[0], away[1], 0);
		(void)argument;
	}
}

static void pong(void *argument) {
	(void)argument;
	seen[count++] = 2;
	context_switch(&away[1], away[0], 0);
	seen[count++] = 3;
	context_switch(&away[1], home, 0);
}

START_TEST(contexts_switch_to_each_other_without_the_one_that_made_them) {
	make(1, pong, NULL);
	context_switch(&home, make(0, ping, NULL), 0);
	ck_assert_int_eq(count, 4);
	const long expected[] = {1, 2, 1, 3};
	ck_assert_int_eq(memcmp(seen, expected, sizeof expected), 0);
}
END_TEST

/* The one place where both wait. */
__attribute__((noinline)) static int wait_here(int self, int value) {
	int got = context_switch_alike(&away[self], away[!self], value);
	count++;
	return got;
}

static void doubles(void *argument) {
	(void)argument;
	for (int value = 1;; value = 2 * wait_here(0, value)) {
	}
}

static void adds_one(void *argument) {
	(void)argument;
	for (int i = 0, value = 0; i < 4; i++) {
		value = wait_here(1, value + 1);
		seen[i] = value;
	}
	context_switch_alike(&away[1], home, 0);
}

START_TEST(contexts_that_wait_in_one_place_return_each_to_its_caller) {
	make(0, doubles, NULL);
	context_switch_alike(&home, make(1, adds_one, NULL), 0);
	const long expected[] = {1, 4, 10, 22};
	ck_assert_int_eq(memcmp(seen, expected, sizeof expected), 0);
	ck_assert_int_eq(count, 7);
}
END_TEST

static void wait_there(void *argument) {
	(void)argument;
	seen[0] = context_switch_alike(&away[0], home, 7);
	context_switch(&away[0], home, 0);
}

START_TEST(between_two_places_an_alike_switch_hands_over_no_value) {
	make(0, wait_there, NULL);
	ck_assert_int_eq(context_switch_alike(&home, away[0], 5), 0);
	seen[0] = -1;
	ck_assert_int_eq(context_switch_alike(&home, away[0], 5), 0);
	ck_assert_int_eq(seen[0], 0);
}
END_TEST

__attribute__((noinline)) static int returns_last(int value) {
	return context_return(value);
}

__attribute__((noinline)) static int returns_before_the_last(int value) {
	return context_return(value) + 1;
}

static void *returns_pointer(void *value) {
	return context_return_pointer(value);
}

START_TEST(a_value_is_returned_by_a_jump) {
	ck_assert_int_eq(returns_last(-3), -3);
	ck_assert_int_eq(returns_before_the_last(41), 42);
	ck_assert_ptr_eq(returns_pointer(memory[1]), memory[1]);
}
END_TEST

static void recurse(int depth) {
	volatile char frame[256];
	memset((char *)frame, depth, sizeof frame);
	if (depth > 0) {
		recurse(depth - 1);
	} else {
		context_switch(&away[0], home, 0);
	}
	ck_assert_int_eq(frame[0], (char)depth);
	ck_assert_int_eq(frame[255], (char)depth);
}

static void dive(void *argument) {
	recurse(100);
	seen[count++] = *(long *)argument;
	context_switch(&away[0], home, 0);
}

START_TEST(a_context_that_is_deep_in_calls_goes_on_where_it_was) {
	long argument = 9;
	context_switch(&home, make(0, dive, &argument), 0);
	ck_assert_int_eq(count, 0);
	context_switch(&home, away[0], 0);
	ck_assert_int_eq(count, 1);
	ck_assert_int_eq(seen[0], 9);
}
END_TEST

static struct context_hooks hooks[2];

static void enter_hooked(void *argument) {
	context_hooks_enter(&hooks[1]);
	long value =
		context_switch_hooked(&away[0], home, 3, &hooks[1], &hooks[0], false);
	seen[0] = value + *(long *)argument;
	context_switch_hooked(&away[0], home, 5, &hooks[1], &hooks[0], true);
}

START_TEST(a_hooked_switch_is_a_switch_with_and_without_a_sanitizer) {
	long argument = 30;
	context_hooks_find();
	context_hooks_init(&hooks[0], NULL, 0);
	context_hooks_init(&hooks[1], memory[0], SIZE);
	make(0, enter_hooked, &argument);
	ck_assert_int_eq(
		context_switch_hooked(&home, away[0], 0, &hooks[0], &hooks[1], false), 3);
	ck_assert_int_eq(
		context_switch_hooked(&home, away[0], 12, &hooks[0], &hooks[1], false),
		5);
	ck_assert_int_eq(seen[0], 42);
	context_hooks_finish(&hooks[1]);
}
END_TEST

START_TEST(the_bounds_of_the_own_stack_hold_what_lies_on_it) {
	struct context_hooks own;
	char local;
	context_hooks_find();
	context_hooks_init(&own, NULL, 0);
	ck_assert_uint_gt((uintptr_t)&local, (uintptr_t)own.bottom);
	ck_assert_uint_lt((uintptr_t)&local, (uintptr_t)own.bottom + own.size);
}
END_TEST

Suite *suite(void) {
	Suite *suite = suite_create("context");
	TCase *core = tcase_create("core");
	tcase_add_test(core, the_first_switch_calls_the_function_with_its_argument);
	tcase_add_test(core, the_function_gets_all_its_arguments);
	tcase_add_test(core, a_switch_hands_over_a_value_both_ways);
	tcase_add_test(
		core, a_context_that_ends_goes_on_in_another_whose_call_returns_zero);
	tcase_add_test(core, a_context_may_leave_for_one_that_never_ran);
	tcase_add_loop_test(core, what_is_kept_in_registers_survives_a_switch, 0, 2);
	tcase_add_test(core, contexts_that_wait_in_one_place_return_each_to_its_caller);
	tcase_add_test(core, between_two_places_an_alike_switch_hands_over_no_value);
	tcase_add_test(core, a_value_is_returned_by_a_jump);
	tcase_add_test(core, a_new_stack_is_aligned_as_the_ABI_wants_it);
	tcase_add_test(
		core, contexts_switch_to_each_other_without_the_one_that_made_them);
	tcase_add_test(core, a_context_that_is_deep_in_calls_goes_on_where_it_was);
	tcase_add_test(core, a_hooked_switch_is_a_switch_with_and_without_a_sanitizer);
	tcase_add_test(core, the_bounds_of_the_own_stack_hold_what_lies_on_it);
	suite_add_tcase(suite, core);
	return suite;
}
