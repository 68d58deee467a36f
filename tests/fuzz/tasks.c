/* SPDX-License-Identifier: MIT */
/*
 * The input is a script that tasks read together: each takes its next step when it runs. They spawn,
 * join, detach and cancel each other, run groups, generators, jobs, posts and timers, inside timeouts
 * and shields. What must hold of tasks is in actors.h; besides, no item of a generator is lost, posts
 * come in their order, and what is open is what arun_leaks_since() counts.
 */
#include "actors.h"

enum { GENS = 3, TIMERS = 3, STEPS_MOST = 400, NESTED = 3, ITEMS = 5, FEW = 3 };

/* Steps that a task takes after it has met its cancel: fewer. */
enum { IGNORED = 5 };

/* Rounds of the main coroutine: between two looks at what is open, and until all is over. */
enum { LOOK = 8 };

struct source {
	arun_gen *gen; /* NULL: closed, or about to be */
	unsigned made, taken, items;
	unsigned maybe; /* that draw, or have let the others run before that */
	bool asked, closed, ended;
};

struct alarm {
	arun_timer *timer;
	bool repeats, over;
};

static struct {
	struct fuzz_script script;
	const uint8_t *middle; /* of the script */
	unsigned steps;
	unsigned long mark;
	struct source sources[GENS];
	struct alarm alarms[TIMERS];
	unsigned jobs; /* that may not be collected */
	unsigned posted, delivered;
	bool leaves; /* the main coroutine does, at half of the script */
	arun_event event;
	bool event_was_set;
} world;

/* Generators ------------------------------------------------------------------------- */

static int make_items(void *arg) {
	struct source *source = arg;
	int result = 0;
	while (!result && source->made < source->items) {
		if (source->items % 2) {
			fuzz_check(arun_sleep(0) == 0, "%s", arun_why());
		}
		source->made++;
		result = arun_gen_yield(&source->made);
		bool closed = source->closed || stage.ends;
		fuzz_check(!result || (errno == ECANCELED && closed), "yield: %s",
			strerror(errno));
	}
	source->ended = true;
	return result;
}

static void check_item(const struct source *source, const unsigned *item, int error) {
	if (item) {
		fuzz_check(*item == source->taken, "%u for %u", *item, source->taken);
	} else {
		fuzz_check(error ? source->closed : source->ended, "an end: %s",
			strerror(error));
	}
}

/* Who is cancelled or late lets the others run before it would ask. */
static void draw(struct actor *actor, struct source *source) {
	bool must = begin_wait(actor, ALONE), busy = source->asked;
	bool asks = !busy && !must && !actor->timed && !actor->crew && !stage.ends;
	source->maybe++;
	source->asked = source->asked || asks;
	const unsigned *item = arun_gen_next(source->gen);
	int error = errno;
	source->maybe--;
	source->asked = source->asked && !asks;
	source->taken += item != NULL;
	if (busy || (error == EBUSY && !item)) {
		actor->wait = NONE;
		fuzz_check(!item && error == EBUSY && source->maybe, "two draw: %s",
			strerror(error));
	} else if (item || !error || error == EBADF) {
		end_wait(actor, must, false, "next");
		check_item(source, item, error);
	} else {
		end_wait(actor, must, true, "next");
	}
}

static void shut(struct actor *actor, struct source *source) {
	arun_gen *gen = source->gen;
	source->gen = NULL;
	source->closed = true;
	begin_wait(actor, BOUND);
	fuzz_check(arun_gen_close(gen) == 0, "%s", arun_why());
	actor->wait = NONE;
	fuzz_check(!source->asked && (source->ended || !source->made), "closed early");
	*source = (struct source){.maybe = source->maybe};
}

static void generate(struct actor *actor, unsigned number) {
	struct source *source = &world.sources[number % GENS];
	if (!source->gen && !source->closed) {
		source->items = number % ITEMS;
		source->gen = arun_gen_new(make_items, source);
		fuzz_check(source->gen, "%s", arun_why());
	} else if (source->gen && number / GENS % 4) {
		draw(actor, source);
	} else if (source->gen) {
		shut(actor, source);
	}
}

