/* SPDX-License-Identifier: MIT */
#include "reload.h"

#include "log.h"

#include <errno.h>
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

/* Also one that was closed, which is what SIGHUP tells. */
static bool reload_in_terminal(void) {
	return isatty(STDIN_FILENO) || errno == EIO;
}

static void reload_hangup(struct run *run) {
	if (run->reload) {
		notify_reloading(&run->notify);
		run->reloading = reload_start(run) == 0;
		if (!run->reloading) {
			notify_reloaded(&run->notify);
		}
	} else if (reload_in_terminal()) {
		stop_ask(run, SIGTERM, NULL);
	} else {
		log_line(
			LOG_LEVEL_WARNING, "SIGHUP: %s has nothing to reload", run->name);
		notify_reloading(&run->notify);
		notify_reloaded(&run->notify);
	}
}

void reload_on_wakeup(struct loop *loop) {
	struct run *run = (struct run *)loop;
	stop_on_wakeup(loop);
	while (run->hangups != run->handler.hangups && !run->reloading &&
		!loop->sched.stopping) {
		/* One reload serves all signals that came before it. */
		run->hangups = run->handler.hangups;
		reload_hangup(run);
	}
}
