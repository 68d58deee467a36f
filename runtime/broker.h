/* SPDX-License-Identifier: MIT */
/*
 * broker - the listening sockets that several processes share, and the next generation
 * of them finds open.
 *
 * `arun --workers` and `--reload` keep them. $ARUN_BROKER=FD:PID names a SOCK_SEQPACKET
 * socket to the parent, for process PID alone; broker_message.h has what is said over it.
 */
#ifndef BROKER_H
#define BROKER_H

#include "base.h"
#include "broker_message.h"

#include <stdbool.h>
#include <sys/stat.h>

struct broker {
	int fd;           /* 0: none */
	struct stat file; /* that fd is */
	bool worker; /* of a parent that forwards signals, also where it has not answered */
	unsigned any; /* sockets asked for so far that the system picks the port of */
};

/* taken: this run is the one that the environment speaks to; the variable is unset. */
void broker_init(struct broker *broker, bool taken);
void broker_finish(struct broker *broker);

/* Asks for the socket of an address: *fd, close-on-exec, is the caller's where it is BROKER_HERE.
 * After BROKER_OPEN broker_keep() follows. any: each call means another one, as the port is 0. */
enum broker_answer broker_ask(
	struct broker *broker, const char *address, bool any, int *fd);

/* After BROKER_OPEN. fd: what was opened; -1: it could not be. file: that it has made; NULL: none.
 * Returns whether it is kept (then the file is the parent's to remove). */
bool broker_keep(struct broker *broker, int fd, const char *file);

/* Tells that so many of a kind were left open; does nothing where there is no broker. */
void broker_tell(const struct broker *broker, const char *leaks);

/* Whether this process is to say how its entry has failed; false: another worker that started with
 * it has, in these words. Blocks until that one has ended, for a while. */
bool broker_says(struct broker *broker, const char *words);

#endif
