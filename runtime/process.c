/* SPDX-License-Identifier: MIT */
#include "process.h"

#include "grace.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

enum { PROCESS_P_PIDFD = 3, PROCESS_LINE = 80 };

/* One that waits for its end; lies on its task's stack. */
struct process_waiter {
	struct list link; /* arun_process::waiters */
	struct arun_task *task;
};

static struct arun_process *process_of(const struct object *object) {
	return container_of(
		(struct object *)(uintptr_t)object, struct arun_process, object);
}

/* How reports show it -------------------------------------------------------------- */

/* A process that has ended and was waited for is only memory. */
static bool process_kind_leaked(const struct object *object) {
	const struct arun_process *process = process_of(object);
	return !process->waited && !process->closing;
}

static const char *process_kind_name(const struct object *object) {
	const struct arun_process *process = process_of(object);
	const char *slash = strrchr(process->words, '/');
	return slash && slash[1] ? slash + 1 : process->words;
}

static const char *process_kind_state(const struct object *object) {
	const struct arun_process *process = process_of(object);
	return process->ended ? "ended" : process->closing ? "closing" : "running";
}

static void process_add_words(const struct arun_process *process, struct text *out) {
	const char *end = process->words + process->length;
	size_t start = out->length;
	for (const char *word = process->words; word < end; word += strlen(word) + 1) {
		if (out->length - start > PROCESS_LINE) {
			text_add(out, " ...");
			break;
		}
		text_add(out, word == process->words ? "" : " ");
		text_escape(out, word);
	}
}

static void process_kind_line(const struct object *object, struct text *out) {
	const struct arun_process *process = process_of(object);
	text_add(out, "\"");
	process_add_words(process, out);
	text_add(out, "\" (pid %d)", (int)process->pid);
}

static void process_kind_detail(const struct object *object, struct text *out) {
	const struct arun_process *process = process_of(object);
	const char *end = process->words + process->length;
	text_add(out, "\"pid\": %d, \"argv\": [", (int)process->pid);
	for (const char *word = process->words; word < end; word += strlen(word) + 1) {
		text_add(out, word == process->words ? "" : ", ");
		text_json(out, word);
	}
	text_add(out, process->ended && !process->lost ? "], \"status\": %d" : "]",
		process->status);
}

static int process_kind_fd(const struct object *object) {
	return process_of(object)->watch.fd;
}

static bool process_kind_waiting(const struct object *object, struct waiting *out) {
	const struct arun_process *process = process_of(object);
	if (list_empty(&process->waiters)) {
		return false;
	}
	const struct arun_task *task =
		list_first(&process->waiters, struct process_waiter, link)->task;
	return task->object.kind->waiting(&task->object, out);
}

static void process_kind_forget(struct object *object) {
	process_unref(process_of(object));
}

const struct kind process_kind = {
	.index = KIND_PROCESS,
	.word = "process",
	.title = "process",
	.plural = "processes",
	.fate = "not waited for",
	.waits = "waits",
	.help = "arun_process_wait() or arun_process_close()",
	.outcome = "killed",
	.ageless = true,
	.leaked = process_kind_leaked,
	.name = process_kind_name,
	.state = process_kind_state,
	.line = process_kind_line,
	.detail = process_kind_detail,
	.fd = process_kind_fd,
	.waiting = process_kind_waiting,
	.forget = process_kind_forget,
};

/* Its end -------------------------------------------------------------------------- */

static void process_wake(struct arun_process *process) {
	list_each (link, &process->waiters) {
		task_wake(sched_current,
			container_of(link, struct process_waiter, link)->task);
	}
}

#ifndef WCOREFLAG /* which POSIX does not have, nor musl */
#define WCOREFLAG 0x80
#endif

static int status_of(const siginfo_t *info) {
	return info->si_code == CLD_EXITED   ? (info->si_status & 0xff) << 8
	       : info->si_code == CLD_DUMPED ? info->si_status | WCOREFLAG
					     : info->si_status;
}

/* Asks waitid(2) whether and how it has ended, without reaping it. */
static int process_look(const struct arun_process *process, siginfo_t *info) {
	*info = (siginfo_t){.si_pid = 0};
	return waitid((idtype_t)PROCESS_P_PIDFD, (id_t)process->watch.fd, info,
		WEXITED | WNOHANG | WNOWAIT);
}

/* Signals it, or its whole group where it leads one. Returns 0; -1 with errno. */
static int process_signal(const struct arun_process *process, int signum) {
	if (process->leads) {
		return kill(-process->pid, signum);
	}
	siginfo_t info;
	int sent =
		(int)syscall(SYS_pidfd_send_signal, process->watch.fd, signum, NULL, 0);
	/* Valgrind, for one, has no such call. The number is no other process' before it is reaped. */
	return sent < 0 && errno == ENOSYS && process_look(process, &info) == 0
		       ? kill(process->pid, signum)
		       : sent;
}

/* A group's number is its own until its leader is reaped, also when that has ended. */
static bool process_keeps_group(const struct arun_process *process) {
	siginfo_t info;
	return process->leads && !process->ended && process_look(process, &info) == 0;
}

