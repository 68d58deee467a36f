/* SPDX-License-Identifier: MIT */
/*
 * waitfd - arun_wait_fd(): descriptors that are not arun's.
 *
 * Design notes. Whose descriptors they are may close them at any time, and nothing tells:
 * so a wait looks again, twice a second, whether the number still means the same file.
 */
#include "loop.h"

#include <poll.h>
#include <sys/stat.h>

static const double WAITFD_LOOK = 0.5;

#define WAITFD_EVENTS                                                                    \
	"events is 0x%x, and is to be ARUN_READABLE (0x1), ARUN_WRITABLE (0x2) or both"

/* What of events is ready now; -1 with EBADF. */
static int waitfd_ready(int fd, int events) {
	struct pollfd entry = {.fd = fd,
		.events = (short)((events & ARUN_READABLE ? POLLIN | POLLPRI : 0) |
				  (events & ARUN_WRITABLE ? POLLOUT : 0))};
	if (fd < 0 || (poll(&entry, 1, 0) > 0 && entry.revents & POLLNVAL)) {
		errno = EBADF;
		return -1;
	}
	if (entry.revents & (POLLERR | POLLHUP)) {
		return events;
	}
	return (entry.revents & (POLLIN | POLLPRI) ? ARUN_READABLE : 0) |
	       (entry.revents & POLLOUT ? ARUN_WRITABLE : 0);
}

static bool waitfd_same(int fd, const struct stat *file) {
	struct stat now;
	return fstat(fd, &now) == 0 && now.st_dev == file->st_dev &&
	       now.st_ino == file->st_ino;
}

/* Waits until some of events is ready. Returns what is; -1 with errno. */
static int waitfd_wait(struct loop *loop, struct arun_task *self, int fd, int events) {
	struct stat file;
	if (fstat(fd, &file) < 0) {
		return -1;
	}
	int ready;
	while ((ready = waitfd_ready(fd, events)) == 0) {
		double look = loop->sched.registry.now + WAITFD_LOOK;
		int error = loop_wait_fd(loop, self, fd, events, look);
		if (error && error != ETIME) {
			errno = error;
			return -1;
		}
		if (!waitfd_same(fd, &file)) {
			errno = EBADF;
			return -1;
		}
	}
	return ready;
}

int(arun_wait_fd)(int fd, int events) {
	return arun_wait_fd_at(NULL, fd, events);
}

int arun_wait_fd_at(const struct arun_site *site, int fd, int events) {
	struct arun_task *self = task_enter(site, "arun_wait_fd");
	struct loop *loop = loop_here();
	int error = task_interrupted(&loop->sched, self), ready = 0;
	if (!error && (!events || events & ~(ARUN_READABLE | ARUN_WRITABLE))) {
		error = EINVAL;
	}
	if (!error) {
		sched_spend(&loop->sched, self);
	}
	if (!error) {
		ready = waitfd_wait(loop, self, fd, events);
		error = ready < 0 ? errno : 0;
	}
	if (error) {
		char name[32];
		struct text out;
		text_fixed(&out, name, sizeof name);
		text_add(&out, "fd %d", fd);
		return error != EINVAL ? task_fail(error, self->op, name)
				       : task_refuse(self->op, name, WAITFD_EVENTS,
						 (unsigned)events);
	}
	return ready;
}
