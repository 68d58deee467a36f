/* SPDX-License-Identifier: MIT */
#include "keeper.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

union control {
	struct cmsghdr header;
	char room[CMSG_SPACE(sizeof(int))];
};

int keeper_connect(struct keeper_line *line, int *other) {
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
		return -1;
	}
	*line = (struct keeper_line){.fd = ends[0]};
	*other = ends[1];
	return 0;
}

void keeper_disconnect(struct keeper *keeper, struct keeper_line *line) {
	if (line->fd < 0) {
		return;
	}
	if (keeper->opener == line->fd) {
		keeper->opener = -1;
	}
	close(line->fd);
	line->fd = -1;
	line->waits = false;
}

/* Answers -------------------------------------------------------------------------- */

/* fd: goes with it; -1: none. */
static void reply(struct keeper_line *line, char kind, int fd) {
	union control control = {.header = {.cmsg_len = CMSG_LEN(sizeof fd),
					 .cmsg_level = SOL_SOCKET,
					 .cmsg_type = SCM_RIGHTS}};
	struct iovec part = {&kind, 1};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	if (fd >= 0) {
		memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
		message.msg_control = &control;
		message.msg_controllen = sizeof control.room;
	}
	sendmsg(line->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	line->waits = false;
}

/* The place of a name, "": a free one; KEEPER_SOCKETS: there is none. */
static size_t find(const struct keeper *keeper, const char *name) {
	size_t i = 0;
	while (i < KEEPER_SOCKETS && strcmp(keeper->kept[i].name, name) != 0) {
		i++;
	}
	return i;
}

/* One is opened at a time: who else asks meanwhile finds it, or tries after it. */
void keeper_answer(struct keeper *keeper, struct keeper_line *line) {
	if (!line->waits) {
		return;
	}
	size_t place = find(keeper, line->asked);
	if (place < KEEPER_SOCKETS) {
		line->uses |= UINT64_C(1) << place;
		reply(line, 'H', keeper->kept[place].fd);
	} else if (find(keeper, "") == KEEPER_SOCKETS) {
		reply(line, 'R', -1);
	} else if (keeper->opener < 0) {
		keeper->opener = line->fd;
		reply(line, 'O', -1);
	}
}

/* Keeping -------------------------------------------------------------------------- */

/* The path of a Unix socket that has a file; NULL: it has none. */
static const char *file_of(int fd, struct sockaddr_un *address) {
	socklen_t length = sizeof *address;
	memset(address, 0, sizeof *address);
	if (getsockname(fd, (struct sockaddr *)address, &length) < 0 ||
		address->sun_family != AF_UNIX || address->sun_path[0] != '/') {
		return NULL;
	}
	return address->sun_path;
}

static void keep(struct keeper *keeper, struct keeper_line *line, int fd) {
	struct sockaddr_un address;
	struct stat stat;
	size_t place = find(keeper, "");
	if (place == KEEPER_SOCKETS) {
		close(fd);
		return;
	}
	struct kept *kept = &keeper->kept[place];
	*kept = (struct kept){.fd = fd};
	strcpy(kept->name, line->asked);
	line->uses |= UINT64_C(1) << place;
	const char *path = file_of(fd, &address);
	if (path && lstat(path, &stat) == 0) {
		kept->file = true;
		kept->device = stat.st_dev;
		kept->inode = stat.st_ino;
	}
}

static void drop(struct kept *kept) {
	struct sockaddr_un address;
	struct stat stat;
	const char *path = kept->file ? file_of(kept->fd, &address) : NULL;
	if (path && lstat(path, &stat) == 0 && stat.st_dev == kept->device &&
		stat.st_ino == kept->inode) {
		unlink(path);
	}
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
		keeper->kept[i].file = false;
	}
	keeper_drop(keeper, 0);
}

/* Requests ------------------------------------------------------------------------- */

/* Takes fd. */
static void hear(
	struct keeper *keeper, struct keeper_line *line, const char *text, int fd) {
	bool opener = keeper->opener == line->fd;
	if (text[0] == 'L') {
		keeper->sum.workers += !line->leaked;
		line->leaked = true;
		sum_add(&keeper->sum, text + 1);
	} else if (text[0] == 'A' && text[1]) {
		/* What it was to open before is not what it opens now. */
		keeper->opener = opener ? -1 : keeper->opener;
		strcpy(line->asked, text + 1);
		line->waits = true;
	} else if (opener && (text[0] == 'K' || text[0] == 'F')) {
		keeper->opener = -1;
		if (text[0] == 'K' && fd >= 0) {
			keep(keeper, line, fd);
			return;
		}
	}
	if (fd >= 0) {
		close(fd);
	}
}

/* The first counts; as control messages are padded, there is room for two. -1: none. */
static int take_descriptor(const struct msghdr *message, const union control *control) {
	int fds[2] = {-1, -1};
	if (message->msg_controllen >= CMSG_LEN(sizeof *fds)) {
		size_t size = control->header.cmsg_len - CMSG_LEN(0);
		memcpy(fds, CMSG_DATA(&control->header),
			size < sizeof fds ? size : sizeof fds);
	}
	if (fds[1] >= 0) {
		close(fds[1]);
	}
	return fds[0];
}

void keeper_serve(struct keeper *keeper, struct keeper_line *line) {
	char text[KEEPER_NAME + 1];
	union control control = {.header = {.cmsg_len = 0}};
	struct iovec part = {text, sizeof text - 1};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof control.room};
	ssize_t length = recvmsg(line->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int fd = length < 0 ? -1 : take_descriptor(&message, &control);
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
