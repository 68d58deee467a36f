/* SPDX-License-Identifier: MIT */
#include "notes.h"

#include "libdw.h"

#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Life --------------------------------------------------------------------------- */

void notes_init(struct notes *notes, const struct trace *trace, const char *plugin,
	const char *path) {
	struct stat status;
	*notes = (struct notes){.trace = trace, .plugin = plugin};
	path = path ? path : "/proc/self/exe";
	char *real = realpath(path, NULL);
	if (real && stat(real, &status) == 0) {
		notes->built = status.st_mtim;
		notes->folder = strdup(dirname(real));
	}
	free(real);
	backtrace_prepare();
}

void notes_finish(struct notes *notes) {
	lines_finish(&notes->lines);
	free(notes->folder);
	notes->folder = NULL;
}

/* Looking up --------------------------------------------------------------------- */

static void resolve_calls(struct notes *notes, const struct calls *calls) {
	for (unsigned i = 0; calls && i < calls->count; i++) {
		if (!notes->lines.table && !notes->missing &&
			lines_load(&notes->lines) < 0) {
			notes->missing =
				errno == ENOMEM
					? "there is not enough memory to look them up"
					: "there is no libdw.so.1 (Debian: libdw1; "
					  "Fedora: elfutils-libs)";
		}
		lines_add(&notes->lines, calls->pc[i]);
	}
}

struct resolve {
	struct notes *notes;
	const struct snapshot *snapshot;
};

static void *resolve_main(void *argument) {
	const struct resolve *resolve = argument;
	const struct snapshot *snapshot = resolve->snapshot;
	struct notes *notes = resolve->notes;
	for (unsigned i = 0; i < snapshot->groups; i++) {
		const struct snapshot_group *group = snapshot->group[i];
		for (unsigned k = 0; k < group->kept; k++) {
			resolve_calls(notes, group->items[k].closeup.made);
			resolve_calls(notes, &group->items[k].closeup.stack);
		}
	}
	lines_close(&notes->lines);
	return NULL;
}

void notes_resolve(struct notes *notes, const struct snapshot *snapshot) {
	struct resolve resolve = {notes, snapshot};
	if (snapshot->groups && libdw_call(resolve_main, &resolve)) {
		notes->missing = "no thread could be started to look them up";
	}
}

/* Places ------------------------------------------------------------------------- */

/* The call before the address that it returns to. */
static struct trace_where where_of(const struct notes *notes, const void *pc) {
	struct trace_where where = trace_find(notes->trace, (const char *)pc - 1);
	where.into++;
	where.offset++;
	return where;
}

const void *notes_caller(const struct notes *notes, const struct calls *calls) {
	for (unsigned i = 0; calls && i < calls->count; i++) {
		if (strcmp(where_of(notes, calls->pc[i]).module, notes->plugin) == 0) {
			return calls->pc[i];
		}
	}
	return calls && calls->count ? calls->pc[0] : NULL;
}

/* "serve+0x31 in srv.so". */
static void add_code(struct text *out, const struct notes *notes, const void *pc) {
	struct trace_where where = where_of(notes, pc);
	const struct line *line = lines_find(&notes->lines, pc);
	const char *function = line && line->function ? line->function : where.function;
	if (*function) {
		text_escape(out, function);
		text_add(out, "+0x%lx in ", (unsigned long)where.into);
		text_escape(out, *where.module ? where.module : "?");
	} else {
		text_escape(out, where.module);
		text_add(out, "+0x%lx", (unsigned long)where.offset);
	}
}

/* "janitor srv.c:7", as far as it is known. */
static void add_call(struct text *out, const struct notes *notes, const void *pc) {
	const struct line *line = lines_find(&notes->lines, pc);
	if (!line || !line->file) {
		add_code(out, notes, pc);
		return;
	}
	text_escape(out, line->function ? line->function : "?");
	text_add(out, " ");
	text_escape(out, line->file);
	text_add(out, ":%d", line->line);
}

