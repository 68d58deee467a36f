/* SPDX-License-Identifier: MIT */
/*
 * inherit - descriptors that were open before the run: passed by the service manager
 * (LISTEN_FDS), come back from its store, or opened for --listen.
 *
 * Design notes. They are handed out once each, by name or by the address that they are
 * bound to, to whoever would open them otherwise: so a plugin that listens at an address
 * needs to know nothing of it. The variables are unset, so that no child takes them for
 * its own. Those that nobody takes stay open to the end of the run, and are no leak;
 * but a client of theirs is never answered, so a server that is ready says so.
 */
#ifndef INHERIT_H
#define INHERIT_H

#include "loop.h"
#include "socket_file.h"

struct inherited {
	char *name; /* "": it has none */
	int fd;     /* -1: it was handed out */
	int type;   /* SOCK_STREAM...; 0: no socket */
	bool listens;
	struct address address;  /* its own */
	struct socket_file file; /* where this process made it */
};

struct inherit {
	struct loop *loop;
	struct inherited *items;
	unsigned count;
	/* One was handed out, and is its new owner's. May be NULL. */
	void (*taken)(struct loop *loop, int fd);
};

enum inherit_use {
	INHERIT_SERVER,   /* a listening stream socket, or one connection */
	INHERIT_DATAGRAM, /* a datagram socket */
	INHERIT_STREAM,   /* anything else */
};

/* Takes the variables, where taken is true. loop->inherit is this one until its end. Returns
 * 0; -1 with ENOMEM. */
int inherit_init(struct inherit *inherit, struct loop *loop, bool taken);
void inherit_finish(struct inherit *inherit);

/* Adds fd, which it takes; its file is the caller's to set. NULL with
 * ENOMEM: fd stays the caller's. */
struct inherited *inherit_add(struct inherit *inherit, const char *name, int fd);

/*
 * Hands out the first of the name that endpoint->host is: *out, without its name.
 * Returns 0; -1 with ENOENT: there is none; EBUSY: it was handed out; EINVAL: it is of
 * another use; and recorded for arun_why(), for op.
 */
int inherit_take(struct inherited *out, const struct endpoint *endpoint,
	enum inherit_use use, const char *op);

/* The same of one that is bound to an address. Returns whether there is one. */
bool inherit_take_at(
	struct inherited *out, const struct address *address, enum inherit_use use);

/* Names those that wait for clients, and that nobody has taken. */
void inherit_tell(const struct inherit *inherit);

#endif
