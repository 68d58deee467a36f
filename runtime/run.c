/* SPDX-License-Identifier: MIT */
/* run - arun_run() and arun_run_forever(): makes a run, drives it to its end, tells its status. */
#include "driver.h"
#include "layout.h"
#include "leave.h"
#include "log.h"
#include "observe.h"
#include "pool.h"
#include "post.h"
#include "reload.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RUN_STACK = 256 * 1024, RUN_GRACE = 8 };

const char *arun_version(void) {
	return ARUN_VERSION;
}

/* Status */

/* Whether the entry's negative result is a failure, and not its answer to the stop. */
static bool run_entry_failed(const struct run *run) {
	bool obeyed = run->cancelled && run->error == ECANCELED;
	return run->result < 0 && !obeyed;
}

static bool run_task_failed(const struct run *run) {
	return run->failures ||
	       !list_empty(&run->loop.sched.registry.objects[KIND_FAILED]);
}

/* The signal to die of; 0: none. It may have come too late for the report. */
static int run_signal(const struct run *run) {
	if (run->handler.forced || run->handler.stop == SIGINT) {
		return run->handler.forced ? run->handler.forced : SIGINT;
	}
	bool killed = run->signal == SIGTERM && !run->server && run->result < 0;
	return run->signal == SIGINT || killed ? run->signal : 0;
}

/* The exit status. Of several reasons the first in the order of arun(1) decides. */
static int run_status(const struct run *run, bool leaks) {
	int signal = run_signal(run);
	if (signal) {
		return 128 + signal;
	}
	bool failed = run_entry_failed(run) || run_task_failed(run);
	if (failed || run->misused || run->end == RUN_DEADLOCKED) {
		return 1;
	}
	int value = run->result < 0 ? 0 : run->result > 255 ? 255 : run->result;
	value = value ? value : run->status;
	return value == 0 && leaks ? RUN_STATUS_LEAKS : value;
}

static const char *run_end_word(const struct run *run) {
	switch (run->end) {
	case RUN_SIGNALLED:
		return "signal";
	case RUN_DEADLOCKED:
		return "deadlock";
	default:
		return run_entry_failed(run) ? "error" : "return";
	}
}

/* Says what the run left open, and how it ended. Returns the status. */
static int run_report(struct run *run) {
	struct report *report = &run->report;
	stop_heed(run);
	if (run_entry_failed(run) && broker_says(&run->loop.broker, run->why)) {
		log_line(LOG_LEVEL_ERROR, "%s: %s failed: %s", report->plugin, run->name,
			run->why);
		notify_failed(&run->notify, run->error, 1, run->why);
	}
	bool leaks = run->snapshot.total && report->leaks == ARUN_LEAKS_ERROR;
	report->end = stop_report_end(
		run, run_end_word(run), run->signal, run_status(run, leaks));
	/* Where stderr blocks, say on a full pipe, the clock ends that too. */
	run->handler.ending = !isinf(run->loop.sched.stop_at);
	if (run->snapshot.notes) {
		notes_resolve(&run->notes, &run->snapshot);
	}
	report_leaks(report, &run->snapshot);
	report_to_parent(report, &run->snapshot, &run->loop.broker);
	if (report->leaks != ARUN_LEAKS_OFF && run->snapshot.counts[KIND_SERVER]) {
		stop_tell_servers(run);
	}
	return report->end.status;
}

/* Life */

static void run_in_child(void) {
	task_forked = task_forked || sched_current;
	sched_current = NULL;
	if (arun_process_run) {
		reaper_forked(arun_process_run->reaper);
	}
	arun_process_run = NULL;
	post_forked();
	pool_forked();
	rawfd_forked();
}

static void run_watch_process(void) {
	pthread_atfork(NULL, NULL, run_in_child);
	leave_watch();
}

/* Copies what the caller has given; members that its older header does not have are zero. */
static int run_options(const arun_options *given, arun_options *options) {
	*options = (arun_options){.signals = true};
	if (given && (given->struct_size < offsetof(arun_options, plugin) ||
			     given->struct_size > sizeof *options)) {
		errno = EINVAL;
		return -1;
	}
	if (given) {
		memset(options, 0, sizeof *options);
		memcpy(options, given, given->struct_size);
	}
	options->name = options->name ? options->name : "main";
	options->grace = options->grace > 0 ? options->grace : RUN_GRACE;
	return 0;
}

/* __cxa_get_globals(), or NULL without C++: exceptions in flight are kept in what it returns, one
 * for each thread, of which each task must have its own. */
