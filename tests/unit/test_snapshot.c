/* SPDX-License-Identifier: MIT */
#include "suite.h"

#include "loop.h"
#include "snapshot.h"
#include "snapshot_json.h"
#include "snapshot_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* An object whose kind says what the test wants. */
struct thing {
	struct object object;
	const char *name, *line;
	int fd;
	struct waiting waiting;
};

static const struct thing *thing_of(const struct object *object) {
	return container_of(object, const struct thing, object);
}

static const char *thing_name(const struct object *object) {
	return thing_of(object)->name;
}

static const char *thing_state(const struct object *object) {
	return thing_of(object)->waiting.site ? "read" : "open";
}

static void thing_line(const struct object *object, struct text *out) {
	if (thing_of(object)->line) {
		text_add(out, "%s", thing_of(object)->line);
	} else {
		text_add(out, "\"");
		text_escape(out, thing_of(object)->name);
		text_add(out, "\" (#%lu)", (unsigned long)object->id);
	}
}

static void thing_detail(const struct object *object, struct text *out) {
	text_add(out, "\"fd\": %d", thing_of(object)->fd);
}

static int thing_fd(const struct object *object) {
	return thing_of(object)->fd;
}

static bool thing_waiting(const struct object *object, struct waiting *out) {
	*out = thing_of(object)->waiting;
	return out->site;
}

static bool thing_leaked(const struct object *object) {
	return thing_of(object)->fd != 77;
}

/* clang-format off */
#define THING(index_, word_, fate_, waits_, ageless_)                                    \
	{                                                                                \
		.index = index_, .word = word_, .title = word_, .fate = fate_,           \
		.waits = waits_, .help = "close it", .outcome = "closed",                \
		.ageless = ageless_, .leaked = thing_leaked, .name = thing_name,         \
		.state = thing_state, .line = thing_line, .detail = thing_detail,        \
		.fd = thing_fd, .waiting = thing_waiting                                 \
	}
/* clang-format on */
static const struct kind server =
	THING(KIND_SERVER, "server", "not closed", "waits", false);
static const struct kind connection =
	THING(KIND_CONNECTION, "connection", "not closed", "waits", false);
static const struct kind task = THING(KIND_TASK, "task", "still running", "waits", false);
static const struct kind generator =
	THING(KIND_GENERATOR, "generator", "not closed", "suspended", true);

static const struct arun_site line7 = {"srv.c", "janitor", 7},
			      line17 = {"srv.c", "lines", 17},
			      line24 = {"srv.c", "on_conn", 24},
			      line34 = {"srv.c", "serve", 34},
			      line35 = {"srv.c", "serve", 35},
			      line38 = {"srv.c", "serve", 38};

static struct registry registry;
static struct snapshot snapshot;

static void begin(void) {
	registry_init(&registry);
	registry.now = loop_clock();
}

static struct thing *open_thing(
	const struct kind *kind, const struct arun_site *site, const char *name) {
	struct thing *thing = calloc(1, sizeof *thing);
	ck_assert_ptr_nonnull(thing);
	thing->name = name;
	thing->fd = -1;
	registry_add(&registry, &thing->object, kind, site);
	return thing;
}

static struct thing *open_line(const struct kind *kind, const struct arun_site *site,
	const char *name, const char *line, int fd) {
	struct thing *thing = open_thing(kind, site, name);
	thing->line = line;
	thing->fd = fd;
	return thing;
}

static void take(void) {
	snapshot_take(&snapshot, SNAPSHOT_LEAKS, &registry, NULL);
}

static char *text_of_leaks(void) {
	static struct text out;
	text_init(&out);
	snapshot_text(&snapshot, "srv.so", &out);
	return out.data;
}

static char *json_of_leaks(void) {
	static struct text out;
	text_init(&out);
	snapshot_json(&snapshot, &out);
	return out.data;
}

static void contains(const char *text, const char *part) {
	ck_assert_msg(strstr(text, part), "no \"%s\" in:\n%s", part, text);
}

