/* SPDX-License-Identifier: MIT */
/* fatal - has a line said where loading a file kills the process. */
#ifndef LOADER_FATAL_H
#define LOADER_FATAL_H

/*
 * From now on, until fatal_end(), a crash writes a line on stderr that names path; then the
 * process dies of it, as it would have. Who has a handler of a crash keeps it: a sanitizer, and
 * a constructor that installs one.
 */
void fatal_begin(const char *path);
void fatal_end(void);

#endif
