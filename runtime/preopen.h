/* SPDX-License-Identifier: MIT */
/* preopen - the sockets of --listen: opened before the entry starts, for it to find. */
#ifndef PREOPEN_H
#define PREOPEN_H

#include "inherit.h"

/*
 * Opens each of list, "[NAME=]ADDRESS", to its NULL. Blocks where a host is to be looked up.
 * Returns 0; -1 with errno, and what it could not open and why in arun_why().
 */
int preopen(struct inherit *inherit, const char *const *list);

/* Removes the files of those that nobody took. */
void preopen_finish(struct inherit *inherit);

#endif
