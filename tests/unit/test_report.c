/* SPDX-License-Identifier: MIT */
#include "suite.h"

#include "loop.h"
#include "report_tasks.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static const struct arun_site line9 = {"srv.c", "a", 9}, line10 = {"srv.c", "b", 10},
			      line12 = {"srv.c", "copy", 12},
			      line35 = {"srv.c", "serve", 35};

static struct registry registry;
static struct report report;

static void begin(void) {
	registry_init(&registry);
	registry.now = loop_clock();
	report = (struct report){.plugin_path = "/srv/app/srv.so",
		.entry = "copy",
		.started = loop_clock() - 2,
		.end = {.reason = "return", .shutdown = -1}};
	report_init(&report);
}

static struct arun_task *spawn(const char *name, const struct arun_site *at) {
	struct arun_task *task = calloc(1, sizeof *task);
	ck_assert_ptr_nonnull(task);
	task->name = name;
	task->at = at;
	task->op = "arun_join";
	task->state = TASK_WAITING;
	registry_add(&registry, &task->object, &task_kind, &line35);
	return task;
}

static void let_run(struct arun_task *task) {
	static struct sched sched;
	sched.current = task;
	sched_current = &sched;
}

static const struct report_tasks *tasks_with(const struct arun_task *entry) {
	static struct report_tasks tasks;
	tasks = (struct report_tasks){&report, &registry, entry};
	return &tasks;
}

/* A file in place of a descriptor, and what was written to it since. */
struct capture {
	int fd, file, saved;
};

static void capture_begin(struct capture *capture, int fd) {
	capture->file = memfd_create("capture", MFD_CLOEXEC);
	ck_assert_int_ge(capture->file, 0);
	capture->fd = fd;
	capture->saved = dup(fd);
	dup2(capture->file, fd);
}

static char *capture_end(struct capture *capture) {
	static char buffer[65536];
	dup2(capture->saved, capture->fd);
	ssize_t size = pread(capture->file, buffer, sizeof buffer - 1, 0);
	ck_assert_int_ge(size, 0);
	buffer[size] = '\0';
	return buffer;
}

#define SAYS(wanted, call)                                                               \
	do {                                                                             \
		struct capture capture_;                                                 \
		capture_begin(&capture_, STDERR_FILENO);                                 \
		call;                                                                    \
		ck_assert_str_eq(capture_end(&capture_), wanted);                        \
	} while (0)

static void contains(const char *text, const char *part) {
	ck_assert_msg(strstr(text, part), "no \"%s\" in:\n%s", part, text);
}

START_TEST(a_deadlock_names_each_task_and_what_it_waits_for) {
	begin();
	struct arun_task *copy = spawn("copy", &line12);
	struct arun_task *a = spawn("a", &line9), *b = spawn("b", &line10);
	copy->awaits = &a->object;
	a->awaits = &b->object;
	b->awaits = &a->object;
	SAYS("srv.c:12: deadlock: main \"copy\" waits here for task \"a\" (#2) "
	     "and nothing can wake it\n"
	     "srv.c:10: deadlock: task \"b\" (#3) waits here in arun_join for task \"a\" (#2)\n"
	     "srv.c:9: deadlock: task \"a\" (#2) waits here in arun_join for task \"b\" (#3)\n",
		report_tasks_deadlocked(tasks_with(copy)));
}
END_TEST

START_TEST(a_deadlock_has_twenty_lines_and_a_count) {
	begin();
	struct arun_task *copy = spawn("copy", &line12);
	for (int i = 0; i < 30; i++) {
		spawn("x", &line9);
	}
	struct capture capture;
	capture_begin(&capture, STDERR_FILENO);
	report_tasks_deadlocked(tasks_with(copy));
	char *text = capture_end(&capture);
	contains(text, "main \"copy\" waits here in arun_join and nothing can wake it\n");
	contains(
		text, "(#13) waits here in arun_join\narun: srv.so: and 11 more tasks\n");
}
END_TEST

