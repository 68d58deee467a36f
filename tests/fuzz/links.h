/* SPDX-License-Identifier: MIT */
/*
 * links - connections, both ends of which are here, and what a model of them says must hold: no byte
 * is lost, doubled, or out of order, whichever calls are cut short; each call ends when it can, and
 * says what arun.h lists.
 *
 * In each direction byte i is byte_at(i), so that all there is to know is how many were sent, and how
 * many have come. Calls that another one on the same end may be in the way of, or not, are not made.
 */
#ifndef LINKS_H
#define LINKS_H

#include "actors.h"

enum { LINKS = 8 };

/* ABSENT: the link is free. COMING: not connected, or not accepted yet. CLOSING: by a call that is under
 * way. */
enum end_state { ABSENT, COMING, OPEN, CLOSING, GONE };

/* The bytes of one direction; of each, how many. */
struct flow {
	size_t done;     /* sent by calls that have ended */
	size_t promised; /* and by the one under way */
	size_t seen;
	unsigned readers, writers; /* calls under way */
	unsigned reading, writing; /* of these such that nothing but bytes ends */
	bool crowded;              /* two have read at once */
	bool shut;                 /* no more is sent */
};

struct end {
	struct link *link;
	struct flow *in, *out; /* NULL: none */
	enum end_state state;
	arun_conn *conn; /* as long as it may be used */
	unsigned calls;  /* under way */
	bool cut;        /* a call has said so */
	bool part;       /* of a process */
	bool timed;      /* its server has an idle_timeout */
	bool leaves;     /* its server closes */
	bool idle;       /* said to be, */
	size_t marked;   /* when so many had come */
};

struct link {
	struct end ends[2];
	struct flow flows[2]; /* from the first end, and from the second */
	unsigned id;          /* in the client's address; 0: no client */
	const void *server;   /* that its second end is to come from; NULL: none */
	bool socket, tcp;
	bool slow;    /* what is between its ends takes a while */
	bool loose;   /* and may end it, and lose bytes */
	bool aborted; /* an end was */
	bool tls; /* what its calls send need not go out at once, and breaks in other ways */
};

/* A link that is free; NULL: all are taken. Its two directions are set up. */
struct link *link_new(void);

/* Makes both of its ends, as a socket or a pipe; sockets with small buffers. */
void link_open(unsigned number);

/* An end, by number, whose connection may be used: it is open, or a call is closing it. NULL: it may
 * not. */
struct end *end_usable(unsigned number);

/* From now on: conn is its connection; it is gone, and nobody may use that any more. */
void end_begin(struct end *end, arun_conn *conn);
void end_finish(struct end *end);

/* Makes a call; op: read (r), read_exactly (m), read_until (u), write (w), writev (v), sendfile (f). */
void link_call(struct actor *actor, struct end *end, char op, size_t size);

/* Whether a read ends at once, whatever else is under way. */
bool link_has_more(const struct end *end);

/* The same of the other calls. */
void link_shutdown(struct end *end);
void link_close(struct actor *actor, struct end *end);
void link_abort(struct end *end);
void link_idle(struct end *end);

/* How many connections a report should count; and how many it may, that servers may have accepted. */
unsigned count_open_ends(void);
unsigned count_coming_ends(void);

/* Leaves them to the end of the run, but for what closes wait for, up to a second: their other ends. */
void leave_links(void);

/* Ends all of them, one end by arun_abort(), the other by arun_close(). */
void end_links(struct actor *actor);

/* Before a script: there are none. */
void clear_links(void);

extern struct link links[LINKS];

#endif