static void *(*run_exceptions(void *plugin))(void) {
	void *symbol = dlsym(plugin ? plugin : RTLD_DEFAULT, "__cxa_get_globals");
	void *(*function)(void);
	memcpy(&function, &symbol, sizeof function);
	return function;
}

/* Records that there is no WHAT for the run, and errno as the reason. Returns -1. */
static int run_without(struct run *run, const char *what) {
	struct text out;
	run->lacks = what;
	run->error = errno;
	text_fixed(&out, run->why, sizeof run->why);
	text_add(&out, "no %s: ", what);
	text_error(&out, run->error);
	errno = run->error;
	return -1;
}

/* Says what is wrong with an option, and where that is from (NULL: not known). Returns -1/EINVAL. */
static int run_refuse(struct run *run, const char *source, const char *words) {
	const char *colon = source ? ": " : "";
	struct text out;
	source = source ? source : "";
	run->error = errno;
	text_fixed(&out, run->why, sizeof run->why);
	text_add(&out, "%s%s%s", source, colon, words);
	run->silent = !broker_says(&run->loop.broker, run->why);
	if (!run->silent) {
		log_line(LOG_LEVEL_ERROR, "%s%s%s", source, colon, words);
	}
	errno = EINVAL;
	return -1;
}

/* Tells the service manager why nothing has run. Keeps errno. */
static void run_tell_refused(struct run *run) {
	int error = errno;
	if (run->notify.loop && !run->silent) {
		notify_failed(&run->notify, run->error ? run->error : error, 0,
			*run->why ? run->why : strerror(error));
	}
	errno = error;
}

static int run_read_suppressions(struct run *run, const arun_options *options) {
	char words[1024];
	struct text text;
	text_fixed(&text, words, sizeof words);
	return suppress_load(&run->suppress, options->suppress, &text) < 0
		       ? run_refuse(run, options->suppress_source, words)
		       : 0;
}

/* Names the rules that matched nothing: left in the file they would hide a new leak one day. */
static void run_name_idle_rules(const struct suppress *suppress) {
	for (size_t i = 0; i < suppress->count; i++) {
		const struct suppress_rule *rule = &suppress->rules[i];
		if (!rule->used) {
			log_line(LOG_LEVEL_NOTICE, "%s:%d: %s:%s matched nothing",
				suppress->path, rule->line, rule->kind, rule->pattern);
		}
	}
}

/* An inherited descriptor is a server's from now on: left open it is a leak. */
static void run_on_taken(struct loop *loop, int fd) {
	struct run *run = run_of(loop);
	rawfd_disown(&run->rawfd, fd);
}

static int run_inherit(struct run *run, const arun_options *options) {
	if (inherit_init(&run->inherit, &run->loop, options->signals) < 0) {
		return -1;
	}
	run->inherit.taken = run_on_taken;
	return preopen(&run->inherit, options->listen) < 0
		       ? run_refuse(run, options->listen_source, arun_why())
		       : 0;
}

/* Reaps orphans where this is process 1, and not of a host that keeps its signals. */
static void run_reap(struct run *run, const arun_options *options) {
	run->reaper = options->signals ? reaper_create(&run->loop) : NULL;
	if (run->reaper) {
		run->children.made = run->reaper->made->pids;
		run->children.makes = REAPER_MADE;
	}
}

static void run_begin_report(struct run *run, const arun_options *options) {
	run->report = (struct report){
		.plugin_handle = options->plugin,
		.plugin_path = options->plugin_path,
		.entry = options->name,
		.server = run->server,
		.fd = options->report_fd,
		.leaks = options->leaks,
		.started = loop_clock(),
	};
	fstat(options->report_fd, &run->report.file);
	report_init(&run->report);
}

static int run_start_driver(struct run *run) {
	struct sched *sched = &run->loop.sched;
	/* An entry's usual size, so that one slab serves both. */
	run->driver = task_make(sched, "arun", RUN_STACK, driver_main, run);
	if (!run->driver) {
		return run_without(run, "stack");
	}
	run->driver->object.part = true;
	task_exempt(sched, run->driver);
	task_start(sched, run->driver, NULL);
	/* The reports are of the plugin's objects: the entry is #1. */
	registry_remove(&run->driver->object);
	sched->registry.last_id = 0;
	return 0;
}

