/* SPDX-License-Identifier: MIT */
#include "print.h"

#include <langinfo.h>
#include <string.h>

enum { DEPTH = 64, CHAIN = 8, CHAIN_LIMIT = 4096 };

/* Lines */

static void print_id(struct line *line, const struct dump_object *object) {
	line_string(line, object->name);
	line_add(line, "%s#%llu", *object->name ? " " : "",
		(unsigned long long)object->id);
}

/* What task waits for in turn: a task, or the task of a connection or a generator. */
static const struct dump_object *next_in_chain(const struct dump_object *task) {
	const struct dump_object *awaits = task->waits ? task->awaits : NULL;
	if (awaits && awaits->task && awaits->task != task) {
		return awaits->task;
	}
	return awaits && awaits->is_task ? awaits : NULL;
}

/* "(a cycle: #3 -> #4 -> #3)" where a task waits for itself in the end. */
static void print_cycle(struct line *line, const struct dump_object *task) {
	const struct dump_object *at = next_in_chain(task);
	unsigned steps = 1;
	for (; at && at != task && steps < CHAIN_LIMIT; steps++) {
		at = next_in_chain(at);
	}
	if (at != task) {
		return;
	}
	line_add(line, " (a cycle: #%llu", (unsigned long long)task->id);
	for (unsigned i = 0; i < steps && i < CHAIN; i++) {
		at = next_in_chain(at);
		line_add(line, " -> #%llu", (unsigned long long)at->id);
	}
	line_add(line, steps > CHAIN ? " ...)" : ")");
}

static void print_wait(struct line *line, const struct dump_object *object,
	const struct dump_object *task) {
	bool yields = !strcmp(task->op, "arun_yield");
	line_add(line, " waits in ");
	line_string(line, task->op);
	if (task->at) {
		line_add(line, " at ");
		print_site(line, task->at);
	}
	if (task->awaits && task->awaits != object) {
		line_add(line, " for");
		print_awaits(line, task);
		print_cycle(line, task);
	}
	if (task->left >= 0) {
		line_add(line, ", ");
		line_seconds(line, task->left);
		line_add(line, " to go");
	} else if (!yields) {
		line_add(line, ", ");
		line_seconds(line, task->waited);
	}
}

/* Adds what task does, which is object, or belongs to it. */
static void print_does(struct line *line, const struct dump *dump,
	const struct dump_object *object, const struct dump_object *task) {
	if (task->waits) {
		print_wait(line, object, task);
	} else if (task == dump->current && dump->loop == DUMP_BLOCKED) {
		line_add(line, " RUNNING for ");
		line_seconds(line, dump->turn);
	} else {
		line_add(line, " ");
		line_string(line, task->state);
	}
}

static void print_about(struct line *line, const struct dump_object *object) {
	if (object->about) {
		line_add(line, " ");
		line_string(line, object->about);
	} else if (object->fd >= 0) {
		line_add(line, " fd %d", object->fd);
	}
}

static void print_generator(
	struct line *line, const struct dump *dump, const struct dump_object *object) {
	if (!object->task || strcmp(object->state, "running") != 0) {
		line_add(line, " %s", object->state);
	} else {
		print_does(line, dump, object, object->task);
		return;
	}
	if (object->at) {
		line_add(line, " at ");
		print_site(line, object->at);
	}
}

static void print_object(
	struct line *line, const struct dump *dump, const struct dump_object *object) {
	const char *word = object->kind->word;
	bool of_handler = !strcmp(word, "connection") && object->task;
	if (object->is_task || of_handler) {
		print_id(line, of_handler ? object->task : object);
		print_about(line, object);
		print_does(line, dump, object, of_handler ? object->task : object);
		return;
	}
	line_string(line, object->kind->title);
	line_add(line, " ");
	print_id(line, object);
	print_about(line, object);
	if (!strcmp(word, "generator")) {
		print_generator(line, dump, object);
	} else if (strcmp(object->state, "open") && strcmp(object->state, "listening")) {
		line_add(line, " ");
		line_string(line, object->state);
	}
}

/* The tree */

/* Objects come by id, so children do. */
static void add_child(struct dump_object *parent, struct dump_object *child) {
	if (parent->last_child) {
		parent->last_child->next = child;
	} else {
		parent->child = child;
	}
	parent->last_child = child;
	child->parent = parent;
}

/* What nobody owns is the entry's, as long as that runs: it is the first task of a run. */
static struct dump_object *first_task(const struct dump *dump) {
	struct dump_object *first = dump->count ? dump->objects[0] : NULL;
	return first && first->id == 1 && first->is_task ? first : NULL;
}

static void build(const struct dump *dump, struct dump_object *root) {
	struct dump_object *entry = first_task(dump);
	for (size_t i = 0; i < dump->count; i++) {
		struct dump_object *object = dump->objects[i];
		struct dump_object *owner = object->owner;
		if (dump_face(object) != object) {
			continue;
		}
		owner = owner ? dump_face(owner) : entry;
		add_child(owner && object != entry ? owner : root, object);
	}
}

/* The branch from each owner on the way to object. */
static void print_branch(FILE *out, const struct dump_object *object, bool unicode) {
	const struct dump_object *path[DEPTH];
	int depth = 0;
	for (const struct dump_object *at = object; at->parent && depth < DEPTH;
		at = at->parent) {
		path[depth++] = at;
	}
	while (--depth > 0) {
		fputs(!path[depth]->next ? "    " : unicode ? "│   " : "|   ", out);
	}
	if (object->next) {
		fputs(unicode ? "├── " : "|-- ", out);
	} else {
		fputs(unicode ? "└── " : "`-- ", out);
	}
}

static const struct dump_object *after(const struct dump_object *object) {
	if (object->child) {
		return object->child;
	}
	while (object && !object->next) {
		object = object->parent;
	}
	return object ? object->next : NULL;
}

void print_tree(FILE *out, const struct dump *dump) {
	struct dump_object root = {.id = 0};
	bool unicode = !strcmp(nl_langinfo(CODESET), "UTF-8");
	struct line line = {.length = 0};
	print_head(&line, dump);
	fprintf(out, "%s\n", line.text);
	build(dump, &root);
	for (const struct dump_object *at = root.child; at; at = after(at)) {
		line.length = 0;
		print_object(&line, dump, at);
		print_branch(out, at, unicode);
		fprintf(out, "%s\n", line.text);
	}
}
