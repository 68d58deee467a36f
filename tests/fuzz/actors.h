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

/* Rounds of the main coroutine: until all is over. */
enum { ACTORS = 20, ROUNDS_MOST = 100000 };

enum life { FREE, LIVE, ENDED };

/* What a task waits for. TURN: nothing; ALONE: what may never come; OTHER: the end of another; BOUND:
 * what a cancel does not cut short. */
enum wait { NONE, TURN, ALONE, OTHER, BOUND };

struct crew; /* a group and its tasks */

struct actor {
	unsigned id;
	enum life life;
	arun_task *task;    /* as long as it may be used */
	arun_task *handler; /* the same, of one that may be cancelled, and not joined */
	bool started, cancelled, detached, failed;
	bool unseen; /* failed, and nobody waited for it */
	bool told;   /* has met its cancel */
	bool leaves; /* takes no more steps */
	bool timed, shielded;
	bool owned;         /* its task is another object's: nobody joins it */
	const void *server; /* whose handler it is; NULL: none's */
	unsigned depth;     /* of blocks */
	unsigned joiners, ends, overdue;
	enum wait wait;
	const struct actor *target; /* of OTHER */
	struct call *call;          /* of ALONE and BOUND; NULL: none */
	struct crew *crew;          /* that it is of; NULL: it is nobody's */
	int result;
	uintptr_t local;
};

struct crew {
	struct actor *parent;
	unsigned running, failed, won;
};

/* What may end a wait. */
struct call {
	bool (*is_due)(struct call *call); /* it should have ended, as the model has it */
	bool slow; /* that takes a while: it is not this process' alone */
};

/* What a harness has actors do. */
struct play {
	int (*act)(void *actor);           /* a task's body */
	void (*step)(struct actor *actor); /* the next one of the script */
};

struct stage {
	struct play play;
	struct actor actors[ACTORS + 1]; /* and the main coroutine */
	unsigned changes;                /* that anybody has made */
	unsigned detached;               /* that run */
	bool ends; /* the main coroutine has left the others to the end of the run */
};

extern struct stage stage;

/* Before each run. */
void begin_stage(struct play play);

/* Around each wait. begin_wait() returns whether it must fail, as the task is cancelled; end_wait()
 * checks that it did, or may. It keeps errno. */
bool begin_wait(struct actor *actor, enum wait wait);
void end_wait(struct actor *actor, bool must, bool failed, const char *what);

/* The same of one that call may end: ALONE or BOUND. */
bool await_call(struct actor *actor, enum wait wait, struct call *call);

/* Whether a wait of actor may end early with error. */
bool may_fail(const struct actor *actor, int error);

/* Checks that nobody waits on who should not, after a round in which all that can have run. Returns how
 * many there are who are given more time. */
unsigned check_actors(void);

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

/* What actors do in a step, by calls of the same kind. */
void spawn_actor(const struct actor *parent);
void pause_for(struct actor *actor, double seconds);
void step_in_time(struct actor *actor, unsigned number);
/* act(): waits that end by themselves. */
void in_shield(struct actor *actor, unsigned number,
	void (*act)(struct actor *actor, unsigned number));
void run_crew(struct actor *actor, unsigned number);
void join_actor(struct actor *actor, struct actor *target);
void detach_actor(struct actor *target);
void cancel_actor(struct actor *target);

/* Of the main coroutine: joins those that have ended, where there is no place for others; cancels
 * all, and waits for their ends. */
void clear_stage(struct actor *self);
void end_actors(struct actor *self);

#endif
