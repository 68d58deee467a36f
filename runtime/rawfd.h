/* SPDX-License-Identifier: MIT */
/*
 * rawfd - the descriptors that were opened past the runtime.
 *
 * Those that are open now, were not at the baseline, and belong to no object of the
 * registry. All of it works in a signal handler: no malloc, no stdio, no locks.
 */
#ifndef RAWFD_H
#define RAWFD_H

#include "registry.h"

enum { RAWFD_FIRST = 16 };

/* A set of descriptors: a few in itself, many in pages of their own. */
struct rawfd_set {
	uint64_t *words; /* NULL: nothing was added yet */
	size_t count;    /* of words */
	uint64_t first[RAWFD_FIRST];
};

struct rawfd {
	int folder; /* /proc/self/fd, held open: reports are made when there are none left
		       too */
	struct rawfd_set known; /* open at the baseline, or arun's own */
	uint32_t turn;          /* which run of the process it is of; 0: of none */
	bool beside;            /* another run was there when it began */
};

extern const struct kind rawfd_kind;

/* A run begins, before it opens anything. rawfd_finish() is its end. */
void rawfd_begin(struct rawfd *rawfd);

/*
 * Whether no other thread has had a run since this one began: otherwise nobody can tell whose a
 * descriptor is, or a child, and none is taken for a leak.
 */
bool rawfd_alone(const struct rawfd *rawfd);

/* In a forked child: there is no run. */
void rawfd_forked(void);

/*
 * Remembers what is open now. Returns 0; -1 with what open(2) says of /proc/self/fd: then
 * no raw descriptor is ever found.
 */
int rawfd_baseline(struct rawfd *rawfd);
void rawfd_finish(struct rawfd *rawfd);

/* What was known is so no more: it has an owner now, whose leak it may be. */
void rawfd_disown(struct rawfd *rawfd, int fd);

/* Calls found(context, fd) for each raw descriptor, lowest first; for none where the run is not
 * alone. */
void rawfd_each(const struct rawfd *rawfd, const struct registry *registry,
	void (*found)(void *context, int fd), void *context);

/*
 * Appends what fd is, not escaped: "/var/log/srv.log", "tcp 127.0.0.1:80", "unix /path",
 * "socketpair", "pipe", "eventfd". Returns its type in a word: "file", "tcp", "pipe"...
 */
const char *rawfd_name(const struct rawfd *rawfd, int fd, struct text *out);

/* Appends how fd was opened, "O_WRONLY|O_APPEND"; nothing where that is not known. */
void rawfd_flags(int fd, struct text *out);

/* Appends the members of "detail" in JSON, without braces. */
void rawfd_detail(int fd, const char *type, struct text *out);

#endif
