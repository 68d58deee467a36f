/* SPDX-License-Identifier: MIT */
#include "reaper.h"

#include "process.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const double REAPER_LOOK = 1;

static bool was_made(const struct reaper *reaper, pid_t pid) {
	for (unsigned i = 0; i < REAPER_MADE; i++) {
		if (reaper->made->pids[i] == pid) {
			return true;
		}
	}
	return process_has(&reaper->loop->sched.registry, pid);
}

static bool was_seen(const struct reaper *reaper, pid_t pid) {
	for (unsigned i = 0; i < reaper->count; i++) {
		if (reaper->seen[i] == pid) {
			return true;
		}
	}
	return false;
}

/* A number that was waited for may come again, of another process. */
static void reaper_forget(struct reaper *reaper) {
	for (unsigned i = 0; i < REAPER_MADE; i++) {
		pid_t pid = reaper->made->pids[i];
		siginfo_t info;
		if (pid &&
			waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) <
				0 &&
			errno == ECHILD) {
			reaper->made->pids[i] = 0;
		}
	}
}

struct look {
	struct reaper *reaper;
	unsigned count;
	pid_t seen[REAPER_SEEN];
};

static void reaper_found(void *context, const struct child *child) {
	struct look *look = context;
	if (child->state != 'Z' || was_made(look->reaper, child->pid)) {
		return;
	}
	if (was_seen(look->reaper, child->pid)) {
		waitpid(child->pid, NULL, WNOHANG);
	} else if (look->count < REAPER_SEEN) {
		look->seen[look->count++] = child->pid;
	}
}

static void reaper_on_look(struct loop_timer *timer) {
	struct reaper *reaper = container_of(timer, struct reaper, timer);
	struct look look = {.reaper = reaper};
	int error = errno;
	loop_timer_start(reaper->loop, timer, REAPER_LOOK, reaper_on_look);
	reaper_forget(reaper);
	child_each(reaper_found, &look);
	reaper->count = look.count;
	for (unsigned i = 0; i < look.count; i++) {
		reaper->seen[i] = look.seen[i];
	}
	errno = error;
}

struct reaper *reaper_create(struct loop *loop) {
	struct reaper *reaper = getpid() == 1 ? calloc(1, sizeof *reaper) : NULL;
	if (!reaper) {
		return NULL;
	}
	void *made = mmap(NULL, sizeof *reaper->made, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (made == MAP_FAILED) {
		free(reaper);
		return NULL;
	}
	reaper->made = made;
	reaper->loop = loop;
	reaper->timer.background = true;
	loop_timer_start(loop, &reaper->timer, REAPER_LOOK, reaper_on_look);
	return reaper;
}

void reaper_destroy(struct reaper *reaper) {
	if (reaper) {
		loop_timer_stop(reaper->loop, &reaper->timer);
		munmap(reaper->made, sizeof *reaper->made);
		free(reaper);
	}
}

void reaper_forked(struct reaper *reaper) {
	if (reaper) {
		unsigned at =
			__atomic_fetch_add(&reaper->made->next, 1, __ATOMIC_RELAXED);
		reaper->made->pids[at % REAPER_MADE] = getpid();
	}
}
