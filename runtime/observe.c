/* SPDX-License-Identifier: MIT */
#include "observe.h"

#include "conn.h"
#include "leave.h"
#include "opened.h"
#include "watcher.h"

/* Seconds that a task may run without suspending. */
static const double OBSERVE_HOG = 0.1;

static void observe_on_dump(struct loop *loop) {
	struct run *run = run_of(loop);
	dump_write(&run->dump);
}

static void observe_on_crash(
	struct loop *loop, const siginfo_t *info, const void *context, bool foreign) {
	struct run *run = run_of(loop);
	crash_write(&run->crash, info, context, foreign);
}

static void observe_on_leave(struct loop *loop) {
	conn_restore_flags(&loop->sched.registry);
}

static void observe_on_asked(struct loop *loop, const void *context) {
	struct run *run = run_of(loop);
	hog_write_stack(&run->hog, context);
}

static void observe_on_sanitizer(void) {
	struct run *run = run_here();
	if (run) {
		crash_write_sanitized(&run->crash);
		observe_on_leave(&run->loop);
	}
}

static void observe_place(struct text *out, const struct calls *calls) {
	notes_find_place(&run_here()->notes, out, calls);
}

/* Begins the records of --debug, before there is any object, so that they have all. */
static void observe_records(struct run *run, const arun_options *options) {
	struct registry *registry = &run->loop.sched.registry;
	notes_init(&run->notes, &run->trace, run->report.plugin, options->plugin_path);
	sched_measure(&run->loop.sched);
	opened_start();
	watcher_notes_begin(&run->loop);
	registry->origins = origins_create();
	registry->notes = &run->notes;
	sched_keep(&run->loop.sched, quarantine_create(registry->origins, observe_place));
}

void observe_forget(struct run *run) {
	struct registry *registry = &run->loop.sched.registry;
	if (registry->notes) {
		registry->notes = NULL;
		sched_keep_end(&run->loop.sched);
		origins_destroy(registry->origins);
		registry->origins = NULL;
		opened_stop();
		watcher_notes_finish(&run->loop);
		notes_finish(&run->notes);
	}
}

const char *observe_begin(struct run *run, const arun_options *options) {
	struct scene scene = {
		&run->report, &run->loop, &run->rawfd, &run->entry, &run->trace};
	run->dump.scene = run->crash.scene = run->hog.scene = scene;
	run->handler.dump = observe_on_dump;
	run->handler.crash = observe_on_crash;
	run->handler.leave = observe_on_leave;
	run->handler.asked = observe_on_asked;
	if (options->debug) {
		trace_prepare(&run->trace, options->plugin_path);
		observe_records(run, options);
	}
	crash_init(&run->crash);
	if (handler_install(&run->handler, options->signals) < 0) {
		return run->handler.lacks;
	}
	if (options->signals) {
		crash_watch_sanitizer(observe_on_sanitizer);
		loop_tell_broken(&run->loop, leave_broken);
		loop_tell_starved(&run->loop, leave_starved);
	}
	run->hog.handler = &run->handler;
	run->hog.limit = options->hog > 0 ? options->hog : OBSERVE_HOG;
	return options->debug && hog_start(&run->hog) < 0 ? "thread for --debug" : NULL;
}

void observe_end(struct run *run) {
	hog_stop(&run->hog);
	if (run->handler.installed) {
		crash_watch_sanitizer(NULL);
	}
	handler_restore(&run->handler);
	crash_finish(&run->crash);
	trace_finish(&run->trace);
}
