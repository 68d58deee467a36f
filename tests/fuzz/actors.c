/* SPDX-License-Identifier: MIT */
#include "actors.h"

#include <math.h>

/* Rounds: more than one, as a wake-up may be followed by another; and of what the kernel ends, or
 * the clock. */
enum { PATIENCE = 6, LONG_PATIENCE = 100000 };

struct stage stage;

void begin_stage(struct play play) {
	memset(&stage, 0, sizeof stage);
	stage.play = play;
	for (unsigned i = 0; i <= ACTORS; i++) {
		stage.actors[i].id = i;
	}
}

/* Waits ------------------------------------------------------------------------------ */

static bool is_cancelled(const struct actor *actor) {
	return actor->cancelled && !actor->shielded;
}

/* A crew is cancelled for reasons of its own, and at its end the run cancels all. */
bool may_fail(const struct actor *actor, int error) {
	bool cancels =
		!actor->shielded && (actor->cancelled || actor->crew || stage.ends);
	return (error == ECANCELED && cancels) || (error == ETIMEDOUT && actor->timed);
}

bool begin_wait(struct actor *actor, enum wait wait) {
	actor->wait = wait;
	actor->call = NULL;
	actor->overdue = 0;
	return is_cancelled(actor);
}

bool await_call(struct actor *actor, enum wait wait, struct call *call) {
	bool must = begin_wait(actor, wait);
	actor->call = call;
	return must;
}

void end_wait(struct actor *actor, bool must, bool failed, const char *what) {
	int error = errno;
	actor->wait = NONE;
	stage.changes++;
	fuzz_check(!must || (failed && error == ECANCELED), "%s of a cancelled task: %s",
		what, failed ? strerror(error) : "done");
	fuzz_check(!failed || may_fail(actor, error), "%s: %s", what, strerror(error));
	actor->told = actor->told || (failed && error == ECANCELED);
	errno = error;
}

static bool call_is_due(struct call *call) {
	return call && call->is_due(call);
}

/* Whether a round should have ended its wait. */
static bool is_due(const struct actor *actor) {
	if (actor->life != LIVE) {
		return false;
	}
	switch (actor->wait) {
	case TURN:
		return true;
	case ALONE:
		return is_cancelled(actor) || actor->timed || call_is_due(actor->call);
	case OTHER:
		return actor->target->life == ENDED ||
		       (is_cancelled(actor) && !actor->target->cancelled);
	case BOUND:
		return call_is_due(actor->call);
	default:
		return !actor->started;
	}
}

static unsigned patience(const struct actor *actor) {
	bool alone = actor->wait == ALONE, bound = actor->wait == BOUND;
	bool slow = (alone || bound) && actor->call && actor->call->slow;
	bool told = alone && is_cancelled(actor), late = alone && actor->timed;
	return (slow || late) && !told ? LONG_PATIENCE : PATIENCE;
}

unsigned check_actors(void) {
	unsigned due = 0;
	for (unsigned i = 0; i < ACTORS; i++) {
		struct actor *actor = &stage.actors[i];
		actor->overdue = is_due(actor) ? actor->overdue + 1 : 0;
		fuzz_check(actor->overdue <= patience(actor), "%u waits on (%d)", i,
			(int)actor->wait);
		due += actor->overdue > 0;
	}
	return due;
}

void check_all_ended(void) {
	for (unsigned i = 0; i < ACTORS; i++) {
		const struct actor *actor = &stage.actors[i];
		fuzz_check(actor->life != LIVE && actor->ends <= 1, "%u (%d), %u times",
			i, (int)actor->wait, actor->ends);
	}
	fuzz_check(!stage.detached, "%u detached ones", stage.detached);
}

/* Counting --------------------------------------------------------------------------- */

/* What is detached is no leak, nor is what belongs to it. */
static bool is_in_background(const struct actor *actor) {
	while (actor->crew) {
		actor = actor->crew->parent;
	}
	return actor->detached;
}

