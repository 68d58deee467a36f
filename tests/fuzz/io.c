/* SPDX-License-Identifier: MIT */
/*
 * The input is a script that tasks read together: each takes its next step when it runs. They read,
 * write, shut, close and abort connections, or say that they are idle, listen, connect and accept,
 * start, await and kill children, await signals and descriptors, start timers that do such things in the
 * loop, and detach each other, all that at the same time on the same objects, and inside timeouts,
 * shields, groups and generators. What must hold is in links.h, servers.h, outside.h and
 * actors.h; besides, what is open is what arun_leaks_since() counts, and in the end the process has the
 * descriptors that it had before.
 */
#include "outside.h"
#include "servers.h"

#include <fcntl.h>
#include <unistd.h>

enum { STEPS_MOST = 300, NESTED = 3, FEW = 5, IGNORED = 3, DRAWN = 3, ALARMS = 3 };

/* Rounds of the main coroutine: between two looks at what is open; and without a change, until it makes
 * one. */
enum { LOOK = 4, STUCK = 4 };

enum { FDS = 256, HANDLERS = 32 };

static const double ROUND = 1e-6;

struct alarm {
	arun_timer *timer; /* NULL: none */
	char op;
	unsigned number;
};

static struct {
	struct fuzz_script script;
	const uint8_t *middle; /* of the script */
	unsigned steps, gens;
	struct alarm alarms[ALARMS];
	unsigned long mark;
	bool leaves; /* the main coroutine does, at half of the script */
} world;

static bool script_has_more(void) {
	return world.script.next < world.script.end && world.steps < STEPS_MOST;
}

static void step(struct actor *actor);

/* Generators ------------------------------------------------------------------------- */

struct maker {
	struct actor *actor;
	bool ran;
};

/* Its waits are its own: a close does not cut them short. */
static int make_items(void *arg) {
	struct maker *maker = arg;
	int result = 0;
	maker->ran = true;
	for (unsigned i = 0; i < DRAWN && result == 0 && script_has_more(); i++) {
		step(maker->actor);
		result = arun_gen_yield(maker);
		fuzz_check(result == 0 || errno == ECANCELED, "%s", arun_why());
	}
	retire(maker->actor, false, 0);
	return 0;
}

static bool draw(struct actor *actor, arun_gen *gen) {
	bool must = begin_wait(actor, ALONE);
	const void *item = arun_gen_next(gen);
	bool over = !item && errno == 0;
	end_wait(actor, must, !item && !over, "next");
	return item;
}

static void generate(struct actor *actor, unsigned number) {
	struct maker maker = {.actor = free_actor()};
	if (!maker.actor || stage.ends) {
		return;
	}
	cast_actor(maker.actor, actor);
	maker.actor->owned = maker.actor->started = true;
	maker.actor->depth = actor->depth;
	arun_gen *gen = arun_gen_new(make_items, &maker);
	fuzz_check(gen, "%s", arun_why());
	world.gens++;
	for (unsigned i = 0; i < number % (DRAWN + 2) && draw(actor, gen); i++) {
	}
	begin_wait(actor, BOUND);
	fuzz_check(arun_gen_close(gen) == 0, "%s", arun_why());
	actor->wait = NONE;
	stage.changes++;
	world.gens--;
	if (!maker.ran) {
		maker.actor->life = FREE;
	}
}

/* Steps ------------------------------------------------------------------------------ */

/* Of waits that end by themselves. */
static void step_shielded(struct actor *actor, unsigned number) {
	struct end *end = end_usable(number);
	if (end && end->state == OPEN && link_has_more(end)) {
		link_call(actor, end, 'r', 1 + number);
	} else {
		pause_for(actor, 1e-4);
	}
}

static void step_nested(struct actor *actor, char op, unsigned number) {
	actor->depth++;
	if (op == 't') {
		step_in_time(actor, number);
	} else if (op == 'h') {
		in_shield(actor, number, step_shielded);
	} else if (op == 'g') {
		run_crew(actor, number);
	} else {
		generate(actor, number);
	}
	actor->depth--;
}

