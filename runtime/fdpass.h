/* SPDX-License-Identifier: MIT */
/* fdpass - messages on Unix sockets, and a descriptor in one (SCM_RIGHTS). */
#ifndef FDPASS_H
#define FDPASS_H

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* For one; by its padding it may hold two. */
union fdpass_room {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int))];
};

/* Whether a message that could not be sent for that error can be later. */
static inline bool fdpass_later(int error) {
	return error == EAGAIN || error == EINTR || error == ENOBUFS || error == ENOMEM ||
	       error == ETOOMANYREFS;
}

/* Has message, which is to be sent, take a duplicate of fd along in room; -1: none. */
static inline void fdpass_put(struct msghdr *message, union fdpass_room *room, int fd) {
	if (fd < 0) {
		return;
	}
	*room = (union fdpass_room){.header = {.cmsg_len = CMSG_LEN(sizeof fd),
					    .cmsg_level = SOL_SOCKET,
					    .cmsg_type = SCM_RIGHTS}};
	memcpy(CMSG_DATA(&room->header), &fd, sizeof fd);
	message->msg_control = room;
	message->msg_controllen = sizeof *room;
}

/* The first descriptor of a message that was received; closes the others. -1: there is none. */
static inline int fdpass_take(struct msghdr *message) {
	int first = -1, fd;
	for (struct cmsghdr *at = CMSG_FIRSTHDR(message); at;
		at = CMSG_NXTHDR(message, at)) {
		bool passes = at->cmsg_level == SOL_SOCKET && at->cmsg_type == SCM_RIGHTS;
		size_t size = passes ? at->cmsg_len - CMSG_LEN(0) : 0;
		for (size_t from = 0; from + sizeof fd <= size; from += sizeof fd) {
			memcpy(&fd, CMSG_DATA(at) + from, sizeof fd);
			if (first < 0) {
				first = fd;
			} else {
				close(fd);
			}
		}
	}
	return first;
}

#endif
