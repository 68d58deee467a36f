/* SPDX-License-Identifier: MIT */
#include "snapshot.h"

#include "loop.h"
#include "select.h"

#include <string.h>
#include <sys/mman.h>

/*
 * Design notes. The first pass over the lists, from the oldest object on, only counts, and
 * remembers where the first objects of each group lie; the second copies those. Nothing
 * changes in between: this runs in the loop's thread, or in a handler that interrupts it.
 */

enum { HASH_SIZE = 4096, IDS_SIZE = 1 << 16, ARENA_SIZE = 8 << 20, TEXT_LIMIT = 4096 };
enum { OTHER_LENGTH = 64 }; /* at most, of one of copy_others() */

_Static_assert(IDS_SIZE > 2 * SNAPSHOT_GROUPS * SNAPSHOT_ITEMS, "room for the ids");

struct snapshot_memory {
	struct snapshot_group groups[SNAPSHOT_GROUPS];
	const struct object *seen[SNAPSHOT_GROUPS][SNAPSHOT_ITEMS]; /* the first ones */
	uint16_t hash[HASH_SIZE];                                   /* group + 1 */
	const struct snapshot_group *order[SNAPSHOT_GROUPS];
	struct snapshot_item *ids[IDS_SIZE];
	size_t used;
	char arena[ARENA_SIZE];
};

/* Groups ------------------------------------------------------------------------- */

static size_t hash_of(uint64_t key) {
	return (size_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 40);
}

static size_t hash_object(const struct object *object) {
	uint64_t owner = object->owner ? object->owner->id : 0;
	uint64_t place = object->site ? (uint64_t)object->site->line
				      : (uint64_t)(uintptr_t)object->made;
	return hash_of(place ^ owner << 20 ^ (uint64_t)object->kind->index << 56);
}

static bool group_fits(const struct snapshot_group *group, const struct object *object) {
	return group->kind == object->kind &&
	       registry_same_site(group->site, object->site) &&
	       (group->site || group->made == object->made) &&
	       group->owner == (object->owner ? object->owner->id : 0);
}

static struct snapshot_group *group_new(struct snapshot *snapshot) {
	return snapshot->groups < SNAPSHOT_GROUPS
		       ? &snapshot->memory->groups[snapshot->groups++]
		       : NULL;
}

static struct snapshot_group *group_of_object(
	struct snapshot *snapshot, const struct object *object) {
	struct snapshot_memory *memory = snapshot->memory;
	size_t at = hash_object(object) % HASH_SIZE;
	while (memory->hash[at]) {
		struct snapshot_group *group = &memory->groups[memory->hash[at] - 1];
		if (group_fits(group, object)) {
			return group;
		}
		at = (at + 1) % HASH_SIZE;
	}
	struct snapshot_group *group = group_new(snapshot);
	if (group) {
		memory->hash[at] = (uint16_t)snapshot->groups;
		group->kind = object->kind;
		group->site = object->site;
		group->made = object->made;
		group->owner = object->owner ? object->owner->id : 0;
		group->alike = true;
		group->told = true;
	}
	return group;
}

static void snapshot_count(struct snapshot *snapshot, const struct kind *kind) {
	snapshot->total++;
	snapshot->counts[kind->index]++;
	snapshot->kinds[kind->index] = kind;
}

static bool same_name(const struct object *a, const struct object *b) {
	const char *one = a->kind->name(a), *other = b->kind->name(b);
	return one == other || (one && other && strcmp(one, other) == 0);
}

static void snapshot_see(struct snapshot *snapshot, const struct object *object) {
	snapshot_count(snapshot, object->kind);
	struct snapshot_group *group =
		snapshot->memory ? group_of_object(snapshot, object) : NULL;
	if (!group) {
		snapshot->unlisted++;
		return;
	}
	const struct object **seen =
		snapshot->memory->seen[group - snapshot->memory->groups];
	if (group->count && group->alike) {
		group->alike = same_name(object, seen[0]);
	}
	group->told = group->told && object->told;
	if (group->count < SNAPSHOT_ITEMS) {
		seen[group->count] = object;
	}
	group->count++;
}

/* Whether object, or what it belongs to, may live to the end of the run. */
static bool in_background(const struct object *object) {
	while (object && !object->background) {
		object = object->owner;
	}
	return object;
}

static bool is_leak(const struct object *object) {
	return !object->part && !in_background(object) &&
	       (!object->kind->leaked || object->kind->leaked(object));
}

