/* SPDX-License-Identifier: MIT */
#include "peek.h"
#include "suite.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static size_t page;
static char *pages; /* the first of two that can be read */

static void setup(void) {
	page = (size_t)sysconf(_SC_PAGESIZE);
	pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		-1, 0);
	ck_assert_ptr_ne(pages, MAP_FAILED);
	memset(pages, 'x', page);
	ck_assert_int_eq(mprotect(pages + page, page, PROT_NONE), 0);
}

static void teardown(void) {
	munmap(pages, 2 * page);
}

START_TEST(what_is_there_is_copied) {
	char copy[4];
	ck_assert(peek(copy, pages + page - 4, 4));
	ck_assert_mem_eq(copy, "xxxx", 4);
}
END_TEST

START_TEST(what_is_not_there_is_no_fault) {
	char copy[4];
	ck_assert(!peek(copy, pages + page, 4));
	ck_assert(!peek(copy, pages + page - 2, 4));
	ck_assert(!peek(copy, NULL, 4));
}
END_TEST

START_TEST(a_string_ends_where_its_memory_does) {
	char copy[16];
	memcpy(pages, "word", 5);
	ck_assert_str_eq(peek_string(copy, sizeof copy, pages), "word");
	ck_assert_str_eq(peek_string(copy, 3, pages), "wo");
	ck_assert_str_eq(peek_string(copy, sizeof copy, pages + page - 3), "xxx");
}
END_TEST

START_TEST(a_string_that_is_not_there_is_a_question_mark) {
	char copy[16];
	ck_assert_str_eq(peek_string(copy, sizeof copy, pages + page), "?");
	ck_assert_str_eq(peek_string(copy, sizeof copy, NULL), "?");
	ck_assert_str_eq(peek_string(copy, 1, NULL), "");
}
END_TEST

/* As the filters of some containers do. */
static void forbid_the_call(void) {
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {4, filter};
	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

START_TEST(where_the_call_is_forbidden_a_string_is_not_read_beyond_its_end) {
	char copy[16];
	memcpy(pages + page - 5, "word", 5);
	forbid_the_call();
	ck_assert_str_eq(peek_string(copy, sizeof copy, pages + page - 5), "word");
	ck_assert_str_eq(peek_string(copy, 3, pages + page - 5), "wo");
	ck_assert(peek(copy, pages + page - 5, 4));
}
END_TEST

Suite *suite(void) {
	Suite *suite = suite_create("peek");
	TCase *tests = tcase_create("peek");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, what_is_there_is_copied);
	tcase_add_test(tests, what_is_not_there_is_no_fault);
	tcase_add_test(tests, a_string_ends_where_its_memory_does);
	tcase_add_test(tests, a_string_that_is_not_there_is_a_question_mark);
	tcase_add_test(
		tests, where_the_call_is_forbidden_a_string_is_not_read_beyond_its_end);
	suite_add_tcase(suite, tests);
	return suite;
}
