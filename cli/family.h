/* SPDX-License-Identifier: MIT */
/* family - the workers of a parent, told from outside by what they run. */
#ifndef FAMILY_H
#define FAMILY_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

struct family {
	pid_t parent;
	FILE *children; /* NULL: they cannot be listed */
};

void family_open(struct family *family, pid_t parent);

/* The next one that runs a plugin, 0: there is no other. */
pid_t family_next(struct family *family);
void family_close(struct family *family);

/* Whether it runs a plugin, with the same arun as that other. */
bool family_is_of(pid_t pid, pid_t other);

/*
 * Lets any process of this user look at this one, where the kernel would let its ancestors
 * alone (Yama): process 1 of a container has none, and is asked from within.
 */
void family_be_seen(void);

#endif
