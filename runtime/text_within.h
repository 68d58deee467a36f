/* SPDX-License-Identifier: MIT */
/* text_within - writes a text for a bounded time: nobody may be reading. */
#ifndef TEXT_WITHIN_H
#define TEXT_WITHIN_H

#include "text.h"

/*
 * Writes text to fd until seconds (0: what fits at once) are over. To a file it is one
 * write(2); to anything else whole lines of at most PIPE_BUF bytes each time, which
 * others who write to the same pipe cannot tear. Returns how many bytes were written;
 * where that is not all, with errno: EAGAIN, the time is over, or what write(2) says.
 * Async-signal-safe.
 */
size_t text_write_within(const struct text *text, int fd, double seconds);

#endif