START_TEST(one_kind_one_site_and_one_owner_are_one_group) {
	begin();
	struct thing *one = open_thing(&server, &line34, "one");
	struct thing *other = open_thing(&server, &line34, "other");
	for (int i = 0; i < 5; i++) {
		struct thing *thing = open_thing(&connection, &line34, "c");
		thing->object.owner = &(i < 2 ? one : other)->object;
	}
	take();
	ck_assert_uint_eq(snapshot.groups, 3);
	ck_assert_uint_eq(snapshot.group[0]->count, 2);
	ck_assert_uint_eq(snapshot.group[1]->count, 2);
	ck_assert_uint_eq(snapshot.group[1]->owner, one->object.id);
	ck_assert_uint_eq(snapshot.group[2]->count, 3);
	ck_assert_uint_eq(snapshot.total, 7);
	ck_assert_uint_eq(snapshot.counts[KIND_CONNECTION], 5);
}
END_TEST

/* Of a macro that makes two, of an inline function in two files: each has a constant of its own. */
START_TEST(sites_with_the_same_words_are_one_group) {
	static char file[] = "srv.c", function[] = "serve";
	const struct arun_site again = {file, function, 34},
			       another = {"srv.c", "other", 34},
			       elsewhere = {"lib.c", "serve", 34};
	begin();
	open_thing(&server, &line34, "one");
	open_thing(&server, &again, "other");
	open_thing(&server, &another, "one");
	open_thing(&server, &elsewhere, "one");
	open_thing(&server, NULL, "one");
	take();
	ck_assert_uint_eq(snapshot.groups, 4);
	ck_assert_uint_eq(snapshot.group[0]->count, 2);
}
END_TEST

START_TEST(what_is_owned_may_be_seen_before_its_owner_is_listed) {
	static const struct object unlisted;
	begin();
	open_thing(&task, NULL, "body")->object.owner = &unlisted;
	take();
	ck_assert_uint_eq(snapshot.groups, 1);
	ck_assert_uint_eq(snapshot.group[0]->owner, 0);
	contains(text_of_leaks(), "task \"body\"");
}
END_TEST

START_TEST(parts_background_and_what_is_no_leak_are_left_out) {
	begin();
	open_thing(&task, &line7, "part")->object.part = true;
	open_thing(&task, &line7, "background")->object.background = true;
	open_thing(&task, &line7, "no leak")->fd = 77;
	take();
	ck_assert_uint_eq(snapshot.total, 0);
	ck_assert_str_eq(text_of_leaks(), "");
	snapshot_finish(&snapshot);
	snapshot_take(&snapshot, SNAPSHOT_ALL, &registry, NULL);
	ck_assert_uint_eq(snapshot.total, 3);
}
END_TEST

START_TEST(the_oldest_of_a_group_are_copied_oldest_first) {
	begin();
	for (int i = 0; i < 100; i++) {
		open_thing(&task, &line7, "x");
	}
	take();
	ck_assert_uint_eq(snapshot.group[0]->kept, SNAPSHOT_ITEMS);
	for (unsigned i = 0; i < SNAPSHOT_ITEMS; i++) {
		ck_assert_uint_eq(snapshot.group[0]->items[i].id, i + 1);
	}
}
END_TEST

