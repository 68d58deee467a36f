/* SPDX-License-Identifier: MIT */
/* namespaces - a machine of its own for a case: its network, its files. */
#ifndef NAMESPACES_H
#define NAMESPACES_H

#include "api.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/wait.h>

static inline bool put(const char *path, const char *text) {
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	ssize_t length = (ssize_t)strlen(text);
	bool done = fd >= 0 && write(fd, text, (size_t)length) == length;
	close(fd);
	return done;
}

/* Who is not root is it in a namespace of users. */
static inline bool become_root(void) {
	char users[32], groups[32];
	snprintf(users, sizeof users, "0 %u 1", (unsigned)getuid());
	snprintf(groups, sizeof groups, "0 %u 1", (unsigned)getgid());
	return unshare(CLONE_NEWUSER) == 0 && put("/proc/self/setgroups", "deny") &&
	       put("/proc/self/uid_map", users) && put("/proc/self/gid_map", groups);
}

/* A network without even a loopback, and mounts that nobody else sees. */
static inline bool leave_the_machine(void) {
	enum { PARTS = CLONE_NEWNET | CLONE_NEWNS };
	return (unshare(PARTS) == 0 || (become_root() && unshare(PARTS) == 0)) &&
	       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

/* Whether cases may do so; where not they are left out, which is said. */
static inline bool namespaces_here(void) {
	int status = -1;
	pid_t child = fork();
	if (child == 0) {
		_exit(!leave_the_machine());
	}
	bool here = child > 0 && waitpid(child, &status, 0) == child && status == 0;
	if (!here) {
		fputs("# left out: cases that need namespaces of their own\n", stderr);
	}
	return here;
}

static inline void start_loopback(void) {
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &request), 0);
	close(fd);
}

#endif
