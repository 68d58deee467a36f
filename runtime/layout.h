/* SPDX-License-Identifier: MIT */
/*
 * layout - where the fields of a run lie, for readers from outside: `arun ps`, gdb.
 *
 * Design notes. Such a reader finds arun_layout and arun_process_run by name in .dynsym,
 * which strip(1) leaves: it needs no struct of the runtime and no debug information, and
 * reads runs of another build as well, as long as the fields it wants are there. A field
 * is "STRUCT.MEMBER"; "STRUCT." is the struct itself, of that size; where size is 0, the
 * entry is a constant, and offset its value. Fields of "run" count from arun_process_run.
 * An object of a kind is in the struct that is named as the kind's word.
 */
#ifndef LAYOUT_H
#define LAYOUT_H

#include "stop.h"

/* FORMAT changes when the structs below do, not when an entry comes or goes. */
enum { LAYOUT_FORMAT = 1, LAYOUT_ENTRIES = 128, LAYOUT_NAME = 24, LAYOUT_VERSION = 16 };

struct layout_entry {
	char name[LAYOUT_NAME];
	uint32_t offset, size;
};

struct layout {
	char magic[8]; /* "arun-lay" */
	uint32_t format, count;
	char version[LAYOUT_VERSION];                /* of arun */
	struct layout_entry entries[LAYOUT_ENTRIES]; /* the first of no name ends them */
};

extern ARUN_API const struct layout arun_layout;

/* The run that owns the signals of this process, else the first one; NULL: none. */
extern ARUN_API struct run *arun_process_run;

/* Makes run the one that readers see; signals: it owns the process' signals. */
void layout_show(struct run *run, bool signals);

/* Readers see run no more. */
void layout_hide(struct run *run);

#endif
