/* SPDX-License-Identifier: MIT */
#include "stop.h"

#include "conn.h"
#include "gen.h"
#include "log.h"
#include "pool.h"
#include "post.h"
#include "process.h"
#include "report_tasks.h"
#include "server.h"
#include "signals.h"
#include "threads.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Seconds after which a failed task is named, and what a stop waits for. */
static const double STOP_TELL = 1;
/* More, at the first time: a close that lingers for its second need not be named. */
static const double STOP_LATER = 0.2;
/* Seconds that it may take to read the debug information of a large plugin. */
static const double STOP_RESOLVE = 5;
enum { STOP_LINES = 20 };

/* The clock */

void stop_snapshot(struct run *run, bool fds) {
	const struct snapshot_scope scope = {SNAPSHOT_LEAKS, .suppress = &run->suppress};
	const struct registry *registry = &run->loop.sched.registry;
	if (!run->snapped) {
		run->snapped = true;
		snapshot_take_scope(&run->snapshot, &scope, registry, NULL);
	}
	if (fds && !run->snapped_fds) {
		run->snapped_fds = true;
		snapshot_add_fds(&run->snapshot, &scope, &run->rawfd);
	}
}

_Noreturn void stop_abandon(struct run *run) {
	run->handler.ending = 1;
	stop_snapshot(run, true);
	if (run->snapshot.notes) {
		handler_arm(&run->handler, STOP_RESOLVE);
		notes_resolve(&run->notes, &run->snapshot);
	}
	handler_arm(&run->handler, STOP_TELL);
	stop_last_words(&run->loop, 0);
	fflush(NULL);
	_exit(HANDLER_OVERDUE);
}

static void stop_on_clock(struct loop_timer *timer) {
	stop_abandon(container_of(timer, struct run, clock));
}

static struct report_tasks stop_tasks(const struct run *run) {
	return (struct report_tasks){&run->report, &run->loop.sched.registry, run->entry};
}

static void stop_tell_manager(struct run *run) {
	const struct report_tasks tasks = stop_tasks(run);
	char status[NOTIFY_STATUS];
	struct text out;
	text_fixed(&out, status, sizeof status);
	text_add(&out, "stopping, waits for ");
	report_tasks_add_awaited(&out, &tasks);
	notify_status(&run->notify, status);
}

/* FNV-1a of what the stop waits for, in words. */
static uint64_t stop_hash_awaited(const struct run *run) {
	const struct report_tasks tasks = stop_tasks(run);
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	struct text out;
	text_init(&out);
	report_tasks_add_awaited(&out, &tasks);
	for (size_t i = 0; i < out.length; i++) {
		hash = (hash ^ (unsigned char)out.data[i]) * UINT64_C(0x100000001b3);
	}
	text_finish(&out);
	return hash;
}

/* Whether to tell now what the stop waits for; asked each second. */
static bool stop_slow_due(struct run *run) {
	uint64_t awaited = stop_hash_awaited(run);
	bool news = awaited != run->slow_told;
	if (!news && --run->slow_left) {
		return false;
	}
	run->slow_told = awaited;
	run->slow_pause = news ? 1 : run->slow_pause * 2;
	run->slow_left = run->slow_pause;
	return true;
}

static void stop_on_slow(struct loop_timer *timer) {
	struct run *run = container_of(timer, struct run, slow);
	const struct sched *sched = &run->loop.sched;
	loop_timer_start(&run->loop, timer, STOP_TELL, stop_on_slow);
	if (stop_slow_due(run)) {
		const struct report_tasks tasks = stop_tasks(run);
		report_tasks_awaited(&tasks, sched->clock_end - sched->registry.now,
			run->handler.stop);
	}
	stop_tell_manager(run);
}

void stop_start_clock(struct run *run, double at) {
	struct sched *sched = &run->loop.sched;
	if (!isinf(sched->stop_at)) {
		return;
	}
	sched->stop_at = at;
	sched->clock_end = at + sched->grace;
	gen_stopping(sched);
	conn_stopping(&run->loop);
	double left = sched->clock_end - loop_clock();
	loop_timer_start(&run->loop, &run->clock, left > 0 ? left : 0, stop_on_clock);
	double told = at + STOP_TELL + STOP_LATER - loop_clock();
	loop_timer_start(&run->loop, &run->slow, told > 0 ? told : 0, stop_on_slow);
	/* A little later than the loop's timer: it is for a loop that is blocked. */
	handler_arm(&run->handler, left + 0.1);
}

/* The last words */

void stop_tell_servers(const struct run *run) {
	const char *plugin = run->report.plugin;
	if (!run->server) {
		log_line(LOG_LEVEL_ERROR,
			"%s: a server is declared with ARUN_SERVER, and waits in arun_yield(); %s is a main and has returned",
			plugin, run->name);
	} else if (!run->has_yielded && run->end == RUN_RETURNED && run->result >= 0) {
		log_line(LOG_LEVEL_ERROR,
			"%s: a server waits in arun_yield() until it is to stop; %s has returned without",
			plugin, run->name);
	}
}

struct report_end stop_report_end(
	const struct run *run, const char *reason, int signal, int status) {
	return (struct report_end){
		.reason = reason,
		.signal = signal,
		.status = status,
		.shutdown = loop_clock() - run->loop.sched.stop_at,
	};
}

/* Async-signal-safe: called by a handler where the loop is blocked. */
void stop_last_words(struct loop *loop, int forced) {
	struct run *run = run_of(loop);
	struct sched *sched = &loop->sched;
	if (run->entry) {
		run->entry->object.background = false;
	}
	stop_snapshot(run, true);
	snapshot_outcomes(&run->snapshot);
	run->report.end =
		forced ? stop_report_end(run, "signal", forced, 128 + forced)
		       : stop_report_end(run, "timeout", run->signal, HANDLER_OVERDUE);
	if (!forced) {
		const struct report_tasks tasks = stop_tasks(run);
		report_tasks_abandoned(&tasks, sched->grace);
	}
	report_leaks(&run->report, &run->snapshot);
	process_kill_all(&loop->sched.registry);
	conn_restore_flags(&loop->sched.registry);
}

