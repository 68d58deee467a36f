/* SPDX-License-Identifier: MIT */
#include "objects.h"

#include "escape.h"
#include "peer.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { TRIES = 50, DETAIL = 256 };

struct reader {
	struct dump *dump;
	struct constants *constants;
	const struct walk *walk;
	double now;
	struct copy copy, again;
};

/* How the objects of one kind are copied and read. One of another kind has what all have, and
 * is named as the function that made it. */
struct shape {
	const char *word;
	enum field size, object;
	void (*read)(struct reader *reader, struct dump_object *object);
};

static uint64_t number(const struct reader *reader, enum field field) {
	return field_number(&reader->copy, field);
}

/* The names of functions, which last. */
static const char *constant(const struct reader *reader, enum field field) {
	return constants_string(reader->constants, number(reader, field));
}

/* A name is a constant, or a copy in the task. */
static const char *task_name(const struct reader *reader) {
	const struct copy *copy = &reader->copy;
	uint64_t address = number(reader, FIELD_TASK_NAME);
	if (address < copy->address || address >= copy->address + copy->size) {
		return constant(reader, FIELD_TASK_NAME);
	}
	char name[FIELDS_STRUCT];
	size_t start = address - copy->address, size = copy->size - start;
	size = size < sizeof name ? size : sizeof name - 1;
	memcpy(name, copy->bytes + start, size);
	name[size] = '\0';
	return arena_string(&reader->dump->arena, name);
}

/* Other strings of objects come and go. */
static const char *string(const struct reader *reader, enum field field) {
	char buffer[REMOTE_STRING];
	uint64_t address = number(reader, field);
	if (!address ||
		!remote_string(reader->walk->remote, address, buffer, sizeof buffer)) {
		return NULL;
	}
	return arena_string(&reader->dump->arena, buffer);
}