/* Everything up to the first turn of the loop. Returns 0; -1 with errno, and run_close() undoes it. */
static int run_open(struct run *run, const arun_options *options) {
	struct sched *sched = &run->loop.sched;
	rawfd_begin(&run->rawfd);
	log_setup(
		options->log_level ? (enum log_level)options->log_level : LOG_LEVEL_INFO,
		(enum log_format)options->log_format);
	if (loop_init(&run->loop, options->loop, run_exceptions(options->plugin)) < 0) {
		return run_without(run, "loop");
	}
	sched_current = sched;
	sched->grace = options->grace;
	sched->failed = stop_on_failed;
	sched->ignores = stop_on_ignored;
	notify_init(&run->notify, &run->loop, options->signals);
	broker_init(&run->loop.broker, options->signals);
	orphan_begin(&run->orphan, &run->loop);
	if (run_read_suppressions(run, options) < 0) {
		return -1;
	}
	run->loop.woken = reload_on_wakeup;
	run->loop.stuck = stop_on_stuck;
	run->handler.loop = &run->loop;
	run->handler.grace = options->grace;
	run->handler.last_words = stop_last_words;
	run_begin_report(run, options);
	/* In this order: names that are looked up may take longer than a stop is to. */
	const char *lacks = observe_begin(run, options);
	if (lacks) {
		return run_without(run, lacks);
	}
	if (run_inherit(run, options) < 0) {
		return -1;
	}
	rawfd_baseline(&run->rawfd);
	child_baseline(&run->children);
	run_reap(run, options);
	if (post_init(&run->loop, options->signals) < 0 || run_start_driver(run) < 0) {
		return -1;
	}
	layout_show(run, options->signals);
	return 0;
}

static void run_close(struct run *run) {
	layout_hide(run);
	observe_end(run);
	pool_finish(&run->loop, 0);
	post_finish(&run->loop);
	if (sched_current) {
		task_free_unjoined(&run->loop.sched);
		task_free(&run->loop.sched, run->driver);
		loop_timer_stop(&run->loop, &run->told);
		loop_timer_stop(&run->loop, &run->slow);
		loop_timer_stop(&run->loop, &run->dump.retry);
		loop_timer_stop(&run->loop, &run->clock);
		orphan_end(&run->orphan, &run->loop);
		notify_finish(&run->notify);
		reaper_destroy(run->reaper);
		run->reaper = NULL;
		preopen_finish(&run->inherit);
		inherit_finish(&run->inherit);
		broker_finish(&run->loop.broker);
	}
	snapshot_finish(&run->snapshot);
	suppress_finish(&run->suppress);
	rawfd_finish(&run->rawfd);
	observe_forget(run);
	loop_finish(&run->loop);
	sched_current = NULL;
}

/* Seconds that a stop leaves for what comes after the run; 0: there was none. */
static double run_left(const struct sched *sched) {
	return sched->stopping ? time_max(sched->clock_end - loop_clock(), 1) : 0;
}

/* Stores the results in the members that the caller's header has. */
static void run_answer(arun_options *given, const struct run *run, int signal) {
	if (!given) {
		return;
	}
	given->signal = signal;
	if (given->struct_size >= offsetof(arun_options, lacks) + sizeof given->lacks) {
		given->lacks = run->lacks;
	}
	if (given->struct_size >= offsetof(arun_options, left) + sizeof given->left) {
		given->left = run_left(&run->loop.sched);
	}
}

static int run_start(int (*fn)(int, char **), int argc, char **argv, arun_options *given,
	bool server) {
	static pthread_once_t watched = PTHREAD_ONCE_INIT;
	arun_options options;
	if (sched_current) {
		errno = EBUSY;
		return -1;
	}
	if (run_options(given, &options) < 0) {
		return -1;
	}
	pthread_once(&watched, run_watch_process);
	leave_watch_thread();
	struct run *run = calloc(1, sizeof *run);
	if (!run) {
		return -1;
	}
	run->fn = fn;
	run->argc = argc;
	run->argv = argv;
	run->server = server;
	run->name = options.name;
	run->reload = options.reload;
	run->stack_size = options.stack_size ? options.stack_size : RUN_STACK;
	int status = run_open(run, &options), error = errno;
	if (status == 0) {
		loop_run(&run->loop);
		status = run_report(run);
		if (options.debug) {
			run_name_idle_rules(&run->suppress);
		}
	} else {
		run_tell_refused(run);
	}
	run_close(run);
	int signal = status < 0 ? 0 : run_signal(run);
	run_answer(given, run, signal);
	free(run);
	errno = error;
	return signal ? 128 + signal : status;
}

int arun_run(int (*fn)(int, char **), int argc, char **argv, arun_options *options) {
	return run_start(fn, argc, argv, options, false);
}

int arun_run_forever(
	int (*fn)(int, char **), int argc, char **argv, arun_options *options) {
	return run_start(fn, argc, argv, options, true);
}
