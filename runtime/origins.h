/* SPDX-License-Identifier: MIT */
/*
 * origins - the calls that made objects, each sequence kept once, until the end of the run.
 *
 * Design notes. Programs make many objects in few places. So an object holds a pointer,
 * nothing is freed with it, and the memory is bounded by the size of the program.
 */
#ifndef ORIGINS_H
#define ORIGINS_H

#include "backtrace.h"

struct origins;

/* NULL with errno ENOMEM. */
struct origins *origins_create(void);
void origins_destroy(struct origins *origins);

/* The calls that led to here; NULL: no memory. */
const struct calls *origins_note(struct origins *origins);

#endif
