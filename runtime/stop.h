/* SPDX-License-Identifier: MIT */
/*
 * stop - asking a run to end, the clock that runs from then on, and what is told meanwhile.
 *
 * Design notes. The clock starts with the stop, or when the entry ends by itself; the driver
 * (driver.h) ends the run before it is over. What is left then is abandoned, by a timer of the
 * loop, or by the handler's clock where the loop is blocked; and the process ends, as nothing may
 * run under a task that still holds its stack.
 */
#ifndef STOP_H
#define STOP_H

#include "run_state.h"

/* The exit status of a run that succeeded but for leaks, where these are errors. */
enum { RUN_STATUS_LEAKS = 23 };

/* Asks for the stop, by a signal or (0) not. Only the first call, and the first signal, count. */
void stop_ask(struct run *run, int signal, const struct arun_site *site);

/* Sees to a signal that came since the loop's last turn; does not return from the second. */
void stop_heed(struct run *run);

/* Cancels the entry, as the stop's doing. */
void stop_cancel_entry(struct run *run, const struct arun_site *site);

/* Starts the clock, as of a time; does nothing where it runs. */
void stop_start_clock(struct run *run, double at);

/* The clock's end: says what is abandoned, and ends the process. */
_Noreturn void stop_abandon(struct run *run);

/* Records what is open, for the reports, once; fds: the raw descriptors, too. Async-signal-safe. */
void stop_snapshot(struct run *run, bool fds);

/* Names the failed tasks that nobody has joined for that many seconds, once each. */
void stop_tell_failed(struct run *run, double seconds);

/* The entry has returned, and servers are open: says how an entry waits while they serve. */
void stop_tell_servers(const struct run *run);

/* For the reports: how the run ends, now. Async-signal-safe. */
struct report_end stop_report_end(
	const struct run *run, const char *reason, int signal, int status);

/* Part of loop::woken; loop::stuck, sched::failed, sched::ignores, handler::last_words. */
void stop_on_wakeup(struct loop *loop);
bool stop_on_stuck(struct loop *loop);
void stop_on_failed(struct arun_task *task);
void stop_on_ignored(struct arun_task *task);
void stop_last_words(struct loop *loop, int forced);

#endif