/* Kills what is left of a group whose leader has ended. */
static void process_end_group(const struct arun_process *process) {
	siginfo_t info;
	if (process_look(process, &info) == 0 && info.si_pid) {
		process_signal(process, SIGKILL);
	}
}

/* Reaps it where it has ended; options: 0 waits for that, WNOHANG. Returns whether it has. */
static bool process_reap(struct loop *loop, struct arun_process *process, int options) {
	siginfo_t info = {.si_pid = 0};
	int fd = process->watch.fd, result;
	if (process->ended) {
		return true;
	}
	if (process->leads && process->ending) {
		process_end_group(process);
	}
	do {
		result = waitid(
			(idtype_t)PROCESS_P_PIDFD, (id_t)fd, &info, WEXITED | options);
	} while (result < 0 && errno == EINTR);
	if (result == 0 && info.si_pid == 0) {
		return false;
	}
	process->ended = true;
	process->lost = result < 0;
	process->status = process->lost ? 0 : status_of(&info);
	watch_close(&loop->poller, &process->watch);
	close(fd);
	process_wake(process);
	return true;
}

static void process_on_end(struct watch *watch) {
	process_reap(
		loop_here(), container_of(watch, struct arun_process, watch), WNOHANG);
}

/*
 * Waits until it may have ended. Results as task_suspend(), and what epoll_ctl(2) says. The pidfd is
 * watched only meanwhile: a process that no task waits for is nothing to wait for.
 */
static int process_suspend(struct loop *loop, struct arun_process *process,
	struct arun_task *self, double deadline, bool interruptible) {
	struct process_waiter waiter = {.task = self};
	int error = 0;
	bool first = list_empty(&process->waiters);
	list_append(&process->waiters, &waiter.link);
	if (first) {
		error = watch_serve(&loop->poller, &process->watch, process_on_end) < 0
				? errno
				: 0;
	}
	if (!error) {
		error = task_suspend(&loop->sched, self, deadline, interruptible);
	}
	list_remove(&waiter.link);
	if (list_empty(&process->waiters)) {
		watch_rest(&loop->poller, &process->watch);
	}
	return error;
}

/* Waits for its end, not interruptible. Returns whether it has ended by deadline. */
static bool process_await(struct loop *loop, struct arun_process *process,
	struct arun_task *self, double deadline) {
	int error = 0;
	while (!process_reap(loop, process, WNOHANG) && !error) {
		error = process_suspend(loop, process, self, deadline, false);
	}
	return process->ended;
}

/* SIGCONT, as a process that is stopped acts on SIGTERM only when it goes on. */
static void process_terminate(const struct arun_process *process) {
	process_signal(process, SIGTERM);
	process_signal(process, SIGCONT);
}

bool process_has(const struct registry *registry, pid_t pid) {
	registry_each (object, registry, KIND_PROCESS) {
		if (process_of(object)->pid == pid && !process_of(object)->ended) {
			return true;
		}
	}
	return false;
}

/* Its memory and its streams ------------------------------------------------------- */

void process_unref(struct arun_process *process) {
	if (--process->refs == 0) {
		free(process->words);
		sched_free(&process->object, process);
	}
}

void process_close_streams(struct loop *loop, struct arun_process *process) {
	for (int i = 0; i < LAUNCH_STREAMS; i++) {
		struct arun_conn *conn = process->streams[i];
		process->streams[i] = NULL;
		if (conn) {
			conn->closed = NULL;
			conn->object.owner = NULL;
			conn_close_now(loop, conn);
		}
	}
}

/* The handle ----------------------------------------------------------------------- */

static void check_handle(
	const struct arun_site *site, const char *op, const arun_process *process) {
	if (unlikely(process && !process->object.id)) {
		task_gone(site, &process->object, op, "of a process that is closed");
	}
}

/* Fails with error, and the process' name in arun_why(). */
static int process_error(int error, const char *op, const struct arun_process *process) {
	char on[160];
	struct text out;
	text_fixed(&out, on, sizeof on);
	process_kind_line(&process->object, &out);
	return task_fail_words(error, op, on,
		error == ECHILD   ? "somebody else has its status"
		: error == EINVAL ? "signum is to be 0 to 64"
				  : NULL);
}

pid_t arun_process_pid(const arun_process *process) {
	check_handle(NULL, "arun_process_pid", process);
	return process ? process->pid : -1;
}

static arun_conn *process_get(
	const struct arun_process *process, const char *op, int index) {
	check_handle(NULL, op, process);
	return process ? process->streams[index] : NULL;
}

arun_conn *arun_process_stdin(const arun_process *process) {
	return process_get(process, "arun_process_stdin", STDIN_FILENO);
}

arun_conn *arun_process_stdout(const arun_process *process) {
	return process_get(process, "arun_process_stdout", STDOUT_FILENO);
}

arun_conn *arun_process_stderr(const arun_process *process) {
	return process_get(process, "arun_process_stderr", STDERR_FILENO);
}

