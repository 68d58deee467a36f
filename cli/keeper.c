/* SPDX-License-Identifier: MIT */
#include "keeper.h"

#include "../runtime/broker_message.h"
#include "../runtime/fdpass.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

int keeper_connect(struct keeper_line *line, int *other) {
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
		return -1;
	}
	*line = (struct keeper_line){.fd = ends[0]};
	*other = ends[1];
	return 0;
}

bool keeper_lets_say(int other, const char *words) {
	const struct timeval patience = {.tv_sec = 5};
	char text[1 + KEEPER_NAME], kind = 0;
	snprintf(text, sizeof text, "%c%s", BROKER_SAY, words);
	setsockopt(other, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	if (send(other, text, strlen(text), MSG_NOSIGNAL) < 0) {
		return true;
	}
	ssize_t length;
	do { /* A SIGTERM, as another has failed, comes before the answer. */
		length = recv(other, &kind, sizeof kind, 0);
	} while (length < 0 && errno == EINTR);
	return length <= 0 || kind != BROKER_REFUSED;
}

void keeper_disconnect(struct keeper *keeper, struct keeper_line *line) {
	if (line->fd < 0) {
		return;
	}
	if (keeper->opener == line->fd) {
		keeper->opener = -1;
	}
	if (keeper->speaker == line->fd) {
		keeper->speaker = -1;
	}
	close(line->fd);
	line->fd = -1;
	line->question = 0;
	line->late = false;
}

/* Answers -------------------------------------------------------------------------- */

/* Sends an answer, and fd with it (-1: none). Returns whether it was sent; keeper_line::late: it is
 * to be tried again. */
static bool answer(struct keeper_line *line, enum broker_answer what, int fd) {
	union fdpass_room room;
	char kind = (char)what;
	struct iovec part = {&kind, 1};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	fdpass_put(&message, &room, fd);
	bool sent = sendmsg(line->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
	line->late = !sent && fdpass_later(errno);
	line->question = line->late ? line->question : 0;
	return sent;
}

/* The place of a name, "": a free one; KEEPER_SOCKETS: there is none. */
static size_t find(const struct keeper *keeper, const char *name) {
	size_t i = 0;
	while (i < KEEPER_SOCKETS && strcmp(keeper->kept[i].name, name) != 0) {
		i++;
	}
	return i;
}

/* One socket is opened at a time: who else asks is answered when it is there, or opens the next. */
static void answer_name(struct keeper *keeper, struct keeper_line *line) {
	size_t place = find(keeper, line->asked);
	if (place < KEEPER_SOCKETS) {
		line->uses |= UINT64_C(1) << place;
		answer(line, BROKER_HERE, keeper->kept[place].fd);
	} else if (find(keeper, "") == KEEPER_SOCKETS) {
		answer(line, BROKER_REFUSED, -1);
	} else if (keeper->opener < 0 && answer(line, BROKER_OPEN, -1)) {
		keeper->opener = line->fd;
	}
}

/* One worker says something at a time, and ends: so it is said before all are stopped because another
 * has ended. */
static void answer_failure(struct keeper *keeper, struct keeper_line *line) {
	if (keeper->apart) {
		answer(line, BROKER_OPEN, -1);
	} else if (keeper->speaker >= 0 && keeper->speaker != line->fd) {
		return;
	} else if (strcmp(keeper->said, line->asked) == 0) {
		answer(line, BROKER_REFUSED, -1);
	} else if (answer(line, BROKER_OPEN, -1)) {
		strcpy(keeper->said, line->asked);
		keeper->speaker = line->fd;
	}
}

void keeper_answer(struct keeper *keeper, struct keeper_line *line) {
	switch (line->question) {
	case BROKER_ASK:
		answer_name(keeper, line);
		break;
	case BROKER_SAY:
		answer_failure(keeper, line);
		break;
	case BROKER_REFUSED:
		answer(line, BROKER_REFUSED, -1);
		break;
	}
}

/* Keeping -------------------------------------------------------------------------- */

/* Whether the socket was bound to that path, from whatever folder. */
static bool is_bound_to(int fd, const char *path) {
	struct sockaddr_un name = {.sun_family = AF_UNSPEC};
	socklen_t size = sizeof name;
	if (getsockname(fd, (struct sockaddr *)&name, &size) < 0 ||
		name.sun_family != AF_UNIX) {
		return false;
	}
	/* A path may fill it, without a NUL. */
	size_t length = strnlen(name.sun_path, sizeof name.sun_path), all = strlen(path);
	return length && length <= all &&
	       memcmp(path + all - length, name.sun_path, length) == 0;
}

/* Remembers the file that the worker says it has made; nothing else is ever removed. */
static void note_file(struct kept *kept, const char *path) {
	struct stat stat;
	if (*path == '/' && is_bound_to(kept->fd, path) && lstat(path, &stat) == 0 &&
		S_ISSOCK(stat.st_mode)) {
		kept->file = strdup(path);
		kept->device = stat.st_dev;
		kept->inode = stat.st_ino;
	}
}

static void keep(
	struct keeper *keeper, struct keeper_line *line, int fd, const char *path) {
	size_t place = find(keeper, "");
	if (place == KEEPER_SOCKETS) {
		close(fd);
		return;
	}
	struct kept *kept = &keeper->kept[place];
	*kept = (struct kept){.fd = fd};
	strcpy(kept->name, line->asked);
	line->uses |= UINT64_C(1) << place;
	note_file(kept, path);
}

static void forget_file(struct kept *kept) {
	free(kept->file);
	kept->file = NULL;
}

static void drop(struct kept *kept) {
	struct stat stat;
	if (kept->file && lstat(kept->file, &stat) == 0 && stat.st_dev == kept->device &&
		stat.st_ino == kept->inode) {
		unlink(kept->file);
	}
	forget_file(kept);
	close(kept->fd);
	kept->name[0] = '\0';
}

void keeper_drop(struct keeper *keeper, uint64_t uses) {
	for (size_t i = 0; i < KEEPER_SOCKETS; i++) {
		if (keeper->kept[i].name[0] && !(uses >> i & 1)) {
			drop(&keeper->kept[i]);
		}
	}
}

void keeper_forget(struct keeper *keeper) {
	for (size_t i = 0; i < KEEPER_SOCKETS; i++) {
		forget_file(&keeper->kept[i]);
	}
	keeper_drop(keeper, 0);
}

/* Requests ------------------------------------------------------------------------- */

/* A question, in place of one that has no answer yet. A name that is too long is refused. */
static void ask(struct keeper_line *line, char kind, const char *text) {
	int length = snprintf(line->asked, sizeof line->asked, "%s", text);
	bool cut = length >= (int)sizeof line->asked;
	line->question = cut && kind == BROKER_ASK ? BROKER_REFUSED : kind;
	line->late = false;
}

/* Sees to a message. fd, which came with it, is taken; -1: none. */
static void hear(
	struct keeper *keeper, struct keeper_line *line, const char *text, int fd) {
	bool opener = keeper->opener == line->fd;
	if (text[0] == BROKER_LEFT) {
		keeper->sum.workers += !line->leaked;
		line->leaked = true;
		sum_add(&keeper->sum, text + 1);
	} else if (text[0] == BROKER_SAY && text[1]) {
		ask(line, BROKER_SAY, text + 1);
	} else if (text[0] == BROKER_ASK && text[1]) {
		/* It has given up what it was to open before. */
		keeper->opener = opener ? -1 : keeper->opener;
		ask(line, BROKER_ASK, text + 1);
	} else if (opener && (text[0] == BROKER_KEEP || text[0] == BROKER_FAILED)) {
		keeper->opener = -1;
		if (text[0] == BROKER_KEEP && fd >= 0) {
			keep(keeper, line, fd, text + 1);
			return;
		}
	}
	if (fd >= 0) {
		close(fd);
	}
}

void keeper_serve(struct keeper *keeper, struct keeper_line *line) {
	char text[KEEPER_TEXT + 1];
	union fdpass_room room;
	struct iovec part = {text, sizeof text - 1};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &room,
		.msg_controllen = sizeof room};
	ssize_t length = recvmsg(line->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int fd = length < 0 ? -1 : fdpass_take(&message);
	if (length <= 0) {
		if (fd >= 0) {
			close(fd);
		}
		keeper_disconnect(keeper, line);
		return;
	}
	text[length] = '\0';
	hear(keeper, line, text, fd);
	keeper_answer(keeper, line);
}
