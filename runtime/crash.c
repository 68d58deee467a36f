/* SPDX-License-Identifier: MIT */
#include "crash.h"

#include "pool.h"
#include "text_within.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const double CRASH_PATIENCE = 1;

/* The signal --------------------------------------------------------------------- */

static bool has_address(const siginfo_t *info) {
	bool memory = info->si_signo == SIGSEGV || info->si_signo == SIGBUS;
	return memory && info->si_code > 0 && info->si_code != SI_KERNEL;
}

/* Whether another process has sent it. */
static bool is_sent(const siginfo_t *info) {
	return info->si_code <= 0 && info->si_pid != getpid();
}

static void add_signal(struct text *out, const siginfo_t *info) {
	text_add(out, "%s", report_signal(info->si_signo));
	if (has_address(info)) {
		text_add(out, " at address 0x%lx", (unsigned long)info->si_addr);
	} else if (is_sent(info)) {
		text_add(out, " sent by pid %d", (int)info->si_pid);
	}
}

/* Whether it fell off the end of its stack: into the guard, or past it. */
static bool is_overflow(
	const struct arun_task *task, const siginfo_t *info, const void *context) {
	if (!has_address(info) || !task->stack) {
		return false;
	}
	size_t low = (size_t)task->stack, address = (size_t)info->si_addr;
	size_t sp = (size_t)trace_sp(context), limit = low + STACK_GUARD;
	bool in_guard = address >= low && address < limit;
	bool below = sp < limit && sp + task->stack_size > limit;
	/* A frame's far end is below sp where the compiler has not checked it. */
	bool near = address < sp + task->stack_size && address + task->stack_size > sp;
	return in_guard || (below && near);
}

static bool has_changed(const struct crash *crash) {
	struct stat now;
	const struct stat *then = &crash->file;
	if (!crash->path || stat(crash->path, &now) < 0) {
		return false;
	}
	return now.st_dev != then->st_dev || now.st_ino != then->st_ino ||
	       now.st_size != then->st_size ||
	       now.st_mtim.tv_sec != then->st_mtim.tv_sec ||
	       now.st_mtim.tv_nsec != then->st_mtim.tv_nsec;
}

/* What happened, as all reports of it have it. */
struct fault {
	const siginfo_t *info;
	const void *context;
	bool known; /* task is the one that ran */
	bool overflow, changed, foreign;
	struct scene_task task;
	const struct pool_job *job; /* that the thread ran; NULL: none */
};

/* Text --------------------------------------------------------------------------- */

static void add_where(
	struct text *out, const struct crash *crash, const struct fault *fault) {
	if (fault->overflow) {
		text_add(out, ": stack of ");
		scene_add_task(out, &crash->scene, &fault->task, "overflowed");
		scene_add_wait(out, &fault->task);
		text_add(out, "; give it a larger stack_size");
	} else if (fault->known) {
		text_add(out, " in ");
		scene_add_task(out, &crash->scene, &fault->task, NULL);
		scene_add_wait(out, &fault->task);
	} else if (fault->job) {
		text_add(out, " in ");
		scene_add_job(out, fault->job);
	} else if (fault->foreign) {
		text_add(out, " in thread %d, which runs no task",
			(int)syscall(SYS_gettid));
	} else {
		text_add(out, " in the loop, outside tasks");
	}
}

static void write_text(const struct crash *crash, const struct fault *fault) {
	char space[2048];
	struct text out;
	text_fixed(&out, space, sizeof space);
	scene_add_plugin(&out, &crash->scene);
	text_add(&out, ": ");
	add_signal(&out, fault->info);
	add_where(&out, crash, fault);
	text_add(&out, "\n");
	if (fault->changed) {
		scene_add_plugin(&out, &crash->scene);
		text_add(&out, " changed on disk while it ran\n");
	}
	text_write_within(&out, STDERR_FILENO, CRASH_PATIENCE);
}

static void write_closed(const struct crash *crash, int fd) {
	char space[512];
	struct text out;
	text_fixed(&out, space, sizeof space);
	scene_add_plugin(&out, &crash->scene);
	if (fd >= 0) {
		text_add(&out,
			": the plugin has closed descriptor %d, which is the loop's\n",
			fd);
	} else {
		text_add(&out, ": the plugin has closed a descriptor of the loop's\n");
	}
	text_write_within(&out, STDERR_FILENO, CRASH_PATIENCE);
}

/* Says so where libev has aborted because the plugin closed the loop's descriptor. */
static void write_cause(const struct crash *crash, const struct fault *fault) {
	bool loop = fault->info->si_signo == SIGABRT &&
		    ((!fault->known && !fault->foreign) || loop_lost(crash->scene.loop));
	int fd = loop && !crash->told ? loop_closed(crash->scene.loop) : -1;
	if (fd >= 0) {
		write_closed(crash, fd);
	}
}

