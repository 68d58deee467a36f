/* SPDX-License-Identifier: MIT */
/* objects - the objects that a walk has found, copied and told apart by their kinds. */
#ifndef OBJECTS_H
#define OBJECTS_H

#include "constants.h"
#include "walk.h"

/* Copies them into dump->objects, but those that are gone by now. now: CLOCK_MONOTONIC. */
void objects_read(struct dump *dump, struct constants *constants, const struct walk *walk,
	double now);

#endif
