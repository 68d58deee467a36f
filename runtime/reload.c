/* SPDX-License-Identifier: MIT */
#include "reload.h"

#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static void reload_failed(const struct arun_task *task, bool ends) {
	char line[512];
	struct text out;
	text_fixed(&out, line, sizeof line);
	task_add_reason(&out, task, task->error);
	log_line(LOG_LEVEL_WARNING, "reload failed: %s%s", line,
		ends ? "" : "; the old state serves on");
}

static void reload_ended(struct arun_task *task) {
	struct run *run = task->owner;
	run->reloading = false;
	notify_reloaded(&run->notify);
	bool ends = run->loop.sched.stopping || run->loop.sched.sweeping;
	bool cut = ends && task->cancelled && task->error == ECANCELED;
	if (task->result < 0 && !cut) {
		reload_failed(task, ends);
	}
	task_free(&run->loop.sched, task);
	loop_wakeup(&run->loop); /* for a SIGHUP that came meanwhile */
}

static int reload_body(void *argument) {
	struct run *run = argument;
	return run->reload();
}

/* Returns 0; -1: no memory. */
static int reload_start(struct run *run) {
	struct arun_task *task =
		task_make(&run->loop.sched, "reload", 0, reload_body, run);
	if (!task) {
		return -1;
	}
	task->object.background = true; /* the end of the run cuts it short */
	task_own(task, NULL, reload_ended, run);
	task_start(&run->loop.sched, task, NULL);
	return 0;
}

/* Whether SIGHUP is a stop: stdin is a terminal, or one that was closed, which is what it tells.
 * While the terminal is there, what a worker is to do is its parent's to say. */
static bool reload_is_stop(const struct run *run) {
	return isatty(STDIN_FILENO) ? !run->loop.broker.worker : errno == EIO;
}

static void reload_tell_nothing(const struct run *run) {
	char rest[64] = "";
	if (run->loop.broker.worker) {
		snprintf(rest, sizeof rest, "; one to its parent (pid %d) replaces it",
			(int)run->orphan.parent);
	}
	log_line(
		LOG_LEVEL_WARNING, "SIGHUP: %s has nothing to reload%s", run->name, rest);
}

static void reload_hangup(struct run *run) {
	if (run->reload) {
		notify_reloading(&run->notify);
		run->reloading = reload_start(run) == 0;
		if (!run->reloading) {
			notify_reloaded(&run->notify);
		}
	} else if (reload_is_stop(run)) {
		stop_ask(run, SIGTERM, NULL);
	} else {
		reload_tell_nothing(run);
		notify_reloading(&run->notify);
		notify_reloaded(&run->notify);
	}
}

void reload_on_wakeup(struct loop *loop) {
	struct run *run = run_of(loop);
	stop_on_wakeup(loop);
	while (run->hangups != run->handler.hangups && !run->reloading &&
		!loop->sched.stopping) {
		/* One reload serves all signals that came before it. */
		run->hangups = run->handler.hangups;
		reload_hangup(run);
	}
}
