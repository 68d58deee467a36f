/* SPDX-License-Identifier: MIT */
#include "group.h"

#include "ending.h"
#include "figures.h"
#include "say.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Seconds: the pause before a start, from and to; a life after which it is short again;
 * what a worker has to end by itself above its grace time; between two signals that are one. */
static const double PAUSE_MIN = 0.1, PAUSE_MAX = 5, LONG_LIFE = 10, OVERTIME = 1.5,
		    SAME = 0.1;

/* Ends ------------------------------------------------------------------------------ */

/* Which of several ends is the group's: the order of arun(1)'s exit statuses. */
static int weight(int status) {
	if (WIFSIGNALED(status)) {
		int signum = WTERMSIG(status);
		return signum == SIGINT ? 5 : signum == SIGTERM ? 4 : 7;
	}
	switch (WEXITSTATUS(status)) {
	case STATUS_OVERDUE:
		return 6;
	case EXIT_FAILURE:
		return 3;
	case STATUS_LEAKS:
		return 2;
	default:
		return WEXITSTATUS(status) != 0;
	}
}

void group_note_end(struct group *group, int status) {
	if (weight(status) > weight(group->status)) {
		group->status = status;
	}
}

_Noreturn void group_fail(struct group *group, const char *what) {
	say("workers: %s: %s", what, strerror(errno));
	manager_tell_failed(group && group->manager.fd >= 0 ? &group->manager : NULL,
		STATUS_FAILED, say_last());
	ending_exit(STATUS_FAILED);
}

void group_stop(struct group *group, int signum) {
	double limit = group->now + group->options->grace + OVERTIME;
	bool again =
		group->over && (signum == SIGQUIT || group->now - group->since >= SAME);
	if (!group->over) {
		group->since = group->now;
		/* Where nobody has asked for it, the manager has been told why. */
		manager_tell(&group->manager,
			group->stop ? "STOPPING=1\nSTATUS=stopping" : "STOPPING=1", -1);
	}
	group->over = true;
	group->roll = group->options->count;
	/* From now on connections are refused as soon as no worker takes any. */
	keeper_drop(&group->keeper, 0);
	for (size_t i = 0; i < group->count; i++) {
		struct worker *worker = &group->workers[i];
		/* One that is leaving has had its signal: a second one would force it. */
		if (again || worker->state != WORKER_LEAVING) {
			worker_stop(
				worker, signum, worker->limit ? worker->limit : limit);
		}
	}
}

/* Starting -------------------------------------------------------------------------- */

static void make_room(struct group *group) {
	size_t room = group->room ? 2 * group->room : 8;
	struct worker *workers = realloc(group->workers, room * sizeof *workers);
	group->workers = workers ? workers : group->workers;
	struct pollfd *polled =
		realloc(group->polled, (room + POLLED_FIRST) * sizeof *polled);
	group->polled = polled ? polled : group->polled;
	if (!workers || !polled) {
		group_fail(group, "no room for another");
	}
	group->room = room;
}

/* In a worker: closes and frees what is the parent's alone. */
static void forget_all(struct group *group) {
	arun_workers.wanted = 0;
	for (size_t i = 0; i < group->count; i++) {
		keeper_disconnect(&group->keeper, &group->workers[i].line);
	}
	keeper_forget(&group->keeper);
	manager_close(&group->manager);
	changes_close(&group->changes);
	close(group->signals);
	free(group->workers);
	free(group->polled);
	free(group->slots);
}

/* At the first start this ends the group, like a worker that fails before it is ready; later it is
 * tried again. */
static void on_not_started(struct group *group, struct slot *slot, bool replaces) {
	const char *why = strerror(errno);
	const char *limit = errno == EAGAIN ? " (ulimit -u, pids.max)" : "";
	if (group->ready) {
		slot->due = group->now + PAUSE_MAX;
		say("cannot start a worker: %s%s; it is tried again in %g s%s", why,
			limit, PAUSE_MAX, replaces ? ", the old one serves on" : "");
		return;
	}
	say("cannot start a worker: %s%s", why, limit);
	manager_tell_failed(&group->manager, STATUS_FAILED, say_last());
	group_note_end(group, STATUS_FAILED << 8);
	group_stop(group, SIGTERM);
}

static _Noreturn void work(struct group *group, const struct worker *worker) {
	const struct workers_options *options = group->options;
	const struct workers_start start = {worker->line.fd, worker->replaces, getppid()};
	forget_all(group);
	options->work(options->context, &start);
}

void group_start(struct group *group, unsigned number, bool replaces) {
	struct worker worker = {.slot = number,
		.replaces = replaces,
		.started = group->now,
		.beat = group->now};
	struct slot *slot = &group->slots[number];
	if (group->count == group->room) {
		make_room(group);
	}
	int result = worker_start(&worker, &group->mask);
	if (result > 0) {
		work(group, &worker);
	}
	slot->due = 0;
	if (result < 0) {
		on_not_started(group, slot, replaces);
		return;
	}
	group->workers[group->count++] = worker;
}

static struct worker *find_in(
	struct group *group, unsigned slot, enum worker_state state) {
	for (size_t i = 0; i < group->count; i++) {
		struct worker *worker = &group->workers[i];
		if (worker->slot == slot && worker->state == state) {
			return worker;
		}
	}
	return NULL;
}

static struct worker *find_serving(struct group *group, unsigned slot) {
	return find_in(group, slot, WORKER_SERVING);
}

