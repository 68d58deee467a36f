/* SPDX-License-Identifier: MIT */
#include "broker.h"

#include "fdpass.h"
#include "same_file.h"
#include "sockopt.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { BROKER_NAME = 512, BROKER_SECONDS = 5 };

/* -1: the plugin has closed it, and what has the number now is not spoken to. */
static int broker_fd(const struct broker *broker) {
	return same_file(broker->fd, &broker->file) ? broker->fd : -1;
}

/* Returns whether it was sent. fd: goes with it; -1: none. */
static bool broker_send(
	const struct broker *broker, const char *text, size_t length, int fd) {
	union fdpass_room room;
	struct iovec part = {(void *)(uintptr_t)text, length};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	fdpass_put(&message, &room, fd);
	return sendmsg(broker_fd(broker), &message, MSG_NOSIGNAL) >= 0;
}

/* Returns the answer. *fd: of BROKER_HERE; -1: none. */
static enum broker_answer broker_receive(const struct broker *broker, int *fd) {
	union fdpass_room room;
	char kind = 0;
	struct iovec part = {&kind, 1};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &room,
		.msg_controllen = sizeof room};
	ssize_t length;
	do {
		length = recvmsg(broker->fd, &message, MSG_CMSG_CLOEXEC);
	} while (length < 0 && errno == EINTR);
	*fd = length < 0 ? -1 : fdpass_take(&message);
	if (*fd >= 0 && kind != BROKER_HERE) {
		close(*fd);
		*fd = -1;
	}
	return (enum broker_answer)kind;
}

/* A descriptor of another process, or not of this kind, is not touched. */
static bool is_broker(int fd, int process) {
	return process == (int)getpid() && sockopt_get(fd, SO_TYPE) == SOCK_SEQPACKET;
}

void broker_init(struct broker *broker, bool taken) {
	const struct timeval limit = {.tv_sec = BROKER_SECONDS};
	const char *variable = taken ? getenv("ARUN_BROKER") : NULL;
	int fd, process;
	*broker = (struct broker){.fd = 0};
	if (!variable) {
		return;
	}
	if (sscanf(variable, "%d:%d", &fd, &process) == 2 && fd > STDERR_FILENO &&
		is_broker(fd, process) && fstat(fd, &broker->file) == 0) {
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
		broker->fd = fd;
		broker->worker = true;
	}
	unsetenv("ARUN_BROKER");
}

static void broker_hang_up(struct broker *broker) {
	if (broker->fd && broker_fd(broker) >= 0) {
		close(broker->fd);
	}
	broker->fd = 0;
}

void broker_finish(struct broker *broker) {
	broker_hang_up(broker);
	*broker = (struct broker){.fd = 0};
}

enum broker_answer broker_ask(
	struct broker *broker, const char *address, bool any, int *fd) {
	char text[BROKER_NAME];
	int length = any ? snprintf(text, sizeof text, "%c%s#%u", BROKER_ASK, address,
				   broker->any++)
			 : snprintf(text, sizeof text, "%c%s", BROKER_ASK, address);
	if (!broker->fd || length >= (int)sizeof text) {
		return BROKER_NONE;
	}
	enum broker_answer answer = broker_send(broker, text, (size_t)length, -1)
					    ? broker_receive(broker, fd)
					    : BROKER_NONE;
	switch (answer) {
	case BROKER_HERE:
		return *fd >= 0 ? BROKER_HERE : BROKER_REFUSED;
	case BROKER_OPEN:
	case BROKER_REFUSED:
		return answer;
	default:
		/* A late answer would be taken for that to the next question. */
		broker_hang_up(broker);
		return BROKER_NONE;
	}
}

bool broker_keep(struct broker *broker, int fd, const char *file) {
	char text[1 + PATH_MAX];
	int length = snprintf(text, sizeof text, "%c%s", BROKER_KEEP, file ? file : "");
	if (fd < 0) {
		broker_send(broker, (char[]){BROKER_FAILED}, 1, -1);
		return false;
	}
	/* What is longer is no path that a call takes. */
	return broker_send(
		broker, text, length < (int)sizeof text ? (size_t)length : 1, fd);
}

bool broker_says(struct broker *broker, const char *words) {
	char text[BROKER_NAME];
	int length = snprintf(text, sizeof text, "%c%s", BROKER_SAY, words), fd = -1;
	size_t size = length < (int)sizeof text ? (size_t)length : sizeof text - 1;
	if (!broker->fd || !broker_send(broker, text, size, -1)) {
		return true;
	}
	enum broker_answer answer = broker_receive(broker, &fd);
	if (fd >= 0) {
		close(fd);
	}
	return answer != BROKER_REFUSED;
}

void broker_tell(const struct broker *broker, const char *leaks) {
	char text[BROKER_NAME];
	int length = snprintf(text, sizeof text, "%c%s", BROKER_LEFT, leaks);
	if (broker->fd && length < (int)sizeof text) {
		/* The parent may be stopped: it is not waited for. */
		send(broker_fd(broker), text, (size_t)length,
			MSG_NOSIGNAL | MSG_DONTWAIT);
	}
}
