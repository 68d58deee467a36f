/* SPDX-License-Identifier: MIT */
/*
 * walk - which objects another process has, by the lists of its registry, while they
 * change.
 *
 * A list begins with the newest object, ids only grow and are never used twice, and who
 * leaves a list points at itself. So a list is gone through from its end, the oldest first,
 * up to the first object that was made after the call began: what lives throughout is on the
 * way, and of what makes the way change, which only ends, there is less and less.
 *
 * Each step reads an object and the one that it was found by at once, and counts if that one
 * is still in its place and still points at it. Otherwise it is tried again.
 */
#ifndef WALK_H
#define WALK_H

#include "fields.h"

enum { WALK_TRIES = 50, WALK_LIMIT = 1 << 22 };

struct walk_found {
	uint64_t address; /* of its struct object */
	uint64_t id, kind;
};

struct walk {
	const struct remote *remote;
	const struct fields *fields;
	uint64_t last_id;         /* of the process, as the call began */
	double end;               /* on the monotonic clock: then it gives up */
	struct walk_found *found; /* to be freed */
	size_t count, room;
	bool incomplete; /* some list changed all the time, or is not one */
};

/* What of a struct object tells where it stands. */
struct walk_object {
	uint64_t next, prev; /* the links beside it */
	uint64_t id, kind;
};

/* Whether there is an object, that is in a list. */
bool walk_object(const struct walk *walk, uint64_t address, struct walk_object *out);

/* Adds the objects of the list whose head is there. ordered: by falling id. */
void walk_list(struct walk *walk, uint64_t head, bool ordered);

#endif
