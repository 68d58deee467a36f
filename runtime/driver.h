/* SPDX-License-Identifier: MIT */
/*
 * driver - a task of arun's own that starts the entry, waits for it, and ends the run.
 *
 * Design notes. The order of the end is that of dependence: nothing new is accepted; what is open
 * is recorded, before anything is cancelled; tasks are cancelled, and may still use what they hold;
 * then generators, connections, servers and the rest are closed. All waits are bounded by the stop's
 * clock (grace.h). What outlasts it is abandoned, and the process ends: see stop.h.
 */
#ifndef DRIVER_H
#define DRIVER_H

/* The driver's body; run is a struct run. Quits the loop in the end, and returns 0. */
int driver_main(void *run);

#endif