/* Of a crew the first that lives stands for all. */
static bool is_first(const struct actor *actor) {
	const struct actor *first = stage.actors;
	while (first->crew != actor->crew || first->life != LIVE) {
		first++;
	}
	return first == actor;
}

unsigned count_open_actors(void) {
	unsigned count = 0;
	for (unsigned i = 0; i < ACTORS; i++) {
		const struct actor *actor = &stage.actors[i];
		if (actor->life == LIVE) {
			count += !is_in_background(actor) && !actor->owned &&
				 (!actor->crew || is_first(actor));
		} else if (actor->life == ENDED) {
			count += actor->unseen;
		}
	}
	return count;
}

/* Life ------------------------------------------------------------------------------- */

struct actor *free_actor(void) {
	for (unsigned i = 0; i < ACTORS; i++) {
		if (stage.actors[i].life == FREE) {
			return &stage.actors[i];
		}
	}
	return NULL;
}

void cast_actor(struct actor *actor, const struct actor *parent) {
	*actor = (struct actor){.id = actor->id, .life = LIVE, .local = parent->local};
}

/* Nobody may use its handle any more. */
static void forget(struct actor *actor) {
	actor->task = actor->handler = NULL;
	actor->life = FREE;
}

int retire(struct actor *actor, bool fails, int number) {
	bool obeys = actor->told && actor->cancelled && !fails;
	actor->failed = fails;
	actor->result = fails ? -EPROTO : obeys ? -ECANCELED : number;
	actor->unseen = fails && !actor->joiners;
	actor->life = ENDED;
	actor->ends++;
	stage.changes++;
	if (actor->crew) {
		actor->crew->running--;
		actor->crew->failed += fails;
		actor->crew->won += actor->result >= 0;
	}
	stage.detached -= actor->detached;
	errno = -actor->result;
	int result = actor->result < 0 ? -1 : number;
	if (actor->crew || actor->owned || (actor->detached && !actor->joiners)) {
		forget(actor);
	}
	return result;
}

void join_actor(struct actor *actor, struct actor *target) {
	int result = -99;
	if (target == actor || target->detached || target->crew) {
		fuzz_check(arun_join(target->task, &result) < 0 &&
				   errno == (target == actor ? EDEADLK : EINVAL),
			"a join of what is not to be joined: %s", strerror(errno));
		return;
	}
	if (actor->crew || actor->owned) {
		return; /* lest it waits for who waits for its crew, or its owner */
	}
	bool done = target->life == ENDED || target->cancelled;
	bool must = begin_wait(actor, OTHER) && !done;
	actor->target = target;
	target->joiners++;
	bool joined = arun_join(target->task, &result) == 0;
	target->joiners--;
	/* It may have ended while the joiner let the others run. */
	end_wait(actor, must && target->life != ENDED, !joined, "join");
	fuzz_check(joined == (target->life == ENDED), "joined: %d", joined);
	if (joined) {
		fuzz_check(target->ends == 1 && result == target->result,
			"%u ended %u times, with %d for %d", target->id, target->ends,
			result, target->result);
	}
	if (joined && !target->joiners) {
		forget(target);
	}
}

/* A failure of one that is detached would be told of, and be the run's. */
void detach_actor(struct actor *target) {
	if (target->crew || target->detached || target->failed) {
		return;
	}
	arun_detach(target->task);
	target->detached = true;
	stage.detached += target->life == LIVE;
	if (target->life == ENDED && !target->joiners) {
		forget(target);
	}
}

void cancel_actor(struct actor *target) {
	arun_cancel(target->task ? target->task : target->handler);
	target->overdue = 0;
	target->cancelled = target->cancelled || target->life == LIVE;
}

/* Steps ------------------------------------------------------------------------------ */

void spawn_actor(const struct actor *parent) {
	struct actor *actor = free_actor();
	if (actor) {
		cast_actor(actor, parent);
		actor->task = arun_spawn(stage.play.act, actor);
		fuzz_check(actor->task, "%s", arun_why());
	}
}