/* Whether a rule leaves it out; then it is counted. */
static bool is_suppressed(struct snapshot *snapshot, const struct snapshot_scope *scope,
	const char *kind, const char *name, const struct arun_site *site) {
	if (!scope->suppress || !suppress_matches(scope->suppress, kind, name, site)) {
		return false;
	}
	snapshot->suppressed++;
	return true;
}

static bool is_wanted(struct snapshot *snapshot, const struct snapshot_scope *scope,
	const struct object *object) {
	const struct kind *kind = object->kind;
	return object->id > scope->since && !object_is_over(object) &&
	       (scope->what == SNAPSHOT_ALL || is_leak(object)) &&
	       !is_suppressed(
		       snapshot, scope, kind->word, kind->name(object), object->site);
}

static void snapshot_see_all(struct snapshot *snapshot,
	const struct snapshot_scope *scope, const struct registry *registry) {
	for (int i = 0; i < KIND_COUNT; i++) {
		registry_each_back (object, registry, i) {
			if (is_wanted(snapshot, scope, object)) {
				snapshot_see(snapshot, object);
			}
		}
	}
}

/* Copies ------------------------------------------------------------------------- */

/* Begins a text at the end of the arena, which arena_end() completes. */
static struct text arena_begin(struct snapshot_memory *memory) {
	size_t room = ARENA_SIZE - memory->used;
	struct text text;
	text_fixed(&text, memory->arena + memory->used,
		room < TEXT_LIMIT ? room : TEXT_LIMIT);
	return text;
}

static const char *arena_end(struct snapshot_memory *memory, const struct text *text) {
	memory->used += text->length + 1;
	return text->data;
}

/* Whether there is room for the four texts of an object. */
static bool arena_has_room(const struct snapshot_memory *memory) {
	return ARENA_SIZE - memory->used > 4 * TEXT_LIMIT;
}

static const char *copy_string(struct snapshot_memory *memory, const char *string) {
	struct text text = arena_begin(memory);
	text_add(&text, "%s", string);
	return arena_end(memory, &text);
}

static const char *copy_line(
	struct snapshot_memory *memory, const struct object *object) {
	struct text text = arena_begin(memory);
	object->kind->line(object, &text);
	return arena_end(memory, &text);
}

/* A detail that does not fit is left out: cut short, it would not be JSON. */
static const char *copy_detail(
	struct snapshot_memory *memory, const struct object *object) {
	if (!object->kind->detail) {
		return "";
	}
	struct text text = arena_begin(memory);
	object->kind->detail(object, &text);
	if (text.length >= TEXT_LIMIT - 1) {
		text_cut(&text, text.length);
	}
	return arena_end(memory, &text);
}

/* What else the task waits for in arun_chan_select(), as far as there is room. */
static const char *copy_others(
	struct snapshot_memory *memory, const struct arun_task *task) {
	const struct object *other = select_other(task, 0);
	if (!other) {
		return "";
	}
	struct text text = arena_begin(memory);
	for (size_t i = 0; other && text.length < TEXT_LIMIT - OTHER_LENGTH; i++) {
		text_add(&text, "%s{\"kind\": \"%s\", \"id\": %lu}", i ? ", " : "",
			other->kind->word, (unsigned long)other->id);
		other = select_other(task, i + 1);
	}
	return arena_end(memory, &text);
}

static void item_copy_awaited(struct snapshot_memory *memory, struct snapshot_item *item,
	const struct object *object) {
	const struct arun_task *task =
		object->kind->task ? object->kind->task(object) : NULL;
	const struct object *awaits =
		item->waits && task && task->state == TASK_WAITING ? task->awaits : NULL;
	/* A connection's task waits for the connection. */
	bool tells = awaits && awaits != object && awaits->id;
	item->awaits = tells ? awaits->kind : NULL;
	item->awaits_id = item->awaits ? awaits->id : 0;
	item->others = item->awaits ? copy_others(memory, task) : "";
}

static void item_copy(const struct snapshot *snapshot, struct snapshot_item *item,
	const struct object *object) {
	const struct kind *kind = object->kind;
	item->id = object->id;
	item->maker = object->maker;
	item->fd = kind->fd ? kind->fd(object) : -1;
	item->age = snapshot->now > object->born ? snapshot->now - object->born : 0;
	item->state = kind->state(object);
	item->name = copy_string(snapshot->memory, kind->name(object));
	item->line = copy_line(snapshot->memory, object);
	item->detail = copy_detail(snapshot->memory, object);
	item->waits = kind->waiting && kind->waiting(object, &item->waiting);
	item_copy_awaited(snapshot->memory, item, object);
	closeup_take(&item->closeup, snapshot->registry, object);
}

