/* SPDX-License-Identifier: MIT */
#include "worker.h"

#include "../runtime/variable.h"
#include "ending.h"
#include "family.h"
#include "say.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the environment says to this process alone. */
static void set_environment(int line, pid_t parent) {
	char text[64];
	snprintf(text, sizeof text, "%d:%d", line, (int)getpid());
	setenv("ARUN_BROKER", text, 1);
	if (variable_number("LISTEN_PID") == (unsigned long long)parent) {
		snprintf(text, sizeof text, "%d", (int)getpid());
		setenv("LISTEN_PID", text, 1);
	}
}

static void begin(int line, pid_t parent, const sigset_t *mask) {
	/* So that none outlives a parent that is killed. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent) {
		_exit(EXIT_FAILURE);
	}
	set_environment(line, parent);
	ending_adopt();
	say_patiently(true);
	if (parent == 1) {
		family_be_seen();
	}
	sigprocmask(SIG_SETMASK, mask, NULL);
}

int worker_start(struct worker *worker, const sigset_t *mask) {
	pid_t parent = getpid();
	int other;
	if (keeper_connect(&worker->line, &other) < 0) {
		return -1;
	}
	fflush(NULL);
	worker->pid = fork();
	if (worker->pid == 0) {
		close(worker->line.fd); /* lest it never sees that the parent is gone */
		worker->line.fd = other;
		begin(other, parent, mask);
		return 1;
	}
	int error = errno;
	close(other);
	if (worker->pid < 0) {
		close(worker->line.fd);
		errno = error;
		return -1;
	}
	return 0;
}

void worker_stop(struct worker *worker, int signum, double limit) {
	if (worker->state != WORKER_GONE) {
		kill(worker->pid, signum);
		worker->state = WORKER_LEAVING;
		worker->limit = limit;
	}
}

void worker_tell_end(char *out, size_t size, int status) {
	if (WIFSIGNALED(status)) {
		snprintf(out, size, "died of signal %d (%s)", WTERMSIG(status),
			strsignal(WTERMSIG(status)));
	} else {
		snprintf(out, size, "ended with status %d", WEXITSTATUS(status));
	}
}
