/* SPDX-License-Identifier: MIT */
/*
 * layout - the table that every process of arun has in .dynsym as "arun_layout", beside
 * "arun_process_run", a pointer to its run: where the fields of the runtime's structs lie
 * in that build of it.
 *
 * An entry is "STRUCT.MEMBER", or "STRUCT." for the struct itself; where its size is 0 it
 * is a constant, and offset the value. The first of no name ends them. Fields of "run"
 * count from where arun_process_run points.
 */
#ifndef LAYOUT_H
#define LAYOUT_H

#include <stdint.h>

#define LAYOUT_MAGIC "arun-lay"

enum { LAYOUT_FORMAT = 1, LAYOUT_NAME = 24, LAYOUT_VERSION = 16, LAYOUT_LIMIT = 4096 };

struct layout_header {
	char magic[8];
	uint32_t format, count;
	char version[LAYOUT_VERSION]; /* of arun */
};

struct layout_entry {
	char name[LAYOUT_NAME];
	uint32_t offset, size;
};

#endif
