/* SPDX-License-Identifier: MIT */
#include "base.h"
#include "stack.h"
#include "suite.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

static struct stack_pool pool;

static void setup(void) {
	stack_pool_init(&pool, false);
}

static void teardown(void) {
	stack_pool_finish(&pool);
}

static char *acquire(size_t size) {
	char *stack = stack_acquire(&pool, size);
	ck_assert_ptr_nonnull(stack);
	return stack;
}

START_TEST(sizes_are_rounded_up_to_a_power_of_two) {
	ck_assert_uint_eq(stack_round(&pool, 0), STACK_SIZE);
	ck_assert_uint_eq(stack_round(&pool, 1), 32 * 1024);
	ck_assert_uint_eq(stack_round(&pool, 32 * 1024), 32 * 1024);
	ck_assert_uint_eq(stack_round(&pool, 32 * 1024 + 1), 64 * 1024);
	ck_assert_uint_eq(stack_round(&pool, 3 << 20), 4 << 20);
	ck_assert_uint_eq(stack_round(&pool, (size_t)1 << 30), (size_t)1 << 30);
}
END_TEST

START_TEST(sizes_above_one_gibibyte_are_refused) {
	ck_assert_uint_eq(stack_round(&pool, ((size_t)1 << 30) + 1), 0);
	ck_assert_uint_eq(stack_round(&pool, SIZE_MAX), 0);
}
END_TEST

START_TEST(stacks_are_four_times_as_large_under_AddressSanitizer) {
	struct stack_pool other;
	stack_pool_init(&other, true);
	ck_assert_uint_eq(stack_round(&other, 0), 4 * STACK_SIZE);
	ck_assert_uint_le(stack_round(&other, (size_t)1 << 30), UINT32_MAX);
	stack_pool_finish(&other);
}
END_TEST

static const size_t sizes[] = {32 << 10, 64 << 10, 256 << 10, 1 << 20, 2 << 20, 16 << 20};
enum { CLASSED = 4 }; /* of them, which are cut from slabs */

START_TEST(all_of_a_stack_above_its_guard_can_be_written) {
	size_t size = sizes[_i];
	char *stack = acquire(size);
	memset(stack + STACK_GUARD, 0x5a, size - STACK_GUARD);
	ck_assert_int_eq(stack[STACK_GUARD], 0x5a);
	ck_assert_int_eq(stack[size - 1], 0x5a);
	stack_release(&pool, stack, size);
}
END_TEST

/* By the signal itself: AddressSanitizer would catch it and exit. */
static void touch(char *address) {
	signal(SIGSEGV, SIG_DFL);
	*(volatile char *)address = 1;
}

START_TEST(the_last_byte_of_the_guard_kills) {
	touch(acquire(sizes[_i]) + STACK_GUARD - 1);
}
END_TEST

START_TEST(the_first_byte_of_the_guard_kills) {
	touch(acquire(sizes[_i]));
}
END_TEST

START_TEST(a_guard_made_by_mprotect_kills_too) {
	pool.mprotects = true;
	touch(acquire(STACK_SIZE) + STACK_GUARD - 1);
}
END_TEST

START_TEST(a_guard_still_kills_when_its_stack_is_used_again) {
	char *stack = acquire(STACK_SIZE);
	stack_release(&pool, stack, STACK_SIZE);
	ck_assert_ptr_eq(acquire(STACK_SIZE), stack);
	touch(stack + STACK_GUARD - 1);
}
END_TEST

START_TEST(stacks_in_use_do_not_overlap) {
	enum { COUNT = 200 };
	char *stacks[COUNT];
	for (int i = 0; i < COUNT; i++) {
		stacks[i] = acquire(STACK_SIZE);
		memset(stacks[i] + STACK_GUARD, i, STACK_SIZE - STACK_GUARD);
	}
	for (int i = 0; i < COUNT; i++) {
		ck_assert_int_eq((unsigned char)stacks[i][STACK_GUARD], i);
		ck_assert_int_eq((unsigned char)stacks[i][STACK_SIZE - 1], i);
		stack_release(&pool, stacks[i], STACK_SIZE);
	}
}
END_TEST

/* Else their tops share few of the sets in which a processor keeps translations. */
START_TEST(tops_are_an_odd_number_of_pages_apart) {
	size_t page = (size_t)getpagesize();
	char *low = acquire(sizes[_i]), *high = acquire(sizes[_i]);
	size_t distance = (size_t)(high - low);
	ck_assert_uint_eq(distance % page, 0);
	ck_assert_uint_eq(distance / page % 2, 1);
	stack_release(&pool, low, sizes[_i]);
	stack_release(&pool, high, sizes[_i]);
}
END_TEST

START_TEST(the_stack_released_last_is_used_first) {
	char *one = acquire(STACK_SIZE), *two = acquire(STACK_SIZE);
	stack_release(&pool, one, STACK_SIZE);
	stack_release(&pool, two, STACK_SIZE);
	ck_assert_ptr_eq(acquire(STACK_SIZE), two);
	ck_assert_ptr_eq(acquire(STACK_SIZE), one);
	stack_release(&pool, one, STACK_SIZE);
	stack_release(&pool, two, STACK_SIZE);
}
END_TEST

START_TEST(a_released_stack_serves_its_own_size_only) {
	char *small = acquire(32 << 10);
	stack_release(&pool, small, 32 << 10);
	ck_assert_ptr_ne(acquire(64 << 10), small);
	ck_assert_ptr_eq(acquire(32 << 10), small);
}
END_TEST

