/* SPDX-License-Identifier: MIT */
#include "dump.h"

#include "objects.h"
#include "unwind.h"

#include <arun.h>

#include <stdlib.h>
#include <string.h>

/* A loop that has had no turn for so many seconds while a task runs is blocked. */
#define BLOCKED 0.1

/* So many seconds it is tried to read lists that change all the time. */
#define PATIENCE 2

enum { TRIES = 50, LISTS = 64 };

/* The run */

static const char *run_string(struct constants *constants, uint64_t run, enum field field,
	const char *otherwise) {
	const char *string =
		constants_string(constants, constants_field(constants, run, field));
	return string ? string : otherwise;
}

static void read_run(struct dump *dump, struct constants *constants, uint64_t run) {
	const struct fields *fields = constants->fields;
	const char *exe = constants->remote->exe;
	dump->pid = constants->remote->pid;
	dump->plugin = run_string(
		constants, run, FIELD_RUN_PLUGIN_PATH, arena_string(&dump->arena, exe));
	dump->entry = run_string(constants, run, FIELD_RUN_ENTRY, "?");
	dump->server = constants_field(constants, run, FIELD_RUN_SERVER);
	dump->yielded = constants_field(constants, run, FIELD_RUN_YIELDED);
	dump->stopping = constants_field(constants, run, FIELD_RUN_STOPPING);
	dump->uptime = arun_now() -
		       field_seconds(constants_field(constants, run, FIELD_RUN_STARTED));
	remote_string(constants->remote, run + fields->at[FIELD_RUN_BUILD_ID].offset,
		dump->build_id, sizeof dump->build_id);
	memcpy(dump->version, fields->version, sizeof dump->version);
}

/* The loop: its last turn, and the task that has run since. Returns the task's address. */
static uint64_t read_loop(struct dump *dump, struct constants *constants, uint64_t run) {
	uint64_t turn = 0, current = 0, before;
	for (int i = 0; i < TRIES; i++) {
		before = turn;
		turn = constants_field(constants, run, FIELD_RUN_NOW);
		if (i && turn == before) {
			break;
		}
		current = constants_field(constants, run, FIELD_RUN_CURRENT);
	}
	char state = remote_state(constants->remote);
	dump->stopped = state == 'T' || state == 't';
	dump->turn = arun_now() - field_seconds(turn);
	dump->loop = current && dump->turn > BLOCKED ? DUMP_BLOCKED : DUMP_RUNNING;
	/* Without a task, callbacks of timers and of libev may run. */
	if (!current && state != 'R') {
		dump->loop = DUMP_IDLE;
	}
	return current;
}

/* The objects' references to each other */

static int by_address(const void *one, const void *other) {
	const struct dump_object *a = *(struct dump_object *const *)one;
	const struct dump_object *b = *(struct dump_object *const *)other;
	return a->address < b->address ? -1 : a->address > b->address;
}

static int by_id(const void *one, const void *other) {
	const struct dump_object *a = *(struct dump_object *const *)one;
	const struct dump_object *b = *(struct dump_object *const *)other;
	if (a->id != b->id) {
		return a->id < b->id ? -1 : 1;
	}
	return by_address(one, other);
}

static int by_only_id(const void *one, const void *other) {
	const struct dump_object *a = *(struct dump_object *const *)one;
	const struct dump_object *b = *(struct dump_object *const *)other;
	return a->id < b->id ? -1 : a->id > b->id;
}

static struct dump_object *find(const struct dump *dump, uint64_t address) {
	struct dump_object key = {.address = address}, *pointer = &key, **found;
	if (!address) {
		return NULL;
	}
	found = bsearch(&pointer, dump->objects, dump->count, sizeof pointer, by_address);
	return found ? *found : NULL;
}

/* A task that is moved from one list to another while they are read may be in both. */
static void drop_doubles(struct dump *dump) {
	size_t kept = 0;
	for (size_t i = 0; i < dump->count; i++) {
		if (!kept ||
			dump->objects[i]->address != dump->objects[kept - 1]->address) {
			dump->objects[kept++] = dump->objects[i];
		}
	}
	dump->count = kept;
}

/* Cuts chains of owners that come back to themselves: then they are trees. */
static void check_owners(struct dump *dump) {
	for (size_t i = 0; i < dump->count; i++) {
		struct dump_object *object = dump->objects[i];
		while (object && !object->seen) {
			object->seen = i + 1;
			if (object->owner && object->owner->seen == i + 1) {
				object->owner = NULL;
			}
			object = object->owner;
		}
	}
}

static void resolve_awaited(struct dump *dump, struct dump_object *object) {
	size_t found = 0;
	object->awaits = find(dump, object->awaits_address);
	object->others = arena_take(
		&dump->arena, (object->other_count + 1) * sizeof *object->others);
	for (size_t i = 0; object->awaits && i < object->other_count; i++) {
		struct dump_object *other = find(dump, object->other_addresses[i]);
		object->others[found] = other;
		found += other != NULL;
	}
	object->other_count = found;
}

