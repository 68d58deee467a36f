/* SPDX-License-Identifier: MIT */
#include "dump.h"

#include "notes.h"
#include "snapshot_text.h"
#include "text_within.h"

#include <errno.h>
#include <unistd.h>

enum { DUMP_NAMED = 8 }; /* objects of a group that have a line of their own */

/* Seconds: that a dump may block, that a turn of the loop may take, and between tries. */
static const double DUMP_PATIENCE = 1, DUMP_TURN = 0.1, DUMP_RETRY = 0.2;

/* Lines -------------------------------------------------------------------------- */

static void add_first(
	struct text *out, const struct scene *scene, const struct snapshot *snapshot) {
	const struct report *report = scene->report;
	text_add(out, "arun: dump of ");
	text_escape(out, report->plugin);
	text_add(out, ":");
	text_escape(out, report->entry);
	text_add(out, " (pid %d), up ", (int)getpid());
	text_seconds(out, loop_clock() - report->started);
	snapshot_text_counts(out, snapshot);
	text_add(out, "\n");
}

static void add_place(
	struct text *out, const struct scene *scene, const struct arun_site *site) {
	report_add_place(out, scene->report, site);
	text_add(out, ": ");
}

static void add_waiting(struct text *out, const struct snapshot_group *group,
	const struct waiting *waiting, double now) {
	text_add(out, "%s at ", group->kind->waits);
	registry_site(out, waiting->site);
	text_add(out, " in %s for ", waiting->op ? waiting->op : "?");
	text_seconds(out, now - waiting->since);
	if (waiting->until > 0) {
		text_add(out, ", ");
		text_seconds(out, waiting->until - now);
		text_add(out, " left");
	}
}

static void add_item(struct text *out, const struct scene *scene,
	const struct snapshot_group *group, const struct snapshot_item *item,
	double now) {
	add_place(out, scene, group->site);
	text_add(out, "%s", group->kind->title);
	snapshot_text_owner(out, group);
	text_add(out, " %s ", item->line);
	if (item->waits) {
		add_waiting(out, group, &item->waiting, now);
	} else {
		text_add(out, "%s", item->state);
	}
	if (item->age >= 0) {
		text_add(out, "; ");
		text_seconds(out, item->age);
		text_add(out, " old");
	}
	text_add(out, "\n");
	const struct notes *notes = scene->loop->sched.registry.notes;
	if (notes && item->closeup.has_task) {
		notes_add_task(out, notes, &item->closeup);
	}
	if (notes && !group->site) {
		notes_add_made(out, notes, &item->closeup);
	}
}

static void add_group(struct text *out, const struct scene *scene,
	const struct snapshot_group *group, double now) {
	unsigned named = group->kept < DUMP_NAMED ? group->kept : DUMP_NAMED;
	for (unsigned i = 0; i < named; i++) {
		add_item(out, scene, group, &group->items[i], now);
	}
	uint64_t rest = group->count - named;
	if (rest) {
		add_place(out, scene, group->site);
		text_add(out, "and %lu more ", (unsigned long)rest);
		registry_title(out, group->kind, rest);
		snapshot_text_owner(out, group);
		text_add(out, "\n");
	}
}

/* What the loop does, as arun-report(5) has it. */
static const char *loop_state(const struct loop *loop, double seconds) {
	if (!loop->sched.current) {
		return "idle";
	}
	return seconds < DUMP_TURN ? "running" : "blocked";
}

static void add_last(
	struct text *out, const struct scene *scene, const struct snapshot *snapshot) {
	const struct sched *sched = &scene->loop->sched;
	double seconds = snapshot->now - sched->registry.now;
	if (snapshot->unlisted) {
		text_add(out, "arun: and %lu more\n", (unsigned long)snapshot->unlisted);
	}
	text_add(out, "arun: loop %s", loop_state(scene->loop, seconds));
	if (sched->current) {
		text_add(out, " in ");
		report_add_task(out, scene->report, *scene->entry, sched->current);
	}
	text_add(out, " for ");
	text_seconds(out, seconds);
	text_add(out, "\narun: end of dump\n");
}

/* JSON --------------------------------------------------------------------------- */

static void json_line(
	struct text *out, const struct scene *scene, const struct snapshot *snapshot) {
	const struct sched *sched = &scene->loop->sched;
	double seconds = snapshot->now - sched->registry.now;
	char members[128];
	struct text loop;
	text_fixed(&loop, members, sizeof members);
	text_add(&loop, ", \"loop\": {\"state\": \"%s\"",
		loop_state(scene->loop, seconds));
	if (sched->current) {
		text_add(&loop, ", \"task\": %lu",
			(unsigned long)sched->current->object.id);
	}
	text_add(&loop, ", \"for_ms\": ");
	text_milliseconds(&loop, seconds);
	text_add(&loop, "}");
	report_json_line(out, scene->report,
		&(struct report_line){"dump", .members = members, .snapshot = snapshot});
}

