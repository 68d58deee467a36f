/* SPDX-License-Identifier: MIT */
#include "api.h"

#include <pthread.h>
#include <regex.h>
#include <stdlib.h>
#include <sys/stat.h>

static FILE *caught;

/* Runs body with these options, stderr in a file. Returns what it said. */
static const char *log_of(void (*body)(void), int level, enum arun_log_format format) {
	arun_options options = {.struct_size = sizeof options,
		.leaks = ARUN_LEAKS_ERROR,
		.log_level = level,
		.log_format = format};
	caught = catch_stderr();
	api_body = body;
	ck_assert_int_eq(arun_run(api_entry, 0, NULL, &options), 0);
	return read_stderr(caught);
}

static void assert_matches(const char *text, const char *pattern) {
	regex_t regex;
	ck_assert_int_eq(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
	ck_assert_msg(regexec(&regex, text, 0, NULL, 0) == 0, "\"%s\" is not like \"%s\"",
		text, pattern);
	regfree(&regex);
}

static void say_each(void) {
	arun_log(ARUN_ERROR, "e %d", 1);
	arun_log(ARUN_WARNING, "w");
	arun_log(ARUN_NOTICE, "n");
	(arun_log)(ARUN_INFO, "i %s", "x");
	arun_log(ARUN_DEBUG, "d");
}

#define TIME "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{6}Z "

START_TEST(a_line_in_a_file_has_time_and_level) {
	const char *text = log_of(say_each, 0, ARUN_LOG_TEXT);
	assert_matches(text, "^" TIME "error: e 1\n" TIME "warning: w\n" TIME
			     "notice: n\n" TIME "info: i x\n$");
}
END_TEST

START_TEST(the_level_of_the_options_is_the_last_that_is_written) {
	assert_matches(
		log_of(say_each, ARUN_WARNING, ARUN_LOG_JOURNAL), "^<3>e 1\n<4>w\n$");
}
END_TEST

START_TEST(debug_writes_all_and_the_journal_gets_priorities) {
	assert_matches(log_of(say_each, ARUN_DEBUG, ARUN_LOG_JOURNAL),
		"^<3>e 1\n<4>w\n<5>n\n<6>i x\n<7>d\n$");
}
END_TEST

static void say_strange(void) {
	arun_set_name(NULL, "na\"me");
	arun_log(ARUN_INFO, "one\ntwo\033[31m \"q\"");
}

START_TEST(a_message_is_one_line_whatever_is_in_it) {
	const char *text = log_of(say_strange, 0, ARUN_LOG_JOURNAL);
	ck_assert_ptr_null(strchr(text, '\033'));
	ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
}
END_TEST

START_TEST(JSON_has_the_task_and_the_place) {
	const char *text = log_of(say_strange, 0, ARUN_LOG_JSON);
	assert_matches(text,
		"^\\{\"time\": \"[^\"]*Z\", \"level\": \"info\", \"from\": \"plugin\", \"pid\": [0-9]+, \"message\": \"one");
	assert_contains(text, "\"task\": {\"id\": 1, \"name\": \"na\\\"me\"}");
	assert_contains(text, "\"function\": \"say_strange\"}");
	assert_contains(text, "test_log.c\", \"line\": ");
	ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
}
END_TEST

static void say_much(void) {
	char *much = malloc(5001);
	memset(much, 'a', 5000);
	much[5000] = '\0';
	arun_log(ARUN_INFO, "%s", much);
	free(much);
}

START_TEST(a_long_message_is_written_whole) {
	const char *text = log_of(say_much, 0, ARUN_LOG_JOURNAL);
	ck_assert_uint_eq(strlen(text), 3 + 5000 + 1);
	text = log_of(say_much, 0, ARUN_LOG_JSON);
	ck_assert_uint_gt(strlen(text), 5000);
	ck_assert_str_eq(text + strlen(text) - 2, "}\n");
}
END_TEST

static void leave_a_group_failed(void) {
	arun_log(ARUN_ERROR - 1, "%s", "below");
	arun_log(ARUN_DEBUG + 1, "%s", "above");
	errno = EXDEV;
	arun_log(ARUN_INFO, "%s", strerror(errno));
	ck_assert_int_eq(errno, EXDEV);
}

START_TEST(errno_is_kept_and_a_level_that_is_none_is_the_nearest) {
	const char *text = log_of(leave_a_group_failed, ARUN_DEBUG, ARUN_LOG_JOURNAL);
	assert_matches(text, "^<3>below\n<7>above\n<6>Invalid cross-device link\n$");
}
END_TEST

static int hold(void *arg) {
	arun_mutex *mutex = arg;
	return arun_mutex_lock(mutex);
}

static int leave(int argc, char **argv) {
	static arun_mutex mutex;
	(void)argc;
	(void)argv;
	arun_join(arun_spawn(hold, &mutex), NULL);
	return 0;
}

START_TEST(aruns_own_lines_and_reports_have_the_same_form) {
	arun_options options = {
		.struct_size = sizeof options, .log_format = ARUN_LOG_JSON};
	caught = catch_stderr();
	ck_assert_int_eq(arun_run(leave, 0, NULL, &options), 0);
	const char *text = read_stderr(caught);
	for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
		ck_assert_msg(*line == '{', "%s", line);
	}
	assert_contains(text, "\"from\": \"arun\"");
	assert_contains(text, "leak: lock");
	options.log_format = ARUN_LOG_JOURNAL;
	caught = catch_stderr();
	ck_assert_int_eq(arun_run(leave, 0, NULL, &options), 0);
	text = read_stderr(caught);
	for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
		ck_assert_msg(*line == '<', "%s", line);
	}
}
END_TEST

