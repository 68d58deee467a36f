/* SPDX-License-Identifier: MIT */
/*
 * peek - reads memory of this process that may not be there, or not any more.
 *
 * What describes a task may lie in a plugin's file that was cut short, or be freed by
 * another thread meanwhile; reading it must not fault. Async-signal-safe.
 */
#ifndef PEEK_H
#define PEEK_H

#include <stdbool.h>
#include <stddef.h>

/* Copies size bytes. Returns whether all of them could be read. */
bool peek(void *to, const void *from, size_t size);

/* Copies a string, cut to size > 0 bytes; "?" where it cannot be read. Returns to. */
const char *peek_string(char *to, size_t size, const char *from);

#endif
