/* SPDX-License-Identifier: MIT */
/*
 * quarantine - objects that are gone, with --debug: the use of a stale handle is known for one,
 * and told of with the places where the object was made and where it was closed.
 *
 * Design notes. The memory of the newest ones is kept, up to a bound, so that no other object is
 * where a stale handle points to. Who finds one that way is about to abort: so the list is
 * searched, and what is noted is a pointer or two an object.
 */
#ifndef QUARANTINE_H
#define QUARANTINE_H

#include "registry.h"

struct quarantine;

/* place appends where calls were made, as far as that can be found. NULL with errno ENOMEM. */
struct quarantine *quarantine_create(struct origins *origins,
	void (*place)(struct text *out, const struct calls *calls));

/* Gives back all that it keeps. NULL is ignored. */
void quarantine_destroy(struct quarantine *quarantine);

/* The call that is being served, at site (NULL: not known), closes object. */
void quarantine_note(struct quarantine *quarantine, const struct object *object,
	const struct arun_site *site);

/* object is gone. The memory that it is in, with size bytes more, is for release(), later. */
void quarantine_keep(struct quarantine *quarantine, const struct object *object,
	void *memory, size_t size, void (*release)(void *memory));

/* Appends the place of the call that is being served. */
void quarantine_here(const struct quarantine *quarantine, struct text *out);

/* Appends "; made at srv.c:33, gone since srv.c:40", as far as that is known. */
void quarantine_tell(const struct quarantine *quarantine, struct text *out,
	const struct object *object);

#endif
