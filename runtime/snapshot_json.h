/* SPDX-License-Identifier: MIT */
/* snapshot_json - a snapshot as members of an arun-report/1 object; async-signal-safe. */
#ifndef SNAPSHOT_JSON_H
#define SNAPSHOT_JSON_H

#include "snapshot.h"

/* Appends "counts", "total", "suppressed" and the array "leaks" or "objects". */
void snapshot_json(const struct snapshot *snapshot, struct text *out);

#endif