static void set_journal(long delta) {
	struct stat file;
	char stream[64];
	ck_assert_int_eq(fstat(STDERR_FILENO, &file), 0);
	snprintf(stream, sizeof stream, "%lu:%lu", (unsigned long)file.st_dev,
		(unsigned long)file.st_ino + (unsigned long)delta);
	setenv("JOURNAL_STREAM", stream, 1);
}

static const char *auto_of(long delta) {
	arun_options options = {.struct_size = sizeof options};
	caught = catch_stderr();
	set_journal(delta);
	api_body = say_each;
	ck_assert_int_eq(arun_run(api_entry, 0, NULL, &options), 0);
	return read_stderr(caught);
}

START_TEST(auto_is_the_journals_form_where_stderr_is_the_journals) {
	assert_matches(auto_of(0), "^<3>e 1\n");
	assert_matches(auto_of(1), "^" TIME "error: e 1\n");
}
END_TEST

enum { SAYERS = 4, LINES = 500 };

static void *say_lines(void *arg) {
	for (int i = 0; i < LINES; i++) {
		arun_log(ARUN_INFO, "%s %d end", (const char *)arg, i);
	}
	return NULL;
}

static void say_from_threads(void) {
	static char word[] = "thread";
	pthread_t threads[SAYERS];
	for (int i = 0; i < SAYERS; i++) {
		ck_assert_int_eq(pthread_create(&threads[i], NULL, say_lines, word), 0);
	}
	for (int i = 0; i < SAYERS; i++) {
		pthread_join(threads[i], NULL);
	}
}

START_TEST(lines_of_several_threads_do_not_mix) {
	log_of(say_from_threads, 0, ARUN_LOG_JOURNAL);
	rewind(caught);
	char line[256];
	int count = 0, number;
	while (fgets(line, sizeof line, caught)) {
		char end[8] = "";
		ck_assert_msg(sscanf(line, "<6>thread %d %7s\n", &number, end) == 2, "%s",
			line);
		ck_assert_str_eq(end, "end");
		count++;
	}
	ck_assert_int_eq(count, SAYERS * LINES);
}
END_TEST

Suite *suite(void) {
	Suite *suite = suite_create("log");
	TCase *log = tcase_create("log");
	tcase_add_test(log, a_line_in_a_file_has_time_and_level);
	tcase_add_test(log, the_level_of_the_options_is_the_last_that_is_written);
	tcase_add_test(log, debug_writes_all_and_the_journal_gets_priorities);
	tcase_add_test(log, a_message_is_one_line_whatever_is_in_it);
	tcase_add_test(log, JSON_has_the_task_and_the_place);
	tcase_add_test(log, a_long_message_is_written_whole);
	tcase_add_test(log, errno_is_kept_and_a_level_that_is_none_is_the_nearest);
	tcase_add_test(log, aruns_own_lines_and_reports_have_the_same_form);
	tcase_add_test(log, auto_is_the_journals_form_where_stderr_is_the_journals);
	tcase_add_test(log, lines_of_several_threads_do_not_mix);
	suite_add_tcase(suite, log);
	return suite;
}