static const char *detail(const struct reader *reader, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static const char *detail(const struct reader *reader, const char *format, ...) {
	char buffer[DETAIL];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(buffer, sizeof buffer, format, arguments);
	va_end(arguments);
	return arena_string(&reader->dump->arena, buffer);
}

/* Kinds */

/* Whether the task has run since it was copied: then its stack no longer has what that wait had. */
static bool has_run(const struct reader *reader) {
	return constants_field(reader->constants, reader->copy.address,
		       FIELD_TASK_RUNS) != number(reader, FIELD_TASK_RUNS);
}

/* The cases of an arun_chan_select(), as many as fit. Returns how many. */
static uint64_t copy_cases(struct reader *reader, uint64_t choice) {
	struct copy *cases = &reader->again;
	uint64_t at = constants_field(reader->constants, choice, FIELD_CHOICE_CASES);
	uint64_t count = constants_field(reader->constants, choice, FIELD_CHOICE_COUNT);
	uint32_t size = reader->walk->fields->at[FIELD_CASE].size;
	count = count < FIELDS_STRUCT / size ? count : FIELDS_STRUCT / size;
	cases->fields = reader->walk->fields;
	cases->size = count * size;
	return remote_read(reader->walk->remote, at, cases->bytes, cases->size) ? count
										: 0;
}

/* The channels of a wait for the first of several but the one that it awaits. */
static void read_others(struct reader *reader, struct dump_object *object) {
	const struct fields *fields = reader->walk->fields;
	uint64_t scope = number(reader, FIELD_TASK_SCOPES);
	if (!object->awaits_address || !scope ||
		!constants_field(reader->constants, scope, FIELD_SCOPE_SEVERAL)) {
		return;
	}
	uint64_t count =
		copy_cases(reader, scope - fields->at[FIELD_CHOICE_SCOPE].offset);
	uint64_t *others = arena_take(&reader->dump->arena, (count + 1) * sizeof *others);
	uint32_t size = fields->at[FIELD_CASE].size, told = 0;
	for (uint32_t i = 0; i < count; i++) {
		uint64_t chan = field_inside(&reader->again, i * size, FIELD_CASE_CHAN);
		others[told] = chan + fields->at[FIELD_CHAN_OBJECT].offset;
		told += chan && others[told] != object->awaits_address;
	}
	object->other_addresses = others;
	object->other_count = has_run(reader) ? 0 : told;
}

static void read_wait(struct reader *reader, struct dump_object *object) {
	double since = field_seconds(number(reader, FIELD_TASK_SINCE));
	double until = field_seconds(number(reader, FIELD_TASK_UNTIL));
	bool timed = number(reader, FIELD_TASK_TIMED);
	object->waited = reader->now - since;
	object->left = timed && isfinite(until) ? until - reader->now : -1;
	object->awaits_address = number(reader, FIELD_TASK_AWAITS);
	read_others(reader, object);
}

static const char *verb(const char *op) {
	return strncmp(op, "arun_", 5) ? op : op + 5;
}

static void read_task(struct reader *reader, struct dump_object *object) {
	const struct fields *fields = reader->copy.fields;
	uint64_t state = number(reader, FIELD_TASK_STATE);
	object->is_task = true;
	object->name = task_name(reader);
	object->at = constants_site(reader->constants, number(reader, FIELD_TASK_AT));
	object->op = constant(reader, FIELD_TASK_OP);
	object->runs = number(reader, FIELD_TASK_RUNS);
	object->sp = number(reader, FIELD_TASK_SP);
	object->stack = number(reader, FIELD_TASK_STACK);
	object->stack_size = number(reader, FIELD_TASK_STACK_SIZE);
	object->detail = detail(reader,
		"\"switches\": %llu, \"stack_size\": %llu, \"cancelled\": %s",
		(unsigned long long)object->runs, (unsigned long long)object->stack_size,
		number(reader, FIELD_TASK_CANCELLED) ? "true" : "false");
	object->waits = state == field_constant(fields, FIELD_WAITING) && object->op;
	if (object->waits) {
		read_wait(reader, object);
	}
	object->state = object->waits                                  ? verb(object->op)
			: state == field_constant(fields, FIELD_READY) ? "ready"
								       : "waiting";
	object->over = state == field_constant(fields, FIELD_ENDED);
}

static void read_failed(struct reader *reader, struct dump_object *object) {
	read_task(reader, object);
	object->waits = object->is_task = object->over = false;
	object->state = "failed";
}

static void read_conn(struct reader *reader, struct dump_object *object) {
	uint32_t at = reader->copy.fields->at[FIELD_CONN_PEER].offset;
	uint64_t length = number(reader, FIELD_CONN_PEER_LENGTH);
	uint64_t room = reader->copy.size - at;
	char peer[PEER_TEXT];
	peer_text(peer, reader->copy.bytes + at, length < room ? length : room);
	object->name = constant(reader, FIELD_CONN_HANDLER_NAME);
	object->fd = (int)number(reader, FIELD_CONN_FD);
	object->about = *peer ? arena_string(&reader->dump->arena, peer) : NULL;
	object->task_address = number(reader, FIELD_CONN_TASK);
	object->state = "open";
	object->detail = detail(reader, "\"in\": %llu, \"out\": %llu",
		(unsigned long long)number(reader, FIELD_CONN_IN),
		(unsigned long long)number(reader, FIELD_CONN_OUT));
}

static void read_server(struct reader *reader, struct dump_object *object) {
	bool closing = number(reader, FIELD_SERVER_CLOSING);
	object->name = string(reader, FIELD_SERVER_NAME);
	if (!object->name) {
		object->name = constant(reader, FIELD_SERVER_HANDLER_NAME);
	}
	object->about = string(reader, FIELD_SERVER_ADDRESS);
	object->fd = (int)number(reader, FIELD_SERVER_FD);
	object->state = closing                               ? "closing"
			: number(reader, FIELD_SERVER_PAUSED) ? "paused"
							      : "listening";
	object->detail = detail(reader, "\"accepted\": %llu, \"open\": %llu",
		(unsigned long long)number(reader, FIELD_SERVER_ACCEPTED),
		(unsigned long long)number(reader, FIELD_SERVER_OPEN));
}

static void read_gen(struct reader *reader, struct dump_object *object) {
	object->name = constant(reader, FIELD_GEN_NAME);
	object->task_address = number(reader, FIELD_GEN_BODY);
	object->state = number(reader, FIELD_GEN_ENDED)       ? "ended"
			: !number(reader, FIELD_GEN_STARTED)  ? "new"
			: number(reader, FIELD_GEN_SUSPENDED) ? "suspended"
							      : "running";
	object->detail = detail(reader, "\"yielded\": %llu",
		(unsigned long long)number(reader, FIELD_GEN_YIELDED));
}

/* "every 5.0 s, next in 3.8 s" */
static const char *timer_about(const struct reader *reader, double every) {
	double next = field_seconds(number(reader, FIELD_TIMER_NEXT));
	struct line line = {.length = 0};
	if (every > 0) {
		line_add(&line, "every ");
		line_seconds(&line, every);
		line_add(&line, ", ");
	}
	line_add(&line, "next in ");
	line_seconds(&line, next - reader->now);
	return arena_string(&reader->dump->arena, line.text);
}

static void read_timer(struct reader *reader, struct dump_object *object) {
	double every = field_seconds(number(reader, FIELD_TIMER_EVERY));
	every = every > 0 && every < 1e12 ? every : 0;
	object->name = constant(reader, FIELD_TIMER_NAME);
	object->about = timer_about(reader, every);
	double left = field_seconds(number(reader, FIELD_TIMER_NEXT)) - reader->now;
	object->detail = detail(reader,
		"\"every_ms\": %.0f, \"fired\": %llu, \"next_ms\": %.0f", every * 1000,
		(unsigned long long)number(reader, FIELD_TIMER_FIRED),
		left > 0 && left < 1e12 ? left * 1000 : 0);
}

static void read_process(struct reader *reader, struct dump_object *object) {
	unsigned pid = (unsigned)number(reader, FIELD_PROCESS_PID);
	char about[32];
	snprintf(about, sizeof about, "pid %u", pid);
	object->name = string(reader, FIELD_PROCESS_WORDS);
	object->about = arena_string(&reader->dump->arena, about);
	object->state = number(reader, FIELD_PROCESS_ENDED) ? "ended" : "running";
	object->detail = detail(reader, "\"pid\": %u", pid);
}

static void read_datagram(struct reader *reader, struct dump_object *object) {
	object->about = string(reader, FIELD_DATAGRAM_LOCAL);
	object->fd = (int)number(reader, FIELD_DATAGRAM_FD);
	object->detail = detail(reader, "\"received\": %llu, \"sent\": %llu",
		(unsigned long long)number(reader, FIELD_DATAGRAM_RECEIVED),
		(unsigned long long)number(reader, FIELD_DATAGRAM_SENT));
}

static void read_group(struct reader *reader, struct dump_object *object) {
	object->name = object->site ? object->site->function : NULL;
	object->state = number(reader, FIELD_GROUP_WAITING) ? "waited for" : "open";
	object->detail = detail(reader, "\"running\": %llu, \"ended\": %llu",
		(unsigned long long)number(reader, FIELD_GROUP_RUNNING),
		(unsigned long long)number(reader, FIELD_GROUP_ENDED));
}

static void read_watcher(struct reader *reader, struct dump_object *object) {
	object->name = constant(reader, FIELD_WATCHER_NAME);
	object->fd = (int)number(reader, FIELD_WATCHER_FD);
	object->state = "active";
}

static const struct shape shapes[] = {
	{"task", FIELD_TASK, FIELD_TASK_OBJECT, read_task},
	{"failed", FIELD_TASK, FIELD_TASK_OBJECT, read_failed},
	{"connection", FIELD_CONN, FIELD_CONN_OBJECT, read_conn},
	{"server", FIELD_SERVER, FIELD_SERVER_OBJECT, read_server},
	{"generator", FIELD_GEN, FIELD_GEN_OBJECT, read_gen},
	{"timer", FIELD_TIMER, FIELD_TIMER_OBJECT, read_timer},
	{"process", FIELD_PROCESS, FIELD_PROCESS_OBJECT, read_process},
	{"datagram", FIELD_DATAGRAM, FIELD_DATAGRAM_OBJECT, read_datagram},
	{"group", FIELD_GROUP, FIELD_GROUP_OBJECT, read_group},
	{"watcher", FIELD_WATCHER, FIELD_WATCHER_OBJECT, read_watcher},
};

static const struct shape *shape_of(const struct dump_kind *kind) {
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
		if (!strcmp(shapes[i].word, kind->word)) {
			return &shapes[i];
		}
	}
	return NULL;
}

