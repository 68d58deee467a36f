/* SPDX-License-Identifier: MIT */
#include "manager.h"

#include "../runtime/fdpass.h"
#include "../runtime/variable.h"
#include "say.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { OWED_MAX = 64 };

static void set_address(struct manager *manager, const char *path) {
	size_t length = path ? strlen(path) : 0;
	if (length < 2 || length >= sizeof manager->address.sun_path ||
		(*path != '/' && *path != '@')) {
		return;
	}
	manager->address.sun_family = AF_UNIX;
	memcpy(manager->address.sun_path, path, length);
	manager->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length +
				      (*path == '/'));
	if (*path == '@') {
		manager->address.sun_path[0] = '\0';
	}
}

/* Seconds; 0: none, as the workers have it, too: their signs of life would be waited for in vain. */
static double watchdog(void) {
	double seconds = variable_watchdog();
	return seconds < 1e9 ? seconds : 0;
}

/* An abstract name that the kernel picks: there is no file to remove. */
static int open_socket(struct manager *manager) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t length = sizeof address.sun_family;
	int on = 1;
	int fd = manager->fd =
		socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0) {
		return -1;
	}
	length = sizeof address;
	if (getsockname(fd, (struct sockaddr *)&address, &length) < 0) {
		return -1;
	}
	int size = (int)(length - offsetof(struct sockaddr_un, sun_path)) - 1;
	snprintf(
		manager->name, sizeof manager->name, "@%.*s", size, address.sun_path + 1);
	return 0;
}

int manager_open(struct manager *manager) {
	*manager = (struct manager){.fd = -1};
	set_address(manager, getenv("NOTIFY_SOCKET"));
	manager->watchdog = watchdog();
	if (!manager->watchdog) {
		unsetenv("WATCHDOG_USEC");
	}
	unsetenv("WATCHDOG_PID");
	return open_socket(manager) < 0 || setenv("NOTIFY_SOCKET", manager->name, 1) < 0
		       ? -1
		       : 0;
}

/* Owed messages -------------------------------------------------------------------- */

struct owed {
	struct owed *next;
	int fd; /* -1: none */
	char text[];
};

static void drop_oldest(struct manager *manager) {
	struct owed *oldest = manager->owed;
	manager->owed = oldest->next;
	if (oldest->fd >= 0) {
		close(oldest->fd);
	}
	free(oldest);
}

static bool is_repeated(const char *text) {
	return manager_says(text, "WATCHDOG=1") ||
	       manager_says(text, "EXTEND_TIMEOUT_USEC=");
}

/* Keeps a message to be sent later. Where there are too many the oldest goes: the last counts most. */
static void owe(struct manager *manager, const char *text, int fd) {
	struct owed **end = &manager->owed, *owed;
	size_t count = 0, size = strlen(text) + 1;
	for (; *end; end = &(*end)->next) {
		count++;
	}
	owed = malloc(sizeof *owed + size);
	if (!owed) {
		return;
	}
	*owed = (struct owed){.fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0)};
	memcpy(owed->text, text, size);
	*end = owed;
	if (count == OWED_MAX) {
		drop_oldest(manager);
	}
}

void manager_close(struct manager *manager) {
	while (manager->owed) {
		drop_oldest(manager);
	}
	close(manager->fd);
	manager->fd = -1;
}

/* Telling -------------------------------------------------------------------------- */

/* Says once that the manager cannot be told: waiting for READY=1, it would kill this service. Where
 * there is no manager nobody waits. */
static void complain(struct manager *manager, int error) {
	bool there = error != ENOENT && error != ENOTDIR && error != ECONNREFUSED;
	if (!fdpass_later(error) && there && !manager->complained) {
		manager->complained = true;
		say("the service manager cannot be told: %s", strerror(error));
	}
}

/* Whether it was sent, or never will be. */
static bool send_now(struct manager *manager, const char *text, int fd) {
	union fdpass_room room;
	struct iovec part = {(void *)(uintptr_t)text, strlen(text)};
	struct msghdr message = {.msg_name = (void *)(uintptr_t)&manager->address,
		.msg_namelen = manager->length,
		.msg_iov = &part,
		.msg_iovlen = 1};
	fdpass_put(&message, &room, fd);
	if (!manager->length || sendmsg(manager->fd, &message, MSG_NOSIGNAL) >= 0) {
		return true;
	}
	int error = errno;
	complain(manager, error);
	return !fdpass_later(error);
}

bool manager_pay(struct manager *manager) {
	while (manager->owed &&
		send_now(manager, manager->owed->text, manager->owed->fd)) {
		drop_oldest(manager);
	}
	return manager->owed != NULL;
}

void manager_tell(struct manager *manager, const char *text, int fd) {
	bool waits = manager_pay(manager);
	if ((waits || !send_now(manager, text, fd)) && !is_repeated(text)) {
		owe(manager, text, fd);
	}
}

/* Sends the last message of a process: there is no later, so it waits for a while. */
static void tell_alone(const char *text) {
	const struct timeval patience = {.tv_sec = 1};
	struct manager manager = {.fd = -1, .complained = true};
	set_address(&manager, getenv("NOTIFY_SOCKET"));
	if (manager.length) {
		manager.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	}
	if (manager.fd >= 0) {
		setsockopt(
			manager.fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
		send_now(&manager, text, -1);
		close(manager.fd);
	}
}

void manager_tell_failed(struct manager *manager, int status, const char *why) {
	char text[MANAGER_TEXT];
	snprintf(text, sizeof text, "EXIT_STATUS=%d\nSTATUS=failed: %s", status, why);
	if (manager) {
		manager_tell(manager, text, -1);
	} else {
		tell_alone(text);
	}
}

void manager_tell_reloading(struct manager *manager) {
	struct timespec now;
	char text[64];
	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%lld",
		(long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	manager_tell(manager, text, -1);
}

/* Who has sent it, as the kernel says; 0: it does not. */
static pid_t sender_of(struct msghdr *message) {
	struct ucred sender = {.pid = 0};
	for (struct cmsghdr *at = CMSG_FIRSTHDR(message); at;
		at = CMSG_NXTHDR(message, at)) {
		if (at->cmsg_level == SOL_SOCKET && at->cmsg_type == SCM_CREDENTIALS) {
			memcpy(&sender, CMSG_DATA(at), sizeof sender);
		}
	}
	return sender.pid;
}

bool manager_hear(const struct manager *manager, struct manager_message *message) {
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct iovec part = {message->text, sizeof message->text - 1};
	struct msghdr header = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof control.room};
	ssize_t length = recvmsg(manager->fd, &header, MSG_CMSG_CLOEXEC);
	if (length < 0) {
		return false;
	}
	message->text[length] = '\0';
	message->process = sender_of(&header);
	message->fd = fdpass_take(&header);
	return true;
}

bool manager_says(const char *text, const char *line) {
	size_t length = strlen(line);
	while (text) {
		if (strncmp(text, line, length) == 0 &&
			(line[length - 1] == '=' || !text[length] ||
				text[length] == '\n')) {
			return true;
		}
		text = strchr(text, '\n');
		text += text != NULL;
	}
	return false;
}
