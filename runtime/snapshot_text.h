/* SPDX-License-Identifier: MIT */
/* snapshot_text - a snapshot of leaks as lines that editors jump to; async-signal-safe.
 */
#ifndef SNAPSHOT_TEXT_H
#define SNAPSHOT_TEXT_H

#include "snapshot.h"

enum { SNAPSHOT_LINES = 20 };

/*
 * Appends a line a group, SNAPSHOT_LINES at most, and the count; nothing where there is
 * no leak. plugin, the name of its file, stands for the sites that are not known.
 */
void snapshot_text(const struct snapshot *snapshot, const char *plugin, struct text *out);

/* Appends what the objects of group belong to: ' of server "echo"'. */
void snapshot_text_owner(struct text *out, const struct snapshot_group *group);

/* Appends ": 1 server, 2 tasks"; nothing where there is none. */
void snapshot_text_counts(struct text *out, const struct snapshot *snapshot);

/* The last of these lines. */
void snapshot_text_summary(
	const struct snapshot *snapshot, const char *plugin, struct text *out);

/* The same without the lines of those groups that told() takes care of: it returns whether
 * it did. */
void snapshot_text_rest(const struct snapshot *snapshot, const char *plugin,
	struct text *out,
	bool (*told)(const struct snapshot_group *group, const char *line,
		const char *plugin));

#endif
