/* SPDX-License-Identifier: MIT */
/*
 * unwind - the stacks of the tasks of another process, which runs with --debug.
 *
 * Design notes. libdw unwinds, and finds names and lines; it is loaded for this alone. It reads
 * the files that the other process maps: so that is done for a process of the same user alone,
 * which sees the same mounts.
 */
#ifndef UNWIND_H
#define UNWIND_H

#include "dump.h"
#include "fields.h"

/*
 * Gives tasks that are suspended, and stay so meanwhile, their calls. own: an address in arun's
 * code or data there. Does nothing where there is no libdw, or the process is another's.
 */
void unwind_tasks(struct dump *dump, const struct remote *remote,
	const struct fields *fields, uint64_t own);

#endif
