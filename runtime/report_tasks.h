/* SPDX-License-Identifier: MIT */
/*
 * report_tasks - what arun says of tasks while a run goes on or ends: one that has failed, those
 * that wait for each other, and those that the stop waits for.
 *
 * Generators' bodies between two items, and arun's own tasks, are not among them: nothing
 * waits for these. All but report_tasks_failed() may be called in a signal handler.
 */
#ifndef REPORT_TASKS_H
#define REPORT_TASKS_H

#include "report.h"

/* The tasks of a run, for the reports below. */
struct report_tasks {
	const struct report *report;
	const struct registry *registry;
	const struct arun_task *entry; /* the entry's; NULL: it has ended */
};

/* A task has failed, and nobody waits for it. */
void report_tasks_failed(const struct report *report, const struct arun_task *task);

/* Nothing can happen any more: where each task waits, and for what. */
void report_tasks_deadlocked(const struct report_tasks *tasks);

/* The grace time of that many seconds is over: which tasks are left. */
void report_tasks_abandoned(const struct report_tasks *tasks, double grace);

/*
 * The stop takes long: what it waits for, and how many seconds are left. signal has asked for the
 * stop, and forces it when it is sent again; 0: no signal has.
 */
void report_tasks_awaited(const struct report_tasks *tasks, double left, int signal);

/* Appends what the stop waits for: "task "upload" (#3) waits at srv.c:9, ...". */
void report_tasks_add_awaited(struct text *out, const struct report_tasks *tasks);

#endif
