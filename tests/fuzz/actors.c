/* SPDX-License-Identifier: MIT */
#include "actors.h"

/* Rounds: more than one, as a wake-up may be followed by another. */
enum { PATIENCE = 3 };

struct stage stage;

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
	actor->overdue = 0;
	return is_cancelled(actor);
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

/* Whether a round should have ended its wait. */
static bool is_due(const struct actor *actor) {
	if (actor->life != LIVE) {
		return false;
	}
	switch (actor->wait) {
	case TURN:
		return true;
	case ALONE:
		return is_cancelled(actor);
	case OTHER:
		return actor->target->life == ENDED ||
		       (is_cancelled(actor) && !actor->target->cancelled);
	case BOUND:
		return false;
	default:
		return !actor->started;
	}
}

void check_actors(void) {
	for (unsigned i = 0; i < ACTORS; i++) {
		struct actor *actor = &stage.actors[i];
		actor->overdue = is_due(actor) ? actor->overdue + 1 : 0;
		fuzz_check(actor->overdue <= PATIENCE, "%u waits on (%d)", i,
			(int)actor->wait);
	}
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
			count += !is_in_background(actor) &&
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
	actor->task = NULL;
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
	if (actor->crew || (actor->detached && !actor->joiners)) {
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
	if (actor->crew) {
		return; /* lest it waits for who waits for its crew */
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
	arun_cancel(target->task);
	target->cancelled = target->cancelled || target->life == LIVE;
}
