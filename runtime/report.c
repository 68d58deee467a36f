/* SPDX-License-Identifier: MIT */
#include "report.h"

#include "gen.h"
#include "journal.h"
#include "log.h"
#include "loop.h"
#include "notes.h"
#include "process.h"
#include "select.h"
#include "snapshot_json.h"
#include "snapshot_text.h"

#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { NAMED = 8, LINES = 20, ERROR_WORDS = 128 };

void report_init(struct report *report) {
	const char *path =
		report->plugin_path ? report->plugin_path : program_invocation_name;
	const char *slash = strrchr(path, '/');
	report->plugin = slash ? slash + 1 : path;
	*report->build_id = '\0';
	if (report->plugin_handle || !report->plugin_path) {
		build_id_find(report->build_id, report->plugin_handle);
	}
}

/* JSON --------------------------------------------------------------------------- */

static void add_plugin(struct text *out, const struct report *report) {
	text_add(out, ", \"plugin\": {\"path\": ");
	text_json(
		out, report->plugin_path ? report->plugin_path : program_invocation_name);
	text_add(out, ", \"entry\": ");
	text_json(out, report->entry ? report->entry : "main");
	text_add(out, ", \"mode\": \"%s\"", report->server ? "server" : "run");
	if (*report->build_id) {
		text_add(out, ", \"build_id\": \"%s\"", report->build_id);
	}
	text_add(out, "}");
}

const char *report_signal(int number) {
	static const char *const names[] = {[SIGHUP] = "SIGHUP",
		[SIGINT] = "SIGINT",
		[SIGQUIT] = "SIGQUIT",
		[SIGILL] = "SIGILL",
		[SIGABRT] = "SIGABRT",
		[SIGBUS] = "SIGBUS",
		[SIGFPE] = "SIGFPE",
		[SIGSEGV] = "SIGSEGV",
		[SIGTERM] = "SIGTERM"};
	return number > 0 && number < (int)count_of(names) ? names[number] : NULL;
}

static void add_signal(struct text *out, int number) {
	if (report_signal(number)) {
		text_add(out, ", \"signal\": \"%s\"", report_signal(number));
	} else if (number) {
		text_add(out, ", \"signal\": \"%d\"", number);
	}
}

static void add_end(struct text *out, const struct report_end *end) {
	if (!end->reason) {
		return;
	}
	text_add(out, ", \"end\": {\"reason\": \"%s\"", end->reason);
	add_signal(out, end->signal);
	if (end->shutdown >= 0) {
		text_add(out, ", \"shutdown_ms\": ");
		text_milliseconds(out, end->shutdown);
	}
	text_add(out, ", \"status\": %d}", end->status);
}

void report_json_line(struct text *out, const struct report *report, const char *kind,
	const struct report_end *end, const char *members,
	const struct snapshot *snapshot, const char *name) {
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	text_add(out, "{\"schema\": \"arun-report/1\", \"kind\": \"%s\", \"time\": \"",
		kind);
	text_time(out, &now);
	text_add(out, "\", \"arun\": \"%s\", \"pid\": %d, \"uptime_ms\": ", ARUN_VERSION,
		(int)getpid());
	text_milliseconds(out, loop_clock() - report->started);
	add_plugin(out, report);
	add_end(out, end);
	text_add(out, "%s, ", members);
	snapshot_json(snapshot, name, out);
	text_add(out, "}\n");
}

/* One line of the file: a report of that kind, its objects in the array called name. */
static void report_json(const struct report *report, const char *kind,
	const struct report_end *end, const struct snapshot *snapshot, const char *name) {
	if (report->fd <= 0) {
		return;
	}
	struct text out;
	text_init(&out);
	report_json_line(&out, report, kind, end, "", snapshot, name);
	errno = ENOMEM;
	if (out.lost || text_write(&out, report_fd(report)) < 0) {
		/* Who reads the file alone would take a run without leaks for it. */
		char words[ERROR_WORDS];
		struct text why;
		text_fixed(&why, words, sizeof words);
		text_error(&why, errno);
		log_line(LOG_LEVEL_ERROR, "the report could not be written: %s", words);
	}
	text_finish(&out);
}

/* Text --------------------------------------------------------------------------- */

/* Returns whether there was memory for all of it. */
static bool say(struct text *out) {
	bool lost = text_trim(out);
	log_lines(LOG_LEVEL_WARNING, out);
	text_finish(out);
	if (lost) {
		log_line(LOG_LEVEL_ERROR, "no memory for the rest of the report");
	}
	return !lost;
}

