/* SPDX-License-Identifier: MIT */
#include "suite.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char buffer[256];
static struct text out;

static void setup(void) {
	text_fixed(&out, buffer, sizeof buffer);
}

START_TEST(a_new_text_is_empty_and_terminated) {
	struct text grows;
	text_init(&grows);
	ck_assert_str_eq(out.data, "");
	ck_assert_str_eq(grows.data, "");
	ck_assert_uint_eq(grows.length, 0);
	text_finish(&grows);
}
END_TEST

START_TEST(each_conversion_is_that_of_printf) {
	char expected[sizeof buffer];
	snprintf(expected, sizeof expected, "%s %d %d %u %ld %lu %zu %x %lx %c %%",
		"word", INT_MIN, 7, UINT_MAX, LONG_MIN, ULONG_MAX, (size_t)0, 0xbeefu,
		ULONG_MAX, 'c');

	text_add(&out, "%s %d %d %u %ld %lu %zu %x %lx %c %%", "word", INT_MIN, 7,
		UINT_MAX, LONG_MIN, ULONG_MAX, (size_t)0, 0xbeefu, ULONG_MAX, 'c');

	ck_assert_str_eq(out.data, expected);
	ck_assert_uint_eq(out.length, strlen(expected));
}
END_TEST

START_TEST(a_string_that_is_NULL_is_a_question_mark) {
	const char *volatile none = NULL;
	text_add(&out, "%s", none);
	text_escape(&out, none);
	ck_assert_str_eq(out.data, "??");
}
END_TEST

START_TEST(what_does_not_fit_is_cut_and_the_rest_of_memory_is_left_alone) {
	char small[8] = "zzzzzzz";
	text_fixed(&out, small, 5);
	text_add(&out, "%s-%d", "abc", 12345);
	text_add(&out, "more");
	ck_assert_str_eq(small, "abc-");
	ck_assert_uint_eq(out.length, 4);
	ck_assert_str_eq(small + 5, "zz");
}
END_TEST

START_TEST(a_buffer_of_one_byte_stays_empty) {
	char small[2] = "\0z";
	text_fixed(&out, small, 1);
	text_add(&out, "abc");
	text_cut(&out, 3);
	ck_assert_uint_eq(out.length, 0);
	ck_assert_int_eq(small[0], 0);
	ck_assert_int_eq(small[1], 'z');
}
END_TEST

START_TEST(a_growing_text_keeps_everything) {
	struct text text;
	text_init(&text);
	for (int i = 0; i < 100000; i++) {
		text_add(&text, "%d,", i % 10);
	}
	ck_assert_uint_eq(text.length, 200000);
	ck_assert_uint_eq(strlen(text.data), 200000);
	for (size_t i = 0; i < 100000; i++) {
		ck_assert_int_eq(text.data[2 * i], (int)('0' + i % 10));
	}
	text_finish(&text);
	ck_assert_uint_eq(text.length, 0);
}
END_TEST

static const struct {
	const char *in, *escaped, *json;
} strings[] = {
	{"plain text", "plain text", "\"plain text\""},
	{"a\nb\x1b[31m\x7f", "a\\x0ab\\x1b[31m\\x7f", "\"a\\u000ab\\u001b[31m\\u007f\""},
	{"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
		"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
		"\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\""},
	{"say \"a\\b\"", "say \"a\\b\"", "\"say \\\"a\\\\b\\\"\""},
	{"\xff\xc3", "\\xff\\xc3", "\"\\u00ff\\u00c3\""},
	{"\xc0\xaf", "\\xc0\\xaf", "\"\\u00c0\\u00af\""},                 /* overlong */
	{"\xe0\x80\xaf", "\\xe0\\x80\\xaf", "\"\\u00e0\\u0080\\u00af\""}, /* overlong */
	{"\xed\xa0\x80", "\\xed\\xa0\\x80",
		"\"\\u00ed\\u00a0\\u0080\""}, /* a surrogate */
	{"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", "\"\\u00f4\\u0090\\u0080\\u0080\""},
	{"\xe2\x82", "\\xe2\\x82", "\"\\u00e2\\u0082\""}, /* cut short */
	{"\xc2\x9b", "\\xc2\\x9b", "\"\\u009b\""},        /* C1's CSI */
	{"\xe2\x80\xae"
	 "gpj",
		"\\xe2\\x80\\xaegpj", "\"\\u202egpj\""},    /* turns */
	{"\xe2\x80\xa8", "\\xe2\\x80\\xa8", "\"\\u2028\""}, /* ends a line */
};

START_TEST(strings_from_outside_cannot_forge_a_line) {
	text_escape(&out, strings[_i].in);
	ck_assert_str_eq(out.data, strings[_i].escaped);
}
END_TEST

START_TEST(strings_from_outside_are_valid_json) {
	text_json(&out, strings[_i].in);
	ck_assert_str_eq(out.data, strings[_i].json);
}
END_TEST

START_TEST(json_of_NULL_is_null_and_of_nothing_is_an_empty_string) {
	text_json(&out, NULL);
	text_json(&out, "");
	ck_assert_str_eq(out.data, "null\"\"");
}
END_TEST

