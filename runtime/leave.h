/* SPDX-License-Identifier: MIT */
/* leave - how a plugin ends the process past the end of its run. */
#ifndef LEAVE_H
#define LEAVE_H

struct loop;

/*
 * From now on an exit(3) inside a run says what is open, as the end of the run would. Nothing is
 * cancelled or closed: that would take the tasks that exit() leaves. To be called once.
 */
void leave_watch(void);

/* From now on the end of this thread by pthread_exit(3) ends its run, without a report. */
void leave_watch_thread(void);

/* loop::broken: says why, and what is open, and aborts. */
_Noreturn void leave_broken(struct loop *loop, const char *message);

/* loop::starved: says what is open, and ends the process with LOOP_STARVED. */
_Noreturn void leave_starved(struct loop *loop);

#endif
