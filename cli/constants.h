/* SPDX-License-Identifier: MIT */
/* constants - what does not change in the other process, and many objects share: sites,
 * kinds, and the strings in them; each is read once. */
#ifndef CONSTANTS_H
#define CONSTANTS_H

#include "dump.h"
#include "fields.h"

struct constants {
	const struct remote *remote;
	const struct fields *fields;
	struct arena *arena;           /* of the results */
	void *strings, *sites, *kinds; /* tsearch(3) */
};

/* NULL: there is none that could be read. */
const char *constants_string(struct constants *constants, uint64_t address);
const struct dump_site *constants_site(struct constants *constants, uint64_t address);
struct dump_kind *constants_kind(struct constants *constants, uint64_t address);
void constants_finish(struct constants *constants);

/* A field of a struct that is not copied as a whole; 0 where it cannot be read. */
uint64_t constants_field(
	const struct constants *constants, uint64_t address, enum field field);

#endif
