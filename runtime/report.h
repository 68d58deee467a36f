/* SPDX-License-Identifier: MIT */
/*
 * report - what arun says on stderr and in the file of --report.
 *
 * Each report is one text in one write(2), in the form that arun-report(5) has. All but
 * report_init() may be called in a signal handler; the walks need up to 8 KiB of its stack.
 */
#ifndef REPORT_H
#define REPORT_H

#include "build_id.h"
#include "snapshot.h"
#include "task.h"

#include <sys/stat.h>

/* How the run ended; for the JSON. */
struct report_end {
	const char *reason; /* "return", "signal", "error", "timeout"... */
	int signal;         /* that stopped it; 0: none */
	int status;         /* the exit status */
	double shutdown;    /* seconds since the stop; negative: there was none */
};

struct report {
	void *plugin_handle;     /* dlopen(3)'s; NULL: the program */
	const char *plugin_path; /* NULL: the program */
	const char *entry;
	bool server;      /* the entry is */
	int fd;           /* of the JSON; 0: none */
	struct stat file; /* that fd is */
	enum arun_leaks leaks;
	double started; /* loop_clock() */
	struct report_end end;

	/* Filled in by report_init(). */
	const char *plugin; /* the name of the file */
	char build_id[BUILD_ID_TEXT];
};

/* To be called with the members above set. */
void report_init(struct report *report);

/* Appends the place, or where it is not known the plugin. */
void report_add_place(
	struct text *out, const struct report *report, const struct arun_site *site);

/* Appends main "copy", of the entry's task (NULL: it has ended); task "janitor" (#3). */
void report_add_task(struct text *out, const struct report *report,
	const struct arun_task *entry, const struct arun_task *task);

/* "SIGTERM", of those that arun ends of; NULL: another. */
const char *report_signal(int number);

/* Where lines of the file of --report go; -1 with EBADF: nowhere any more, as the plugin has closed
 * its descriptor, and another file may have the number. */
int report_fd(const struct report *report);

/* A line of the file of --report. */
struct report_line {
	const char *kind;             /* "leaks", "dump" */
	const struct report_end *end; /* NULL: the run goes on */
	const char
		*members; /* more of them, each after a comma and a blank; NULL: none */
	const struct snapshot *snapshot;
};

/* Appends it. Writes nothing. */
void report_json_line(
	struct text *out, const struct report *report, const struct report_line *line);

/* Writes it, where there is a file. */
void report_json(const struct report *report, const struct report_line *line);

/* Writes a text of lines to stderr and finishes it. Returns whether there was memory for all of it. */
bool report_say(struct text *out);

/*
 * What was left open: nothing where nothing was, or with ARUN_LEAKS_OFF. report->end and
 * the outcomes (snapshot_outcomes()) should be known by now.
 */
void report_leaks(const struct report *report, const struct snapshot *leaks);

struct broker;

/* Tells the parent of workers how many leaks there are of each kind. */
void report_to_parent(const struct report *report, const struct snapshot *leaks,
	const struct broker *broker);

#endif