START_TEST(the_lines_are_those_of_the_manual) {
	begin();
	struct thing *http =
		open_line(&server, &line34, "http", "\"http\" 127.0.0.1:8080 (fd 3)", 3);
	open_thing(&task, &line35, "part")->object.part = true;
	struct thing *janitor = open_thing(&task, &line35, "janitor");
	janitor->waiting = (struct waiting){&line7, "arun_sleep", registry.now, 0};
	struct thing *first =
		open_line(&connection, &line34, "on_conn", "127.0.0.1:53122 (fd 8)", 8);
	struct thing *lines = open_thing(&generator, &line38, "lines");
	lines->waiting = (struct waiting){&line17, "arun_gen_yield", registry.now, 0};
	struct thing *second =
		open_line(&connection, &line34, "on_conn", "127.0.0.1:53130 (fd 9)", 9);
	first->object.owner = second->object.owner = &http->object;
	http->object.born = janitor->object.born = registry.now - 41;
	take();
	ck_assert_str_eq(text_of_leaks(),
		"srv.c:34: leak: server \"http\" 127.0.0.1:8080 (fd 3) not closed, 41 s old\n"
		"srv.c:34: leak: 2 connections of server \"http\" not closed: "
		"127.0.0.1:53122 (fd 8), 127.0.0.1:53130 (fd 9)\n"
		"srv.c:35: leak: task \"janitor\" (#3) still running, 41 s old; "
		"waits at srv.c:7\n"
		"srv.c:38: leak: generator \"lines\" (#5) not closed; suspended at srv.c:17\n"
		"arun: srv.so: 5 leaks: 1 task, 1 server, 2 connections, 1 generator\n");
}
END_TEST

START_TEST(a_single_connection_has_age_and_wait_in_its_line) {
	begin();
	struct thing *http = open_line(&server, &line34, "http", "\"http\"", 3);
	http->object.part = true;
	struct thing *thing =
		open_line(&connection, &line34, "on_conn", "127.0.0.1:53122 (fd 8)", 8);
	thing->object.owner = &http->object;
	thing->object.born = registry.now - 12;
	thing->waiting = (struct waiting){&line24, "arun_read", registry.now - 11, 0};
	take();
	ck_assert_str_eq(text_of_leaks(),
		"srv.c:34: leak: connection of server \"http\" 127.0.0.1:53122 (fd 8) "
		"not closed, 12 s old; waits at srv.c:24\n"
		"arun: srv.so: 1 leak: 1 connection\n");
}
END_TEST

START_TEST(many_of_one_name_say_it_once) {
	begin();
	for (int i = 0; i < 1000; i++) {
		open_thing(&task, &line35, "janitor");
	}
	take();
	ck_assert_str_eq(text_of_leaks(),
		"srv.c:35: leak: 1000 tasks \"janitor\" still running: "
		"#1, #2, #3, #4, #5, #6, #7, #8 and 992 more\n"
		"arun: srv.so: 1000 leaks: 1000 tasks\n");
}
END_TEST

START_TEST(a_name_that_only_some_have_is_not_said_of_all) {
	begin();
	for (int i = 0; i < 20; i++) {
		open_thing(&task, &line35, i < 15 ? "a" : "b");
	}
	take();
	contains(text_of_leaks(), "20 tasks still running: \"a\" (#1), \"a\" (#2), ");
}
END_TEST

START_TEST(an_unknown_site_is_the_plugin) {
	begin();
	open_thing(&generator, NULL, "lines");
	take();
	contains(text_of_leaks(), "srv.so: leak: generator \"lines\" (#1) not closed\n");
	contains(json_of_leaks(), "\"created\": null");
}
END_TEST

START_TEST(twenty_lines_are_printed_and_the_others_counted) {
	begin();
	static struct arun_site sites[30];
	for (int i = 0; i < 10000; i++) {
		sites[i % 30] = (struct arun_site){"many.c", "serve", i % 30 + 1};
		open_thing(&task, &sites[i % 30], "many");
	}
	take();
	char *text = text_of_leaks();
	int lines = 0;
	for (char *at = text; (at = strchr(at, '\n')); at++) {
		lines++;
	}
	ck_assert_int_eq(lines, SNAPSHOT_LINES + 2);
	contains(text, "many.c:20: leak: 333 tasks \"many\" still running: #20, #50, ");
	ck_assert_ptr_null(strstr(text, "many.c:21:"));
	contains(text, "arun: srv.so: and 3330 more leaks\n"
		       "arun: srv.so: 10000 leaks: 10000 tasks\n");
}
END_TEST

