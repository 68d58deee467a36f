/* SPDX-License-Identifier: MIT */
/*
 * dump - what a process of arun has open, read from outside.
 *
 * Objects are read one after the other while the process goes on: each is as it was at
 * some moment of the call, those that live throughout are all there. The strings are as
 * they were found: to be escaped.
 */
#ifndef DUMP_H
#define DUMP_H

#include "arena.h"
#include "remote.h"

enum { DUMP_KINDS = 32 };

struct dump_site {
	const char *file, *function;
	int line;
};

/* A call that has not returned, of --debug. */
struct dump_call {
	const char *function, *file, *module; /* NULL: not known */
	int line;                             /* with file */
	uint64_t offset;                      /* in module */
};

struct dump_kind {
	const char *word, *title, *help; /* as in the other process */
	const char *plural;              /* NULL: the title with an s */
	size_t count;
};

struct dump_object {
	uint64_t address; /* of its struct object, there */
	uint64_t id;
	struct dump_kind *kind;
	const struct dump_site *site; /* of its making; NULL: not known */
	uint64_t owner_address;
	uint64_t maker;            /* the id of the task that made it; 0: none */
	struct dump_object *owner; /* without one, its maker; NULL: both are gone */
	double age;
	size_t seen; /* by the search for cycles */
	bool part;   /* appears as a part of its owner */
	const char *name;
	const char *state;
	const char *about;  /* a peer, an address; NULL */
	const char *detail; /* the members of "detail" in JSON, after the address */
	int fd;             /* -1: none */

	/* Where it waits. */
	bool waits;
	const struct dump_site *at; /* also where it last waited; NULL: not known */
	const char *op;             /* "arun_read" */
	double waited;
	double left; /* seconds; negative: no limit */
	uint64_t awaits_address;
	struct dump_object *awaits; /* NULL: nothing that is listed */
	uint64_t *other_addresses;
	struct dump_object **others; /* whatever comes first of awaits and these */
	size_t other_count;

	/* A task that does its work: of a connection its handler's, of a generator its
	 * body. */
	uint64_t task_address;
	struct dump_object *task;

	/* The tree of owners, to be built by who prints it. */
	struct dump_object *parent, *child, *last_child, *next;

	/* Of a task. */
	bool is_task;
	bool over; /* a task that has ended, and is listed until it is joined */
	bool running;
	uint64_t runs;
	uint64_t sp, stack, stack_size; /* for who reads the stack */
	struct dump_call *calls;        /* the innermost first */
	size_t call_count;              /* 0: not known */
};

enum dump_loop { DUMP_IDLE, DUMP_RUNNING, DUMP_BLOCKED };

struct dump {
	struct arena arena;
	pid_t pid;
	char version[16];
	char build_id[65];
	const char *plugin, *entry;
	bool server, yielded, stopping;
	bool stopped; /* by a signal */
	double uptime;
	enum dump_loop loop;
	double turn;                       /* seconds since the loop's last turn */
	const struct dump_object *current; /* the running task; NULL */
	struct dump_object **objects;      /* by id */
	size_t count;
	struct dump_kind *kinds[DUMP_KINDS]; /* in the order of their first objects */
	size_t kind_count;
	bool incomplete; /* it changed all the time */
};

/* Returns 0; -1 with remote->error: it is no process of arun, or of another version.
 * To be finished in either case. */
int dump_read(struct dump *dump, struct remote *remote);

/* The same without the objects: the run and its loop. */
int dump_read_run(struct dump *dump, struct remote *remote);
void dump_finish(struct dump *dump);

/* What it appears as: the connection or generator whose task it is; else itself. */
struct dump_object *dump_face(struct dump_object *object);

#endif
