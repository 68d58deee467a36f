/* SPDX-License-Identifier: MIT */
/*
 * udp - sockets for datagrams: UDP, and Unix.
 *
 * Design notes. A datagram is received straight into the caller's buffer and sent straight
 * out of it. Where more than two have come at once to a socket that is nobody else's, the
 * next ones are read several at a time, and kept. A Unix socket that is not connected is
 * never told when a queue that was full has room again: it tries again after a moment.
 */
#ifndef UDP_H
#define UDP_H

#include "endpoint.h"
#include "loop.h"
#include "socket_file.h"
#include "udp_ahead.h"

struct arun_udp {
	struct object object;
	struct watch watch;
	unsigned refs; /* the handle, and calls under way */
	bool reading, writing;
	bool closing;
	bool swept; /* by the end of the run */
	struct address address;
	struct address peer; /* that it is connected to; length 0: none */
	char *local;
	unsigned long received, sent;
	bool own;                /* of UDP, and no other process has it */
	unsigned row;            /* how many receptions in a row found something */
	struct udp_ahead *ahead; /* NULL until there is reason for it */
	struct socket_file file;
};

extern const struct kind udp_kind;

/* Gives a reference back. */
void udp_unref(struct arun_udp *udp);

/* Closes all of them, at the end of the run. */
void udp_close_all(struct loop *loop);

#endif
