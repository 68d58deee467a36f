/* SPDX-License-Identifier: MIT */
/* peer - the text of a socket address that came from another process. */
#ifndef PEER_H
#define PEER_H

#include <stddef.h>

enum { PEER_TEXT = 160 };

/* "127.0.0.1:80", "[::1]:80", "unix:/path"; "" for anything else. */
void peer_text(char text[PEER_TEXT], const void *address, size_t length);

#endif
