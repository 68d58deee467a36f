/* SPDX-License-Identifier: MIT */
#include "udp_ahead.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum { AHEAD_MOST = 8, AHEAD_ROOM = 1 << 16 };

struct udp_ahead {
	int next, count;
	struct mmsghdr messages[AHEAD_MOST];
	struct iovec pieces[AHEAD_MOST];
	struct sockaddr_in6 from[AHEAD_MOST];
	char bytes[AHEAD_MOST][AHEAD_ROOM]; /* pages that nothing comes to stay unused */
};

static struct udp_ahead *ahead_create(void) {
	struct udp_ahead *ahead = malloc(sizeof *ahead);
	if (!ahead) {
		return NULL;
	}
	ahead->next = ahead->count = 0;
	for (int i = 0; i < AHEAD_MOST; i++) {
		ahead->pieces[i] = (struct iovec){ahead->bytes[i], AHEAD_ROOM};
		ahead->messages[i].msg_hdr = (struct msghdr){
			.msg_iov = &ahead->pieces[i],
			.msg_iovlen = 1,
			.msg_name = &ahead->from[i],
		};
	}
	return ahead;
}

bool udp_ahead_empty(const struct udp_ahead *ahead) {
	return !ahead || ahead->next == ahead->count;
}

ssize_t udp_ahead_take(struct udp_ahead *ahead, struct msghdr *message) {
	if (udp_ahead_empty(ahead)) {
		return -1;
	}
	const struct mmsghdr *next = &ahead->messages[ahead->next++];
	const struct iovec *to = message->msg_iov;
	size_t size = next->msg_len;
	message->msg_flags = size > to->iov_len ? MSG_TRUNC : 0;
	size_t taken = size > to->iov_len ? to->iov_len : size;
	if (taken) {
		memcpy(to->iov_base, next->msg_hdr.msg_iov->iov_base, taken);
	}
	if (message->msg_name) {
		message->msg_namelen = next->msg_hdr.msg_namelen;
		memcpy(message->msg_name, next->msg_hdr.msg_name, message->msg_namelen);
	}
	return (ssize_t)size;
}

ssize_t udp_ahead_read(struct udp_ahead **place, int fd, struct msghdr *message) {
	struct udp_ahead *ahead = *place = *place ? *place : ahead_create();
	if (!ahead) {
		return recvmsg(fd, message, MSG_TRUNC);
	}
	for (int i = 0; i < AHEAD_MOST; i++) {
		ahead->messages[i].msg_hdr.msg_namelen = sizeof *ahead->from;
	}
	int count = recvmmsg(fd, ahead->messages, AHEAD_MOST, 0, NULL);
	if (count <= 0) {
		return -1;
	}
	ahead->next = 0;
	ahead->count = count;
	return udp_ahead_take(ahead, message);
}

void udp_ahead_destroy(struct udp_ahead *ahead) {
	free(ahead);
}
