/* SPDX-License-Identifier: MIT */
/*
 * launch - starts a program.
 *
 * Design notes. The child shares our memory until it has become the program, as vfork(2)
 * has it: nothing is copied, whatever our size, and an error of execve(2) is left in the
 * struct. It has a stack of its own, and our signals are blocked until it has none of our
 * handlers any more. Under ThreadSanitizer it has a copy.
 */
#ifndef LAUNCH_H
#define LAUNCH_H

#include <stdbool.h>
#include <sys/types.h>

enum { LAUNCH_STREAMS = 3 };

struct launch {
	char *const *argv;
	char *const *environment;
	const char *directory;   /* NULL: this one */
	bool leads;              /* a process group of its own */
	int fds[LAUNCH_STREAMS]; /* that become its 0 to 2; -1: this process' own */
	/* Out. */
	int pidfd;
	bool in_directory; /* it is the directory that failed */
};

/*
 * Starts argv[0], which is found by PATH, with the default actions of all signals (but INT,
 * QUIT and HUP stay ignored: nohup(1)), none blocked, and no descriptor above 2. Returns its
 * pid; -1 with errno: what clone(2) or execve(2) say, ENOMEM.
 */
pid_t launch_start(struct launch *launch);

#endif
