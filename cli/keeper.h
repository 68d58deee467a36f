/* SPDX-License-Identifier: MIT */
/*
 * keeper - the sockets that the workers share: opened by whichever needs one first, kept
 * here for the others and for those that come after them; what the workers left open; and who
 * says how all of them fail at the start. What is said is in runtime/broker_message.h.
 */
#ifndef KEEPER_H
#define KEEPER_H

#include "sum.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { KEEPER_SOCKETS = 64, KEEPER_NAME = 512, KEEPER_TEXT = 1 + PATH_MAX };

struct kept {
	char name[KEEPER_NAME]; /* "": none */
	int fd;
	char *file; /* of a Unix socket, from the root; NULL: there is none */
	dev_t device;
	ino_t inode;
};

struct keeper {
	struct kept kept[KEEPER_SOCKETS];
	int opener;  /* the line to the worker that opens one now; -1: none */
	int speaker; /* to the one that says now how it fails; -1: none */
	struct sum sum;
	bool apart; /* they do not start together any more: each says how it fails */
	char said[KEEPER_NAME]; /* how one has failed */
};

/* A worker's line. */
struct keeper_line {
	int fd; /* -1: it is gone */
	char question; /* that waits for its answer: enum broker_question; or BROKER_REFUSED; 0 */
	bool late; /* the answer could not be sent yet: to be tried again */
	char asked[KEEPER_NAME];
	uint64_t uses; /* which of the kept it was given, or gave */
	bool leaked;   /* it has told of leaks */
};

/* Makes a line; *other, close-on-exec, is for the worker. Returns 0; -1 with errno. */
int keeper_connect(struct keeper_line *line, int *other);

/* In a worker: whether it is to say that it fails, and how; false: another has, in these words. Blocks
 * while another is about to say something, for a while. To be followed by its end. */
bool keeper_lets_say(int other, const char *words);

void keeper_disconnect(struct keeper *keeper, struct keeper_line *line);

/* Reads what a worker says, does not block. */
void keeper_serve(struct keeper *keeper, struct keeper_line *line);

/* Answers a question, where it can be by now. */
void keeper_answer(struct keeper *keeper, struct keeper_line *line);

/* Closes those that are not in uses; removes their files. */
void keeper_drop(struct keeper *keeper, uint64_t uses);

/* Forgets all in a forked child: nothing is removed. */
void keeper_forget(struct keeper *keeper);

#endif
