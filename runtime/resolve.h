/* SPDX-License-Identifier: MIT */
/* resolve - the addresses of a host, looked up on a thread. */
#ifndef RESOLVE_H
#define RESOLVE_H

#include "task.h"

struct addrinfo;

/*
 * Looks up the addresses of streams to host (NULL: this machine, by loopback) and service
 * (NULL: port 0). Returns 0 with *out, to be given to freeaddrinfo(); -1 with the words
 * in arun_why(), and ENOENT: the host has no address; EINVAL: no such service, or a host
 * or service that is too long; EAGAIN: no name server answers, or no thread can be
 * started; ENOMEM, EMFILE, ENFILE; EIO; ECANCELED, ETIMEDOUT. Does not suspend for a
 * literal address with a port in digits, otherwise Suspends.
 */
int resolve_host(struct arun_task *self, const char *host, const char *service,
	struct addrinfo **out);

#endif