void pause_for(struct actor *actor, double seconds) {
	bool must = begin_wait(actor, seconds > 0 ? ALONE : TURN);
	end_wait(actor, must, arun_sleep(seconds) < 0, "sleep");
}

void step_in_time(struct actor *actor, unsigned number) {
	bool before = actor->timed;
	ARUN_TIMEOUT(number % 2 ? 0 : 1e-4);
	actor->timed = true;
	stage.play.step(actor);
	actor->timed = before;
}

void in_shield(struct actor *actor, unsigned number,
	void (*act)(struct actor *actor, unsigned number)) {
	bool timed = actor->timed, shielded = actor->shielded;
	ARUN_SHIELD(INFINITY);
	actor->timed = false;
	actor->shielded = true;
	pause_for(actor, 0);
	act(actor, number);
	actor->timed = timed;
	actor->shielded = shielded;
}

/* Crews ------------------------------------------------------------------------------ */

static void enlist(struct crew *crew, arun_group *group) {
	struct actor *actor = free_actor();
	if (actor) {
		cast_actor(actor, crew->parent);
		actor->crew = crew;
		actor->timed = crew->parent->timed;
		crew->running++;
		fuzz_check(arun_group_spawn(group, stage.play.act, actor) == 0, "%s",
			arun_why());
	}
}

/* Waits as one of three. */
static void await_crew(struct crew *crew, arun_group *group, unsigned how) {
	struct actor *parent = crew->parent;
	bool must = begin_wait(parent, BOUND), empty = !crew->running;
	int result = how == 1 ? arun_group_wait(group) : arun_group_first(group);
	int error = errno;
	bool own = result < 0 && may_fail(parent, error);
	fuzz_check(!crew->running, "%u still run", crew->running);
	if (own) {
		end_wait(parent, must, true, "group");
		return;
	}
	fuzz_check(!must, "a group of a cancelled task was waited for");
	end_wait(parent, false, false, "group");
	if (how == 1) {
		fuzz_check(result == 0 ? !crew->failed : error == EPROTO && crew->failed,
			"%d, %u failed: %s", result, crew->failed, strerror(error));
	} else {
		fuzz_check(result >= 0 ? crew->won
				       : !crew->won && (error == EINVAL) == empty,
			"%d, %u won: %s", result, crew->won, strerror(error));
	}
}

void run_crew(struct actor *actor, unsigned number) {
	struct crew crew = {.parent = actor};
	{
		ARUN_GROUP(group);
		for (unsigned i = 0; i < number % 4; i++) {
			enlist(&crew, group);
		}
		if (number / 4 % 3) {
			await_crew(&crew, group, number / 4 % 3);
		} else {
			actor->depth++;
			stage.play.step(actor);
			actor->depth--;
		}
		begin_wait(actor, BOUND);
	}
	actor->wait = NONE;
	fuzz_check(!crew.running, "%u outlive their group", crew.running);
}

/* The main coroutine ------------------------------------------------------------------- */

/* Joins those that have ended, where there is no place for others. */
void clear_stage(struct actor *self) {
	for (unsigned i = 0; i < ACTORS && !free_actor(); i++) {
		if (stage.actors[i].life == ENDED) {
			join_actor(self, &stage.actors[i]);
		}
	}
}

void end_actors(struct actor *self) {
	for (unsigned i = 0; i < ACTORS; i++) {
		if (stage.actors[i].task) {
			cancel_actor(&stage.actors[i]);
		}
	}
	for (unsigned i = 0; i < ACTORS; i++) {
		struct actor *actor = &stage.actors[i];
		if (actor->task && !actor->crew && !actor->detached) {
			join_actor(self, actor);
		}
	}
	for (unsigned i = 0; stage.detached; i++) {
		fuzz_check(i < ROUNDS_MOST, "%u do not end", stage.detached);
		pause_for(self, 1e-4);
	}
}