/* Threads, posts, timers --------------------------------------------------------------- */

static int work(void *arg) {
	struct actor *const *actor = arg;
	return (int)(*actor)->id;
}

static void employ(struct actor *actor) {
	static struct actor *ids[ACTORS]; /* a job may outlive its task */
	bool must = begin_wait(actor, ALONE);
	ids[actor->id] = actor;
	world.jobs++;
	int result = arun_blocking(work, &ids[actor->id]);
	end_wait(actor, must, result < 0, "blocking");
	world.jobs -= result >= 0;
	fuzz_check(result < 0 || result == (int)actor->id, "%d", result);
}

static void deliver(void *arg) {
	unsigned number = (unsigned)(uintptr_t)arg;
	fuzz_check(!arun_self(), "posted to a task");
	fuzz_check(number == world.delivered++, "%u after %u", number, world.delivered);
}

static void post(void) {
	fuzz_check(arun_post(deliver, (void *)(uintptr_t)world.posted) == 0, "%s",
		arun_why());
	world.posted++;
}

static void ring(void *arg) {
	struct alarm *alarm = arg;
	fuzz_check(alarm->timer && !alarm->over, "a timer that is over");
	alarm->over = !alarm->repeats;
}

static void time_it(unsigned number) {
	struct alarm *alarm = &world.alarms[number % TIMERS];
	if (alarm->timer) {
		arun_timer_stop(alarm->timer);
		*alarm = (struct alarm){.timer = NULL};
		return;
	}
	alarm->repeats = number & 4;
	alarm->timer = arun_timer_start(
		number & 8 ? 1e-4 : 0, alarm->repeats ? 1e-4 : 0, ring, alarm);
	fuzz_check(alarm->timer, "%s", arun_why());
}

static void use_local(struct actor *actor, unsigned number) {
	fuzz_check((uintptr_t)arun_local_get(&world) == actor->local, "not its local");
	actor->local = number;
	fuzz_check(
		arun_local_set(&world, (void *)(uintptr_t)number) == 0, "%s", arun_why());
}

/* Steps ------------------------------------------------------------------------------ */

static void await_event(struct actor *actor) {
	bool must = begin_wait(actor, ALONE);
	int result = arun_event_wait(&world.event);
	end_wait(actor, must, result < 0, "event");
	fuzz_check(result < 0 || world.event_was_set, "never set");
}

static void tell_event(bool set) {
	if (set) {
		world.event_was_set = true;
		arun_event_set(&world.event);
	} else {
		arun_event_clear(&world.event);
	}
}

/* Of waits that end by themselves. */
static void step_shielded(struct actor *actor, unsigned number) {
	if (number % 3 == 1) {
		employ(actor);
	} else if (number % 3 == 2) {
		pause_for(actor, 1e-4);
	}
}

static void step_nested(struct actor *actor, char op, unsigned number) {
	actor->depth++;
	if (op == 't') {
		step_in_time(actor, number);
	} else if (op == 'h') {
		in_shield(actor, number, step_shielded);
	} else {
		run_crew(actor, number);
	}
	actor->depth--;
}

/* What needs no wait. */
static void stir(const struct actor *actor, char op, unsigned number) {
	struct actor *target = &stage.actors[number % ACTORS];
	if (op == 'n') {
		spawn_actor(actor);
	} else if (op == 'p') {
		post();
	} else if (op == 'i') {
		time_it(number);
	} else if (op == 'v') {
		tell_event(number % 2);
	} else if (target->task && op == 'x') {
		cancel_actor(target);
	} else if (target->task && op == 'd' && target != actor) {
		detach_actor(target);
	}
}

static void step_alone(struct actor *actor, char op, unsigned number) {
	struct actor *target = &stage.actors[number % ACTORS];
	if (op == 'j' && target->task) {
		join_actor(actor, target);
	} else if (op == 'z' || op == 's') {
		pause_for(actor, op == 's' ? 1e-4 : 0);
	} else if (op == 'b') {
		employ(actor);
	} else if (op == 'y') {
		generate(actor, number);
	} else if (op == 'w') {
		await_event(actor);
	} else if (op == 'l') {
		use_local(actor, number);
	} else if (op == 'e') {
		actor->leaves = true;
	} else {
		stir(actor, op, number);
	}
}

