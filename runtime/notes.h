/* SPDX-License-Identifier: MIT */
/*
 * notes - what --debug tells below the line of a leak: source lines, stacks, what it used,
 * how to close it, how its end went.
 */
#ifndef NOTES_H
#define NOTES_H

#include "lines.h"
#include "snapshot.h"
#include "source.h"
#include "trace.h"

struct notes {
	const struct trace *trace;
	const char *plugin; /* the name of its file */
	char *folder;       /* that the file is in */
	struct timespec built;
	struct lines lines;
	const char *missing; /* why they are; NULL: they are not */
};

/* Of the plugin at path (NULL: the program); trace and plugin outlive it. */
void notes_init(struct notes *notes, const struct trace *trace, const char *plugin,
	const char *path);
void notes_finish(struct notes *notes);

/*
 * Looks up where the calls of a snapshot are, in the debug information: without it notes
 * have functions and offsets. It leaves no descriptor open. Not in a handler; on any stack.
 */
void notes_resolve(struct notes *notes, const struct snapshot *snapshot);

/* Looks up where calls were made, and appends "srv.c:33", or the code. Not in a handler. */
void notes_find_place(struct notes *notes, struct text *out, const struct calls *calls);

/* The functions below are async-signal-safe. */

/*
 * The call that stands for calls: the innermost one in the plugin, else the innermost. NULL:
 * there is none.
 */
const void *notes_caller(const struct notes *notes, const struct calls *calls);

/* Appends "srv.c:33", the place of notes_caller(). Returns false where that is not known. */
bool notes_place(struct text *out, const struct notes *notes, const struct calls *calls);

/* Appends the lines below that of a group. */
void notes_add(struct text *out, const struct snapshot *snapshot,
	const struct snapshot_group *group);

/*
 * Appends the stack and what is waited for, a line each, as far as they are known; after the
 * line of one object, in reports that are no leaks'.
 */
void notes_add_task(
	struct text *out, const struct notes *notes, const struct closeup *closeup);

/* Appends the calls that made an object, a line, where they are known. */
void notes_add_made(
	struct text *out, const struct notes *notes, const struct closeup *closeup);

/* Appends a line that says what would have told more; "" where nothing would. */
void notes_add_missing(struct text *out, const struct notes *notes);

/* Appends an array of places in JSON. */
void notes_json(struct text *out, const struct notes *notes, const struct calls *calls);

/* Appends the members of the place of pc. */
void notes_json_place(struct text *out, const struct notes *notes, const void *pc);

/* Appends seconds with a digit more than text_seconds(): "41.2 s". */
void notes_seconds(struct text *out, double seconds);

#endif
