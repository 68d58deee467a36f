/* SPDX-License-Identifier: MIT */
/*
 * scene - the run that a report from a signal handler is of, and its running task.
 *
 * Design notes. What such a report reads may be half written, freed by the thread that it
 * is made beside, or cut off a plugin's file: it is looked at through peek().
 */
#ifndef SCENE_H
#define SCENE_H

#include "job.h"
#include "report.h"
#include "trace.h"

struct scene {
	const struct report *report;
	struct loop *loop;
	const struct rawfd *rawfd;
	struct arun_task *const *entry; /* *entry NULL: it has ended */
	const struct trace *trace;
};

/* A copy of a task, taken at some moment. */
struct scene_task {
	struct arun_task task;
	const struct arun_task *place; /* that it is a copy of */
	bool entry;                    /* it is the run's */
};

/* Copies the running task. Returns false where there is none. From any thread. */
bool scene_running(const struct scene *scene, struct scene_task *copy);

/* Appends "arun: srv.so". */
void scene_add_plugin(struct text *out, const struct scene *scene);

/*
 * Appends task "X" (#3; spawned at f.c:12); where what is not NULL it has its part:
 * task "X" (#3) WHAT (64 KiB; spawned at f.c:12).
 */
void scene_add_task(struct text *out, const struct scene *scene,
	const struct scene_task *copy, const char *what);

/* Appends job "X" (#2; called at f.c:12 by task #1). */
void scene_add_job(struct text *out, const struct pool_job *job);

/* Appends "; last wait at f.c:20 (arun_sleep)". */
void scene_add_wait(struct text *out, const struct scene_task *copy);

#endif
