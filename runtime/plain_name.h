/* SPDX-License-Identifier: MIT */
/*
 * plain_name - functions of C++ as their source names them, for handlers of signals.
 *
 * Design notes. The C++ library's own reader of such names takes memory, and time without bounds.
 * This one has neither: "_ZN3net5Conn4readEv" is net::Conn::read, whatever it takes, and a template is
 * Box<...>. What it does not know keeps the linker's name, which c++filt(1) reads.
 */
#ifndef PLAIN_NAME_H
#define PLAIN_NAME_H

#include "text.h"

/* Appends the plain name of what the linker calls name, escaped, or that. Async-signal-safe. */
void plain_name(struct text *out, const char *name);

#endif
