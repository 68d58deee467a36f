/* SPDX-License-Identifier: MIT */
/* sum - the leaks of all workers, counted by the parent. */
#ifndef SUM_H
#define SUM_H

#include <stddef.h>

enum { SUM_KINDS = 32, SUM_WORD = 32 };

struct sum_kind {
	char word[SUM_WORD];                /* "task", in JSON */
	char one[SUM_WORD], many[SUM_WORD]; /* "task", "tasks" */
	unsigned long count;
};

struct sum {
	struct sum_kind kinds[SUM_KINDS];
	size_t count;        /* of kinds */
	unsigned workers;    /* that had leaks */
	unsigned long leaks; /* of all kinds */
};

/* Adds what a worker says, as in runtime/broker_message.h: "COUNT/WORD/ONE/MANY". */
void sum_add(struct sum *sum, const char *text);

/* Prints a line on stderr, where two workers or more had leaks: one has said it all. */
void sum_print(const struct sum *sum);

/* Appends the same to the file that report names, NULL: none, as a report of kind workers; source: as
 * in report_file.h; path: of the plugin. */
void sum_report(
	const struct sum *sum, const char *report, const char *source, const char *path);

#endif