/* The request */

void stop_cancel_entry(struct run *run, const struct arun_site *site) {
	const char *by = run->signal == SIGTERM       ? "SIGTERM"
			 : run->signal == SIGINT      ? "SIGINT"
			 : run->end == RUN_DEADLOCKED ? "the deadlock"
						      : "arun_stop()";
	run->cancelled = true;
	task_cancel(&run->loop.sched, run->entry, by, site);
}

void stop_ask(struct run *run, int signal, const struct arun_site *site) {
	struct sched *sched = &run->loop.sched;
	if (sched->stopping || run->loop.quit) {
		/* SIGINT decides the status also where it came after arun_stop(). */
		run->signal = run->signal ? run->signal : signal;
		return;
	}
	sched->stopping = true;
	notify_stopping(&run->notify);
	run->signal = signal;
	run->end = signal                       ? RUN_SIGNALLED
		   : run->end == RUN_DEADLOCKED ? run->end
						: RUN_STOPPED;
	stop_start_clock(
		run, signal && run->handler.stop ? run->handler.stop_at : loop_clock());
	server_stopping(&run->loop);
	if (run->entry && run->yielding) {
		task_wake(sched, run->entry);
	} else if (run->entry && !run->has_yielded) {
		stop_cancel_entry(run, site);
	}
	task_wake(sched, run->driver);
}

/* Ends the process at once where a second signal has come. */
static void stop_force(struct run *run) {
	if (run->handler.forced) {
		run->handler.ending = 1;
		handler_arm(&run->handler, STOP_TELL);
		stop_last_words(&run->loop, run->handler.forced);
		fflush(NULL);
		handler_die(run->handler.forced);
	}
}

void stop_heed(struct run *run) {
	stop_force(run);
	if (run->handler.stop) {
		stop_ask(run, run->handler.stop, NULL);
	}
}

void stop_on_wakeup(struct loop *loop) {
	struct run *run = run_of(loop);
	stop_force(run);
	pool_collect(loop);
	signals_collect(loop);
	post_deliver(loop);
	if (loop->sched.sweeping) {
		task_wake(&loop->sched, run->driver); /* it may wait for them */
	}
	dump_tell_cut(&run->dump);
	stop_heed(run);
}

/* What happens meanwhile */

/* Whether a rule leaves a failed task out. */
static bool stop_suppresses(struct run *run, const struct arun_task *task) {
	return suppress_matches(
		&run->suppress, task_failed_kind.word, task->name, task->object.site);
}

void stop_tell_failed(struct run *run, double seconds) {
	struct registry *registry = &run->loop.sched.registry;
	unsigned told = 0, untold = 0;
	registry_each (object, registry, KIND_FAILED) {
		struct arun_task *task = container_of(object, struct arun_task, object);
		bool due = !object->told && registry->now - task->since >= seconds;
		if (due && !stop_suppresses(run, task) && told++ < STOP_LINES) {
			report_tasks_failed(&run->report, task);
		}
		untold += !object->told && !due;
		object->told = object->told || due;
	}
	if (told > STOP_LINES) {
		log_line(LOG_LEVEL_ERROR, "and %u more failed tasks", told - STOP_LINES);
	}
	if (!untold) {
		loop_timer_stop(&run->loop, &run->told);
	}
}

static void stop_on_told(struct loop_timer *timer) {
	struct run *run = container_of(timer, struct run, told);
	loop_timer_start(&run->loop, timer, STOP_TELL / 4, stop_on_told);
	stop_tell_failed(run, STOP_TELL);
}

void stop_on_failed(struct arun_task *task) {
	struct run *run = run_here();
	if (task->detached) {
		run->failures++;
		if (stop_suppresses(run, task)) {
			return;
		}
		if (run->failures_told++ < STOP_LINES || run->handler.stop) {
			report_tasks_failed(&run->report, task);
		}
	} else if (!run->told.active) {
		loop_timer_start(&run->loop, &run->told, STOP_TELL, stop_on_told);
	}
}

void stop_on_ignored(struct arun_task *task) {
	char line[512];
	struct text out;
	text_fixed(&out, line, sizeof line);
	object_line(&task->object, &out);
	text_add(&out, " ignores its cancellation: %u waits have failed, the last at ",
		task->ignored);
	registry_site(&out, task->at);
	log_line(LOG_LEVEL_WARNING, "task %s", line);
}

/* With --debug, looks up the source lines of where all tasks are. */
static void stop_resolve(struct run *run) {
	struct snapshot all;
	const struct registry *registry = &run->loop.sched.registry;
	if (registry->notes) {
		snapshot_take(&all, SNAPSHOT_ALL, registry, NULL);
		notes_resolve(&run->notes, &all);
		snapshot_finish(&all);
	}
}

bool stop_on_stuck(struct loop *loop) {
	struct run *run = run_of(loop);
	if (loop->sched.stopping || !run->entry ||
		/* Threads of the plugin's own might post. */
		threads_count() > 1u + pool_threads(loop) + run->hog.running) {
		return false;
	}
	if (post_waiting(loop)) {
		return false; /* by a thread that has ended since */
	}
	run->end = RUN_DEADLOCKED;
	stop_resolve(run);
	const struct report_tasks tasks = stop_tasks(run);
	report_tasks_deadlocked(&tasks);
	stop_ask(run, 0, NULL);
	return true;
}
