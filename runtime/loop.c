/* SPDX-License-Identifier: MIT */
#include "loop.h"

#include "log.h"
#include "peek.h"
#include "same_file.h"

#include <ev.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* More than there are between two turns of libev: each switch to a task makes at most three. */
enum { LOOP_CHANGES = 4 * SCHED_BUDGET };

/*
 * Where a descriptor is closed when libev takes note of a change of its watchers, that is an
 * assertion. Descriptors of others may be closed at any time: so they are looked at just before.
 */
struct loop_watchers {
	ev_io poller;
	ev_async wakeup;
	struct list waits; /* loop_wait_fd() */
	int sent;          /* what libev wakes itself with; -1: nobody knows */
	struct stat file;  /* of any eventfd */
	bool lost;         /* it was closed */
	unsigned changes;  /* since libev's last turn */
	int changed[LOOP_CHANGES];
};

/* One that waits for a descriptor; lies on its stack. */
struct loop_fd_wait {
	struct list link;
	ev_io watcher;
};

_Static_assert(sizeof(ev_timer) <= sizeof((struct loop_timer){0}.watcher),
	"room for an ev_timer");

/* Seconds that the coarse clock may be behind, and more. */
static const double LOOP_TICK = 0.02;

static double clock_seconds(clockid_t clock) {
	struct timespec now;
	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

double loop_clock(void) {
	return clock_seconds(CLOCK_MONOTONIC);
}

static void loop_on_broken(const char *message) {
	struct loop *loop = loop_here();
	if (loop && loop->broken) {
		loop->broken(loop, message);
	}
	perror(message);
	abort();
}

/* Without it, nothing would ever come. */
static void loop_on_poller(struct ev_loop *ev, ev_io *watcher, int events) {
	(void)ev;
	if (unlikely(events & EV_ERROR)) {
		loop_on_broken("(libev) epoll_ctl");
	}
	poller_poll(watcher->data);
}

static void loop_on_wakeup(struct ev_loop *ev, ev_async *watcher, int events) {
	(void)ev;
	(void)events;
	struct loop *loop = watcher->data;
	loop->sched.registry.now = loop_clock();
	loop->woken(loop);
}

static void loop_on_deadline(struct ev_loop *ev, ev_timer *watcher, int events) {
	(void)ev;
	(void)events;
	loop_here()->counted--; /* libev has stopped it */
	task_nudge(sched_current, watcher->data);
}

/* The coarse clock costs a quarter of the other: it tells that a time is a while away. */
static void loop_look(struct sched *sched, double limit) {
	if (clock_seconds(CLOCK_MONOTONIC_COARSE) + LOOP_TICK >= limit) {
		sched->registry.now = loop_clock();
	}
}

/* The timer lies on the stack of the task that waits: nothing to allocate, nothing to
 * lose. */
static void loop_park_until(struct arun_task *self, double time) {
	struct loop *loop = loop_here();
	double after = time - loop_clock();
	ev_timer timer;
	ev_timer_init(&timer, loop_on_deadline, after > 0 ? after : 0, 0);
	timer.data = self;
	ev_timer_start(loop->ev, &timer);
	loop->counted++;
	sched_leave(&loop->sched, self);
	loop->counted -= ev_is_active(&timer) ? 1 : 0;
	ev_timer_stop(loop->ev, &timer);
}

static void loop_on_fd(struct ev_loop *ev, ev_io *watcher, int events) {
	(void)ev;
	(void)events;
	task_wake(sched_current, watcher->data);
}

static void loop_fd_changed(struct loop_watchers *watchers, int fd) {
	if (watchers->changes < LOOP_CHANGES) {
		watchers->changed[watchers->changes++] = fd;
	}
}

/* Ends the waits for fd, which is closed. */
static void loop_drop_closed(struct loop *loop, int fd) {
	list_each (at, &loop->watchers->waits) {
		struct loop_fd_wait *wait = container_of(at, struct loop_fd_wait, link);
		if (wait->watcher.fd == fd) {
			list_remove(at);
			ev_io_stop(loop->ev, &wait->watcher);
			task_wake(&loop->sched, wait->watcher.data);
		}
	}
}

/* Gives libev its turn. Returns how many watchers are active. */
static int loop_ev_run(struct loop *loop, int flags) {
	struct loop_watchers *watchers = loop->watchers;
	while (watchers->changes) {
		int fd = watchers->changed[--watchers->changes];
		if (fcntl(fd, F_GETFD) < 0) {
			loop_drop_closed(loop, fd);
		}
	}
	return ev_run(loop->ev, sched_runnable(&loop->sched) ? EVRUN_NOWAIT : flags);
}

int loop_wait_fd(
	struct loop *loop, struct arun_task *self, int fd, int events, double deadline) {
	struct loop_fd_wait wait;
	ev_io_init(&wait.watcher, loop_on_fd, fd,
		(events & ARUN_READABLE ? EV_READ : 0) |
			(events & ARUN_WRITABLE ? EV_WRITE : 0));
	wait.watcher.data = self;
	ev_io_start(loop->ev, &wait.watcher);
	list_append(&loop->watchers->waits, &wait.link);
	loop_fd_changed(loop->watchers, fd);
	loop->counted++;
	int result = task_suspend(&loop->sched, self, deadline, true);
	loop->counted--;
	list_remove(&wait.link);
	ev_io_stop(loop->ev, &wait.watcher);
	loop_fd_changed(loop->watchers, fd);
	return result;
}

/* Whether fd is that, by its name in /proc. */
static bool loop_is(int fd, const char *name) {
	char path[64], found[64];
	struct text out;
	text_fixed(&out, path, sizeof path);
	text_add(&out, "/proc/self/fd/%d", fd);
	ssize_t size = readlink(path, found, sizeof found);
	return size == (ssize_t)strlen(name) && memcmp(found, name, (size_t)size) == 0;
}

/* libev aborts where it cannot have the descriptor of its first ev_async, an eventfd. Returns the
 * number that it will have, and what fstat(2) says of such a one; -1: there is none. */
static int loop_spare_descriptor(struct stat *file) {
	int fd = eventfd(0, EFD_CLOEXEC);
	if (fd >= 0) {
		fstat(fd, file);
		close(fd);
	}
	return fd;
}

/* In place of callbacks. */
static void loop_keep_pending(struct ev_loop *ev) {
	(void)ev;
}

/*
 * Has libev register its watchers: where their descriptors are closed by then, that is an assertion.
 * One that cannot be registered, libev just stops.
 */
static int loop_register(struct loop *loop) {
	errno = 0;
	ev_set_invoke_pending_cb(loop->ev, loop_keep_pending);
	ev_run(loop->ev, EVRUN_NOWAIT);
	ev_set_invoke_pending_cb(loop->ev, ev_invoke_pending);
	return errno == ENOMEM || errno == ENOSPC ? -1 : 0;
}

/* The runtime's own watchers do not count as something to wait for. */
static int loop_watch(struct loop *loop) {
	struct loop_watchers *watchers = loop->watchers = calloc(1, sizeof *watchers);
	int spare = watchers ? loop_spare_descriptor(&watchers->file) : -1;
	if (spare < 0) {
		free(watchers);
		loop->watchers = NULL;
		return -1;
	}
	list_init(&watchers->waits);
	ev_io_init(&watchers->poller, loop_on_poller, loop->poller.fd, EV_READ);
	watchers->poller.data = &loop->poller;
	ev_io_start(loop->ev, &watchers->poller);
	ev_unref(loop->ev);
	ev_async_init(&watchers->wakeup, loop_on_wakeup);
	watchers->wakeup.data = loop;
	ev_async_start(loop->ev, &watchers->wakeup);
	ev_unref(loop->ev);
	/* A host's has had its own for long. */
	bool known = loop->owned && same_file(spare, &watchers->file);
	watchers->sent = known ? spare : -1;
	return loop->owned ? loop_register(loop) : 0;
}

int loop_init(struct loop *loop, struct ev_loop *host, void *(*plugin_exceptions)(void)) {
	loop->poller.fd = -1;
	if (sched_init(&loop->sched, plugin_exceptions) < 0 ||
		poller_init(&loop->poller) < 0) {
		return -1;
	}
	loop->sched.registry.now = loop_clock();
	loop->sched.park_until = loop_park_until;
	loop->sched.look = loop_look;
	loop->owned = !host;
	loop->ev = host ? host : ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	if (!loop->ev) {
		errno = errno ? errno : ENOMEM;
		return -1;
	}
	return loop_watch(loop);
}

void loop_finish(struct loop *loop) {
	if (loop->watchers) {
		ev_ref(loop->ev);
		ev_async_stop(loop->ev, &loop->watchers->wakeup);
		ev_ref(loop->ev);
		ev_io_stop(loop->ev, &loop->watchers->poller);
		free(loop->watchers);
		loop->watchers = NULL;
	}
	if (loop->ev && loop->owned) {
		ev_loop_destroy(loop->ev);
	}
	loop->ev = NULL;
	reserve_finish(&loop->reserve);
	poller_finish(&loop->poller);
	sched_finish(&loop->sched);
}

void loop_tell_broken(
	struct loop *loop, void (*broken)(struct loop *loop, const char *message)) {
	loop->broken = broken;
	ev_set_syserr_cb(loop_on_broken);
}

/* libev's array may be that of any loop, also in another thread than those of runs. */
static void *loop_realloc(void *memory, long size) {
	struct loop *loop = loop_here();
	if (!size) {
		free(memory);
		return NULL;
	}
	void *other = loop ? reserve_realloc(&loop->reserve, memory, (size_t)size)
			   : realloc(memory, (size_t)size);
	if (!other && loop && loop->starved) {
		loop->starved(loop);
	}
	if (!other) {
		log_line(LOG_LEVEL_ERROR, "the loop cannot go on: %s", strerror(ENOMEM));
		_exit(LOOP_STARVED);
	}
	return other;
}

void loop_own_memory(void) {
	ev_set_allocator(loop_realloc);
}

void loop_tell_starved(struct loop *loop, void (*starved)(struct loop *loop)) {
	loop->starved = starved;
	/* The first array to grow fills the reserve; afterwards there may be no memory. */
	ev_timer first;
	ev_timer_init(&first, loop_on_deadline, 1, 0);
	ev_timer_start(loop->ev, &first);
	ev_timer_stop(loop->ev, &first);
}

/* Not what else has the number now; without /proc, that counts too. */
int loop_closed(const struct loop *loop) {
	int fd = loop->poller.fd;
	if (loop_lost(loop)) {
		return loop->watchers->sent;
	}
	bool named = access("/proc/self/fd", F_OK) == 0;
	bool open =
		named ? loop_is(fd, "anon_inode:[eventpoll]") : fcntl(fd, F_GETFD) >= 0;
	return open ? -1 : fd;
}

bool loop_lost(const struct loop *loop) {
	return loop->watchers && loop->watchers->lost;
}

/*
 * Whether the number is free by now, or another file's, which would get what is sent. An eventfd of
 * somebody else's is not told from libev's: all have one inode, and reading the number that tells
 * them apart, in /proc/self/fdinfo, costs many times a wake-up.
 */
static bool loop_has_lost(const struct loop_watchers *watchers) {
	return !same_file(watchers->sent, &watchers->file);
}

/* libev does not look whether its write(2) fails, and who waits for what it is told of would wait
 * for ever. The handler of SIGABRT says why. */
void loop_wakeup(struct loop *loop) {
	struct loop_watchers *watchers = loop->watchers;
	int error = errno;
	if (loop->broken && watchers->sent >= 0 && loop_has_lost(watchers)) {
		watchers->lost = true;
		abort();
	}
	errno = error;
	ev_async_send(loop->ev, &watchers->wakeup);
}

static void loop_turn(struct loop *loop, int flags) {
	loop_ev_run(loop, flags);
	loop->sched.registry.now = loop_clock();
}

/* Whether nothing that is under way can make a task runnable; libev is asked only if all
 * else is so. */
static bool loop_stuck(struct loop *loop) {
	if (loop->pending || loop->poller.waiting || loop->poller.serving) {
		return false;
	}
	int active = loop_ev_run(loop, EVRUN_NOWAIT);
	loop->sched.registry.now = loop_clock();
	return !active && !sched_runnable(&loop->sched) && !loop->quit;
}

/* Threads that arun did not start might post: look again each second. */
static void loop_on_second(struct loop_timer *timer) {
	(void)timer;
}

/* libev does not wait where nothing counts, and the poller does not. */
static void loop_wait(struct loop *loop) {
	ev_ref(loop->ev);
	loop_turn(loop, EVRUN_ONCE);
	ev_unref(loop->ev);
}

static void loop_block(struct loop *loop) {
	if (!loop_stuck(loop)) {
		if (!sched_runnable(&loop->sched) && !loop->quit) {
			loop_wait(loop);
		}
	} else if (!loop->stuck(loop)) {
		struct loop_timer second = {.active = false};
		loop_timer_start(loop, &second, 1, loop_on_second);
		loop_turn(loop, EVRUN_ONCE);
		loop_timer_stop(loop, &second);
	}
}

/* Whether libev has a turn while tasks can run: its watchers have changed, or the pause is over. */
static bool loop_is_due(struct loop *loop) {
	double now = loop_clock();
	bool due = loop->watchers->changes || now >= loop->turned + LOOP_PAUSE;
	loop->turned = due ? now : loop->turned;
	return due;
}

void loop_run(struct loop *loop) {
	while (!loop->quit) {
		sched_run(&loop->sched);
		stack_pool_trim(&loop->sched.stacks);
		if (sched_runnable(&loop->sched)) {
			if (loop_is_due(loop)) {
				loop_turn(loop, EVRUN_NOWAIT);
			}
		} else if (!loop->quit) {
			loop_block(loop);
		}
	}
}

/* How libev counts a timer, from its start on, or until its end. */
static void loop_timer_counts(struct loop *loop, const struct loop_timer *timer, int by) {
	if (!timer->background) {
		loop->counted += (unsigned)by;
	} else if (by > 0) {
		ev_unref(loop->ev);
	} else {
		ev_ref(loop->ev);
	}
}

static void loop_on_timer(struct ev_loop *ev, ev_timer *watcher, int events) {
	(void)ev;
	(void)events;
	struct loop_timer *timer = watcher->data;
	struct loop *loop = loop_here();
	loop->sched.registry.now = loop_clock();
	timer->active = false;
	loop_timer_counts(loop, timer, -1);
	timer->fn(timer);
}

void loop_timer_start(struct loop *loop, struct loop_timer *timer, double after,
	void (*fn)(struct loop_timer *timer)) {
	loop_timer_stop(loop, timer);
	ev_timer *watcher = (ev_timer *)(void *)timer->watcher;
	ev_timer_init(watcher, loop_on_timer, after, 0);
	watcher->data = timer;
	timer->fn = fn;
	timer->active = true;
	ev_now_update(
		loop->ev); /* libev counts from its last turn, and tasks have run since */
	ev_timer_start(loop->ev, watcher);
	loop_timer_counts(loop, timer, 1);
}

void loop_timer_stop(struct loop *loop, struct loop_timer *timer) {
	if (timer->active) {
		timer->active = false;
		loop_timer_counts(loop, timer, -1);
		ev_timer_stop(loop->ev, (ev_timer *)(void *)timer->watcher);
	}
}

/* In place of callbacks. */
static void loop_leave_pending(struct ev_loop *ev) {
	ev_break(ev, EVBREAK_ONE);
}

unsigned loop_foreign(struct loop *loop) {
	if (!loop->owned) {
		return 0;
	}
	/* ev_run() returns at once, and how many there are; no callback is made, and
	 * libev looks at no time and no descriptor. */
	ev_set_invoke_pending_cb(loop->ev, loop_leave_pending);
	int active = loop_ev_run(loop, EVRUN_NOWAIT);
	ev_set_invoke_pending_cb(loop->ev, ev_invoke_pending);
	return active > (int)loop->counted ? (unsigned)active - loop->counted : 0;
}

bool loop_watcher_active(const void *watcher) {
	const struct ev_watcher *any = watcher;
	int active;
	return peek(&active, &any->active, sizeof active) && active;
}

int loop_watcher_fd(const void *watcher) {
	const struct ev_io *io = watcher;
	return io->fd;
}

struct ev_loop *arun_loop(void) {
	return sched_current ? loop_here()->ev : NULL;
}

double arun_now(void) {
	return sched_current ? sched_current->registry.now : loop_clock();
}