START_TEST(groups_that_do_not_fit_are_counted_and_the_oldest_are_kept) {
	begin();
	static struct arun_site sites[SNAPSHOT_GROUPS + 100];
	for (int i = 0; i < SNAPSHOT_GROUPS + 100; i++) {
		sites[i] = (struct arun_site){"srv.c", "serve", i + 1};
		open_thing(&task, &sites[i], "x");
	}
	take();
	ck_assert_uint_eq(snapshot.groups, SNAPSHOT_GROUPS);
	ck_assert_uint_eq(snapshot.unlisted, 100);
	for (unsigned i = 0; i < SNAPSHOT_GROUPS; i++) {
		ck_assert_uint_eq(snapshot.group[i]->items[0].id, i + 1);
	}
	ck_assert_uint_eq(snapshot.total, SNAPSHOT_GROUPS + 100);
	contains(json_of_leaks(), "\"unlisted\": 100");
}
END_TEST

/* Lines of 4 KB fill the arena long before there are too many groups. */
START_TEST(texts_that_do_not_fit_are_counted) {
	begin();
	static struct arun_site sites[SNAPSHOT_GROUPS];
	static char line[8192];
	memset(line, 'x', sizeof line - 1);
	for (int i = 0; i < SNAPSHOT_GROUPS; i++) {
		sites[i] = (struct arun_site){"srv.c", "serve", i + 1};
		for (int j = 0; j < 5; j++) {
			open_line(&task, &sites[i], "x", line, -1);
		}
	}
	take();
	uint64_t listed = 0;
	for (unsigned i = 0; i < snapshot.groups; i++) {
		ck_assert_uint_ge(snapshot.group[i]->kept, 1);
		listed += snapshot.group[i]->count;
	}
	ck_assert_uint_lt(snapshot.groups, SNAPSHOT_GROUPS);
	ck_assert_uint_eq(listed + snapshot.unlisted, snapshot.total);
	ck_assert_uint_eq(snapshot.total, 5 * SNAPSHOT_GROUPS);
}
END_TEST

START_TEST(a_million_objects_are_counted) {
	begin();
	struct thing *things = calloc(1000000, sizeof *things);
	ck_assert_ptr_nonnull(things);
	for (int i = 0; i < 1000000; i++) {
		things[i].name = "x";
		registry_add(&registry, &things[i].object, &task, &line7);
	}
	take();
	ck_assert_uint_eq(snapshot.group[0]->count, 1000000);
	ck_assert_uint_eq(snapshot.group[0]->items[0].id, 1);
	free(things);
}
END_TEST

START_TEST(a_report_outlives_its_objects) {
	begin();
	char *name = strdup("short-lived");
	struct thing *thing = open_thing(&task, &line7, name);
	take();
	memset(name, 'X', strlen(name));
	free(name);
	free(thing);
	contains(text_of_leaks(), "task \"short-lived\" (#1)");
	contains(json_of_leaks(), "\"name\": \"short-lived\"");
}
END_TEST

START_TEST(what_is_listed_after_the_sweep_was_abandoned) {
	begin();
	struct thing *ends = open_thing(&task, &line7, "ends");
	open_thing(&task, &line7, "stays");
	take();
	contains(json_of_leaks(), "\"hint\"");
	ck_assert_ptr_null(strstr(json_of_leaks(), "\"outcome\""));
	registry_remove(&ends->object);
	snapshot_outcomes(&snapshot);
	ck_assert_str_eq(snapshot.group[0]->items[0].outcome, "closed");
	ck_assert_str_eq(snapshot.group[0]->items[1].outcome, "abandoned");
	contains(json_of_leaks(), "\"outcome\": \"abandoned\"");
	free(ends);
}
END_TEST

START_TEST(names_from_outside_are_escaped) {
	begin();
	open_thing(&task, &line7, "a\033[31m\n\"b\\");
	take();
	contains(text_of_leaks(), "task \"a\\x1b[31m\\x0a\"b\\\" (#1)");
	contains(json_of_leaks(), "\"name\": \"a\\u001b[31m\\u000a\\\"b\\\\\"");
}
END_TEST