static void step(struct actor *actor) {
	static const char ops[] = "njdxzsbgythlpivew";
	char op = fuzz_letter(&world.script, ops);
	unsigned number = fuzz_number(&world.script);
	world.steps++;
	stage.changes++;
	if ((op == 'g' || op == 't' || op == 'h') && actor->depth < NESTED) {
		step_nested(actor, op, number);
	} else {
		step_alone(actor, op, number);
	}
}

static bool script_has_more(void) {
	return world.script.next < world.script.end && world.steps < STEPS_MOST;
}

static int act_all(void *arg) {
	struct actor *actor = arg;
	actor->task = arun_self();
	actor->started = true;
	fuzz_check((uintptr_t)arun_local_get(&world) == actor->local, "not inherited");
	unsigned ignores = actor->id % IGNORED;
	while (script_has_more() && !actor->leaves && (!actor->told || ignores--)) {
		step(actor);
	}
	/* One that nobody joins would be a failure of the run. */
	bool fails = actor->leaves && !actor->detached && !world.leaves && actor->id % 2;
	return retire(actor, fails, (int)actor->id);
}

/* The main coroutine ------------------------------------------------------------------- */

static void check_open(void) {
	unsigned count = count_open_actors();
	for (unsigned i = 0; i < GENS; i++) {
		count += world.sources[i].gen || world.sources[i].closed;
	}
	for (unsigned i = 0; i < TIMERS; i++) {
		count += world.alarms[i].timer && !world.alarms[i].over;
	}
	unsigned found = (unsigned)arun_leaks_since(world.mark, NULL);
	fuzz_check(found >= count && found <= count + world.jobs,
		"%u are open, and %u (%u jobs)", found, count, world.jobs);
}

static void finish(struct actor *self) {
	end_actors(self);
	for (unsigned i = 0; i < GENS; i++) {
		if (world.sources[i].gen) {
			shut(self, &world.sources[i]);
		}
	}
	for (unsigned i = 0; i < TIMERS; i++) {
		if (world.alarms[i].timer) {
			time_it(i);
		}
	}
	/* Jobs that nobody waits for any more end by themselves. */
	for (unsigned i = 0;
		world.delivered < world.posted || arun_leaks_since(world.mark, NULL);
		i++) {
		fuzz_check(i < ROUNDS_MOST, "%d are open, %u posted, %u delivered",
			arun_leaks_since(world.mark, stderr), world.posted,
			world.delivered);
		pause_for(self, 1e-4);
	}
}

static bool main_goes_on(void) {
	return script_has_more() && !(world.leaves && world.script.next > world.middle);
}

/* Where all wait for each other, the script goes on here. */
static int body(int argc, char **argv) {
	struct actor *self = &stage.actors[ACTORS];
	(void)argc, (void)argv;
	self->task = arun_self();
	world.mark = arun_mark();
	for (unsigned round = 0; main_goes_on(); round++) {
		unsigned before = stage.changes;
		for (unsigned i = round; i < FEW; i++) {
			spawn_actor(self);
		}
		if (round % LOOK == 0) {
			check_open();
		}
		clear_stage(self);
		pause_for(self, 0);
		check_actors();
		if (stage.changes == before + 1) {
			world.steps++;
			stir(self, fuzz_letter(&world.script, "xnvx"),
				fuzz_number(&world.script));
		}
	}
	if (world.leaves) {
		stage.ends = true;
	} else {
		finish(self);
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	memset(&world, 0, sizeof world);
	begin_stage((struct play){act_all, step});
	world.script = (struct fuzz_script){data, data + size};
	world.middle = data + size / 2;
	world.leaves = size % 2;
	fuzz_run(body);
	check_all_ended();
	fuzz_check(world.delivered == world.posted, "%u of %u came", world.delivered,
		world.posted);
	return 0;
}
