/* SPDX-License-Identifier: MIT */
#include "walk.h"

#include "arena.h"

#include <arun.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ATTEMPTS = 6, DEAD_ENDS = 3, PAUSE = 1000000, LONGEST = 64 * PAUSE };

/* How one list is gone through. */
struct path {
	struct walk *walk;
	uint64_t head;
	size_t first; /* of walk->found: those before are of other lists */
	long pause;   /* nanoseconds, before the next attempt */

	/* Upward, where it is ordered. */
	uint64_t reached; /* the highest id so far */
	int tries;        /* since then */
	int damaged;      /* of them so many in a row, in which nothing changed */
	int dead_ends;    /* where that was so all the time: it has strayed into
			     another list, or there is none */

	/* Otherwise: an element passed, to notice a cycle, at doubling distances. */
	uint64_t mark;
	size_t mark_at;
};

/* Objects ------------------------------------------------------------------------ */

static uint64_t word_at(const struct copy *copy, size_t offset) {
	uint64_t word = 0;
	if (offset <= copy->size - sizeof word) {
		memcpy(&word, copy->bytes + offset, sizeof word);
	}
	return word;
}

/* What a copy of a struct object from address tells. Returns whether it is one. */
static bool parse(const struct copy *copy, uint64_t address, struct walk_object *out) {
	const struct fields *fields = copy->fields;
	uint32_t link = fields->at[FIELD_OBJECT_LINK].offset;
	out->next = word_at(copy, link + fields->at[FIELD_LIST_NEXT].offset);
	out->prev = word_at(copy, link + fields->at[FIELD_LIST_PREV].offset);
	out->id = field_number(copy, FIELD_OBJECT_ID);
	out->kind = field_number(copy, FIELD_OBJECT_KIND);
	return out->id && out->kind && out->next && out->next != address + link;
}

static void copy_begin(struct copy *copy, const struct fields *fields, enum field size) {
	copy->fields = fields;
	copy->size = fields->at[size].size;
}

bool walk_object(const struct walk *walk, uint64_t address, struct walk_object *out) {
	struct copy copy;
	copy_begin(&copy, walk->fields, FIELD_OBJECT);
	return remote_read(walk->remote, address, copy.bytes, copy.size) &&
	       parse(&copy, address, out);
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
			arena_exhausted();
		}
		walk->found = grown;
		walk->room = room;
	}
	walk->found[walk->count++] =
		(struct walk_found){address, object->id, object->kind};
	return true;
}

/* From the beginning, after a pause. Returns whether there is time. */
static bool again(struct path *path) {
	struct walk *walk = path->walk;
	struct timespec pause = {.tv_nsec = path->pause};
	if (arun_now() > walk->end) {
		return false;
	}
	nanosleep(&pause, NULL);
	path->pause = path->pause < LONGEST ? 2 * path->pause : LONGEST;
	path->reached = 0;
	path->tries = 0;
	walk->count = path->first;
	return true;
}

/* Upward ------------------------------------------------------------------------- */

/* The last one found, or the head, and the one before it in the list, which is newer. */
struct step {
	bool there;    /* the last one still is */
	uint64_t prev; /* of it: the link of the newer one */
	bool known;    /* the newer one, which is one */
	struct walk_object newer;
};

static uint64_t last_id(const struct path *path) {
	const struct walk *walk = path->walk;
	return walk->count > path->first ? walk->found[walk->count - 1].id : 0;
}

/* Where the last one is, and how much of it is to be read. */
static uint64_t last_begin(const struct path *path, struct copy *copy) {
	const struct walk *walk = path->walk;
	bool any = walk->count > path->first;
	copy_begin(copy, walk->fields, any ? FIELD_OBJECT : FIELD_LIST);
	return any ? walk->found[walk->count - 1].address : path->head;
}

static void last_parse(const struct path *path, const struct copy *copy, uint64_t address,
	struct step *step) {
	const struct fields *fields = copy->fields;
	struct walk_object last;
	if (path->walk->count == path->first) {
		step->prev = word_at(copy, fields->at[FIELD_LIST_PREV].offset);
		step->there = step->prev != 0;
	} else {
		step->there = parse(copy, address, &last) && last.prev &&
			      last.id == last_id(path);
		step->prev = last.prev;
	}
}