/* A digit is a few bytes, a letter up to more than fits. */
static size_t size_of(unsigned number) {
	return number < 64 ? number : number % 64 * (size_t)128;
}

static void step_end(struct actor *actor, char op, struct end *end) {
	size_t size = strchr("qca", op) ? 0 : size_of(fuzz_number(&world.script));
	if (!end) {
		return;
	}
	if (op == 'q') {
		link_shutdown(end);
	} else if (op == 'c' && !stage.ends) {
		link_close(actor, end);
	} else if (op == 'a') {
		link_abort(end);
	} else if (op == 'I') {
		link_idle(end);
		link_call(actor, end, 'r', size);
	} else {
		link_call(actor, end, op, size);
	}
}

/* Some numbers are those of handlers, of which there are few. */
static struct actor *actor_of(unsigned number) {
	struct actor *target = &stage.actors[number % ACTORS];
	for (unsigned i = 0; i < ACTORS && number & HANDLERS; i++) {
		target = stage.actors[i].handler ? &stage.actors[i] : target;
	}
	return target;
}

/* What needs no wait. */
static void stir(const struct actor *actor, char op, unsigned number) {
	struct actor *target = actor_of(number);
	struct end *end = end_usable(number);
	if (op == 'n') {
		spawn_actor(actor);
	} else if (op == 'x' && (target->task || target->handler)) {
		cancel_actor(target);
	} else if (op == 'd' && target->task) {
		detach_actor(target);
	} else if (op == 'a' && end) {
		link_abort(end);
	} else if (op == 'q' && end) {
		link_shutdown(end);
	} else if (op == 'o') {
		link_open(number);
	} else if (op == 'l') {
		server_listen(number);
	} else if (op == 'X') {
		child_start(number);
	} else if (op == 'K') {
		child_kill(number);
	} else if (op == 'S') {
		signals_begin(number);
	} else if (op == 'R') {
		signals_raise(number);
	} else if (op == 'D') {
		signals_end(number);
	} else if (op == 'P') {
		plain_stir(number);
	}
}

/* In the loop, between tasks. */
static void ring(void *arg) {
	struct alarm *alarm = arg;
	arun_timer_stop(alarm->timer);
	alarm->timer = NULL;
	stage.changes++;
	stir(&stage.actors[ACTORS], alarm->op, alarm->number);
}

static void set_alarm(unsigned number) {
	struct alarm *alarm = &world.alarms[number % ALARMS];
	alarm->op = fuzz_letter(&world.script, "axqDKPnldoXSR");
	alarm->number = fuzz_number(&world.script);
	if (!alarm->timer) {
		double after = number / ALARMS % 2 ? 1e-4 : 0;
		alarm->timer = arun_timer_start(after, 0, ring, alarm);
		fuzz_check(alarm->timer, "%s", arun_why());
	}
}

static unsigned count_alarms(void) {
	unsigned count = 0;
	for (unsigned i = 0; i < ALARMS; i++) {
		count += world.alarms[i].timer != NULL;
	}
	return count;
}

static void end_alarms(void) {
	for (unsigned i = 0; i < ALARMS; i++) {
		arun_timer_stop(world.alarms[i].timer);
		world.alarms[i].timer = NULL;
	}
}

static void step_alone(struct actor *actor, char op, unsigned number) {
	struct actor *target = &stage.actors[number % ACTORS];
	if (op == 'j' && target->task) {
		join_actor(actor, target);
	} else if (op == 'z' || op == 's') {
		pause_for(actor, op == 's' ? 1e-4 : 0);
	} else if (op == 'k') {
		server_connect(actor, number);
	} else if (op == 'p') {
		server_accept(actor, number);
	} else if (op == 'L') {
		server_close(actor, number);
	} else if (op == 'W') {
		child_wait(actor, number);
	} else if (op == 'C') {
		child_close(actor, number);
	} else if (op == 'N') {
		signals_await(actor, number);
	} else if (op == 'F') {
		plain_await(actor, number);
	} else if (op == 'T') {
		set_alarm(number);
	} else if (op == 'e') {
		actor->leaves = true;
	} else {
		stir(actor, op, number);
	}
}