static void group_copy_owner(struct snapshot_memory *memory, struct snapshot_group *group,
	const struct object *owner) {
	/* A handler may see what is owned before its owner is listed. */
	if (owner && owner->kind) {
		group->owner_kind = owner->kind;
		group->owner_name = copy_string(memory, owner->kind->name(owner));
	}
}

/* Returns whether there was room for one at least. */
static bool group_copy(const struct snapshot *snapshot, struct snapshot_group *group) {
	struct snapshot_memory *memory = snapshot->memory;
	const struct object **seen = memory->seen[group - memory->groups];
	if (arena_has_room(memory)) {
		const struct object *any = seen[0];
		group_copy_owner(memory, group, any->owner);
	}
	while (group->kept < SNAPSHOT_ITEMS && group->kept < group->count &&
		arena_has_room(memory)) {
		item_copy(snapshot, &group->items[group->kept], seen[group->kept]);
		group->kept++;
	}
	return group->kept;
}

static void snapshot_copy_all(struct snapshot *snapshot) {
	unsigned kept = 0;
	for (unsigned i = 0; i < snapshot->groups; i++) {
		struct snapshot_group *group = &snapshot->memory->groups[i];
		if (group_copy(snapshot, group)) {
			snapshot->memory->order[kept++] = group;
		} else {
			snapshot->unlisted += group->count;
		}
	}
	snapshot->groups = kept;
}

/* Raw descriptors ---------------------------------------------------------------- */

struct snapshot_search {
	struct snapshot *snapshot;
	const struct snapshot_scope *scope;
	const struct rawfd *rawfd;
};

static void rawfd_copy(
	const struct snapshot_search *search, struct snapshot_item *item, int fd) {
	struct snapshot_memory *memory = search->snapshot->memory;
	struct text text = arena_begin(memory);
	const char *type = rawfd_name(search->rawfd, fd, &text);
	item->name = arena_end(memory, &text);
	text = arena_begin(memory);
	text_add(&text, "%d ", fd);
	text_escape(&text, item->name);
	item->line = arena_end(memory, &text);
	text = arena_begin(memory);
	rawfd_detail(fd, type, &text);
	item->detail = arena_end(memory, &text);
	item->id = (uint64_t)fd;
	item->fd = fd;
	item->age = -1;
	item->state = "open";
	closeup_take_fd(&item->closeup, fd);
}

/* The group of those that the same calls have opened; NULL: none yet, or not known. */
static struct snapshot_group *group_of_fd(
	const struct snapshot *snapshot, const struct closeup *closeup) {
	for (unsigned i = 0; closeup->made && i < snapshot->groups; i++) {
		struct snapshot_group *group = &snapshot->memory->groups[i];
		if (group->kind == &rawfd_kind &&
			closeup_same_made(&group->items[0].closeup, closeup)) {
			return group;
		}
	}
	return NULL;
}

static void group_add_fd(struct snapshot_group *group, const struct snapshot_item *item) {
	group->count++;
	if (group->kept < SNAPSHOT_ITEMS) {
		group->items[group->kept++] = *item;
	}
}

/* After the groups of objects are copied: a descriptor is a group, and complete, at once.
 */
static void snapshot_see_fd(void *context, int fd) {
	struct snapshot_search *search = context;
	struct snapshot *snapshot = search->snapshot;
	struct snapshot_memory *memory = snapshot->memory;
	char buffer[TEXT_LIMIT];
	struct text name;
	text_fixed(&name, buffer, sizeof buffer);
	rawfd_name(search->rawfd, fd, &name);
	if (is_suppressed(snapshot, search->scope, rawfd_kind.word, buffer, NULL)) {
		return;
	}
	snapshot_count(snapshot, &rawfd_kind);
	if (!memory || snapshot->groups == SNAPSHOT_GROUPS || !arena_has_room(memory)) {
		snapshot->unlisted++;
		return;
	}
	/* The next group is free: where the arena was full, the last ones were cut off. */
	struct snapshot_item *item = &memory->groups[snapshot->groups].items[0];
	rawfd_copy(search, item, fd);
	struct snapshot_group *same = group_of_fd(snapshot, &item->closeup);
	if (same) {
		group_add_fd(same, item);
	} else {
		struct snapshot_group *group = &memory->groups[snapshot->groups];
		group->kind = &rawfd_kind;
		group->site = NULL;
		group->made = NULL;
		group->owner = 0;
		group->told = group->alike = false;
		group->count = group->kept = 1;
		memory->order[snapshot->groups++] = group;
	}
}

/* Order -------------------------------------------------------------------------- */

/* Tasks come after the connections among the lines of a report, but first in its counts. */
static unsigned kind_rank(const struct kind *kind) {
	unsigned index = kind->index;
	return index == KIND_TASK ? 2 * KIND_CONNECTION + 1 : 2 * index;
}