/* How many there are takes no memory. */
static void say_summary(const struct report *report, const struct snapshot *leaks) {
	char space[1024];
	struct text out;
	text_fixed(&out, space, sizeof space);
	snapshot_text_summary(leaks, report->plugin, &out);
	log_lines(LOG_LEVEL_WARNING, &out);
}

void report_leaks(const struct report *report, const struct snapshot *leaks) {
	if (report->leaks == ARUN_LEAKS_OFF) {
		return;
	}
	/* What was abandoned may be no leak; who reads the status finds why it is so. */
	if (leaks->total || strcmp(report->end.reason, "timeout") == 0) {
		report_json(report, "leaks", &report->end, leaks, "leaks");
	}
	if (!leaks->total) {
		return;
	}
	struct text out;
	text_init(&out);
	snapshot_text_rest(
		leaks, report->plugin, &out, log_to_journal() ? journal_leak : NULL);
	if (!say(&out)) {
		say_summary(report, leaks);
	}
}

void report_to_parent(const struct report *report, const struct snapshot *leaks,
	const struct broker *broker) {
	for (int i = 0; i < SNAPSHOT_KINDS && report->leaks != ARUN_LEAKS_OFF; i++) {
		const struct kind *kind = leaks->kinds[i];
		if (!leaks->counts[i] || !broker->fd) {
			continue;
		}
		char space[128];
		struct text out;
		text_fixed(&out, space, sizeof space);
		text_add(&out, "%lu/%s/%s/", (unsigned long)leaks->counts[i], kind->word,
			kind->title);
		registry_title(&out, kind, 2);
		broker_tell(broker, out.data);
	}
}

static void add_object(struct text *out, const struct object *object) {
	text_add(out, "%s ", object->kind->title);
	object->kind->line(object, out);
}

/* main "copy", task "janitor" (#3). */
static void add_task(struct text *out, const struct report *report,
	const struct arun_task *entry, const struct arun_task *task) {
	if (task == entry) {
		text_add(out, report->server ? "entry \"" : "main \"");
		text_escape(out, task->name);
		text_add(out, "\"");
	} else {
		add_object(out, &task->object);
	}
}

static void add_place(
	struct text *out, const struct report *report, const struct arun_site *site) {
	if (site) {
		registry_site(out, site);
	} else {
		text_escape(out, report->plugin);
	}
}

void report_failed(const struct report *report, const struct arun_task *task) {
	struct text out;
	text_init(&out);
	add_place(&out, report, task->object.site);
	text_add(&out, ": failed: ");
	task_blame(&out, task, task->error);
	text_add(&out, "\n");
	say(&out);
}

/* A generator's body that waits for its next call, or the run itself: nothing waits for
 * it. */
static bool is_idle(const struct arun_task *task) {
	const struct object *owner = task->object.owner;
	if (!(task->traits & TASK_EXEMPT) || task->cancelled) {
		return false;
	}
	if (!owner || owner->kind->index != KIND_GENERATOR) {
		return true;
	}
	const struct arun_gen *gen = container_of(owner, const struct arun_gen, object);
	return gen->suspended && !gen->closed;
}

static const struct arun_task *task_of(const struct object *object) {
	return container_of(object, const struct arun_task, object);
}

typedef void add_task_fn(struct text *out, const struct report *report,
	const struct arun_task *entry, const struct arun_task *task);

/*
 * Walks the tasks that something waits for, the entry first. Returns how many of them
 * there are beyond the first most ones, which add() was called for.
 */
static unsigned add_tasks(struct text *out, const struct report *report,
	const struct registry *registry, const struct arun_task *entry, add_task_fn *add,
	unsigned most) {
	unsigned count = 0;
	if (entry) {
		add(out, report, entry, entry);
		count++;
	}
	registry_each (object, registry, KIND_TASK) {
		const struct arun_task *task = task_of(object);
		bool waited_for = !object_is_over(object) && !is_idle(task);
		if (task != entry && waited_for && count++ < most) {
			add(out, report, entry, task);
		}
	}
	return count > most ? count - most : 0;
}

/* Deadlock ----------------------------------------------------------------------- */

static void add_deadlocked(struct text *out, const struct report *report,
	const struct arun_task *entry, const struct arun_task *task) {
	add_place(out, report, task->at);
	text_add(out, ": deadlock: ");
	add_task(out, report, entry, task);
	text_add(out, " waits here");
	if (task->op && (task != entry || !task->awaits)) {
		text_add(out, " in %s", task->op);
	}
	if (task->awaits) {
		text_add(out, " for ");
		add_object(out, task->awaits);
		select_add_others(out, task);
	}
	text_add(out, task == entry ? " and nothing can wake it\n" : "\n");
	const struct registry *registry = sched_current ? &sched_current->registry : NULL;
	if (registry && registry->notes) {
		struct closeup closeup = {.taken = false};
		closeup_take(&closeup, registry, &task->object);
		notes_add_task(out, registry->notes, &closeup);
	}
}