static void add_calls(struct text *out, const struct notes *notes,
	const struct calls *calls, const char *bottom) {
	for (unsigned i = 0; i < calls->count; i++) {
		text_add(out, i ? " <- " : "");
		add_call(out, notes, calls->pc[i]);
	}
	if (calls->count == BACKTRACE_MOST) {
		text_add(out, " <- ...");
	}
	text_add(out, "%s\n", bottom);
}

bool notes_place(struct text *out, const struct notes *notes, const struct calls *calls) {
	const void *pc = notes_caller(notes, calls);
	const struct line *line = pc ? lines_find(&notes->lines, pc) : NULL;
	if (!line || !line->file) {
		return false;
	}
	text_escape(out, line->file);
	text_add(out, ":%d", line->line);
	return true;
}

struct find_place {
	struct notes *notes;
	const struct calls *calls;
};

static void *find_place_main(void *argument) {
	const struct find_place *find = argument;
	resolve_calls(find->notes, find->calls);
	lines_close(&find->notes->lines);
	return NULL;
}

void notes_find_place(struct notes *notes, struct text *out, const struct calls *calls) {
	struct find_place find = {notes, calls};
	const void *pc = notes_caller(notes, calls);
	if (!pc) {
		text_add(out, "?");
		return;
	}
	libdw_call(find_place_main, &find);
	if (!notes_place(out, notes, calls)) {
		add_code(out, notes, pc);
	}
}

/* Source lines ------------------------------------------------------------------- */

/* The folder that file was compiled in, where a call of calls tells; else NULL. */
static const char *folder_in(
	const struct notes *notes, const struct calls *calls, const char *file) {
	for (unsigned i = 0; calls && i < calls->count; i++) {
		const struct line *line = lines_find(&notes->lines, calls->pc[i]);
		if (line && line->file && strcmp(line->file, file) == 0) {
			return line->folder;
		}
	}
	return NULL;
}

static void add_source(struct text *out, const struct notes *notes,
	const struct closeup *closeup, const char *file, int number) {
	const char *folder = folder_in(notes, closeup->made, file);
	struct source source = {
		.folders = {folder ? folder : folder_in(notes, &closeup->stack, file),
			notes->folder, "."},
		.built = notes->built,
	};
	source_add(out, &source, file, number);
}

static void add_source_of_caller(
	struct text *out, const struct notes *notes, const struct closeup *closeup) {
	const void *pc = notes_caller(notes, closeup->made);
	const struct line *line = pc ? lines_find(&notes->lines, pc) : NULL;
	if (line && line->file) {
		add_source(out, notes, closeup, line->file, line->line);
	}
}

/* Lines -------------------------------------------------------------------------- */

void notes_seconds(struct text *out, double seconds) {
	if (seconds >= 10 && seconds < 100) {
		long tenths = (long)(seconds * 10 + 0.5);
		text_add(out, "%ld.%ld s", tenths / 10, tenths % 10);
	} else {
		text_seconds(out, seconds);
	}
}

static void add_wait(struct text *out, const struct snapshot *snapshot,
	const struct snapshot_group *group) {
	const struct snapshot_item *item = &group->items[0];
	const struct waiting *waiting = &item->waiting;
	if (!item->waits || !waiting->site) {
		return;
	}
	registry_site(out, waiting->site);
	text_add(out, ": note: ");
	if (group->count > 1) {
		text_add(out, "#%lu", (unsigned long)item->id);
	} else {
		text_add(out, "it");
	}
	bool suspended = strcmp(group->kind->waits, "suspended") == 0;
	text_add(out, " %s%s here in %s", suspended ? "is " : "", group->kind->waits,
		waiting->op ? waiting->op : "?");
	if (waiting->until > 0) {
		text_add(out, ", ");
		double left = waiting->until - snapshot->now;
		notes_seconds(out, left > 0 ? left : 0);
		text_add(out, " to go");
	}
	text_add(out, "\n");
	add_source(out, snapshot->notes, &item->closeup, waiting->site->file,
		waiting->site->line);
}

