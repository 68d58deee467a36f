/* SPDX-License-Identifier: MIT */
#include "ready.h"

#include "dump.h"
#include "family.h"
#include "figures.h"
#include "say.h"

#include <string.h>

enum { READY, NOT_READY };

/* Seconds without a turn of the loop, after which nobody is served. */
static const double BLOCKED = 1;

static int judge(const struct dump *dump) {
	int pid = (int)dump->pid;
	if (dump->stopping) {
		say("%d: not ready: it is stopping", pid);
	} else if (dump->server && !dump->yielded) {
		say("%d: not ready: it has not called arun_yield() yet", pid);
	} else if (dump->stopped) {
		say("%d: not ready: it is stopped by a signal", pid);
	} else if (dump->loop != DUMP_IDLE && dump->turn > BLOCKED) {
		say("%d: not ready: its loop has had no turn for %.1f s", pid,
			dump->turn);
	} else {
		return READY;
	}
	return NOT_READY;
}

/* One that starts or stops is not asked: the parent counts those that serve. */
static int judge_worker(pid_t pid) {
	struct remote remote;
	struct dump dump = {.count = 0};
	int status = READY;
	if (remote_open(&remote, pid) == 0 && dump_read_run(&dump, &remote) == 0 &&
		(dump.yielded || !dump.server) && !dump.stopping) {
		status = judge(&dump);
	}
	dump_finish(&dump);
	remote_close(&remote);
	return status;
}

static int judge_group(const struct remote *parent, const struct figures *figures) {
	struct family family;
	pid_t pid;
	int status = READY;
	char state = remote_state(parent);
	if (state == 'T' || state == 't') {
		say("%d: not ready: it is stopped by a signal", (int)parent->pid);
		return NOT_READY;
	}
	if (figures->serving < figures->wanted) {
		say("%d: not ready: %u of %u workers serve", (int)parent->pid,
			figures->serving, figures->wanted);
		return NOT_READY;
	}
	family_open(&family, parent->pid);
	while (status == READY && (pid = family_next(&family))) {
		status = judge_worker(pid);
	}
	family_close(&family);
	return status;
}

static bool read_figures(struct remote *remote, struct figures *figures) {
	static const char *const name = "arun_workers";
	uint64_t place;
	return remote_symbols(remote, &name, &place, 1) == 0 &&
	       remote_read(remote, place, figures, sizeof *figures) &&
	       memcmp(figures->magic, FIGURES_MAGIC, sizeof figures->magic) == 0 &&
	       figures->wanted > 0;
}

int ready_ask(pid_t pid) {
	struct remote remote;
	struct dump dump = {.count = 0};
	struct figures figures;
	int status = NOT_READY;
	bool readable = remote_open(&remote, pid) == 0;
	if (readable && read_figures(&remote, &figures)) {
		status = judge_group(&remote, &figures);
	} else if (readable && dump_read_run(&dump, &remote) == 0) {
		status = judge(&dump);
	} else {
		say("%d: %s", (int)pid, remote.error);
	}
	dump_finish(&dump);
	remote_close(&remote);
	return status;
}
