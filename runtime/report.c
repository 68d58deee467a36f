/* SPDX-License-Identifier: MIT */
#include "report.h"

#include "journal.h"
#include "log.h"
#include "loop.h"
#include "same_file.h"
#include "snapshot_json.h"
#include "snapshot_text.h"

#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ERROR_WORDS = 128 };

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

void report_add_place(
	struct text *out, const struct report *report, const struct arun_site *site) {
	if (site) {
		registry_site(out, site);
	} else {
		text_escape(out, report->plugin);
	}
}

void report_add_task(struct text *out, const struct report *report,
	const struct arun_task *entry, const struct arun_task *task) {
	if (task == entry) {
		text_add(out, report->server ? "entry \"" : "main \"");
		text_escape(out, task->name);
		text_add(out, "\"");
	} else {
		object_add(out, &task->object);
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
	text_add(out, ", \"end\": {\"reason\": \"%s\"", end->reason);
	add_signal(out, end->signal);
	if (end->shutdown >= 0) {
		text_add(out, ", \"shutdown_ms\": ");
		text_milliseconds(out, end->shutdown);
	}
	text_add(out, ", \"status\": %d}", end->status);
}

void report_json_line(
	struct text *out, const struct report *report, const struct report_line *line) {
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	text_add(out, "{\"schema\": \"arun-report/1\", \"kind\": \"%s\", \"time\": \"",
		line->kind);
	text_time(out, &now);
	text_add(out, "\", \"arun\": \"%s\", \"pid\": %d, \"uptime_ms\": ", ARUN_VERSION,
		(int)getpid());
	text_milliseconds(out, loop_clock() - report->started);
	add_plugin(out, report);
	if (line->end) {
		add_end(out, line->end);
	}
	text_add(out, "%s, ", line->members ? line->members : "");
	snapshot_json(line->snapshot, out);
	text_add(out, "}\n");
}

int report_fd(const struct report *report) {
	if (same_file(report->fd, &report->file)) {
		return report->fd;
	}
	errno = EBADF;
	return -1;
}

void report_json(const struct report *report, const struct report_line *line) {
	if (report->fd <= 0) {
		return;
	}
	struct text out;
	text_init(&out);
	report_json_line(&out, report, line);
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

bool report_say(struct text *out) {
	bool lost = text_trim(out);
	log_lines(out);
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
	log_lines(&out);
}

void report_leaks(const struct report *report, const struct snapshot *leaks) {
	if (report->leaks == ARUN_LEAKS_OFF) {
		return;
	}
	/* What was abandoned may be no leak; who reads the status finds why it is so. */
	if (leaks->total || strcmp(report->end.reason, "timeout") == 0) {
		report_json(report, &(struct report_line){"leaks", .end = &report->end,
					    .snapshot = leaks});
	}
	if (!leaks->total) {
		return;
	}
	struct text out;
	text_init(&out);
	snapshot_text_rest(
		leaks, report->plugin, &out, log_to_journal() ? journal_leak : NULL);
	if (!report_say(&out)) {
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