/* Copies */

static bool take_copy(struct reader *reader, uint64_t address, uint32_t size) {
	struct copy *copy = &reader->copy;
	copy->fields = reader->walk->fields;
	copy->address = address;
	copy->size = size;
	struct remote_piece once = {address, copy->bytes, size};
	struct remote_piece twice = {address, reader->again.bytes, size};
	for (int i = 0; i < TRIES; i++) {
		if (!remote_read_both(reader->walk->remote, &once, &twice)) {
			return false;
		}
		if (!memcmp(copy->bytes, reader->again.bytes, size)) {
			return true;
		}
	}
	return true; /* it never stands still: a task that runs all the time */
}

static bool is_there(const struct reader *reader, const struct walk_found *found) {
	struct walk_object now;
	return walk_object(reader->walk, found->address, &now) && now.id == found->id;
}

static void read_common(
	const struct reader *reader, struct dump_object *object, uint32_t start) {
	const struct copy *copy = &reader->copy;
	object->id = field_inside(copy, start, FIELD_OBJECT_ID);
	object->site = constants_site(
		reader->constants, field_inside(copy, start, FIELD_OBJECT_SITE));
	object->owner_address = field_inside(copy, start, FIELD_OBJECT_OWNER);
	object->maker = field_inside(copy, start, FIELD_OBJECT_MAKER);
	object->part = field_inside(copy, start, FIELD_OBJECT_PART);
	object->age =
		reader->now - field_seconds(field_inside(copy, start, FIELD_OBJECT_BORN));
	object->fd = -1;
	object->left = -1;
	object->state = "open";
}