bool group_has(const struct group *group, enum worker_state state) {
	for (size_t i = 0; i < group->count; i++) {
		if (group->workers[i].state == state) {
			return true;
		}
	}
	return false;
}

struct worker *group_find(struct group *group, pid_t pid) {
	for (size_t i = 0; i < group->count; i++) {
		if (group->workers[i].pid == pid) {
			return &group->workers[i];
		}
	}
	return NULL;
}

void group_restart(struct group *group, unsigned slot) {
	group->slots[slot].due = 0;
	if (!find_in(group, slot, WORKER_STARTING)) {
		group_start(group, slot, find_serving(group, slot) != NULL);
	}
}

static void tell_ready(struct group *group) {
	char text[64];
	unsigned count = group->options->count;
	snprintf(text, sizeof text, "READY=1\nSTATUS=%u worker%s", count,
		count == 1 ? "" : "s");
	manager_tell(&group->manager, text, -1);
	group->ready = group->keeper.apart = true;
}

static void tell_first_ready(struct group *group) {
	if (!group->ready && !group_has(group, WORKER_STARTING)) {
		tell_ready(group);
	}
}

/* Replacing ------------------------------------------------------------------------- */

static void roll_over(struct group *group) {
	group->roll = group->options->count;
	tell_ready(group);
}

/* Starts the next; the old one of its slot is told to go when it is ready. */
static void roll_next(struct group *group) {
	if (group->roll == group->options->count) {
		roll_over(group);
		return;
	}
	group->slots[group->roll].pause = PAUSE_MIN;
	group_start(group, group->roll, find_serving(group, group->roll) != NULL);
}

/* Begins anew where a replacement is under way, which may be of an older version. */
void group_roll(struct group *group) {
	group->wanted = !group->ready;
	if (group->over || !group->ready) {
		return;
	}
	for (size_t i = 0; i < group->count; i++) {
		struct worker *worker = &group->workers[i];
		if (worker->state == WORKER_STARTING) {
			worker_stop(worker, SIGTERM,
				group->now + group->options->grace + OVERTIME);
		}
	}
	manager_tell_reloading(&group->manager);
	group->roll = 0;
	roll_next(group);
}

void group_on_ready(struct group *group, struct worker *worker) {
	struct worker *old = find_serving(group, worker->slot);
	if (old) {
		worker_stop(old, SIGTERM, group->now + group->options->grace + OVERTIME);
	}
	worker->state = WORKER_SERVING;
	worker->beat = group->now;
	group->slots[worker->slot].due = 0;
	if (group->roll == worker->slot) {
		group->roll++;
		roll_next(group);
	} else {
		tell_first_ready(group);
	}
}

/* Deaths ---------------------------------------------------------------------------- */

/* The pause doubles with each death: what dies by itself is likely to do so again. After SIGKILL, which
 * somebody has sent, it is short. */
static void restart_later(
	struct group *group, const struct worker *worker, int status, const char *end) {
	struct slot *slot = &group->slots[worker->slot];
	if (find_in(group, worker->slot, WORKER_STARTING)) {
		say("worker %d %s; another is starting", (int)worker->pid, end);
		return;
	}
	bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
	if (killed || group->now - worker->started >= LONG_LIFE || !slot->pause) {
		slot->pause = PAUSE_MIN;
	}
	slot->due = group->now + slot->pause;
	say("worker %d %s; another starts in %.0f ms", (int)worker->pid, end,
		slot->pause * 1000);
	slot->pause = earlier(2 * slot->pause, PAUSE_MAX);
}

static void on_failed_start(
	struct group *group, const struct worker *worker, int status, const char *end) {
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
	if (!group->ready) {
		group_note_end(group, status);
		group_stop(group, SIGTERM);
		return;
	}
	if (worker->replaces && find_serving(group, worker->slot)) {
		/* A file that cannot be loaded has had its line, with the same words. */
		if (code < STATUS_FAILED || code > STATUS_ABSENT) {
			say("worker %d %s before it was ready; the old one serves on",
				(int)worker->pid, end);
		}
		roll_over(group);
		return;
	}
	if (group->roll == worker->slot) {
		roll_over(group);
	}
	restart_later(group, worker, status, end);
}

/* A worker has ended that was told to. To die of SIGTERM before it was ready is no failure. */
static void on_left(
	struct group *group, const struct worker *worker, int status, const char *end) {
	bool early = WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM;
	bool unready = group->stop != SIGINT && !worker->ready;
	/* Where nobody asked for the stop, it is the failure of another that counts. */
	if (group->over && !(early && (!group->stop || unready))) {
		group_note_end(group, status);
	} else if (!group->over && !early && status) {
		say("worker %d, replaced, %s", (int)worker->pid, end);
	}
}

void group_on_end(struct group *group, const struct worker *worker, int status) {
	char end[96];
	worker_tell_end(end, sizeof end, status);
	if (worker->state == WORKER_LEAVING || group->over) {
		on_left(group, worker, status, end);
	} else if (!status && !worker->replaces) {
		/* Its work is done. */
		tell_first_ready(group);
		if (group->roll == worker->slot) {
			roll_over(group);
		}
	} else if (worker->state == WORKER_STARTING) {
		on_failed_start(group, worker, status, end);
	} else if (status) {
		restart_later(group, worker, status, end);
	}
}