/* What is owned follows its owner; otherwise by kind, and the oldest first. */
static int group_compare(const struct snapshot_group *a, const struct snapshot_group *b) {
	uint64_t one[] = {kind_rank(a->owner ? a->owner_kind : a->kind),
		a->owner ? a->owner : a->items[0].id, kind_rank(a->kind), a->items[0].id};
	uint64_t other[] = {kind_rank(b->owner ? b->owner_kind : b->kind),
		b->owner ? b->owner : b->items[0].id, kind_rank(b->kind), b->items[0].id};
	for (size_t i = 0; i < count_of(one); i++) {
		if (one[i] != other[i]) {
			return one[i] < other[i] ? -1 : 1;
		}
	}
	return 0;
}

/* By insertion: qsort(3) may call malloc(3), and the groups are few and nearly in order. */
static void snapshot_sort(struct snapshot *snapshot) {
	const struct snapshot_group **order = snapshot->memory->order;
	for (unsigned i = 1; i < snapshot->groups; i++) {
		const struct snapshot_group *group = order[i];
		unsigned at = i;
		while (at > 0 && group_compare(group, order[at - 1]) < 0) {
			order[at] = order[at - 1];
			at--;
		}
		order[at] = group;
	}
	snapshot->group = order;
}

void snapshot_add_fds(struct snapshot *snapshot, const struct snapshot_scope *scope,
	const struct rawfd *rawfd) {
	struct snapshot_search search = {snapshot, scope, rawfd};
	rawfd_each(rawfd, snapshot->registry, snapshot_see_fd, &search);
	if (snapshot->memory) {
		snapshot_sort(snapshot);
	}
}

void snapshot_take(struct snapshot *snapshot, enum snapshot_what what,
	const struct registry *registry, const struct rawfd *rawfd) {
	const struct snapshot_scope scope = {.what = what};
	snapshot_take_scope(snapshot, &scope, registry, rawfd);
}

void snapshot_take_scope(struct snapshot *snapshot, const struct snapshot_scope *scope,
	const struct registry *registry, const struct rawfd *rawfd) {
	*snapshot = (struct snapshot){.what = scope->what,
		.now = loop_clock(),
		.registry = registry,
		.notes = registry->notes};
	void *memory = mmap(NULL, sizeof *snapshot->memory, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	snapshot->memory = memory == MAP_FAILED ? NULL : memory;
	snapshot_see_all(snapshot, scope, registry);
	if (snapshot->memory) {
		snapshot_copy_all(snapshot);
	}
	if (rawfd) {
		snapshot_add_fds(snapshot, scope, rawfd);
	} else if (snapshot->memory) {
		snapshot_sort(snapshot);
	}
}

void snapshot_finish(struct snapshot *snapshot) {
	if (snapshot->memory) {
		munmap(snapshot->memory, sizeof *snapshot->memory);
	}
	*snapshot = (struct snapshot){0};
}

/* Outcomes ----------------------------------------------------------------------- */

static struct snapshot_item **ids_find(struct snapshot_memory *memory, uint64_t id) {
	size_t at = hash_of(id) % IDS_SIZE;
	while (memory->ids[at] && memory->ids[at]->id != id) {
		at = (at + 1) % IDS_SIZE;
	}
	return &memory->ids[at];
}

/* The id of a descriptor is its number, which an object may have for an id, too. */
static void group_outcome(struct snapshot_memory *memory, struct snapshot_group *group) {
	bool listed = group->kind != &rawfd_kind;
	for (unsigned i = 0; i < group->kept; i++) {
		group->items[i].outcome = group->kind->outcome;
		if (listed) {
			*ids_find(memory, group->items[i].id) = &group->items[i];
		}
	}
}

static void object_abandoned(
	struct snapshot_memory *memory, const struct object *object) {
	struct snapshot_item *item = *ids_find(memory, object->id);
	/* A task is listed until it is joined: a failed one did end, too. */
	bool ended = object->kind->index == KIND_FAILED || object_is_over(object);
	if (item && !ended) {
		item->outcome = "abandoned";
	}
}

void snapshot_outcomes(struct snapshot *snapshot) {
	struct snapshot_memory *memory = snapshot->memory;
	for (unsigned i = 0; memory && i < snapshot->groups; i++) {
		group_outcome(memory, &memory->groups[i]);
	}
	for (int i = 0; memory && i < KIND_COUNT; i++) {
		registry_each (object, snapshot->registry, i) {
			object_abandoned(memory, object);
		}
	}
}