static void resolve(struct dump *dump, const struct fields *fields, uint64_t current) {
	uint32_t in_task = fields->at[FIELD_TASK_OBJECT].offset;
	for (size_t i = 0; i < dump->count; i++) {
		struct dump_object *object = dump->objects[i];
		object->owner = find(dump, object->owner_address);
		resolve_awaited(dump, object);
		if (object->task_address) {
			object->task = find(dump, object->task_address + in_task);
		}
		if (object->task && !object->task->is_task) {
			object->task = NULL;
		}
	}
	struct dump_object *task = current ? find(dump, current + in_task) : NULL;
	/* By the time it was copied it may have waited. */
	if (task && strcmp(task->state, "ready") == 0) {
		task->running = true;
		task->state = "running";
	}
	dump->current = task;
}

/* What has no owner is its maker's, as long as that lives. */
static void adopt(struct dump *dump) {
	for (size_t i = 0; i < dump->count; i++) {
		struct dump_object *object = dump->objects[i];
		struct dump_object key = {.id = object->maker}, *pointer = &key, **found;
		if (!object->owner && object->maker) {
			found = bsearch(&pointer, dump->objects, dump->count,
				sizeof pointer, by_only_id);
			object->owner = found && (*found)->is_task ? *found : NULL;
		}
	}
}

static void count_kinds(struct dump *dump) {
	for (size_t i = 0; i < dump->count; i++) {
		struct dump_kind *kind = dump->objects[i]->kind;
		if (kind->count++ == 0 && dump->kind_count < DUMP_KINDS) {
			dump->kinds[dump->kind_count++] = kind;
		}
	}
}

/* What a connection or a generator does is what its task does. */
static void borrow_waits(struct dump *dump) {
	for (size_t i = 0; i < dump->count; i++) {
		struct dump_object *object = dump->objects[i];
		const struct dump_object *task = object->task;
		if (task && task->waits) {
			object->waits = true;
			object->at = task->at;
			object->op = task->op;
			object->waited = task->waited;
			object->left = task->left;
			object->awaits = task->awaits != object ? task->awaits : NULL;
			object->others = task->others;
			object->other_count = object->awaits ? task->other_count : 0;
		}
		if (task && !strcmp(object->kind->word, "connection")) {
			object->state = task->state;
		}
	}
}

static void read_objects(
	struct dump *dump, struct constants *constants, uint64_t run, uint64_t current) {
	const struct fields *fields = constants->fields;
	struct walk walk = {.remote = constants->remote,
		.fields = fields,
		.last_id = constants_field(constants, run, FIELD_RUN_LAST_ID),
		.end = arun_now() + PATIENCE};
	uint32_t size = fields->at[FIELD_LIST].size;
	uint32_t lists = fields->at[FIELD_RUN_OBJECTS].size / size;
	for (uint32_t i = 0; i < lists && i < LISTS; i++) {
		uint64_t head = run + fields->at[FIELD_RUN_OBJECTS].offset + i * size;
		walk_list(&walk, head, i != field_constant(fields, FIELD_FAILED));
	}
	objects_read(dump, constants, &walk, arun_now());
	dump->incomplete = walk.incomplete;
	free(walk.found);
	qsort(dump->objects, dump->count, sizeof *dump->objects, by_address);
	drop_doubles(dump);
	resolve(dump, fields, current);
	qsort(dump->objects, dump->count, sizeof *dump->objects, by_id);
	adopt(dump);
	check_owners(dump);
	count_kinds(dump);
	borrow_waits(dump);
}

static int fail(struct remote *remote, const char *text) {
	snprintf(remote->error, sizeof remote->error, "%s", text);
	return -1;
}

static int read_process(struct dump *dump, struct remote *remote, bool objects) {
	static const char *const names[] = {"arun_layout", "arun_process_run"};
	uint64_t places[2], run = 0;
	struct fields fields;
	*dump = (struct dump){0};
	if (remote_symbols(remote, names, places, 2) < 0) {
		return -1;
	}
	if (fields_read(&fields, remote, places[0]) < 0) {
		snprintf(remote->error, sizeof remote->error,
			"another version of arun (%s; this is %s)", fields.version,
			arun_version());
		return -1;
	}
	if (!remote_read(remote, places[1], &run, sizeof run)) {
		return fail(remote, "it has ended");
	}
	if (!run) {
		return fail(remote, "nothing runs in it: not yet, or not any more");
	}
	struct constants constants = {
		.remote = remote, .fields = &fields, .arena = &dump->arena};
	read_run(dump, &constants, run);
	uint64_t current = read_loop(dump, &constants, run);
	if (objects) {
		read_objects(dump, &constants, run, current);
	}
	if (objects && constants_field(&constants, run, FIELD_RUN_ORIGINS)) {
		unwind_tasks(dump, remote, &fields, places[0]);
	}
	constants_finish(&constants);
	uint64_t after = 0;
	remote_read(remote, places[1], &after, sizeof after);
	return after == run ? 0 : fail(remote, "it has ended");
}

int dump_read(struct dump *dump, struct remote *remote) {
	return read_process(dump, remote, true);
}

int dump_read_run(struct dump *dump, struct remote *remote) {
	return read_process(dump, remote, false);
}

void dump_finish(struct dump *dump) {
	free(dump->objects);
	arena_finish(&dump->arena);
	*dump = (struct dump){0};
}

struct dump_object *dump_face(struct dump_object *object) {
	struct dump_object *owner = object->owner;
	return object->part && owner && owner->task == object ? owner : object;
}
