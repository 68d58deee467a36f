/* SPDX-License-Identifier: MIT */
/* journal_stream - the stream to its journal that systemd starts services with. */
#ifndef JOURNAL_STREAM_H
#define JOURNAL_STREAM_H

#include <stdbool.h>

/* Whether fd is that. */
bool journal_stream_is(int fd);

#endif
