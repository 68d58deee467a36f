/* SPDX-License-Identifier: MIT */
/* second_signal - whether a signal is a second one, which forces, or the first one again. */
#ifndef SECOND_SIGNAL_H
#define SECOND_SIGNAL_H

#include <stdbool.h>

/* Seconds: make, npm and timeout forward what the terminal has sent to all. */
#define SECOND_SIGNAL_FROM 0.1

static inline bool second_signal(double since_first) {
	return since_first >= SECOND_SIGNAL_FROM;
}

#endif
