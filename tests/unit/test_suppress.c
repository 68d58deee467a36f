/* SPDX-License-Identifier: MIT */
#include "suite.h"
#include "suppress.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

START_TEST(patterns_fit_as_glob_has_it) {
	static const char *const good[][2] = {{"a\\*b", "a*b"}, {"\\[::1]:*", "[::1]:80"},
		{"", ""}, {"*", ""}, {"*", "anything"}, {"janitor", "janitor"},
		{"jan*", "janitor"}, {"*tor", "janitor"}, {"*a*i*", "janitor"},
		{"j?nitor", "janitor"}, {"[a-k]anitor", "janitor"},
		{"[!x]anitor", "janitor"}, {"[]x]", "]"}, {"[x", "[x"},
		{"a[0-9]*.c:*", "a7b.c:12"}, {"/var/log/*", "/var/log/a/b"}, {"**", "x"},
		{"*a", "aaaaaaaaaa"}};
	static const char *const bad[][2] = {{"", "x"}, {"?", ""}, {"jan", "janitor"},
		{"*x", "janitor"}, {"[!j]anitor", "janitor"}, {"[a-c]", "d"}, {"a?", "a"},
		{"a*b", "ac"}, {"[]x]", "y"}, {"a\\*b", "axb"}};
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		ck_assert_msg(suppress_fits(good[i][0], good[i][1]), "%s", good[i][0]);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		ck_assert_msg(!suppress_fits(bad[i][0], bad[i][1]), "%s", bad[i][0]);
	}
}
END_TEST

START_TEST(many_stars_take_no_exponential_time) {
	char string[4097];
	memset(string, 'a', sizeof string - 1);
	string[sizeof string - 1] = '\0';
	ck_assert(!suppress_fits("*a*a*a*a*a*a*a*a*a*a*a*a*b", string));
}
END_TEST

static char path[] = "/tmp/test_suppress.XXXXXX";

static int load_bytes(struct suppress *suppress, const char *content, size_t length,
	char *words, size_t size) {
	int fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, content, length), (ssize_t)length);
	close(fd);
	struct text text;
	text_fixed(&text, words, size);
	int result = suppress_load(suppress, path, &text), error = errno;
	unlink(path);
	errno = error;
	return result;
}

static int load(
	struct suppress *suppress, const char *content, char *words, size_t size) {
	return load_bytes(suppress, content, strlen(content), words, size);
}

START_TEST(rules_are_tried_on_name_line_and_function) {
	static const struct arun_site site = {"pool.c", "open_pool", 12};
	struct suppress suppress;
	char words[256];
	ck_assert_int_eq(
		load(&suppress,
			"# known\n\ntask:janitor\n  connection:pool.c:*  \n*:open_[p]ool\n",
			words, sizeof words),
		0);
	ck_assert_uint_eq(suppress.count, 3);
	ck_assert(suppress_matches(&suppress, "task", "janitor", NULL));
	ck_assert(!suppress_matches(&suppress, "server", "janitor", NULL));
	ck_assert(suppress_matches(&suppress, "connection", "on_conn", &site));
	ck_assert(suppress_matches(&suppress, "timer", "tick", &site));
	ck_assert_uint_eq(suppress.rules[0].used, 1);
	ck_assert_uint_eq(suppress.rules[1].used, 1);
	ck_assert_uint_eq(suppress.rules[2].used, 1);
	suppress_finish(&suppress);
}
END_TEST

START_TEST(a_line_that_is_no_rule_is_named) {
	struct suppress suppress;
	char words[256];
	ck_assert_int_eq(load(&suppress, "task:a\nnonsense\n", words, sizeof words), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_ptr_nonnull(strstr(words, ":2: \"nonsense\" is not KIND:PATTERN"));
	ck_assert_uint_eq(suppress.count, 0);
}
END_TEST

START_TEST(a_zero_byte_is_no_matter_of_length) {
	static const char content[] = "task:a\ntask\0:b\n";
	struct suppress suppress;
	char words[256];
	ck_assert_int_eq(
		load_bytes(&suppress, content, sizeof content - 1, words, sizeof words),
		-1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_ptr_nonnull(strstr(words, ":2: a zero byte"));
}
END_TEST

START_TEST(a_kind_that_does_not_exist_is_named) {
	struct suppress suppress;
	char words[256];
	ck_assert_int_eq(load(&suppress, "t*:a\n*:b\ntaks:x\n", words, sizeof words), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_ptr_nonnull(strstr(words, ":3: there is no kind \"taks\""));
	ck_assert_uint_eq(suppress.count, 0);
}
END_TEST

START_TEST(a_missing_file_is_named) {
	struct suppress suppress;
	char words[256];
	struct text text;
	text_fixed(&text, words, sizeof words);
	ck_assert_int_eq(suppress_load(&suppress, "/nonexistent/rules", &text), -1);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_str_eq(words, "/nonexistent/rules: No such file or directory");
}
END_TEST

Suite *suite(void) {
	Suite *suite = suite_create("suppress");
	TCase *patterns = tcase_create("patterns");
	tcase_add_test(patterns, patterns_fit_as_glob_has_it);
	tcase_add_test(patterns, many_stars_take_no_exponential_time);
	suite_add_tcase(suite, patterns);
	TCase *files = tcase_create("files");
	tcase_add_test(files, rules_are_tried_on_name_line_and_function);
	tcase_add_test(files, a_line_that_is_no_rule_is_named);
	tcase_add_test(files, a_zero_byte_is_no_matter_of_length);
	tcase_add_test(files, a_kind_that_does_not_exist_is_named);
	tcase_add_test(files, a_missing_file_is_named);
	suite_add_tcase(suite, files);
	return suite;
}
