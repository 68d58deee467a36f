/* SPDX-License-Identifier: MIT */
/* entries - the descriptors that ARUN_MAIN and ARUN_SERVER export. */
#ifndef LOADER_ENTRIES_H
#define LOADER_ENTRIES_H

#include "dynamic.h"

/* Whether the file exports anything that is named like an entry. */
bool entries_any(const struct dynamic *dynamic);

/*
 * Looks up the entries of an opened file and checks each: that it lies in memory that is
 * loaded, ABI, size, kind, function, names. Those of a shorter struct arun_entry are
 * completed with zeros.
 *
 * Returns 0, plugin->entries and plugin->count are set; -1 with *error.
 */
int entries_read(const char *path, const struct dynamic *dynamic,
	struct loader_plugin *plugin, struct loader_error *error);

#endif
