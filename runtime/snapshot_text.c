/* SPDX-License-Identifier: MIT */
#include "snapshot_text.h"

#include "notes.h"

#include <string.h>

enum { NAMED = 8 }; /* objects in the line of a group */

static const char *plural(uint64_t count) {
	return count == 1 ? "" : "s";
}

static void add_place(struct text *out, const struct snapshot *snapshot,
	const struct snapshot_group *group, const char *plugin) {
	const struct notes *notes = snapshot->notes;
	if (group->site) {
		registry_site(out, group->site);
	} else if (!notes || !notes_place(out, notes, group->items[0].closeup.made)) {
		text_escape(out, plugin);
	}
}

/* A descriptor whose line is known, or cannot be, is not told how to know it. */
static const char *fate_of(
	const struct snapshot *snapshot, const struct snapshot_group *group) {
	bool hint = group->kind == &rawfd_kind && snapshot->notes;
	return hint ? "not closed" : group->kind->fate;
}

void snapshot_text_owner(struct text *out, const struct snapshot_group *group) {
	if (group->owner) {
		text_add(out, " of %s \"", group->owner_kind->title);
		text_escape(out, group->owner_name);
		text_add(out, "\"");
	}
}

static void add_one(struct text *out, const struct snapshot *snapshot,
	const struct snapshot_group *group) {
	const struct snapshot_item *item = &group->items[0];
	text_add(out, "%s", group->kind->title);
	snapshot_text_owner(out, group);
	text_add(out, "%s%s %s", *item->line ? " " : "", item->line,
		fate_of(snapshot, group));
	if (!group->kind->ageless && item->age >= 0) {
		text_add(out, ", ");
		(snapshot->notes ? notes_seconds : text_seconds)(out, item->age);
		text_add(out, " old");
	}
	/* With notes, the next line says so. */
	if (item->waits && item->waiting.site && !snapshot->notes) {
		text_add(out, "; %s at ", group->kind->waits);
		registry_site(out, item->waiting.site);
	}
}

static unsigned named(const struct snapshot_group *group) {
	return group->kept < NAMED ? group->kept : NAMED;
}

/* Where the lines of the group all begin with "NAME" in quotes, how long that is; else 0.
 */
static size_t common_name(const struct snapshot_group *group) {
	char name[256];
	struct text text;
	text_fixed(&text, name, sizeof name);
	text_add(&text, "\"");
	text_escape(&text, group->items[0].name);
	text_add(&text, "\" ");
	for (unsigned i = 0; i < named(group); i++) {
		if (strncmp(group->items[i].line, name, text.length) != 0) {
			return 0;
		}
	}
	return group->alike ? text.length : 0;
}

/* What the name leaves of a line, "(#3)" without its parentheses. */
static void add_rest(struct text *out, const char *rest) {
	size_t length = strlen(rest);
	bool wrapped =
		length > 2 && *rest == '(' && strchr(rest, ')') == rest + length - 1;
	text_add(out, "%s", rest + wrapped);
	text_cut(out, wrapped);
}

static void add_many(struct text *out, const struct snapshot *snapshot,
	const struct snapshot_group *group) {
	const struct kind *kind = group->kind;
	size_t skip = common_name(group);
	text_add(out, "%lu ", (unsigned long)group->count);
	registry_title(out, kind, group->count);
	if (skip) {
		text_add(out, " \"");
		text_escape(out, group->items[0].name);
		text_add(out, "\"");
	}
	snapshot_text_owner(out, group);
	text_add(out, " %s", fate_of(snapshot, group));
	for (unsigned i = 0; i < named(group); i++) {
		if (!*group->items[i].line) {
			return; /* nothing tells one from another */
		}
		text_add(out, i ? ", " : ": ");
		if (skip) {
			add_rest(out, group->items[i].line + skip);
		} else {
			text_add(out, "%s", group->items[i].line);
		}
	}
	if (group->count > named(group)) {
		text_add(out, " and %lu more",
			(unsigned long)(group->count - named(group)));
	}
}

static void add_group(struct text *out, const struct snapshot *snapshot,
	const struct snapshot_group *group, const char *plugin) {
	add_place(out, snapshot, group, plugin);
	text_add(out, ": leak: ");
	if (group->count == 1) {
		add_one(out, snapshot, group);
	} else {
		add_many(out, snapshot, group);
	}
	text_add(out, "\n");
	if (snapshot->notes) {
		notes_add(out, snapshot, group);
	}
}

void snapshot_text_counts(struct text *out, const struct snapshot *snapshot) {
	const char *comma = ": ";
	for (int i = 0; i < SNAPSHOT_KINDS; i++) {
		uint64_t count = snapshot->counts[i];
		if (count) {
			text_add(out, "%s%lu ", comma, (unsigned long)count);
			registry_title(out, snapshot->kinds[i], count);
			comma = ", ";
		}
	}
}

static void add_summary_name(struct text *out, const char *plugin) {
	text_add(out, "arun: ");
	text_escape(out, plugin);
	text_add(out, ": ");
}

void snapshot_text_summary(
	const struct snapshot *snapshot, const char *plugin, struct text *out) {
	add_summary_name(out, plugin);
	text_add(out, "%lu leak%s", (unsigned long)snapshot->total,
		plural(snapshot->total));
	snapshot_text_counts(out, snapshot);
	text_add(out, "\n");
}

void snapshot_text(
	const struct snapshot *snapshot, const char *plugin, struct text *out) {
	snapshot_text_rest(snapshot, plugin, out, NULL);
}

void snapshot_text_rest(const struct snapshot *snapshot, const char *plugin,
	struct text *out,
	bool (*told)(const struct snapshot_group *group, const char *line,
		const char *plugin)) {
	uint64_t rest = snapshot->total;
	unsigned lines = 0;
	for (unsigned i = 0; i < snapshot->groups && lines < SNAPSHOT_LINES; i++) {
		/* Failures have had their lines by now, and are counted only. */
		if (!snapshot->group[i]->told) {
			size_t before = out->length;
			add_group(out, snapshot, snapshot->group[i], plugin);
			if (told &&
				told(snapshot->group[i], out->data + before, plugin)) {
				text_cut(out, out->length - before);
			}
			lines++;
		}
		rest -= snapshot->group[i]->count;
	}
	if (rest) {
		add_summary_name(out, plugin);
		text_add(out, "and %lu more leak%s\n", (unsigned long)rest, plural(rest));
	}
	if (snapshot->total && snapshot->notes) {
		notes_add_missing(out, snapshot->notes);
	}
	if (snapshot->total) {
		snapshot_text_summary(snapshot, plugin, out);
	}
}
