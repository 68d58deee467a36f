/* SPDX-License-Identifier: MIT */
/*
 * observe - what is seen of a run from beside its tasks: by the handlers of signals, and with
 * --debug by records of all that is made, and a watch over tasks that run for too long.
 */
#ifndef OBSERVE_H
#define OBSERVE_H

#include "run_state.h"

/* Before the first object. Returns NULL; or of what there was none, with errno. */
const char *observe_begin(struct run *run, const arun_options *options);

/* Gives the signals back, and ends the watch. */
void observe_end(struct run *run);

/* Ends the records, after the last object. */
void observe_forget(struct run *run);

#endif