static void step(struct actor *actor) {
	static const char ops[] = "nxjzsegthyormuwvfqcalkpLXWKCSRNDFPdIT";
	char op = fuzz_letter(&world.script, ops);
	unsigned number = fuzz_number(&world.script);
	world.steps++;
	stage.changes++;
	if (strchr("gthy", op)) {
		if (actor->depth < NESTED) {
			step_nested(actor, op, number);
		}
	} else if (strchr("rmuwvfqcaI", op)) {
		step_end(actor, op, end_usable(op == 'I' ? number | 1 : number));
	} else {
		step_alone(actor, op, number);
	}
}

static int act_all(void *arg) {
	struct actor *actor = arg;
	actor->task = actor->owned ? NULL : arun_self();
	actor->started = true;
	unsigned ignores = actor->id % IGNORED;
	while (script_has_more() && !actor->leaves && (!actor->told || ignores--)) {
		step(actor);
	}
	return retire(actor, false, (int)actor->id);
}

/* The main coroutine ------------------------------------------------------------------- */

static void check_open(void) {
	unsigned count = count_open_actors() + count_open_ends() + count_open_servers() +
			 count_open_outside() + world.gens + count_alarms();
	unsigned found = (unsigned)arun_leaks_since(world.mark, NULL);
	fuzz_check(found >= count &&
			   (found <= count + count_coming_ends() || servers_hold_more()),
		"%u are open, and %u", found, count);
}

/* Who waits for what will come is given the time. */
static void settle(struct actor *self) {
	while (check_actors() + check_servers()) {
		pause_for(self, ROUND);
	}
}

static void finish(struct actor *self) {
	settle(self);
	end_alarms();
	for (unsigned i = 0; i < ACTORS; i++) {
		if (stage.actors[i].task) {
			cancel_actor(&stage.actors[i]);
		}
	}
	end_links(self);
	end_outside(self);
	end_servers(self);
	end_actors(self);
	end_links(self); /* that were still to come */
	fuzz_check(arun_leaks_since(world.mark, stderr) == 0, "leaks");
}

/* It does not leave generators, whose clean-up may take until the time of a run's end is over. */
static bool main_leaves(void) {
	return world.leaves && world.script.next > world.middle && !world.gens;
}

/* Where all wait for each other, the script goes on here. */
static int body(int argc, char **argv) {
	struct actor *self = &stage.actors[ACTORS];
	unsigned stuck = 0;
	(void)argc, (void)argv;
	self->task = arun_self();
	world.mark = arun_mark();
	for (unsigned round = 0; script_has_more() && !main_leaves(); round++) {
		unsigned before = stage.changes;
		for (unsigned i = round; i < FEW; i++) {
			spawn_actor(self);
		}
		if (round % LOOK == 0) {
			check_open();
		}
		clear_stage(self);
		pause_for(self, ROUND);
		check_actors();
		check_servers();
		stuck = stage.changes == before + 1 ? stuck + 1 : 0;
		if (stuck == STUCK) {
			stuck = 0;
			world.steps++;
			stir(self, fuzz_letter(&world.script, "xanRKP"),
				fuzz_number(&world.script));
		}
	}
	if (main_leaves()) {
		leave_links();
		wake_awaiters();
		stage.ends = true;
	} else {
		finish(self);
	}
	return 0;
}

/* Between runs ------------------------------------------------------------------------- */

static void list_open(bool *open) {
	for (int fd = 0; fd < FDS; fd++) {
		open[fd] = fcntl(fd, F_GETFD) >= 0;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	bool before[FDS], after[FDS];
	memset(&world, 0, sizeof world);
	begin_stage((struct play){act_all, step});
	world.script = (struct fuzz_script){data, data + size};
	world.middle = data + size / 2;
	world.leaves = size % 2;
	clear_links();
	clear_servers();
	list_open(before);
	fuzz_run(body);
	check_all_ended();
	clear_outside();
	list_open(after);
	for (int fd = 0; fd < FDS; fd++) {
		fuzz_check(before[fd] == after[fd], "fd %d", fd);
	}
	return 0;
}
