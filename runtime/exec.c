/* SPDX-License-Identifier: MIT */
/* exec - arun_exec(): a process and its streams. */
#include "process.h"
#include "standard.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXEC_WORDS = 1024 };

/* conn::closed */
static void exec_on_stream_closed(struct arun_conn *conn) {
	struct arun_process *process =
		container_of((struct object *)(uintptr_t)conn->object.owner,
			struct arun_process, object);
	for (int i = 0; i < LAUNCH_STREAMS; i++) {
		if (process->streams[i] == conn) {
			process->streams[i] = NULL;
		}
	}
}

/* The other end is *fd. Returns 0; -1 with errno. */
static int exec_pipe(
	struct loop *loop, struct arun_process *process, int index, int *fd) {
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0) {
		return -1;
	}
	int ours = standard_avoid(index == STDIN_FILENO ? ends[1] : ends[0]);
	*fd = index == STDIN_FILENO ? ends[0] : ends[1];
	if (ours < 0) {
		return -1;
	}
	fcntl(ours, F_SETFL, O_NONBLOCK);
	struct arun_conn *conn = conn_create(loop, ours);
	if (!conn) {
		close(ours);
		return -1;
	}
	conn->object.owner = &process->object;
	conn->object.part = true;
	conn->closed = exec_on_stream_closed;
	process->streams[index] = conn;
	return 0;
}

/* Stores in *fd what the child gets for one of its streams. Returns 0; -1 with errno. */
static int exec_stream(
	struct loop *loop, struct arun_process *process, int index, int how, int *fd) {
	switch (how) {
	case ARUN_STREAM:
		return exec_pipe(loop, process, index, fd);
	case ARUN_NULL:
		*fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		return *fd < 0 ? -1 : 0;
	default:
		return 0;
	}
}

/* A copy of argv's words, for the reports. */
static int exec_copy_words(struct arun_process *process, char *const argv[]) {
	char *words = process->words = malloc(EXEC_WORDS);
	if (!words) {
		return -1;
	}
	for (int i = 0; argv[i]; i++) {
		size_t room = EXEC_WORDS - process->length, size = strlen(argv[i]) + 1;
		if (size > room && i) {
			break;
		}
		size = size < room ? size : room;
		memcpy(words + process->length, argv[i], size - 1);
		words[process->length + size - 1] = '\0';
		process->length += size;
	}
	return 0;
}

static int exec_start(
	struct loop *loop, struct arun_process *process, struct launch *launch) {
	process->pid = launch_start(launch);
	if (process->pid < 0) {
		return -1;
	}
	if (watch_open(&loop->poller, &process->watch, launch->pidfd) < 0) {
		int error = errno;
		kill(process->pid, SIGKILL);
		waitpid(process->pid, NULL, 0);
		close(launch->pidfd);
		errno = error;
		return -1;
	}
	return 0;
}

/* Starts it, with its streams. Returns 0; -1 with errno. */
static int exec_begin(struct loop *loop, struct arun_process *process,
	const arun_exec_options *options, struct launch *launch) {
	const int how[LAUNCH_STREAMS] = {options->in, options->out, options->err};
	int result = exec_copy_words(process, launch->argv);
	for (int i = 0; result == 0 && i < LAUNCH_STREAMS; i++) {
		result = exec_stream(loop, process, i, how[i], &launch->fds[i]);
	}
	result = result == 0 ? exec_start(loop, process, launch) : -1;
	int error = errno;
	for (int i = 0; i < LAUNCH_STREAMS; i++) {
		if (launch->fds[i] >= 0) {
			close(launch->fds[i]);
		}
	}
	if (result < 0) {
		process_close_streams(loop, process);
		process_unref(process);
	}
	errno = error;
	return result;
}

static void exec_publish(
	struct loop *loop, struct arun_process *process, const struct arun_site *site) {
	sched_publish(&loop->sched, &process->object, &process_kind, site);
	for (int i = 0; i < LAUNCH_STREAMS; i++) {
		if (process->streams[i]) {
			conn_publish(loop, process->streams[i], site);
		}
	}
}

static struct arun_process *exec_fail(
	int error, const char *op, char *const argv[], const struct launch *launch) {
	char words[256];
	struct text out;
	const char *program = argv[0];
	if (launch && launch->in_directory) {
		text_fixed(&out, words, sizeof words);
		text_add(&out, "directory %s: ", launch->directory);
		text_error(&out, error);
		task_fail_words(error, op, program, words);
	} else {
		task_fail_words(error, op, program,
			error == EAGAIN ? "no more processes are allowed (ulimit -u, "
					  "pids.max)"
					: NULL);
	}
	return NULL;
}

/* Says which argument is bad. Returns whether one is. */
static bool exec_refuse(
	const char *op, char *const argv[], const arun_exec_options *options) {
	const int how[LAUNCH_STREAMS] = {options->in, options->out, options->err};
	static const char *const names[LAUNCH_STREAMS] = {"in", "out", "err"};
	if (!argv || !argv[0]) {
		task_refuse(op, NULL,
			argv ? "argv[0] is NULL, and is to be a program"
			     : "argv is NULL");
		return true;
	}
	for (int i = 0; i < LAUNCH_STREAMS; i++) {
		if (how[i] != ARUN_INHERIT && how[i] != ARUN_STREAM &&
			how[i] != ARUN_NULL) {
			task_refuse(op, argv[0],
				"%s is %d, and is to be ARUN_INHERIT, ARUN_STREAM or "
				"ARUN_NULL",
				names[i], how[i]);
			return true;
		}
	}
	return false;
}

arun_process *(arun_exec)(char *const argv[], const arun_exec_options *options) {
	return arun_exec_at(NULL, argv, options);
}

arun_process *arun_exec_at(const struct arun_site *site, char *const argv[],
	const arun_exec_options *options) {
	static const arun_exec_options inherits;
	static const char op[] = "arun_exec";
	if (!sched_here()) {
		return NULL;
	}
	options = options ? options : &inherits;
	if (exec_refuse(op, argv, options)) {
		return NULL;
	}
	struct launch launch = {.argv = argv,
		.environment = options->environment ? options->environment : environ,
		.directory = options->directory,
		.leads = options->process_group,
		.fds = {-1, -1, -1}};
	struct arun_process *process = calloc(1, sizeof *process);
	if (!process) {
		return exec_fail(ENOMEM, op, argv, NULL);
	}
	process->refs = 1;
	process->leads = options->process_group;
	list_init(&process->waiters);
	if (exec_begin(loop_here(), process, options, &launch) < 0) {
		return exec_fail(errno, op, argv, &launch);
	}
	exec_publish(loop_here(), process, site);
	return process;
}