START_TEST(a_failed_task_is_named_with_its_reason) {
	begin();
	struct arun_task *janitor = spawn("janitor", &line9);
	janitor->error = ECONNRESET;
	SAYS("srv.c:35: failed: task \"janitor\" (#1): Connection reset by peer\n",
		report_tasks_failed(&report, janitor));
	janitor->traits = TASK_HAS_WHY;
	janitor->why = (char *)"read 127.0.0.1:80: reset\n";
	janitor->why_error = ECONNRESET;
	SAYS("srv.c:35: failed: task \"janitor\" (#1): read 127.0.0.1:80: reset\\x0a\n",
		report_tasks_failed(&report, janitor));
}
END_TEST

START_TEST(abandoned_tasks_are_named_with_their_lines) {
	begin();
	struct arun_task *copy = spawn("copy", &line12);
	spawn("upload", &line9);
	let_run(spawn("spin", &line10));
	SAYS("arun: grace of 8 s is over; abandoned: main \"copy\" at srv.c:12, task \"spin\" "
	     "(#3) running since its last wait at srv.c:10, task \"upload\" (#2) at srv.c:9\n",
		report_tasks_abandoned(tasks_with(copy), 8));
}
END_TEST

START_TEST(where_no_task_is_abandoned_it_is_a_job) {
	begin();
	SAYS("arun: grace of 8 s is over; abandoned: a job that blocks in a thread\n",
		report_tasks_abandoned(tasks_with(NULL), 8));
}
END_TEST

START_TEST(a_task_that_never_waited_is_named_with_its_spawn) {
	begin();
	let_run(spawn("spin", NULL));
	SAYS("arun: grace of 350 ms is over; abandoned: task \"spin\" (#1) running since its "
	     "start (made at srv.c:35)\n",
		report_tasks_abandoned(tasks_with(NULL), 0.35));
}
END_TEST

START_TEST(a_slow_stop_says_what_it_waits_for) {
	begin();
	for (int i = 0; i < 10; i++) {
		spawn("upload", &line9)->traits = i == 0 ? TASK_EXEMPT : 0;
	}
	struct capture capture;
	capture_begin(&capture, STDERR_FILENO);
	report_tasks_awaited(tasks_with(NULL), 6.9, SIGINT);
	char *text = capture_end(&capture);
	contains(text,
		"arun: stopping; 6.9 s left for: task \"upload\" (#10) waits at srv.c:9, ");
	contains(text, "(#3) waits at srv.c:9 and 1 more (again Ctrl-C: force)\n");
}
END_TEST

START_TEST(a_slow_stop_says_what_would_force_it) {
	begin();
	spawn("upload", &line9)->traits = 0;
	static const char said[] =
		"arun: stopping; 1 s left for: task \"upload\" (#1) waits at srv.c:9";
	char text[256];
	snprintf(text, sizeof text, "%s (again SIGTERM: force)\n", said);
	SAYS(text, report_tasks_awaited(tasks_with(NULL), 1, SIGTERM));
	snprintf(text, sizeof text, "%s\n", said);
	SAYS(text, report_tasks_awaited(tasks_with(NULL), 1, 0));
}
END_TEST

START_TEST(a_clean_run_says_and_writes_nothing) {
	begin();
	report.fd = dup(STDERR_FILENO);
	struct snapshot leaks;
	snapshot_take(&leaks, SNAPSHOT_LEAKS, &registry, NULL);
	struct capture capture;
	capture_begin(&capture, report.fd);
	fstat(report.fd, &report.file);
	SAYS("", report_leaks(&report, &leaks));
	ck_assert_str_eq(capture_end(&capture), "");
}
END_TEST

START_TEST(leaks_off_says_and_writes_nothing) {
	begin();
	report.fd = dup(STDERR_FILENO);
	report.leaks = ARUN_LEAKS_OFF;
	spawn("x", &line9);
	struct snapshot leaks;
	snapshot_take(&leaks, SNAPSHOT_LEAKS, &registry, NULL);
	struct capture capture;
	capture_begin(&capture, report.fd);
	fstat(report.fd, &report.file);
	SAYS("", report_leaks(&report, &leaks));
	ck_assert_str_eq(capture_end(&capture), "");
}
END_TEST

/* time(2) may lag behind the clock that the report reads. */
static time_t seconds_now(void) {
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec;
}

