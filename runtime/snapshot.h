/* SPDX-License-Identifier: MIT */
/*
 * snapshot - what is open at one moment, folded into groups and copied.
 *
 * Objects of one kind, one site and one owner are one group: their number, and copies of
 * the oldest of them. So a report can be written after the objects are gone. Works in a
 * signal handler, in bounded memory, in time proportional to the number of objects; what
 * does not fit is counted.
 */
#ifndef SNAPSHOT_H
#define SNAPSHOT_H

#include "closeup.h"
#include "rawfd.h"
#include "suppress.h"

enum {
	SNAPSHOT_GROUPS = 1024,
	SNAPSHOT_ITEMS = 17, /* of a group */
	SNAPSHOT_KINDS = KIND_COUNT + 1
};

enum snapshot_what {
	SNAPSHOT_LEAKS, /* what nobody closed */
	SNAPSHOT_ALL /* all that is listed, also parts and what lives in the background */
};

/* Which objects a snapshot is of. */
struct snapshot_scope {
	enum snapshot_what what;
	struct suppress *suppress; /* leaves objects out, and counts them; NULL: none */
	uint64_t since;            /* only objects with a higher id */
};

/* A copy of an object. */
struct snapshot_item {
	uint64_t id;    /* of a raw descriptor: its number */
	int fd;         /* -1: none */
	double age;     /* negative: unknown */
	uint64_t maker; /* the id of the task that made it; 0: none */
	const char *name, *state;
	const char *line, *detail; /* as the kind writes them; detail "": none */
	bool waits;
	struct waiting waiting;
	const struct kind
		*awaits; /* of what it waits for; NULL: nothing that is listed */
	uint64_t awaits_id;
	const char *others;  /* what else it waits for, a JSON object each; "": nothing */
	const char *outcome; /* NULL: not known */
	struct closeup closeup;
};

struct snapshot_group {
	const struct kind *kind;
	const struct arun_site *site;
	const struct calls *made; /* the calls that made them, where there is no site */
	uint64_t owner;           /* its id; 0: the run */
	const struct kind *owner_kind;
	const char *owner_name;
	uint64_t count;                             /* of objects */
	bool told;                                  /* object::told of all of them */
	bool alike;                                 /* all have the same name */
	unsigned kept;                              /* so many are in items, from 1 */
	struct snapshot_item items[SNAPSHOT_ITEMS]; /* the oldest first */
};

struct snapshot_memory;

struct snapshot {
	enum snapshot_what what;
	double now;
	const struct notes *notes;              /* what tells more of it; NULL: nothing */
	uint64_t total, counts[SNAPSHOT_KINDS]; /* of objects, by kind_index; raw
						     descriptors last */
	const struct kind *kinds[SNAPSHOT_KINDS]; /* of those that are counted */
	uint64_t suppressed;                      /* so many were left out */
	uint64_t unlisted;                        /* so many of total are in no group */
	unsigned groups;
	const struct snapshot_group *const *group; /* in the order of reports */
	const struct registry *registry;           /* that it is of */
	struct snapshot_memory *memory;            /* NULL: there was none */
};

/* Takes a snapshot of registry, and of the raw descriptors; rawfd may be NULL. To be
 * finished. */
void snapshot_take(struct snapshot *snapshot, enum snapshot_what what,
	const struct registry *registry, const struct rawfd *rawfd);

/* The same of a part of them. */
void snapshot_take_scope(struct snapshot *snapshot, const struct snapshot_scope *scope,
	const struct registry *registry, const struct rawfd *rawfd);

/* Adds the raw descriptors to one that was taken without them. */
void snapshot_add_fds(struct snapshot *snapshot, const struct snapshot_scope *scope,
	const struct rawfd *rawfd);

/*
 * After the sweep: what became of the objects. One that is still listed was abandoned;
 * the others ended as their kind says.
 */
void snapshot_outcomes(struct snapshot *snapshot);

void snapshot_finish(struct snapshot *snapshot);

#endif
