/* SPDX-License-Identifier: MIT */
#include "snapshot_json.h"

#include "notes.h"

#include <math.h>
#include <string.h>

/* A member whose value is a string. */
static void add_string(struct text *out, const char *member, const char *value) {
	text_add(out, ", \"%s\": ", member);
	text_json(out, value);
}

static void add_milliseconds(struct text *out, const char *member, double seconds) {
	text_add(out, ", \"%s\": ", member);
	text_milliseconds(out, seconds);
}

/* The members of a site, without braces. */
static void add_site(struct text *out, const struct arun_site *site) {
	text_add(out, "\"file\": ");
	text_json(out, site->file);
	text_add(out, ", \"line\": %d", site->line);
	add_string(out, "func", site->function);
}

static void add_waiting(struct text *out, const struct snapshot_item *item, double now) {
	const struct waiting *waiting = &item->waiting;
	text_add(out, ", \"waiting\": {");
	if (waiting->site) {
		add_site(out, waiting->site);
		text_add(out, ", ");
	}
	text_add(out, "\"op\": ");
	text_json(out, waiting->op ? waiting->op : "?");
	add_milliseconds(out, "for_ms", now - waiting->since);
	if (waiting->until > 0 && isfinite(waiting->until)) {
		add_milliseconds(out, "left_ms", waiting->until - now);
	}
	if (item->awaits) {
		text_add(out, ", \"awaits\": {\"kind\": \"%s\", \"id\": %lu}",
			item->awaits->word, (unsigned long)item->awaits_id);
	}
	if (*item->others) {
		text_add(out, ", \"or\": [%s]", item->others);
	}
	text_add(out, "}");
}

static void add_age(struct text *out, double age) {
	if (age < 0) {
		text_add(out, ", \"age_ms\": null");
	} else {
		add_milliseconds(out, "age_ms", age);
	}
}

static void add_detail(struct text *out, const struct snapshot_item *item) {
	if (*item->detail) {
		text_add(out, ", \"detail\": {%s}", item->detail);
	}
}

static bool same(const char *a, const char *b) {
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_wait(const struct snapshot_item *a, const struct snapshot_item *b) {
	return a->waits == b->waits && a->waiting.site == b->waiting.site &&
	       a->awaits_id == b->awaits_id && same(a->others, b->others);
}

/* The stacks of a task, and of the making. */
static void add_stacks(
	struct text *out, const struct notes *notes, const struct closeup *closeup) {
	if (notes && closeup->stack.count) {
		text_add(out, ", \"stack\": ");
		notes_json(out, notes, &closeup->stack);
	}
	if (notes && closeup->made && closeup->made->count) {
		text_add(out, ", \"created_stack\": ");
		notes_json(out, notes, closeup->made);
	}
}

/* Another of the group: its id, age and detail, and where else it differs from the first.
 */
static void add_other(struct text *out, const struct snapshot_item *item,
	const struct snapshot_item *first, double now) {
	text_add(out, "{\"id\": %lu", (unsigned long)item->id);
	if (!same(item->name, first->name)) {
		add_string(out, "name", item->name);
	}
	add_age(out, item->age);
	if (!same(item->state, first->state)) {
		add_string(out, "state", item->state);
	}
	if (item->fd >= 0) {
		text_add(out, ", \"fd\": %d", item->fd);
	}
	if (item->waits && !same_wait(item, first)) {
		add_waiting(out, item, now);
	}
	add_detail(out, item);
	if (item->outcome && !same(item->outcome, first->outcome)) {
		add_string(out, "outcome", item->outcome);
	}
	text_add(out, "}");
}

static void add_others(struct text *out, const struct snapshot_group *group, double now) {
	if (group->kept > 1) {
		text_add(out, ", \"also\": [");
		for (unsigned i = 1; i < group->kept; i++) {
			text_add(out, i > 1 ? ", " : "");
			add_other(out, &group->items[i], &group->items[0], now);
		}
		text_add(out, "]");
	}
}

static void add_owner(struct text *out, const struct snapshot_group *group) {
	if (group->owner) {
		text_add(out, ", \"owner\": {\"kind\": \"%s\", \"id\": %lu}",
			group->owner_kind->word, (unsigned long)group->owner);
	} else if (group->kept && group->items[0].maker) {
		text_add(out, ", \"owner\": {\"kind\": \"task\", \"id\": %lu}",
			(unsigned long)group->items[0].maker);
	} else {
		text_add(out, ", \"owner\": null");
	}
}

static void add_created(struct text *out, const struct snapshot *snapshot,
	const struct snapshot_group *group) {
	const struct notes *notes = snapshot->notes;
	const void *caller =
		notes ? notes_caller(notes, group->items[0].closeup.made) : NULL;
	if (group->site) {
		text_add(out, ", \"created\": {");
		add_site(out, group->site);
		text_add(out, "}");
	} else if (caller) {
		text_add(out, ", \"created\": {");
		notes_json_place(out, notes, caller);
		text_add(out, "}");
	} else {
		text_add(out, ", \"created\": null");
	}
}

static void add_identity(struct text *out, const struct snapshot *snapshot,
	const struct snapshot_group *group) {
	const struct snapshot_item *item = &group->items[0];
	text_add(out, "{\"kind\": \"%s\", \"id\": %lu", group->kind->word,
		(unsigned long)item->id);
	add_string(out, "name", item->name);
	add_owner(out, group);
	add_created(out, snapshot, group);
	add_age(out, item->age);
	add_string(out, "state", item->state);
}

static void add_group(struct text *out, const struct snapshot *snapshot,
	const struct snapshot_group *group) {
	const struct snapshot_item *item = &group->items[0];
	add_identity(out, snapshot, group);
	if (item->fd >= 0) {
		text_add(out, ", \"fd\": %d", item->fd);
	}
	if (group->count > 1) {
		text_add(out, ", \"count\": %lu", (unsigned long)group->count);
	}
	if (item->waits) {
		add_waiting(out, item, snapshot->now);
	}
	add_detail(out, item);
	add_stacks(out, snapshot->notes, &item->closeup);
	add_others(out, group, snapshot->now);
	if (item->outcome) {
		add_string(out, "outcome", item->outcome);
	}
	add_string(out, "hint", group->kind->help);
	text_add(out, "}");
}

static void add_counts(struct text *out, const struct snapshot *snapshot) {
	const char *comma = "";
	text_add(out, "\"counts\": {");
	for (int i = 0; i < SNAPSHOT_KINDS; i++) {
		if (snapshot->counts[i]) {
			text_add(out, "%s\"%s\": %lu", comma, snapshot->kinds[i]->word,
				(unsigned long)snapshot->counts[i]);
			comma = ", ";
		}
	}
	text_add(out, "}, \"total\": %lu, \"suppressed\": %lu",
		(unsigned long)snapshot->total, (unsigned long)snapshot->suppressed);
	if (snapshot->unlisted) {
		text_add(out, ", \"unlisted\": %lu", (unsigned long)snapshot->unlisted);
	}
}

void snapshot_json(const struct snapshot *snapshot, struct text *out) {
	add_counts(out, snapshot);
	text_add(out, ", \"%s\": [",
		snapshot->what == SNAPSHOT_LEAKS ? "leaks" : "objects");
	for (unsigned i = 0; i < snapshot->groups; i++) {
		text_add(out, i ? ", " : "");
		add_group(out, snapshot, snapshot->group[i]);
	}
	text_add(out, "]");
}
