/* SPDX-License-Identifier: MIT */
/*
 * reaper - process 1 of a container is given the orphans there, and buries them.
 *
 * Design notes. Only what nobody here has made: processes of arun_exec() are known, and
 * whoever is forked writes its number into memory that it shares with its parent. What is
 * made without fork(3) (system(3), popen(3), posix_spawn(3)) is not known: so a zombie is
 * left for a second to whoever waits for it. A timer of the loop looks, as SIGCHLD is the
 * plugin's.
 */
#ifndef REAPER_H
#define REAPER_H

#include "child.h"
#include "loop.h"

enum { REAPER_MADE = 4096, REAPER_SEEN = 4096 };

struct reaper_made {
	unsigned next; /* place in pids, modulo REAPER_MADE */
	pid_t pids[REAPER_MADE];
};

struct reaper {
	struct loop *loop;
	struct reaper_made *made; /* shared with children */
	struct loop_timer timer;
	unsigned count;
	pid_t seen[REAPER_SEEN]; /* zombies that were there a second ago */
};

/* Begins where this is process 1. NULL where it is not, or without memory. */
struct reaper *reaper_create(struct loop *loop);
void reaper_destroy(struct reaper *reaper);

/* In a forked child: it is its parent's. */
void reaper_forked(struct reaper *reaper);

#endif