static const struct {
	double seconds;
	const char *words;
} ages[] = {
	{0, "0 ms"},
	{-1, "0 ms"},
	{NAN, "0 ms"},
	{0.35, "350 ms"},
	{0.9999, "999 ms"},
	{1, "1 s"},
	{1.5, "1.5 s"},
	{1.96, "2 s"},
	{9.96, "10 s"},
	{41.2, "41 s"},
	{599, "599 s"},
	{720, "12 min"},
	{7199, "119 min"},
	{3 * 3600, "3 h"},
	{2 * 86400, "2 days"},
	{1e9, "11574 days"},
};

START_TEST(seconds_are_told_as_people_say_them) {
	text_seconds(&out, ages[_i].seconds);
	ck_assert_str_eq(out.data, ages[_i].words);
}
END_TEST

START_TEST(milliseconds_are_whole_and_never_negative) {
	const double times[] = {0, 0.0004, 0.0006, 1.5, -3, NAN, INFINITY};
	for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
		text_milliseconds(&out, times[i]);
		text_add(&out, " ");
	}
	ck_assert_str_eq(out.data, "0 0 1 1500 0 0 0 ");
}
END_TEST

START_TEST(cut_takes_the_end_back_and_no_more_than_there_is) {
	text_add(&out, "one, two, ");
	text_cut(&out, 2);
	ck_assert_str_eq(out.data, "one, two");
	text_cut(&out, 100);
	ck_assert_str_eq(out.data, "");
	text_add(&out, "three");
	ck_assert_str_eq(out.data, "three");
}
END_TEST

/* In a child: reads to the end, and exits with 0 where so many bytes came. */
static pid_t count_in_child(const int *ends, size_t expected) {
	pid_t child = fork();
	if (child == 0) {
		char bytes[4096];
		size_t total = 0;
		ssize_t n;
		close(ends[1]);
		while ((n = read(ends[0], bytes, sizeof bytes)) > 0) {
			total += (size_t)n;
		}
		_exit(total != expected);
	}
	return child;
}

START_TEST(write_waits_where_a_full_pipe_does_not_block) {
	int ends[2], status = -1;
	struct text text;
	text_init(&text);
	while (text.length < 1000000) {
		text_add(&text, "line %zu of many\n", text.length);
	}
	ck_assert_int_eq(pipe2(ends, O_NONBLOCK), 0);
	fcntl(ends[0], F_SETFL, 0);
	pid_t child = count_in_child(ends, text.length);

	ck_assert_int_eq(text_write(&text, ends[1]), 0);

	close(ends[1]);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	close(ends[0]);
	text_finish(&text);
}
END_TEST

START_TEST(write_fails_with_errno_of_the_descriptor) {
	text_add(&out, "lost");
	ck_assert_int_eq(text_write(&out, -1), -1);
	ck_assert_int_eq(errno, EBADF);
}
END_TEST

/* Older C libraries have no other words. */
#if defined __GLIBC__ && __GLIBC__ * 1000 + __GLIBC_MINOR__ >= 2032
/* In place of the C library's, which may take a lock that the caller holds. */
char *strerror(int error) {
	static char words[] = "what strerror(3) says";
	(void)error;
	return words;
}

START_TEST(errors_are_told_without_strerror) {
	text_error(&out, ECONNREFUSED);
	ck_assert_str_eq(out.data, "Connection refused");
}
END_TEST

static void add_errors(TCase *core) {
	tcase_add_test(core, errors_are_told_without_strerror);
}
#else
static void add_errors(TCase *core) {
	(void)core;
}
#endif

START_TEST(an_error_of_no_name_has_its_number) {
	text_error(&out, 12345);
	text_add(&out, "; ");
	text_error(&out, 0);
	ck_assert_str_eq(out.data,
		"Unknown error 12345; it returned less than 0, and set no errno");
}
END_TEST

Suite *suite(void) {
	Suite *suite = suite_create("text");
	TCase *core = tcase_create("core");
	int count = sizeof strings / sizeof *strings;
	tcase_add_checked_fixture(core, setup, NULL);
	tcase_add_test(core, a_new_text_is_empty_and_terminated);
	tcase_add_test(core, each_conversion_is_that_of_printf);
	tcase_add_test(core, a_string_that_is_NULL_is_a_question_mark);
	tcase_add_test(
		core, what_does_not_fit_is_cut_and_the_rest_of_memory_is_left_alone);
	tcase_add_test(core, a_buffer_of_one_byte_stays_empty);
	tcase_add_test(core, a_growing_text_keeps_everything);
	tcase_add_loop_test(core, strings_from_outside_cannot_forge_a_line, 0, count);
	tcase_add_loop_test(core, strings_from_outside_are_valid_json, 0, count);
	tcase_add_test(core, json_of_NULL_is_null_and_of_nothing_is_an_empty_string);
	tcase_add_loop_test(core, seconds_are_told_as_people_say_them, 0,
		(int)(sizeof ages / sizeof *ages));
	tcase_add_test(core, milliseconds_are_whole_and_never_negative);
	tcase_add_test(core, cut_takes_the_end_back_and_no_more_than_there_is);
	tcase_add_test(core, write_waits_where_a_full_pipe_does_not_block);
	tcase_add_test(core, write_fails_with_errno_of_the_descriptor);
	add_errors(core);
	tcase_add_test(core, an_error_of_no_name_has_its_number);
	suite_add_tcase(suite, core);
	return suite;
}