/* Returns whether it was there, and of that kind, all the time. */
static bool read_object(struct reader *reader, const struct walk_found *found,
	struct dump_object *object) {
	const struct fields *fields = reader->walk->fields;
	struct dump_kind *kind = constants_kind(reader->constants, found->kind);
	if (!kind) {
		return false;
	}
	const struct shape *shape = shape_of(kind);
	uint32_t start = shape ? fields->at[shape->object].offset : 0;
	uint32_t size = fields->at[shape ? shape->size : FIELD_OBJECT].size;
	if (!take_copy(reader, found->address - start, size)) {
		return false;
	}
	*object = (struct dump_object){.address = found->address, .kind = kind};
	read_common(reader, object, start);
	if (object->id != found->id ||
		field_inside(&reader->copy, start, FIELD_OBJECT_KIND) != found->kind) {
		return false;
	}
	if (shape) {
		shape->read(reader, object);
	}
	if (!object->name) {
		object->name = object->site && !shape ? object->site->function : NULL;
	}
	object->name = object->name ? object->name : "";
	return !object->over && is_there(reader, found);
}

void objects_read(struct dump *dump, struct constants *constants, const struct walk *walk,
	double now) {
	struct reader *reader = arena_take(&dump->arena, sizeof *reader);
	reader->dump = dump;
	reader->constants = constants;
	reader->walk = walk;
	reader->now = now;
	dump->objects = calloc(walk->count + 1, sizeof(struct dump_object *));
	if (!dump->objects) {
		arena_exhausted();
	}
	struct dump_object *object = NULL;
	for (size_t i = 0; i < walk->count; i++) {
		object = object ? object : arena_take(&dump->arena, sizeof *object);
		if (read_object(reader, &walk->found[i], object)) {
			dump->objects[dump->count++] = object;
			object = NULL;
		}
	}
}
