/* SPDX-License-Identifier: MIT */
/* once - a line that each of several processes would say, and one of them says. */
#ifndef ONCE_H
#define ONCE_H

#include <stdbool.h>

struct once;

/* Before they are forked, which share it. NULL: no memory; then each says its line. */
struct once *once_create(void);

/*
 * Whether this process is to say text; false: another has. Waits while another one is about to
 * say something, which may be this. To be followed by once_end(), in any case. once may be NULL.
 */
bool once_begin(struct once *once, const char *text);

/* What was to be said has been said. */
void once_end(struct once *once);

#endif