int arun_process_kill(arun_process *process, int signum) {
	static const char op[] = "arun_process_kill";
	if (!process || process->swept) {
		return task_fail(process ? ESRCH : EBADF, op, NULL);
	}
	check_handle(NULL, op, process);
	if (!sched_current) {
		errno = ESHUTDOWN;
		return -1;
	}
	if (!process_keeps_group(process) &&
		process_reap(loop_here(), process, WNOHANG)) {
		return process_error(ESRCH, op, process);
	}
	return process_signal(process, signum) < 0 ? process_error(errno, op, process)
						   : 0;
}

/* Returns 0, or why there is no status. */
static int process_wait(
	struct loop *loop, struct arun_process *process, struct arun_task *self) {
	int error = task_interrupted(&loop->sched, self);
	while (!error) {
		error = process->closing ? EBADF : 0;
		if (error || process_reap(loop, process, WNOHANG)) {
			break;
		}
		error = process_suspend(loop, process, self, INFINITY, true);
	}
	process->waited = process->waited || !error;
	return error ? error : process->lost ? ECHILD : 0;
}

int(arun_process_wait)(arun_process *process, int *status) {
	return arun_process_wait_at(NULL, process, status);
}

int arun_process_wait_at(
	const struct arun_site *site, arun_process *process, int *status) {
	struct arun_task *self = task_enter(site, "arun_process_wait");
	if (!process) {
		return task_fail(EBADF, self->op, "NULL");
	}
	check_handle(site, self->op, process);
	process->refs++;
	self->awaits = &process->object;
	int error = process_wait(loop_here(), process, self);
	self->awaits = NULL;
	if (error) {
		process_error(error, self->op, process);
	} else if (status) {
		*status = process->status;
	}
	process_unref(process);
	errno = error ? error : errno;
	return error ? -1 : 0;
}

/* Ends it, whatever it takes. */
static void process_end(struct loop *loop, struct arun_process *process) {
	struct sched *sched = &loop->sched;
	struct arun_task *self = sched->current;
	double killed = grace_of_call(sched, GRACE_CLOSE);
	process->ending = true;
	if (process_reap(loop, process, WNOHANG)) {
		return;
	}
	if (self) {
		process_terminate(process);
		if (process_await(loop, process, self, killed)) {
			return;
		}
	}
	process_signal(process, SIGKILL);
	if (!self || !process_await(loop, process, self, INFINITY)) {
		process_reap(loop, process, 0);
	}
}

void(arun_process_close)(arun_process *process) {
	arun_process_close_at(NULL, process);
}

void arun_process_close_at(const struct arun_site *site, arun_process *process) {
	struct loop *loop = loop_here();
	if (!process || !loop) {
		return;
	}
	check_handle(site, "arun_process_close", process);
	if (process->swept || process->closing) {
		return; /* the end of the run has done it, or another call does */
	}
	int error = errno;
	sched_closes(&process->object, site);
	process->closing = true;
	if (loop->sched.current) {
		task_enter(site, "arun_process_close")->awaits = &process->object;
	}
	process_close_streams(loop, process);
	process_wake(process);
	process_end(loop, process);
	if (loop->sched.current) {
		loop->sched.current->awaits = NULL;
	}
	if (!process->swept) {
		registry_remove(&process->object);
	}
	process_unref(process);
	errno = error;
}

/* All of them ---------------------------------------------------------------------- */

/* A task that still runs may use the handle until it, too, has ended. */
static void process_sweep(struct loop *loop, struct arun_process *process) {
	process->swept = true;
	process->refs++;
	process_reap(loop, process, 0);
	process_close_streams(loop, process);
	if (!process->closing) {
		process->closing = true;
		process_unref(process);
	}
	process_wake(process);
	registry_sweep(&loop->sched.registry, &process->object);
}

/* The next that runs; NULL: none does. */
static struct arun_process *process_running(const struct registry *registry) {
	registry_each (object, registry, KIND_PROCESS) {
		if (!process_of(object)->ended) {
			return process_of(object);
		}
	}
	return NULL;
}

/* Waits for one at a time, as the list may change meanwhile. */
static void process_await_all(struct loop *loop, double deadline) {
	struct arun_process *process;
	bool ended = true;
	while (ended && (process = process_running(&loop->sched.registry))) {
		process->refs++;
		ended = process_await(loop, process, loop->sched.current, deadline);
		process_unref(process);
	}
}

void process_end_all(struct loop *loop, double deadline) {
	struct registry *registry = &loop->sched.registry;
	registry_each (object, registry, KIND_PROCESS) {
		process_of(object)->ending = true;
		if (!process_of(object)->ended) {
			process_terminate(process_of(object));
		}
	}
	process_await_all(loop, deadline);
	process_kill_all(registry);
	process_await_all(loop, INFINITY);
	while (!list_empty(&registry->objects[KIND_PROCESS])) {
		process_sweep(loop, list_first(&registry->objects[KIND_PROCESS],
					    struct arun_process, object.link));
	}
}

void process_kill_all(const struct registry *registry) {
	registry_each (object, registry, KIND_PROCESS) {
		const struct arun_process *process = process_of(object);
		if (!process->ended) {
			process_signal(process, SIGKILL);
		}
	}
}
