/* SPDX-License-Identifier: MIT */
/* report_file - the file of --report. */
#ifndef REPORT_FILE_H
#define REPORT_FILE_H

#include <stdbool.h>

/*
 * Opens name to append to, making it with mode 0600: a regular file, never through a
 * symbolic link; "%p" in it is the process id. "fd:N" is a descriptor that this process
 * was given; from now on it is closed on exec.
 *
 * Returns a descriptor above 2 (for fd:0 to fd:2 a copy), the caller's; -1 where there is
 * none, after one line on stderr that begins with source: "--report", "$ARUN_REPORT".
 */
int report_file_open(const char *name, const char *source);

/* Whether fd, which was opened so, is still that file; not where somebody has closed it. */
bool report_file_is(int fd);

/*
 * Whether processes that this one will start can have it: opened and closed, and, where "%p" is in
 * name, not left behind by this one. Returns 0; -1 as report_file_open().
 */
int report_file_try(const char *name, const char *source);

#endif
