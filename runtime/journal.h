/* SPDX-License-Identifier: MIT */
/*
 * journal - leaks as entries of systemd's journal with fields of their own, so that
 * `journalctl ARUN_KIND=task` finds them. Async-signal-safe.
 */
#ifndef JOURNAL_H
#define JOURNAL_H

#include "snapshot.h"

/* Of all entries about leaks; arun-report(5) has it. */
#define JOURNAL_LEAK "164531f4760b49709dfd0c4e65744241"

/*
 * Sends an entry about group; line: what is said of it as text. plugin: the name of its
 * file. Returns whether the journal has it; it never waits for that.
 */
bool journal_leak(
	const struct snapshot_group *group, const char *line, const char *plugin);

#endif
