/* SPDX-License-Identifier: MIT */
/* ready - `arun ps --ready`: whether a process does its work, asked from outside. */
#ifndef READY_H
#define READY_H

#include <sys/types.h>

/* Returns 0: it is ready; 1: it is not, or cannot be read, and a line said why. */
int ready_ask(pid_t pid);

#endif