START_TEST(json_is_one_line_with_the_time_of_now) {
	begin();
	report.fd = dup(STDERR_FILENO);
	report.server = true;
	report.end = (struct report_end){"signal", 15, 0, 0.012};
	spawn("x", &line9);
	struct snapshot leaks;
	snapshot_take(&leaks, SNAPSHOT_LEAKS, &registry, NULL);
	time_t before = seconds_now();
	struct capture capture, text;
	capture_begin(&text, STDERR_FILENO);
	capture_begin(&capture, report.fd);
	fstat(report.fd, &report.file);
	report_leaks(&report, &leaks);
	char *json = capture_end(&capture);
	dup2(text.saved, STDERR_FILENO);
	ck_assert_ptr_eq(strchr(json, '\n'), json + strlen(json) - 1);
	contains(json,
		"{\"schema\": \"arun-report/1\", \"kind\": \"leaks\", \"time\": \"");
	contains(json, "\"plugin\": {\"path\": \"/srv/app/srv.so\", \"entry\": \"copy\", "
		       "\"mode\": \"server\"}");
	contains(json, "\"end\": {\"reason\": \"signal\", \"signal\": \"SIGTERM\", "
		       "\"shutdown_ms\": 12, \"status\": 0}");
	struct tm now = {0};
	char *rest =
		strptime(strstr(json, "\"time\": \"") + 9, "%Y-%m-%dT%H:%M:%S", &now);
	ck_assert_ptr_nonnull(rest);
	ck_assert_int_eq(strspn(rest, ".0123456789"), 7);
	ck_assert_int_eq(rest[7], 'Z');
	ck_assert_int_ge(timegm(&now), before);
	ck_assert_int_le(timegm(&now), seconds_now());
}
END_TEST

START_TEST(a_deadlock_is_in_json_with_all_objects) {
	begin();
	report.fd = dup(STDERR_FILENO);
	struct arun_task *copy = spawn("copy", &line12);
	struct capture capture, text;
	capture_begin(&text, STDERR_FILENO);
	capture_begin(&capture, report.fd);
	fstat(report.fd, &report.file);
	report_tasks_deadlocked(tasks_with(copy));
	char *json = capture_end(&capture);
	dup2(text.saved, STDERR_FILENO);
	contains(json, "\"kind\": \"deadlock\"");
	contains(json, "\"end\": {\"reason\": \"deadlock\", \"status\": 1}");
	contains(
		json, "\"objects\": [{\"kind\": \"task\", \"id\": 1, \"name\": \"copy\"");
}
END_TEST

START_TEST(the_build_id_is_that_of_the_program_where_there_is_no_plugin) {
	report = (struct report){0};
	report_init(&report);
	ck_assert_uint_eq(strlen(report.build_id) % 2, 0);
	ck_assert_uint_eq(
		strspn(report.build_id, "0123456789abcdef"), strlen(report.build_id));
	ck_assert_str_eq(report.plugin, program_invocation_short_name);
}
END_TEST

Suite *suite(void) {
	Suite *suite = suite_create("report");
	TCase *tasks = tcase_create("tasks");
	tcase_add_test(tasks, a_deadlock_names_each_task_and_what_it_waits_for);
	tcase_add_test(tasks, a_deadlock_has_twenty_lines_and_a_count);
	tcase_add_test(tasks, a_failed_task_is_named_with_its_reason);
	tcase_add_test(tasks, abandoned_tasks_are_named_with_their_lines);
	tcase_add_test(tasks, where_no_task_is_abandoned_it_is_a_job);
	tcase_add_test(tasks, a_task_that_never_waited_is_named_with_its_spawn);
	tcase_add_test(tasks, a_slow_stop_says_what_it_waits_for);
	tcase_add_test(tasks, a_slow_stop_says_what_would_force_it);
	suite_add_tcase(suite, tasks);
	TCase *leaks = tcase_create("leaks");
	tcase_add_test(leaks, a_clean_run_says_and_writes_nothing);
	tcase_add_test(leaks, leaks_off_says_and_writes_nothing);
	tcase_add_test(leaks, json_is_one_line_with_the_time_of_now);
	tcase_add_test(leaks, a_deadlock_is_in_json_with_all_objects);
	tcase_add_test(
		leaks, the_build_id_is_that_of_the_program_where_there_is_no_plugin);
	suite_add_tcase(suite, leaks);
	return suite;
}
