/* SPDX-License-Identifier: MIT */
/*
 * actors - tasks, and what a model of them says must hold: each ends once, and who joins it gets its
 * result; a cancel ends the wait that is under way and each later one, but no shielded one; whoever can
 * run does.
 */
#ifndef ACTORS_H
#define ACTORS_H

#include "run.h"

#include <errno.h>

enum { ACTORS = 20 };

enum life { FREE, LIVE, ENDED };

/* What a task waits for. TURN: nothing; ALONE: what may never come; OTHER: the end of another; BOUND:
 * what a cancel does not cut short. */
enum wait { NONE, TURN, ALONE, OTHER, BOUND };

struct crew; /* a group and its tasks */

struct actor {
	unsigned id;
	enum life life;
	arun_task *task; /* as long as it may be used */
	bool started, cancelled, detached, failed;
	bool unseen; /* failed, and nobody waited for it */
	bool told;   /* has met its cancel */
	bool leaves; /* takes no more steps */
	bool timed, shielded;
	unsigned depth; /* of blocks */
	unsigned joiners, ends, overdue;
	enum wait wait;
	const struct actor *target; /* of OTHER */
	struct crew *crew;          /* that it is of; NULL: it is nobody's */
	int result;
	uintptr_t local;
};

struct crew {
	struct actor *parent;
	unsigned running, failed, won;
};

struct stage {
	struct actor actors[ACTORS + 1]; /* and the main coroutine */
	unsigned changes;                /* that anybody has made */
	unsigned detached;               /* that run */
	bool ends; /* the main coroutine has left the others to the end of the run */
};

extern struct stage stage;

/* Around each wait. begin_wait() returns whether it must fail, as the task is cancelled; end_wait()
 * checks that it did, or may. It keeps errno. */
bool begin_wait(struct actor *actor, enum wait wait);
void end_wait(struct actor *actor, bool must, bool failed, const char *what);

/* Whether a wait of actor may end early with error. */
bool may_fail(const struct actor *actor, int error);

/* Checks that nobody waits on who should not, after a round in which all that can have run. */
void check_actors(void);

/* Checks that the end of the run has left none. */
void check_all_ended(void);

/* How many tasks and groups a report should count. */
unsigned count_open_actors(void);

/* The place of one that is none yet; NULL: all are taken. */
struct actor *free_actor(void);

/* Makes it a new one, that parent makes. */
void cast_actor(struct actor *actor, const struct actor *parent);

/* The last act of a task, which then returns what this does: number, a failure, or its cancel. */
int retire(struct actor *actor, bool fails, int number);

void join_actor(struct actor *actor, struct actor *target);
void detach_actor(struct actor *target);
void cancel_actor(struct actor *target);

#endif
