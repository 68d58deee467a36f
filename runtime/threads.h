/* SPDX-License-Identifier: MIT */
/* threads - how many this process has. */
#ifndef THREADS_H
#define THREADS_H

/* UINT_MAX: more than one, and nobody says how many. */
unsigned threads_count(void);

#endif
