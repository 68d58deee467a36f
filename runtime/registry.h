/* SPDX-License-Identifier: MIT */
/*
 * registry - the list of everything open.
 *
 * Whatever a plugin can leave open embeds a struct object and is listed from its making
 * to its end (a task until it is joined: kind::over). A kind describes its objects to the
 * reports, so that a new kind needs no change there. Reports are also made in signal
 * handlers and of a process that hangs: lists publish one pointer last, and what a kind
 * describes with must be async-signal-safe: no malloc, no stdio, no locks.
 */
#ifndef REGISTRY_H
#define REGISTRY_H

#include "list.h"
#include "origins.h"
#include "text.h"

#include <arun.h>

#include <stdbool.h>
#include <stdint.h>

/* In the order in which reports list them. */
enum kind_index {
	KIND_TASK,
	KIND_SERVER,
	KIND_CONNECTION,
	KIND_GENERATOR,
	KIND_TIMER,
	KIND_PROCESS,
	KIND_LOCK,
	KIND_CHANNEL,
	KIND_SIGNALS,
	KIND_JOB,
	KIND_DATAGRAM,
	KIND_WATCHER,
	KIND_TLS,
	KIND_GROUP,
	KIND_POST,
	KIND_CHILD,
	KIND_FAILED,
	KIND_COUNT
};

/* Of times, which are never NaN: without libm. */
static inline double time_min(double a, double b) {
	return a < b ? a : b;
}

static inline double time_max(double a, double b) {
	return a > b ? a : b;
}

struct object;
struct arun_task;
struct notes;
struct quarantine;

/* Where an object waits, or is suspended. */
struct waiting {
	const struct arun_site *site; /* NULL: unknown */
	const char *op;               /* "arun_read" */
	double since, until;          /* until 0: no time */
};

/* How a kind of object appears in reports. Members that may be NULL are said to be. */
struct kind {
	enum kind_index index;
	const char *word;    /* "task", in counts, JSON and suppressions */
	const char *title;   /* the same in a line of text */
	const char *plural;  /* of the title; NULL: with an s */
	const char *fate;    /* "not closed", "still running" */
	const char *waits;   /* "waits", "suspended" */
	const char *help;    /* "arun_close()" */
	const char *outcome; /* what arun does of it at the end: "closed", "cancelled" */
	bool ageless;        /* its line leaves the age out */
	size_t offset;       /* of the object in what the handle points at */

	/* Whether one that is still listed is open no longer: reports leave it out. NULL: none is. */
	bool (*over)(const struct object *object);
	/* Without it, every object of the kind that is still open is a leak. */
	bool (*leaked)(const struct object *object);
	const char *(*name)(const struct object *object);
	const char *(*state)(const struct object *object);
	/* What names one object in a line: "janitor" (#3), 127.0.0.1:53122 (fd 8). */
	void (*line)(const struct object *object, struct text *out);
	/* The members of "detail" in JSON, without braces: "accepted": 16, "open": 2. May
	 * be NULL. */
	void (*detail)(const struct object *object, struct text *out);
	/* Its descriptor, or -1. May be NULL. */
	int (*fd)(const struct object *object);
	/* Whether it waits, and where. May be NULL. */
	bool (*waiting)(const struct object *object, struct waiting *out);
	/* The task that waits there; NULL: none. May be NULL. */
	const struct arun_task *(*task)(const struct object *object);
	/* Of what has tasks: the one that waits for their end; NULL: none. May be NULL. */
	const struct arun_task *(*ender)(const struct object *object);
	/* Frees one that the end of the run has closed. NULL: none is swept. */
	void (*forget)(struct object *object);
};

struct object {
	struct list link; /* registry::objects[kind] */
	const struct kind *kind;
	const struct arun_site *site; /* of its making; NULL: unknown */
	const struct object *owner;   /* outlives it; NULL: none */
	uint64_t maker;               /* the id of the task that made it; 0: none */
	uint64_t id;                  /* from 1; never used twice in a run */
	double born;                  /* registry::now */
	const struct calls *made;     /* the calls that made it; NULL: not known */
	bool told;                    /* a line of text has told of it already */
	bool part; /* appears as a part of its owner: a handler's task, a generator's */
	bool background; /* may live to the end: never a leak, nor what it owns */
};

/* For what is about to be freed: a later use of the stale handle finds the id gone. Volatile,
 * as a store right before free(3) is dropped otherwise. */
static inline void object_gone(struct object *object) {
	*(volatile uint64_t *)&object->id = 0;
}

/* kind::name of those that are named after the function that made them. */
const char *object_function(const struct object *object);

/* kind::line of those that their name and their id tell apart: "janitor" (#3). */
void object_line(const struct object *object, struct text *out);

/* Appends what it is, and which: task "janitor" (#3). */
void object_add(struct text *out, const struct object *object);

static inline bool object_is_over(const struct object *object) {
	return object->kind->over && object->kind->over(object);
}

struct registry {
	struct list objects[KIND_COUNT]; /* newest first */
	struct list swept; /* closed by the end of the run, not by the plugin */
	uint64_t last_id;
	double now; /* the loop's clock, set at its every turn */

	/* Only with --debug, else NULL. */
	struct origins *origins;       /* of the objects: object::made */
	const struct notes *notes;     /* what reports tell more of them with */
	struct quarantine *quarantine; /* of those that are gone */
};

void registry_init(struct registry *registry);

static inline void registry_add(struct registry *registry, struct object *object,
	const struct kind *kind, const struct arun_site *site) {
	object->kind = kind;
	object->site = site;
	object->id = ++registry->last_id;
	object->born = registry->now;
	object->made = unlikely(registry->origins != NULL)
			       ? origins_note(registry->origins)
			       : NULL;
	list_insert(&registry->objects[kind->index], &object->link);
}

static inline void registry_remove(struct object *object) {
	list_remove(&object->link);
}

/* Unlists one that the end of the run has closed: tasks may still use its handle. */
static inline void registry_sweep(struct registry *registry, struct object *object) {
	list_remove(&object->link);
	list_insert(&registry->swept, &object->link);
}

/* The same for all objects of a kind that can be forgotten. */
void registry_sweep_kind(struct registry *registry, enum kind_index index);

/* Frees what was swept: no task runs any more. */
void registry_forget(struct registry *registry);

#define registry_each(at, registry, index)                                               \
	for (struct object *at =                                                         \
			list_first(&(registry)->objects[index], struct object, link);    \
		&at->link != &(registry)->objects[index];                                \
		at = list_first(&at->link, struct object, link))

/* The oldest first. */
#define registry_each_back(at, registry, index)                                          \
	for (struct object *at =                                                         \
			list_last(&(registry)->objects[index], struct object, link);     \
		&at->link != &(registry)->objects[index];                                \
		at = list_last(&at->link, struct object, link))

/* Appends the title of count objects of kind. */
void registry_title(struct text *out, const struct kind *kind, uint64_t count);

/* Whether they are one place, of which there may be several constants: of a macro, of an inline
 * function in two files. Each may be NULL. */
bool registry_same_site(const struct arun_site *a, const struct arun_site *b);

/* Appends "srv.c:34", or "?" where the site is unknown. */
void registry_site(struct text *out, const struct arun_site *site);

#endif
