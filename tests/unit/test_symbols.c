/* SPDX-License-Identifier: MIT */
#include "suite.h"
#include "symbols.h"

#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct symbols symbols;
static size_t into;

__attribute__((noinline)) static size_t found_by_name(size_t value) {
	return value * 3 + 1;
}

static const char *code(size_t offset) {
	size_t (*fn)(size_t) = found_by_name;
	const char *address;
	memcpy(&address, &fn, sizeof address);
	return address + offset;
}

static void teardown(void) {
	symbols_free(&symbols);
}

START_TEST(a_static_function_of_the_program_is_found_with_its_offset) {
	symbols_load(&symbols, NULL);
	ck_assert_str_eq(symbols_find(&symbols, code(0), &into), "found_by_name");
	ck_assert_uint_eq(into, 0);
	ck_assert_str_eq(symbols_find(&symbols, code(1), &into), "found_by_name");
	ck_assert_uint_eq(into, 1);
}
END_TEST

START_TEST(what_is_no_function_of_it_is_not_found) {
	symbols_load(&symbols, NULL);
	ck_assert_ptr_null(symbols_find(&symbols, &symbols, &into));
	ck_assert_ptr_null(symbols_find(&symbols, NULL, &into));
}
END_TEST

START_TEST(a_file_that_is_not_loaded_has_none) {
	symbols_load(&symbols, "/dev/null");
	ck_assert_ptr_null(symbols_find(&symbols, code(0), &into));
	symbols_load(&symbols, "/no/such/file");
	ck_assert_ptr_null(symbols_find(&symbols, code(0), &into));
}
END_TEST

START_TEST(a_symbol_whose_name_is_not_in_the_table_is_none) {
	ElfW(Sym) damaged = {.st_name = 4,
		.st_info = ELF64_ST_INFO(STB_LOCAL, STT_FUNC),
		.st_shndx = 1,
		.st_value = 16,
		.st_size = 16};
	char names[] = "one";
	const struct symbols table = {.table = &damaged,
		.count = 1,
		.names = names,
		.names_size = sizeof names};
	ck_assert_ptr_null(symbols_find(&table, (const void *)(uintptr_t)20, &into));
	damaged.st_name = 0;
	ck_assert_str_eq(symbols_find(&table, (const void *)(uintptr_t)20, &into), "one");
}
END_TEST

START_TEST(freed_it_finds_nothing) {
	symbols_load(&symbols, NULL);
	symbols_free(&symbols);
	symbols_free(&symbols);
	ck_assert_ptr_null(symbols_find(&symbols, code(0), &into));
}
END_TEST

Suite *suite(void) {
	Suite *suite = suite_create("symbols");
	TCase *tests = tcase_create("symbols");
	tcase_add_checked_fixture(tests, NULL, teardown);
	tcase_add_test(tests, a_static_function_of_the_program_is_found_with_its_offset);
	tcase_add_test(tests, what_is_no_function_of_it_is_not_found);
	tcase_add_test(tests, a_file_that_is_not_loaded_has_none);
	tcase_add_test(tests, a_symbol_whose_name_is_not_in_the_table_is_none);
	tcase_add_test(tests, freed_it_finds_nothing);
	suite_add_tcase(suite, tests);
	return suite;
}
