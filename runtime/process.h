/* SPDX-License-Identifier: MIT */
/*
 * process - programs that were started, and waited for.
 *
 * Design notes. A process is a pidfd: waiting is the loop watching a descriptor, killing
 * reaches nobody else, and SIGCHLD stays the plugin's. It is reaped by whoever waits, or
 * when its handle is closed, so that its number stays its own until then. The streams to
 * it are connections that it owns, and parts of it in the reports.
 */
#ifndef PROCESS_H
#define PROCESS_H

#include "conn.h"
#include "launch.h"

struct arun_process {
	struct object object;
	struct watch watch; /* the pidfd; closed when it is reaped */
	pid_t pid;
	unsigned refs; /* the handle, and calls under way */
	bool leads;    /* a process group, whose number is its own until this is reaped */
	bool ending;   /* is told to end, and its group with it */
	bool closing;
	bool swept;  /* by the end of the run */
	bool ended;  /* and reaped */
	bool lost;   /* somebody else has reaped it: there is no status */
	bool waited; /* somebody has its status */
	int status;  /* as waitpid(2) has it */
	struct list waiters;
	struct arun_conn *streams[LAUNCH_STREAMS]; /* NULL: none, or closed */
	char *words; /* of its argv, each terminated; what is too long is left out */
	size_t length;
};

extern const struct kind process_kind;

/* Whether pid is a process of arun_exec() that has not been reaped. */
bool process_has(const struct registry *registry, pid_t pid);

/* Gives a reference back. */
void process_unref(struct arun_process *process);

/* Closes the streams to it that are still open. */
void process_close_streams(struct loop *loop, struct arun_process *process);

/*
 * Sends SIGTERM to all that run, waits for their ends until deadline, then sends SIGKILL,
 * and reaps. From a task, which is not interruptible here.
 */
void process_end_all(struct loop *loop, double deadline);

/* Sends SIGKILL to all that run. Async-signal-safe. */
void process_kill_all(const struct registry *registry);

#endif