static void add_duration(struct text *out, double seconds) {
	if (seconds < 1e-3) {
		/* What ran at all took some. */
		text_add(out, "%lu us", (unsigned long)(seconds * 1e6 + 0.999));
	} else {
		notes_seconds(out, seconds);
	}
}

static void add_used(struct text *out, const struct closeup *closeup) {
	unsigned long tenths = (closeup->stack_used * 10 + 1023) / 1024;
	text_add(out, "      = used: ran %lu time%s, ", closeup->runs,
		closeup->runs == 1 ? "" : "s");
	add_duration(out, closeup->ran);
	text_add(out, " of CPU, %lu.%lu of %zu KiB of stack\n", tenths / 10, tenths % 10,
		closeup->stack_size / 1024);
}

void notes_add_task(
	struct text *out, const struct notes *notes, const struct closeup *closeup) {
	if (closeup->stack.count) {
		text_add(out, "      = stack: ");
		add_calls(out, notes, &closeup->stack, " <- task");
	}
	if (*closeup->words) {
		text_add(out, "      = waits for: %s\n", closeup->words);
	}
}

static void add_opened(
	struct text *out, const struct notes *notes, const struct closeup *closeup) {
	const void *pc = notes_caller(notes, closeup->made);
	text_add(out, "      = opened %s", closeup->words);
	if (pc) {
		text_add(out, " by ");
		add_code(out, notes, pc);
	}
	text_add(out, "\n");
}

void notes_add_made(
	struct text *out, const struct notes *notes, const struct closeup *closeup) {
	if (closeup->made && closeup->made->count) {
		text_add(out, "      = made by: ");
		add_calls(out, notes, closeup->made, "");
	}
}

/* One call, whose place is in the line above already, tells nothing. */
static bool tells_more(
	const struct snapshot_group *group, const struct closeup *closeup) {
	bool placed = group->site || group->kind == &rawfd_kind;
	return closeup->made && closeup->made->count > placed;
}

void notes_add(struct text *out, const struct snapshot *snapshot,
	const struct snapshot_group *group) {
	const struct notes *notes = snapshot->notes;
	const struct snapshot_item *item = &group->items[0];
	const struct closeup *closeup = &item->closeup;
	if (group->site) {
		add_source(out, notes, closeup, group->site->file, group->site->line);
	} else {
		add_source_of_caller(out, notes, closeup);
	}
	add_wait(out, snapshot, group);
	if (group->kind == &rawfd_kind) {
		add_opened(out, notes, closeup);
	} else if (closeup->has_task) {
		notes_add_task(out, notes, closeup);
		add_used(out, closeup);
	}
	if (tells_more(group, closeup)) {
		notes_add_made(out, notes, closeup);
	}
	text_add(out, "      = help: %s\n", group->kind->help);
	if (item->outcome) {
		text_add(out, "      = end: arun %s %s\n", item->outcome,
			group->count > 1 ? "them" : "it");
	}
}

void notes_add_missing(struct text *out, const struct notes *notes) {
	if (notes->missing) {
		text_add(out, "arun: note: no lines in stacks and of descriptors: %s\n",
			notes->missing);
	}
}

/* JSON --------------------------------------------------------------------------- */

void notes_json_place(struct text *out, const struct notes *notes, const void *pc) {
	struct trace_where where = where_of(notes, pc);
	const struct line *line = lines_find(&notes->lines, pc);
	where.function = line && line->function ? line->function : where.function;
	if (line && line->file) {
		text_add(out, "\"file\": ");
		text_json(out, line->file);
		text_add(out, ", \"line\": %d, ", line->line);
	}
	trace_json(out, &where);
}

void notes_json(struct text *out, const struct notes *notes, const struct calls *calls) {
	text_add(out, "[");
	for (unsigned i = 0; i < calls->count; i++) {
		text_add(out, i ? ", {" : "{");
		notes_json_place(out, notes, calls->pc[i]);
		text_add(out, "}");
	}
	text_add(out, "]");
}