/* In a write of its own: the tables that it reads may be what is broken. */
static void write_stack(const struct crash *crash, const struct fault *fault) {
	char space[8192];
	struct text out;
	text_fixed(&out, space, sizeof space);
	scene_add_plugin(&out, &crash->scene);
	text_add(&out, ": at ");
	trace_place(&out, crash->scene.trace, trace_pc(fault->context));
	text_add(&out, "\n");
	text_write_within(&out, STDERR_FILENO, CRASH_PATIENCE);
	text_cut(&out, out.length);
	trace_add(&out, crash->scene.trace, fault->context);
	text_write_within(&out, STDERR_FILENO, CRASH_PATIENCE);
}

/* JSON --------------------------------------------------------------------------- */

static void add_members(
	struct text *out, const struct crash *crash, const struct fault *fault) {
	text_add(out, ", \"crash\": {");
	if (fault->known) {
		text_add(out, "\"task\": %lu, ",
			(unsigned long)fault->task.task.object.id);
	}
	if (fault->job) {
		text_add(out, "\"job\": %lu, ", (unsigned long)fault->job->object.id);
	}
	if (has_address(fault->info)) {
		text_add(out, "\"address\": \"0x%lx\", ",
			(unsigned long)fault->info->si_addr);
	}
	if (is_sent(fault->info)) {
		text_add(out, "\"sender\": %d, ", (int)fault->info->si_pid);
	}
	text_add(out, "\"overflow\": %s, \"changed\": %s, \"at\": {",
		fault->overflow ? "true" : "false", fault->changed ? "true" : "false");
	struct trace_where at = trace_find(crash->scene.trace, trace_pc(fault->context));
	trace_json(out, &at);
	text_add(out, "}}");
}

/* The objects only where their strings, which are the plugin's, are as they were, and
 * nobody changes the lists. */
static void write_json(const struct crash *crash, const struct fault *fault) {
	if (crash->scene.report->fd <= 0) {
		return;
	}
	struct snapshot snapshot = {.what = SNAPSHOT_ALL};
	if (!fault->changed && !fault->foreign) {
		snapshot_take(&snapshot, SNAPSHOT_ALL, &crash->scene.loop->sched.registry,
			crash->scene.rawfd);
	}
	int signal = fault->info->si_signo;
	struct report_end end = {.reason = "crash",
		.signal = signal,
		.status = 128 + signal,
		.shutdown = -1};
	char space[1024];
	struct text members, out;
	text_fixed(&members, space, sizeof space);
	add_members(&members, crash, fault);
	text_init(&out);
	report_json_line(&out, crash->scene.report,
		&(struct report_line){"crash", &end, members.data, &snapshot});
	text_trim(&out);
	text_write_within(&out, report_fd(crash->scene.report), CRASH_PATIENCE);
}

/* The crash ---------------------------------------------------------------------- */

void crash_write(const struct crash *crash, const siginfo_t *info, const void *context,
	bool foreign) {
	struct fault fault = {.info = info, .context = context, .foreign = foreign};
	fault.job = foreign ? pool_job_here() : NULL;
	fault.known = !foreign && scene_running(&crash->scene, &fault.task);
	fault.overflow = fault.known && is_overflow(&fault.task.task, info, context);
	fault.changed = has_changed(crash);
	write_text(crash, &fault);
	write_cause(crash, &fault);
	write_stack(crash, &fault);
	write_json(crash, &fault);
}

void crash_write_closed(struct crash *crash) {
	write_closed(crash, loop_closed(crash->scene.loop));
	crash->told = true;
}

void crash_write_sanitized(const struct crash *crash) {
	struct scene_task task;
	if (!scene_running(&crash->scene, &task)) {
		return;
	}
	char space[1024];
	struct text out;
	text_fixed(&out, space, sizeof space);
	scene_add_plugin(&out, &crash->scene);
	text_add(&out, ": the sanitizer ended ");
	scene_add_task(&out, &crash->scene, &task, NULL);
	scene_add_wait(&out, &task);
	text_add(&out, "\n");
	text_write_within(&out, STDERR_FILENO, CRASH_PATIENCE);
}

void crash_watch_sanitizer(void (*died)(void)) {
	void (*set)(void (*callback)(void));
	void *symbol = dlsym(RTLD_DEFAULT, "__sanitizer_set_death_callback");
	memcpy(&set, &symbol, sizeof set);
	if (set) {
		set(died);
	}
}

void crash_init(struct crash *crash) {
	const char *path = crash->scene.report->plugin_path;
	crash->path = path ? realpath(path, NULL) : NULL;
	if (crash->path && stat(crash->path, &crash->file) < 0) {
		crash_finish(crash);
	}
}

void crash_finish(struct crash *crash) {
	free(crash->path);
	crash->path = NULL;
}
