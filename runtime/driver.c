/* SPDX-License-Identifier: MIT */
#include "driver.h"

#include "conn.h"
#include "gen.h"
#include "grace.h"
#include "pool.h"
#include "post.h"
#include "process.h"
#include "server.h"
#include "signals.h"
#include "stop.h"
#include "timer.h"
#include "tls.h"
#include "udp.h"
#include "unjoined.h"
#include "watcher.h"

/* Waits ---------------------------------------------------------------------------- */

/* Waits until done, at most until a time. Returns whether it is. */
static bool driver_until(struct run *run, bool (*done)(const struct run *), double time) {
	struct sched *sched = &run->loop.sched;
	while (!done(run)) {
		if (task_suspend(sched, run->driver, time, false) == ETIME) {
			return done(run);
		}
	}
	return true;
}

static bool entry_has_ended(const struct run *run) {
	return !run->entry;
}

static bool is_to_end(const struct run *run) {
	return !run->entry || run->loop.sched.stopping;
}

static bool tasks_have_ended(const struct run *run) {
	return sched_sweepable(&run->loop.sched) == 0;
}

static bool jobs_have_ended(const struct run *run) {
	return !pool_busy(&run->loop);
}

static bool posts_are_delivered(const struct run *run) {
	return !post_waiting(&run->loop);
}

/* The entry ------------------------------------------------------------------------ */

static int driver_entry(void *argument) {
	struct run *run = argument;
	return run->fn(run->argc, run->argv);
}

static void driver_on_entry_ended(struct arun_task *task) {
	struct run *run = task->owner;
	run->entry = NULL;
	run->result = task->result;
	run->error = task->error;
	struct text why;
	text_fixed(&why, run->why, sizeof run->why);
	task_add_reason(&why, task, task->error);
	stop_heed(run);
	task_wake(&run->loop.sched, run->driver);
	task_free(&run->loop.sched, task);
}

/* There is no entry: errno is why. */
static void driver_has_no_entry(struct run *run) {
	struct text why;
	run->result = -1;
	run->error = errno;
	text_fixed(&why, run->why, sizeof run->why);
	text_add(&why, "its stack: ");
	if (run->error == EINVAL) {
		text_add(&why, STACK_TOO_LARGE);
	} else {
		text_error(&why, run->error);
	}
}

/* Returns whether there is an entry. */
static bool driver_start_entry(struct run *run) {
	struct sched *sched = &run->loop.sched;
	/* A signal that came before the loop asks for a stop of the start, too. */
	stop_heed(run);
	run->entry = task_make(sched, run->name, run->stack_size, driver_entry, run);
	if (!run->entry) {
		driver_has_no_entry(run);
		return false;
	}
	task_own(run->entry, NULL, driver_on_entry_ended, run);
	run->entry->object.background = true;
	task_start(sched, run->entry, NULL);
	run->entry->object.maker = 0; /* not the driver, which has the same id */
	if (sched->stopping) {
		stop_cancel_entry(run, NULL);
	}
	return true;
}

/* Records what is open. A handler cannot: this reads /proc for the children, and asks libev. */
static void driver_snapshot(struct run *run) {
	if (!run->snapped) {
		struct watchers watchers;
		child_list(&run->children, &run->loop.sched.registry,
			rawfd_alone(&run->rawfd));
		watcher_list(&watchers, &run->loop);
		/* While a name is looked up, the C library has sockets open that are no leak. */
		stop_snapshot(run, !pool_looks_up(&run->loop));
		if (run->loop.sched.registry.notes &&
			run->report.leaks != ARUN_LEAKS_OFF) {
			unjoined_tell(&run->loop.sched, &run->suppress);
		}
		watcher_unlist(&watchers, &run->loop);
		child_unlist(&run->children);
	}
}

