/* SPDX-License-Identifier: MIT */
/*
 * manager - between the service manager (sd_notify(3)) and the workers: they talk to the
 * parent as they would to it, and the parent talks for the group.
 */
#ifndef MANAGER_H
#define MANAGER_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

enum { MANAGER_TEXT = 4096 };

struct owed;

struct manager {
	struct sockaddr_un address; /* of the service manager */
	socklen_t length;           /* 0: there is none */
	int fd;                     /* where the workers talk to */
	char name[32];              /* its $NOTIFY_SOCKET */
	double watchdog;            /* seconds; 0: none */
	bool complained;            /* that it cannot be told */
	struct owed *owed;          /* what it had no room for, the oldest first */
};

struct manager_message {
	pid_t process; /* who sent it, as the kernel says */
	char text[MANAGER_TEXT];
	int fd; /* that came with it, the receiver's; -1: none */
};

/* Reads the environment, and sets it for the workers. Returns 0; -1 with errno. */
int manager_open(struct manager *manager);

/* Closes the descriptor and forgets what is owed, the environment stays. */
void manager_close(struct manager *manager);

/*
 * Tells the service manager; fd, which stays the caller's, goes with it, -1: none. What it
 * has no room for is sent later, but for what is said again anyway: that the watchdog is
 * fed, and that more time is wanted.
 */
void manager_tell(struct manager *manager, const char *text, int fd);

/* Why the group, or, manager NULL, this process, whose $NOTIFY_SOCKET counts, has failed before it
 * was ready; with the status that it will end with. */
void manager_tell_failed(struct manager *manager, int status, const char *why);

/* Sends what is owed, as far as there is room. Returns whether some is left. */
bool manager_pay(struct manager *manager);

/* "RELOADING=1", with the time that belongs to it. */
void manager_tell_reloading(struct manager *manager);

/* The next message of a worker; false: there is none. */
bool manager_hear(const struct manager *manager, struct manager_message *message);

/* Whether a line of text is this one, or begins with this where it ends in '='. */
bool manager_says(const char *text, const char *line);

#endif