void report_deadlock(const struct report *report, const struct registry *registry,
	const struct arun_task *entry) {
	struct text out;
	text_init(&out);
	unsigned rest = add_tasks(&out, report, registry, entry, add_deadlocked, LINES);
	if (rest) {
		text_add(&out, "arun: ");
		text_escape(&out, report->plugin);
		text_add(&out, ": and %u more task%s\n", rest, rest == 1 ? "" : "s");
	}
	say(&out);
	struct snapshot objects;
	snapshot_take(&objects, SNAPSHOT_ALL, registry, NULL);
	struct report_end end = {.reason = "deadlock", .status = 1, .shutdown = -1};
	report_json(report, "deadlock", &end, &objects, "objects");
	snapshot_finish(&objects);
}

/* The end of a stop -------------------------------------------------------------- */

static void add_running(struct text *out, const struct arun_task *task) {
	text_add(out, " running since its %s", task->at ? "last wait at " : "start");
	if (task->at) {
		registry_site(out, task->at);
	} else if (task->object.site) {
		text_add(out, " (made at ");
		registry_site(out, task->object.site);
		text_add(out, ")");
	}
}

/* ", " after the one before; verb: " waits", or "". */
static void add_listed(struct text *out, const struct report *report,
	const struct arun_task *entry, const struct arun_task *task, const char *verb) {
	add_task(out, report, entry, task);
	if (sched_runs(sched_current, task)) {
		add_running(out, task);
	} else if (task->at) {
		text_add(out, "%s at ", verb);
		registry_site(out, task->at);
	}
	text_add(out, ", ");
}

static void add_abandoned(struct text *out, const struct report *report,
	const struct arun_task *entry, const struct arun_task *task) {
	add_listed(out, report, entry, task, "");
}

static void add_awaited(struct text *out, const struct report *report,
	const struct arun_task *entry, const struct arun_task *task) {
	add_listed(out, report, entry, task, " waits");
}

/* How tasks are listed: how many at most, and what there is where no task is left. */
struct listing {
	add_task_fn *add;
	unsigned most;
	const char *none;
};

static const struct listing abandoned = {
	add_abandoned, LINES, "a job that blocks in a thread"};
static const struct listing awaited = {add_awaited, NAMED, "what is being closed"};

static bool is_awaited(const struct object *object) {
	const struct arun_process *process =
		container_of(object, const struct arun_process, object);
	return object->kind->index != KIND_PROCESS ||
	       (process->ending && !process->ended);
}

/* Jobs of threads, or processes that were told to end; the oldest last. */
static void add_objects(
	struct text *out, const struct registry *registry, enum kind_index kind) {
	unsigned count = 0;
	registry_each (object, registry, kind) {
		if (is_awaited(object) && count++ < NAMED) {
			add_object(out, object);
			text_add(out, " of ");
			registry_site(out, object->site);
			text_add(out, ", ");
		}
	}
}

static void add_list(struct text *out, const struct report *report,
	const struct registry *registry, const struct arun_task *entry,
	const struct listing *listing) {
	size_t before = out->length;
	unsigned rest =
		add_tasks(out, report, registry, entry, listing->add, listing->most);
	add_objects(out, registry, KIND_JOB);
	add_objects(out, registry, KIND_PROCESS);
	if (out->length == before) {
		text_add(out, "%s", listing->none);
		return;
	}
	text_cut(out, 2);
	if (rest) {
		text_add(out, " and %u more", rest);
	}
}

void report_abandoned(const struct report *report, const struct registry *registry,
	const struct arun_task *entry, double grace) {
	struct text out;
	text_init(&out);
	text_add(&out, "arun: grace of ");
	text_seconds(&out, grace);
	text_add(&out, " is over; abandoned: ");
	add_list(&out, report, registry, entry, &abandoned);
	text_add(&out, "\n");
	say(&out);
}

void report_slow_stop(const struct report *report, const struct registry *registry,
	const struct arun_task *entry, double left, int signal) {
	struct text out;
	text_init(&out);
	text_add(&out, "arun: stopping; ");
	text_seconds(&out, left);
	text_add(&out, " left for: ");
	add_list(&out, report, registry, entry, &awaited);
	if (signal) {
		text_add(&out, " (again %s: force)",
			signal == SIGINT ? "Ctrl-C" : "SIGTERM");
	}
	text_add(&out, "\n");
	say(&out);
}

void report_awaited(const struct report *report, const struct registry *registry,
	const struct arun_task *entry, struct text *out) {
	add_list(out, report, registry, entry, &awaited);
}
