/* SPDX-License-Identifier: MIT */
#include "poller.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* A larger batch is out of the cache by the time that its last task runs; a smaller one takes more
 * system calls. */
enum { POLLER_BATCH = 128, POLLER_FIRST = 64 };

int poller_init(struct poller *poller) {
	*poller = (struct poller){.fd = epoll_create1(EPOLL_CLOEXEC)};
	return poller->fd < 0 ? -1 : 0;
}

void poller_finish(struct poller *poller) {
	if (poller->fd >= 0) {
		close(poller->fd);
	}
	free(poller->watches);
	*poller = (struct poller){.fd = -1};
}

static void watch_event(struct watch *watch, uint32_t events) {
	struct sched *sched = sched_current;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI)) {
		watch->shy = true;
	}
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
		watch->readable = true;
		if (watch->ready) {
			watch->ready(watch);
			return;
		}
		if (watch->reader) {
			task_wake(sched, watch->reader);
		}
	}
	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) {
		watch->writable = true;
		if (watch->writer) {
			task_wake(sched, watch->writer);
		}
	}
}

int poller_poll(struct poller *poller) {
	struct epoll_event events[POLLER_BATCH];
	int count = epoll_wait(poller->fd, events, POLLER_BATCH, 0);
	for (int i = 0; i < count; i++) {
		int fd = (int)(uint32_t)events[i].data.u64;
		struct watch *watch = fd < poller->room ? poller->watches[fd] : NULL;
		if (watch && watch->generation == events[i].data.u64 >> 32) {
			watch_event(watch, events[i].events);
		}
	}
	return count;
}

static int poller_reserve(struct poller *poller, int fd) {
	if (fd < poller->room) {
		return 0;
	}
	int room = poller->room ? poller->room : POLLER_FIRST;
	while (room <= fd) {
		room *= 2;
	}
	struct watch **watches = realloc(poller->watches, (size_t)room * sizeof *watches);
	if (!watches) {
		return -1;
	}
	memset(watches + poller->room, 0,
		(size_t)(room - poller->room) * sizeof *watches);
	poller->watches = watches;
	poller->room = room;
	return 0;
}

int watch_open(struct poller *poller, struct watch *watch, int fd) {
	if (poller_reserve(poller, fd) < 0) {
		return -1;
	}
	if (poller->watches[fd]) {
		errno = EEXIST;
		return -1;
	}
	*watch = (struct watch){.fd = fd,
		.generation = ++poller->generation,
		.readable = true,
		.writable = true};
	poller->watches[fd] = watch;
	return 0;
}

void watch_rest(struct poller *poller, struct watch *watch) {
	if (watch->ready) {
		poller->serving--;
		watch->ready = NULL;
	}
}

void watch_close(struct poller *poller, struct watch *watch) {
	if (watch->fd < 0) {
		return;
	}
	poller->watches[watch->fd] = NULL;
	watch_rest(poller, watch);
	watch->fd = -1;
	watch->readable = watch->writable = true;
	if (watch->reader) {
		task_wake(sched_current, watch->reader);
	}
	if (watch->writer) {
		task_wake(sched_current, watch->writer);
	}
}

int watch_close_forked(struct watch *watch) {
	int fd = watch->fd;
	if (!task_forked) {
		errno = ESHUTDOWN;
		return -1;
	}
	watch->fd = -1;
	return fd < 0 ? 0 : close(fd);
}

/* Registers watch for events, in addition to those it has. */
static int watch_arm(struct poller *poller, struct watch *watch, uint8_t events) {
	if ((watch->armed & events) == events || watch->always) {
		return 0;
	}
	uint8_t all = watch->armed | events;
	struct epoll_event event = {.events = EPOLLET | EPOLLRDHUP | EPOLLPRI |
					      (all & POLLER_READ ? EPOLLIN : 0) |
					      (all & POLLER_WRITE ? EPOLLOUT : 0),
		.data.u64 = (uint64_t)watch->generation << 32 | (uint32_t)watch->fd};
	int operation = watch->armed ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
	int result = epoll_ctl(poller->fd, operation, watch->fd, &event);
	if (result < 0 && errno == EEXIST) {
		/* A former owner of the number and the file was registered, and a dup(2)
		 * kept it. */
		result = epoll_ctl(poller->fd, EPOLL_CTL_MOD, watch->fd, &event);
	}
	if (result == 0) {
		watch->armed = all;
		return 0;
	}
	if (errno == EPERM) {
		watch->always = true;
		return 0;
	}
	return -1;
}

int watch_serve(
	struct poller *poller, struct watch *watch, void (*ready)(struct watch *watch)) {
	watch->ready = ready;
	poller->serving++;
	return watch_arm(poller, watch, POLLER_READ);
}

static struct arun_task **watch_place(struct watch *watch, enum poller_events event) {
	return event == POLLER_READ ? &watch->reader : &watch->writer;
}

int watch_begin(struct poller *poller, struct watch *watch, enum poller_events event,
	struct arun_task *self) {
	*watch_place(watch, event) = self;
	poller->waiting++;
	return watch_arm(poller, watch, event);
}

void watch_end(struct poller *poller, struct watch *watch, enum poller_events event) {
	*watch_place(watch, event) = NULL;
	poller->waiting--;
}

int watch_wait(struct poller *poller, struct watch *watch, enum poller_events event,
	struct arun_task *self, double deadline, bool interruptible) {
	struct arun_task **place = watch_place(watch, event);
	if (*place) {
		return EBUSY;
	}
	if (watch_arm(poller, watch, event) < 0) {
		return errno;
	}
	if (watch->always) {
		return 0;
	}
	*place = self;
	poller->waiting++;
	int result = task_suspend(sched_current, self, deadline, interruptible);
	poller->waiting--;
	*place = NULL;
	return result;
}
