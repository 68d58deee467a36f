/* SPDX-License-Identifier: MIT */
/* leave - exit(3), called by the plugin. */
#ifndef LEAVE_H
#define LEAVE_H

/*
 * From now on an exit(3) inside a run says what is open, as the end of the run would. Nothing is
 * cancelled or closed: that would take the tasks that exit() leaves. To be called once.
 */
void leave_watch(void);

#endif
