/* SPDX-License-Identifier: MIT */
/*
 * race - connects to whichever address of a host answers first (RFC 8305).
 *
 * The families take turns. A later address is tried when those before it have not
 * answered for RACE_DELAY, and at once where they have failed. The first to be connected
 * wins; the others are closed.
 */
#ifndef RACE_H
#define RACE_H

#include "conn.h"

/* Seconds. */
#define RACE_DELAY 0.25

/*
 * Makes a socket for a connection to an address, from local (NULL: any); not connected
 * yet. NULL with errno.
 */
struct arun_conn *race_open(
	struct loop *loop, const struct address *to, const struct address *local);

/*
 * Returns 0 with *out; or why not, and what became of each address is appended to tried:
 * "[::1]:80: Connection refused; 127.0.0.1:80: no answer yet". Suspends.
 */
int race_connect(struct loop *loop, struct arun_task *self, const struct addrinfo *list,
	const struct address *local, struct arun_conn **out, struct text *tried);

/* What connect(2) has to say of fd now that it is writable; 0: it is connected. */
int race_error(int fd);

#endif
