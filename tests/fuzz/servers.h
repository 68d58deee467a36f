/* SPDX-License-Identifier: MIT */
/*
 * servers - servers, and links to them, whose clients are told apart by the address that they come
 * from. A handler is an actor that takes steps of the script. Some have TLS: of these it is not checked
 * that all bytes come, which tls.c does.
 */
#ifndef SERVERS_H
#define SERVERS_H

#include "links.h"

/* Of a number: a new server, a client's link, a connection taken by hand. */
void server_listen(unsigned number);
void server_connect(struct actor *actor, unsigned number);
void server_accept(struct actor *actor, unsigned number);

/* Waits for the handlers, which nobody who may be waited for by one should; one may close its own
 * server. */
void server_close(struct actor *actor, unsigned number);

/* After a round: checks that each accepts who has connected. Returns how many are given more time. */
unsigned check_servers(void);

/* How many a report should count. */
unsigned count_open_servers(void);

/* Whether there may be connections that no link has: in a handshake whose other end has given up. */
bool servers_hold_more(void);

/* First those of which a handler may wait for a connection. */
void end_servers(struct actor *actor);

/* Before a script: there are none. */
void clear_servers(void);

#endif