/* Reads both, the newer one first: where the last one then still points at it, it was in its
 * place. guess: the link of the newer one; 0: not known yet. */
static struct step read_step(const struct path *path, uint64_t guess) {
	const struct walk *walk = path->walk;
	struct step step = {.there = false};
	struct copy newer, last;
	uint64_t there = last_begin(path, &last);
	uint64_t address = guess - walk->fields->at[FIELD_OBJECT_LINK].offset;
	copy_begin(&newer, walk->fields, FIELD_OBJECT);
	struct remote_piece first = {address, newer.bytes, newer.size};
	struct remote_piece second = {there, last.bytes, last.size};
	bool both = guess && remote_read_both(walk->remote, &first, &second);
	if (both || remote_read(walk->remote, there, last.bytes, last.size)) {
		last_parse(path, &last, there, &step);
	}
	step.known = both && parse(&newer, address, &step.newer) &&
		     step.newer.id > last_id(path);
	return step;
}

/* damaged: nothing has changed meanwhile. Returns whether to go on. */
static bool try_again(struct path *path, bool damaged) {
	path->damaged = damaged ? path->damaged + 1 : 0;
	if (path->damaged > WALK_TRIES) {
		path->damaged = 0;
		return ++path->dead_ends < DEAD_ENDS && again(path);
	}
	return ++path->tries <= WALK_TRIES || again(path);
}

/* A step that did not count. Returns whether to go on. */
static bool stay(struct path *path, const struct step *step, bool same) {
	struct walk *walk = path->walk;
	bool any = walk->count > path->first;
	if (!step->there && any) {
		walk->count--; /* it has left the list */
	}
	return try_again(path, same || (!step->there && !any));
}

/* Goes up to the newer one. Returns whether there was room. */
static bool climb(struct path *path, uint64_t link, const struct walk_object *newer) {
	uint64_t address = link - path->walk->fields->at[FIELD_OBJECT_LINK].offset;
	if (newer->id > path->reached) {
		path->reached = newer->id;
		path->tries = 0;
	}
	return walk_add(path->walk, address, newer);
}

/* Whether no newer one was there when the call began. */
static bool is_end(const struct path *path, const struct step *step, bool same) {
	bool later = same && step->known && step->newer.id > path->walk->last_id;
	return later || (step->there && step->prev == path->head);
}

/* Returns whether it came to the end. */
static bool walk_upward(struct path *path) {
	uint64_t guess = 0;
	for (;;) {
		struct step step = read_step(path, guess);
		bool same = step.there && step.prev == guess;
		if (is_end(path, &step, same)) {
			return true;
		}
		if (same && step.known) {
			if (!climb(path, guess, &step.newer)) {
				return false;
			}
			guess = step.newer.prev;
			continue;
		}
		if ((guess || !step.there) && !stay(path, &step, same)) {
			return false;
		}
		guess = step.there ? step.prev : 0;
	}
}

/* Downward ----------------------------------------------------------------------- */

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

/* Returns whether it came to the end. */
static bool walk_downward(struct path *path) {
	struct walk *walk = path->walk;
	uint64_t link = walk->fields->at[FIELD_OBJECT_LINK].offset, next;
	uint64_t at = path->head + walk->fields->at[FIELD_LIST_NEXT].offset;
	struct walk_object object;
	path->mark = 0;
	if (!remote_read(walk->remote, at, &next, sizeof next)) {
		return false;
	}
	while (next != path->head) {
		if (!walk_object(walk, next - link, &object) || comes_again(path, next) ||
			!walk_add(walk, next - link, &object)) {
			return false;
		}
		next = object.next;
	}
	return true;
}

void walk_list(struct walk *walk, uint64_t head, bool ordered) {
	struct path path = {
		.walk = walk, .head = head, .first = walk->count, .pause = PAUSE};
	bool done = ordered ? walk_upward(&path) : walk_downward(&path);
	for (int i = 1; !ordered && !done && i < ATTEMPTS && again(&path); i++) {
		done = walk_downward(&path);
	}
	walk->incomplete |= !done;
}
