/* SPDX-License-Identifier: MIT */
#include "walk.h"

#include <stdlib.h>
#include <string.h>

/* How one list is gone through. */
struct path {
	struct walk *walk;
	uint64_t head;
	size_t first;     /* of walk->found: those before are of other lists */
	uint64_t reached; /* the lowest id, or the highest count, so far */
	int tries;        /* since then */
	bool ordered;
	uint64_t mark; /* an element passed, to notice a cycle: at doubling distances */
	size_t mark_at;
};

bool walk_object(const struct walk *walk, uint64_t address, struct walk_object *out) {
	const struct fields *fields = walk->fields;
	struct copy copy;
	copy.fields = fields;
	copy.size = fields->at[FIELD_OBJECT].size;
	if (!remote_read(walk->remote, address, copy.bytes, copy.size)) {
		return false;
	}
	uint32_t link = fields->at[FIELD_OBJECT_LINK].offset;
	size_t next = link + fields->at[FIELD_LIST_NEXT].offset;
	if (next > copy.size - sizeof out->next) {
		return false;
	}
	memcpy(&out->next, copy.bytes + next, sizeof out->next);
	out->id = field_number(&copy, FIELD_OBJECT_ID);
	out->kind = field_number(&copy, FIELD_OBJECT_KIND);
	return out->id && out->kind && out->next != address + link;
}

static bool walk_add(
	struct walk *walk, uint64_t address, const struct walk_object *object) {
	if (walk->count == WALK_LIMIT) {
		return false;
	}
	if (walk->count == walk->room) {
		size_t room = walk->room ? 2 * walk->room : 256;
		void *grown = realloc(walk->found, room * sizeof *walk->found);
		if (!grown) {
			return false;
		}
		walk->found = grown;
		walk->room = room;
	}
	walk->found[walk->count++] =
		(struct walk_found){address, object->id, object->kind};
	return true;
}

/* What the head points at; the head itself where it cannot be read. */
static uint64_t first_of(const struct path *path) {
	uint64_t next, at = path->head + path->walk->fields->at[FIELD_LIST_NEXT].offset;
	return remote_read(path->walk->remote, at, &next, sizeof next) ? next
								       : path->head;
}

/* Forgets what has left the list at the end of what was found. Returns what comes next. */
static uint64_t step_back(struct path *path) {
	struct walk *walk = path->walk;
	struct walk_object object;
	path->mark = 0;
	while (walk->count > path->first) {
		const struct walk_found *last = &walk->found[walk->count - 1];
		if (walk_object(walk, last->address, &object) && object.id == last->id) {
			return object.next;
		}
		walk->count--;
	}
	return first_of(path);
}

/* Elements of a list that does not end come again. */
static bool comes_again(struct path *path, uint64_t next) {
	size_t steps = path->walk->count - path->first;
	if (path->mark && next == path->mark) {
		return true;
	}
	if (!path->mark || steps >= 2 * path->mark_at) {
		path->mark = next;
		path->mark_at = steps + 1;
	}
	return false;
}

/* Whether the element is one of the list, after those that were found. */
static bool follows(struct path *path, uint64_t next, struct walk_object *object) {
	const struct walk *walk = path->walk;
	uint64_t link = walk->fields->at[FIELD_OBJECT_LINK].offset;
	if (!walk_object(walk, next - link, object)) {
		return false;
	}
	if (!path->ordered) {
		return !comes_again(path, next);
	}
	return walk->count == path->first || object->id < walk->found[walk->count - 1].id;
}

static void note_progress(struct path *path, uint64_t id) {
	size_t count = path->walk->count - path->first;
	if (path->ordered ? id < path->reached : count > path->reached) {
		path->reached = path->ordered ? id : count;
		path->tries = 0;
	}
}

void walk_list(struct walk *walk, uint64_t head, bool ordered) {
	struct path path = {.walk = walk,
		.head = head,
		.first = walk->count,
		.reached = ordered ? UINT64_MAX : 0,
		.ordered = ordered};
	uint64_t link = walk->fields->at[FIELD_OBJECT_LINK].offset;
	uint64_t next = first_of(&path);
	struct walk_object object;
	while (next != head) {
		if (!follows(&path, next, &object)) {
			if (++path.tries > WALK_TRIES) {
				walk->incomplete = true;
				return;
			}
			next = step_back(&path);
			continue;
		}
		if (!walk_add(walk, next - link, &object)) {
			walk->incomplete = true;
			return;
		}
		note_progress(&path, object.id);
		next = object.next;
	}
}