/* The dump ----------------------------------------------------------------------- */

static double write_json(struct dump *dump, const struct snapshot *snapshot) {
	double start = loop_clock();
	if (dump->scene.report->fd > 0) {
		struct text out;
		text_init(&out);
		json_line(&out, &dump->scene, snapshot);
		text_trim(&out); /* a part of a line would spoil the next one */
		size_t count = text_write_within(
			&out, report_fd(dump->scene.report), DUMP_PATIENCE / 2);
		if (count && count < out.length) {
			dump->torn = true;
			loop_wakeup(dump->scene.loop);
		}
		text_finish(&out);
	}
	return loop_clock() - start;
}

static void add_all(
	struct text *out, const struct scene *scene, const struct snapshot *snapshot) {
	add_first(out, scene, snapshot);
	for (unsigned i = 0; i < snapshot->groups; i++) {
		add_group(out, scene, snapshot->group[i], snapshot->now);
	}
	add_last(out, scene, snapshot);
}

/* Whether seconds were enough. */
static bool write_text(
	const struct dump *dump, const struct snapshot *snapshot, double seconds) {
	char words[64];
	struct text out;
	text_init(&out);
	add_all(&out, &dump->scene, snapshot);
	bool lost = text_trim(&out);
	size_t count = text_write_within(&out, STDERR_FILENO, seconds);
	bool over = count < out.length && errno == EAGAIN;
	text_finish(&out);
	if (lost && !over) {
		text_fixed(&out, words, sizeof words);
		text_add(&out, "arun: no memory for the rest of the dump\n");
		text_write_within(&out, STDERR_FILENO, seconds);
	}
	return !over;
}

static void take(const struct dump *dump, struct snapshot *snapshot) {
	const struct scene *scene = &dump->scene;
	snapshot_take(snapshot, SNAPSHOT_ALL, &scene->loop->sched.registry, scene->rawfd);
}

void dump_text(const struct dump *dump, struct text *out) {
	struct snapshot snapshot;
	take(dump, &snapshot);
	add_all(out, &dump->scene, &snapshot);
	snapshot_finish(&snapshot);
}

void dump_write(struct dump *dump) {
	struct snapshot snapshot;
	take(dump, &snapshot);
	double spent = write_json(dump, &snapshot);
	if (!write_text(dump, &snapshot, DUMP_PATIENCE - spent)) {
		__atomic_add_fetch(&dump->cut, 1, __ATOMIC_RELAXED);
		loop_wakeup(dump->scene.loop);
	}
	snapshot_finish(&snapshot);
}

/* Dumps that were cut ------------------------------------------------------------ */

static void dump_retry(struct loop_timer *timer) {
	dump_tell_cut(container_of(timer, struct dump, retry));
}

/* Writes line to fd if it takes it at once. Returns whether it need not be tried again. */
static bool tell(int fd, const struct text *line) {
	return text_write_within(line, fd, 0) || errno != EAGAIN;
}

/* What is written next is a line of its own, and what was torn is none of JSON. */
static bool end_torn_line(struct dump *dump) {
	char end[2];
	struct text line;
	text_fixed(&line, end, sizeof end);
	text_add(&line, "\n");
	if (dump->torn && tell(report_fd(dump->scene.report), &line)) {
		dump->torn = false;
	}
	return !dump->torn;
}

static bool tell_cut(struct dump *dump) {
	unsigned cut = __atomic_load_n(&dump->cut, __ATOMIC_RELAXED);
	if (!cut) {
		return true;
	}
	char line[128];
	struct text out;
	text_fixed(&out, line, sizeof line);
	text_add(&out, "arun: dump cut: nobody read it for 1 s");
	if (cut > 1) {
		text_add(&out, " (%u dumps)", cut);
	}
	text_add(&out, "\n");
	if (!tell(STDERR_FILENO, &out)) {
		return false;
	}
	/* A handler may have added to it meanwhile. */
	__atomic_sub_fetch(&dump->cut, cut, __ATOMIC_RELAXED);
	return true;
}

void dump_tell_cut(struct dump *dump) {
	bool ended = end_torn_line(dump), told = tell_cut(dump);
	if (!(ended && told) && !dump->retry.active) {
		loop_timer_start(dump->scene.loop, &dump->retry, DUMP_RETRY, dump_retry);
	}
}