/* Returns when the entry has ended, or has been cancelled for taking too long to. */
static void driver_run_entry(struct run *run) {
	const struct sched *sched = &run->loop.sched;
	if (!driver_start_entry(run)) {
		return;
	}
	if (!run->server) {
		notify_ready(&run->notify);
	}
	driver_until(run, is_to_end, INFINITY);
	if (!driver_until(run, entry_has_ended, grace_time(sched, GRACE_LAST))) {
		run->entry->object.background = false;
		post_list(&run->loop);
		driver_snapshot(run);
		task_cancel(
			&run->loop.sched, run->entry, "the end of the grace time", NULL);
	}
}

/* The end -------------------------------------------------------------------------- */

static void driver_stop_accepting(struct run *run) {
	notify_stopping(&run->notify);
	stop_start_clock(run, loop_clock());
	server_stop_all(&run->loop);
}

static void driver_cancel_tasks(struct run *run) {
	struct sched *sched = &run->loop.sched;
	sched->sweeping = true;
	sched->sweeper = run->driver;
	registry_each (object, &sched->registry, KIND_TASK) {
		struct arun_task *task = container_of(object, struct arun_task, object);
		if (!(task->traits & TASK_EXEMPT)) {
			task_cancel(sched, task, "the end of the run", NULL);
		}
	}
	driver_until(run, tasks_have_ended, grace_time(sched, GRACE_LAST));
}

static void driver_close_streams(struct run *run) {
	struct sched *sched = &run->loop.sched;
	gen_close_all(sched, run->driver);
	conn_close_all(&run->loop,
		time_min(sched->registry.now + 1, grace_time(sched, GRACE_FLUSH)));
	server_close_all(&run->loop);
}

static void driver_close_others(struct run *run) {
	struct loop *loop = &run->loop;
	timer_stop_all(loop);
	udp_close_all(loop);
	signals_close_all(loop);
	process_end_all(loop, grace_time(&loop->sched, GRACE_KILL));
}

/* What has ignored its end so far has until that of the clock, which then abandons it. */
static void driver_await_stragglers(struct run *run) {
	struct loop *loop = &run->loop;
	driver_until(run, tasks_have_ended, INFINITY);
	driver_until(run, jobs_have_ended, loop->sched.clock_end);
	post_shut(loop);
	loop_wakeup(loop);
	driver_until(run, posts_are_delivered, INFINITY);
	driver_until(run, tasks_have_ended, INFINITY); /* which the posts have spawned */
}

/* What stragglers and posts have made since others of its kind were closed. */
static void driver_close_late(struct run *run) {
	struct loop *loop = &run->loop;
	server_stop_all(loop);
	timer_stop_all(loop);
	driver_close_streams(run);
	driver_until(run, tasks_have_ended, INFINITY); /* of generators' clean-ups */
	driver_close_others(run);
}

/* What has nothing to close: locks, channels, TLS contexts. */
static void driver_forget_rest(struct run *run) {
	struct registry *registry = &run->loop.sched.registry;
	registry_sweep_kind(registry, KIND_LOCK);
	registry_sweep_kind(registry, KIND_CHANNEL);
	registry_sweep_kind(registry, KIND_TLS);
	registry_forget(registry);
	tls_finish(&run->loop);
}

int driver_main(void *argument) {
	struct run *run = argument;
	struct loop *loop = &run->loop;
	driver_run_entry(run);
	driver_stop_accepting(run);
	stop_tell_failed(run, 0);
	post_list(loop);
	driver_snapshot(run);
	driver_cancel_tasks(run);
	driver_close_streams(run);
	driver_close_others(run);
	driver_await_stragglers(run);
	/* Tasks that failed in their clean-up make the status 1: it must be said why. */
	stop_tell_failed(run, 0);
	driver_close_late(run);
	driver_forget_rest(run);
	if (!pool_finish(loop, loop->sched.clock_end)) {
		stop_abandon(run);
	}
	stop_snapshot(run, true);
	snapshot_outcomes(&run->snapshot);
	loop->quit = true;
	return 0;
}
