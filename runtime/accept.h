/* SPDX-License-Identifier: MIT */
/*
 * accept - a server's connections: accepted, given to a handler's task, and missed.
 *
 * Design notes. Connections are accepted in the loop, where they become ready, or by
 * arun_accept() where there is no handler. What runs out (descriptors, memory, the limit
 * of connections) pauses that; it goes on when one of the server's connections is closed,
 * and after a moment in any case. A connection that was accepted and could not be given
 * its task yet is kept, so none is lost.
 */
#ifndef ACCEPT_H
#define ACCEPT_H

#include "conn.h"
#include "listen.h"
#include "ratelimit.h"

/* Seconds until accepting is tried again where something has run out. */
#define ACCEPT_PAUSE 0.1

struct arun_server {
	struct object object;
	struct watch watch;
	struct listening listening;
	struct loop_timer timer; /* accepts */
	struct list conns; /* that it accepted; of a handler until its task has ended */
	unsigned refs;     /* the handle, and calls under way */
	unsigned handlers, open;
	unsigned long accepted, failed;
	struct ratelimit failures, pauses; /* lines that clients cause */
	bool stopped;                      /* accepts no more */
	bool released;                     /* the handle is gone */
	bool starved; /* waits for the end of one of its connections, or the timer */
	bool paused;  /* and a line has said so */

	/* Accepted, and not yet given to anybody: the descriptor, then its connection. */
	int pending_fd;
	struct address pending_peer;
	struct arun_conn *pending;

	struct arun_task *accepting; /* in arun_accept() */
	struct arun_task *closing;   /* in arun_server_close() */
	unsigned own; /* 1: closing is one of the handlers, and does not await itself */

	arun_handler *handler;
	void *arg;
	const char *handler_name;
	char *name; /* NULL: the handler's */
	char *address;
	int max_connections;
	double idle_timeout;
	size_t stack_size;
	struct arun_tls *tls; /* NULL: none */
};

static inline const char *server_name(const struct arun_server *server) {
	return server->name ? server->name : server->handler ? server->handler_name : "";
}

/* Makes of a new server one whose only connection the manager has accepted already. */
void accept_single(struct arun_server *server);

/* Says how many lines about clients have been left out. */
void accept_tell_missed(struct arun_server *server);

/* Whether it is such a one (listening.connection), and that connection is closed. */
bool accept_is_over(const struct arun_server *server);

/* Begins accepting for the handler. Returns 0; -1 with errno. */
int accept_start(struct loop *loop, struct arun_server *server);

/* Accepts what is there already, as the last. */
void accept_last(struct arun_server *server);

/* Ends accepting, and wakes who waits in arun_accept(). Again: does nothing. */
void accept_stop(struct loop *loop, struct arun_server *server);

/*
 * Accepts one: server->pending. Returns 0; or why not: EAGAIN: none is there; ECONNABORTED:
 * one that is gone again; or what has run out, for accept_pause().
 */
int accept_one(struct arun_server *server);

/* The pending connection is one of the server's from now on. */
struct arun_conn *accept_adopt(struct arun_server *server);

/* Whether the limit of connections is reached. */
bool accept_full(const struct arun_server *server);

/* Says, once, that error is why nothing is accepted for now. */
void accept_pause(struct arun_server *server, int error);

#endif
