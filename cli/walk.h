/* SPDX-License-Identifier: MIT */
/*
 * walk - which objects another process has, by the lists of its registry, while they
 * change.
 *
 * A list begins with the newest object, ids only grow and are never used twice, and who
 * leaves a list points at itself. So whether an element is still in its place can be told
 * from itself: its id is less than the one before, and it does not point at itself. Where
 * that is not so, the walk goes back to the last one of which it is.
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
	struct walk_found *found; /* to be freed */
	size_t count, room;
	bool incomplete; /* some list changed all the time, or is not one */
};

/* What of a struct object tells where it stands. */
struct walk_object {
	uint64_t next; /* the link of the next one */
	uint64_t id, kind;
};

/* Whether there is an object, that is in a list. */
bool walk_object(const struct walk *walk, uint64_t address, struct walk_object *out);

/* Adds the objects of the list whose head is there. ordered: by falling id. */
void walk_list(struct walk *walk, uint64_t head, bool ordered);

#endif
