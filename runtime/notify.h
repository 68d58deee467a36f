/* SPDX-License-Identifier: MIT */
/*
 * notify - what the service manager is told: sd_notify(3)'s datagrams, by hand.
 *
 * Design notes. The variables are taken from the environment once and unset, so that a
 * child does not speak for this process. Nothing here blocks and nothing here fails the
 * run: a state that finds the manager's queue full is sent again until it is in it, or
 * another follows it; the rest is dropped, and where that is for another reason than that
 * nobody is there, it is complained of once. WATCHDOG=1 comes from a timer of the loop: a
 * loop that is blocked misses it, which is the point. None of the timers counts as
 * something to wait for.
 */
#ifndef NOTIFY_H
#define NOTIFY_H

#include "loop.h"

#include <sys/socket.h>
#include <sys/un.h>

enum { NOTIFY_STATUS = 256, NOTIFY_STATE = 640 };

struct notify {
	struct loop *loop;
	int fd; /* -1: there is nobody to tell */
	struct sockaddr_un address;
	socklen_t length;
	bool ready, stopping;
	bool complained;            /* that it cannot be told */
	double watchdog;            /* seconds between two of its messages; 0: none */
	double extended;            /* when the time to start was last extended */
	char plugin[NOTIFY_STATUS]; /* the text of arun_status(); "": none */
	char status[NOTIFY_STATUS]; /* as it was sent last */
	char owed[NOTIFY_STATE];    /* a state that is still to be sent; "": none */
	struct loop_timer beat;     /* sends WATCHDOG=1 */
	struct loop_timer look;     /* sends STATUS= where it has changed */
	struct loop_timer again;    /* sends what is owed */
};

/* Takes the variables, where taken is true. loop->notify is this one until its end. */
void notify_init(struct notify *notify, struct loop *loop, bool taken);
void notify_finish(struct notify *notify);

/* The entry serves. */
void notify_ready(struct notify *notify);

/* Around a reload; nothing where it has not been ready yet. */
void notify_reloading(struct notify *notify);
void notify_reloaded(struct notify *notify);

/* A stop begins. Again: does nothing. */
void notify_stopping(struct notify *notify);

/* One line of any text; control characters are escaped. */
void notify_status(struct notify *notify, const char *status);

/* How the run has failed: errno (0: none), its exit status (0: the host's to choose), and why. */
void notify_failed(struct notify *notify, int error, int status, const char *why);

#endif
