/* SPDX-License-Identifier: MIT */
/*
 * early - what is asked for before there is a run, while the plugin is being loaded.
 *
 * Design notes. SIGTERM is kept for the run, which then stops in good order, so that the exit status
 * is the same whenever it came: 0 of a server. The grace time counts from it; a constructor that
 * hangs is given up when that is over, or at a second SIGTERM. SIGHUP is kept likewise: the run
 * reloads, where the entry can, or stops where stdin is a terminal; then the clock runs, too. SIGINT
 * needs none of this: whoever gets it dies of it.
 */
#ifndef EARLY_H
#define EARLY_H

/* Keeps SIGTERM and SIGHUP from now on, in this process; loads plugin. grace: in seconds. */
void early_begin(const char *plugin, double grace);

/*
 * Hands it on: arun_run() finds it, or meets it where it comes from now on. Returns what is left
 * of the grace time.
 */
double early_end(double grace);

/* It could not be handed on: there was no run. What is kept counts as it would without arun. */
void early_drop(void);

#endif