START_TEST(json_of_a_group_has_the_others_where_they_differ) {
	begin();
	struct thing *first = open_line(&connection, &line34, "c", "one", 8);
	struct thing *second = open_line(&connection, &line34, "c", "two", 9);
	first->waiting = (struct waiting){&line24, "arun_read", registry.now, 0};
	second->object.born = first->object.born = registry.now + 100;
	take();
	ck_assert_str_eq(json_of_leaks(),
		"\"counts\": {\"connection\": 2}, \"total\": 2, \"suppressed\": 0, \"leaks\": "
		"[{\"kind\": \"connection\", \"id\": 1, \"name\": \"c\", \"owner\": null, "
		"\"created\": {\"file\": \"srv.c\", \"line\": 34, \"func\": \"serve\"}, "
		"\"age_ms\": 0, \"state\": \"read\", \"fd\": 8, \"count\": 2, \"waiting\": "
		"{\"file\": \"srv.c\", \"line\": 24, \"func\": \"on_conn\", \"op\": "
		"\"arun_read\", \"for_ms\": 0}, \"detail\": {\"fd\": 8}, \"also\": "
		"[{\"id\": 2, \"age_ms\": 0, \"state\": \"open\", \"fd\": 9, "
		"\"detail\": {\"fd\": 9}}], \"hint\": \"close it\"}]");
}
END_TEST

START_TEST(raw_descriptors_are_the_last_lines) {
	begin();
	struct rawfd rawfd = {.turn = 0};
	ck_assert_int_eq(rawfd_baseline(&rawfd), 0);
	open_thing(&task, &line7, "x");
	int ends[2];
	ck_assert_int_eq(pipe(ends), 0);
	snapshot_take(&snapshot, SNAPSHOT_LEAKS, &registry, &rawfd);
	ck_assert_uint_eq(snapshot.counts[KIND_COUNT], 2);
	char wanted[200];
	snprintf(wanted, sizeof wanted,
		"srv.so: leak: fd %d pipe not closed (run with --debug for the line)\n"
		"srv.so: leak: fd %d pipe not closed (run with --debug for the line)\n"
		"arun: srv.so: 3 leaks: 1 task, 2 fds\n",
		ends[0], ends[1]);
	contains(text_of_leaks(), wanted);
	contains(json_of_leaks(), "\"age_ms\": null, \"state\": \"open\", \"fd\": ");
	rawfd_finish(&rawfd);
}
END_TEST

Suite *suite(void) {
	Suite *suite = suite_create("snapshot");
	TCase *groups = tcase_create("groups");
	tcase_add_test(groups, one_kind_one_site_and_one_owner_are_one_group);
	tcase_add_test(groups, sites_with_the_same_words_are_one_group);
	tcase_add_test(groups, what_is_owned_may_be_seen_before_its_owner_is_listed);
	tcase_add_test(groups, parts_background_and_what_is_no_leak_are_left_out);
	tcase_add_test(groups, the_oldest_of_a_group_are_copied_oldest_first);
	tcase_add_test(
		groups, groups_that_do_not_fit_are_counted_and_the_oldest_are_kept);
	tcase_add_test(groups, texts_that_do_not_fit_are_counted);
	tcase_add_test(groups, a_million_objects_are_counted);
	tcase_add_test(groups, a_report_outlives_its_objects);
	tcase_add_test(groups, what_is_listed_after_the_sweep_was_abandoned);
	suite_add_tcase(suite, groups);
	TCase *forms = tcase_create("forms");
	tcase_add_test(forms, the_lines_are_those_of_the_manual);
	tcase_add_test(forms, a_single_connection_has_age_and_wait_in_its_line);
	tcase_add_test(forms, many_of_one_name_say_it_once);
	tcase_add_test(forms, a_name_that_only_some_have_is_not_said_of_all);
	tcase_add_test(forms, an_unknown_site_is_the_plugin);
	tcase_add_test(forms, twenty_lines_are_printed_and_the_others_counted);
	tcase_add_test(forms, names_from_outside_are_escaped);
	tcase_add_test(forms, json_of_a_group_has_the_others_where_they_differ);
	tcase_add_test(forms, raw_descriptors_are_the_last_lines);
	suite_add_tcase(suite, forms);
	return suite;
}