START_TEST(trim_gives_back_the_pages_of_what_lies_unused_and_keeps_the_warm) {
	enum { COUNT = 4000, SIZE = 32 << 10 };
	static char *stacks[COUNT];
	for (int i = 0; i < COUNT; i++) {
		stacks[i] = acquire(SIZE);
		stacks[i][SIZE - 1] = 0x5a;
	}
	for (int i = 0; i < COUNT; i++) {
		stack_release(&pool, stacks[i], SIZE);
	}

	stack_pool_trim(&pool);

	ck_assert_int_eq(stacks[0][SIZE - 1], 0);
	ck_assert_int_eq(stacks[COUNT - 1][SIZE - 1], 0x5a);
	for (int i = 0; i < COUNT; i++) {
		ck_assert_ptr_eq(acquire(SIZE), stacks[COUNT - 1 - i]);
	}
	for (int i = 0; i < COUNT; i++) {
		stack_release(&pool, stacks[i], SIZE);
	}
}
END_TEST

/* Whether address is mapped. */
static bool mapped(char *address) {
	unsigned char page;
	return mincore(address, 1, &page) == 0;
}

START_TEST(finish_unmaps_the_stacks) {
	char *slab = acquire(STACK_SIZE);
	stack_release(&pool, slab, STACK_SIZE);
	ck_assert(mapped(slab + STACK_GUARD));

	stack_pool_finish(&pool);

	ck_assert(!mapped(slab + STACK_GUARD));
	ck_assert(!mapped(slab + STACK_SIZE));
}
END_TEST

START_TEST(a_large_stack_is_unmapped_when_it_is_released) {
	char *large = acquire(2 << 20);
	stack_release(&pool, large, 2 << 20);
	ck_assert(!mapped(large + STACK_GUARD));
}
END_TEST

START_TEST(no_memory_is_ENOMEM) {
	struct rlimit limit, none = {0, RLIM_INFINITY};
	size_t size = _i ? 4 << 20 : STACK_SIZE;
	getrlimit(RLIMIT_AS, &limit);
	none.rlim_max = limit.rlim_max;
	stack_release(&pool, acquire(32 << 10), 32 << 10);
	setrlimit(RLIMIT_AS, &none);
	errno = 0;
	char *stack = stack_acquire(&pool, size);
	int error = errno;
	setrlimit(RLIMIT_AS, &limit);
	ck_assert_ptr_null(stack);
	ck_assert_int_eq(error, ENOMEM);
	stack_release(&pool, acquire(size), size);
}
END_TEST

START_TEST(what_was_never_used_is_untouched) {
	char *stack = acquire(STACK_SIZE);
	ck_assert_uint_eq(stack_untouched(stack, STACK_SIZE), STACK_SIZE);
	stack[STACK_SIZE - 100] = 1;
	ck_assert_uint_eq(stack_untouched(stack, STACK_SIZE), STACK_SIZE - 104);
	ck_assert_uint_eq(stack_untouched(stack, STACK_SIZE - 200), STACK_SIZE - 200);
	stack[20000] = 1;
	ck_assert_uint_eq(stack_untouched(stack, STACK_SIZE), 20000);
	stack_release(&pool, stack, STACK_SIZE);
}
END_TEST

START_TEST(a_cleared_stack_has_nothing_of_its_last_user) {
	char *stack = acquire(STACK_SIZE);
	memset(stack + 30000, 1, STACK_SIZE - 30000);
	stack_clear(stack, STACK_SIZE);
	ck_assert_uint_eq(stack_untouched(stack, STACK_SIZE), STACK_SIZE);
	memset(stack + STACK_GUARD, 1, STACK_SIZE - STACK_GUARD);
	stack_clear(stack, STACK_SIZE);
	ck_assert_uint_eq(stack_untouched(stack, STACK_SIZE), STACK_SIZE);
	stack_release(&pool, stack, STACK_SIZE);
}
END_TEST

Suite *suite(void) {
	Suite *suite = suite_create("stack");
	TCase *core = tcase_create("core");
	int count = (int)count_of(sizes);
	tcase_add_checked_fixture(core, setup, teardown);
	tcase_add_test(core, sizes_are_rounded_up_to_a_power_of_two);
	tcase_add_test(core, sizes_above_one_gibibyte_are_refused);
	tcase_add_test(core, stacks_are_four_times_as_large_under_AddressSanitizer);
	tcase_add_loop_test(core, tops_are_an_odd_number_of_pages_apart, 0, CLASSED);
	tcase_add_loop_test(
		core, all_of_a_stack_above_its_guard_can_be_written, 0, count);
	tcase_add_loop_test_raise_signal(
		core, the_last_byte_of_the_guard_kills, SIGSEGV, 0, count);
	tcase_add_loop_test_raise_signal(
		core, the_first_byte_of_the_guard_kills, SIGSEGV, 0, count);
	tcase_add_test_raise_signal(core, a_guard_made_by_mprotect_kills_too, SIGSEGV);
	tcase_add_test_raise_signal(
		core, a_guard_still_kills_when_its_stack_is_used_again, SIGSEGV);
	tcase_add_test(core, stacks_in_use_do_not_overlap);
	tcase_add_test(core, the_stack_released_last_is_used_first);
	tcase_add_test(core, a_released_stack_serves_its_own_size_only);
	tcase_add_test(
		core, trim_gives_back_the_pages_of_what_lies_unused_and_keeps_the_warm);
	tcase_add_test(core, finish_unmaps_the_stacks);
	tcase_add_test(core, a_large_stack_is_unmapped_when_it_is_released);
	tcase_add_loop_test(core, no_memory_is_ENOMEM, 0, 2);
	tcase_add_test(core, what_was_never_used_is_untouched);
	tcase_add_test(core, a_cleared_stack_has_nothing_of_its_last_user);
	suite_add_tcase(suite, core);
	return suite;
}
