/* SPDX-License-Identifier: MIT */
/*
 * interpose - the C library's calls that make descriptors, and libev's that start watchers, so
 * that --debug knows the line.
 *
 * Design notes. These are in the program arun alone: what it exports is found before the C
 * library's, by the plugin and by every library. Without --debug each is a branch and a
 * call. The library's own function is looked up at the first call of each, as libraries call
 * these before anything of arun has run.
 */
/* Each name is to be the one that is written here. */
#undef _FILE_OFFSET_BITS
#undef _TIME_BITS
#undef _FORTIFY_SOURCE

#include "loop.h"
#include "opened.h"
#include "watcher.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* As the C library declares the argument. */
#ifdef __GLIBC__
#define SOCKADDR __SOCKADDR_ARG
#else
#define SOCKADDR struct sockaddr *restrict
#endif

#pragma GCC visibility push(default)

/* The caller's place: in a macro, as it is that of the function it stands in. */
#define NOTE(fd) opened_note(fd, __builtin_return_address(0))

/* Written once, with the same value by every thread that does. */
static void *interpose_find(void **cache, const char *name) {
	void *found = __atomic_load_n(cache, __ATOMIC_RELAXED);
	if (unlikely(!found)) {
		found = dlsym(RTLD_NEXT, name);
		__atomic_store_n(cache, found, __ATOMIC_RELAXED);
	}
	return found;
}

/* Defines next as a pointer to the function called NAME that comes after this one. */
#define NEXT(name)                                                                       \
	static void *cache_;                                                             \
	void *found_ = interpose_find(&cache_, #name);                                   \
	__typeof__(name) *next;                                                          \
	memcpy(&next, &found_, sizeof next)

/* Files -------------------------------------------------------------------------- */

/* The mode, which is passed where the flags ask for it. */
#define MODE(flags)                                                                      \
	mode_t mode = 0;                                                                 \
	if ((flags) & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) {                          \
		va_list list;                                                            \
		va_start(list, flags);                                                   \
		mode = va_arg(list, mode_t);                                             \
		va_end(list);                                                            \
	}

#define OPEN(name)                                                                       \
	int name(const char *path, int flags, ...) {                                     \
		NEXT(name);                                                              \
		MODE(flags)                                                              \
		return NOTE(next(path, flags, mode));                                    \
	}

#define OPENAT(name)                                                                     \
	int name(int folder, const char *path, int flags, ...) {                         \
		NEXT(name);                                                              \
		MODE(flags)                                                              \
		return NOTE(next(folder, path, flags, mode));                            \
	}

#define CREAT(name)                                                                      \
	int name(const char *path, mode_t mode) {                                        \
		NEXT(name);                                                              \
		return NOTE(next(path, mode));                                           \
	}

#define MKSTEMP(name)                                                                    \
	int name(char *template) {                                                       \
		NEXT(name);                                                              \
		return NOTE(next(template));                                             \
	}

static FILE *note_file(FILE *file, const void *caller) {
	if (file) {
		opened_note(fileno(file), caller);
	}
	return file;
}

#define FOPEN(name)                                                                      \
	FILE *name(const char *path, const char *mode) {                                 \
		NEXT(name);                                                              \
		return note_file(next(path, mode), __builtin_return_address(0));         \
	}

#define TMPFILE(name)                                                                    \
	FILE *name(void) {                                                               \
		NEXT(name);                                                              \
		return note_file(next(), __builtin_return_address(0));                   \
	}

OPEN(open)
OPENAT(openat)
CREAT(creat)
MKSTEMP(mkstemp)
FOPEN(fopen)
FOPEN(popen)
TMPFILE(tmpfile)

/* A build with 64-bit offsets, or with _FORTIFY_SOURCE, calls these. */
#ifdef __GLIBC__
OPEN(open64)
OPENAT(openat64)
CREAT(creat64)
MKSTEMP(mkstemp64)
FOPEN(fopen64)
TMPFILE(tmpfile64)

#define OPEN_2(name)                                                                     \
	int name(const char *path, int flags);                                           \
	int name(const char *path, int flags) {                                          \
		NEXT(name);                                                              \
		return NOTE(next(path, flags));                                          \
	}

#define OPENAT_2(name)                                                                   \
	int name(int folder, const char *path, int flags);                               \
	int name(int folder, const char *path, int flags) {                              \
		NEXT(name);                                                              \
		return NOTE(next(folder, path, flags));                                  \
	}

OPEN_2(__open_2)
OPEN_2(__open64_2)
OPENAT_2(__openat_2)
OPENAT_2(__openat64_2)
#endif

int mkostemp(char *template, int flags) {
	NEXT(mkostemp);
	return NOTE(next(template, flags));
}

DIR *opendir(const char *path) {
	NEXT(opendir);
	DIR *folder = next(path);
	if (folder) {
		NOTE(dirfd(folder));
	}
	return folder;
}

int memfd_create(const char *name, unsigned flags) {
	NEXT(memfd_create);
	return NOTE(next(name, flags));
}

/* Sockets, pipes ----------------------------------------------------------------- */

int socket(int domain, int type, int protocol) {
	NEXT(socket);
	return NOTE(next(domain, type, protocol));
}

static int note_pair(int status, const int pair[2], const void *caller) {
	if (status == 0) {
		opened_note(pair[0], caller);
		opened_note(pair[1], caller);
	}
	return status;
}

int socketpair(int domain, int type, int protocol, int pair[2]) {
	NEXT(socketpair);
	return note_pair(
		next(domain, type, protocol, pair), pair, __builtin_return_address(0));
}

int accept(int fd, SOCKADDR address, socklen_t *restrict size) {
	NEXT(accept);
	return NOTE(next(fd, address, size));
}

int accept4(int fd, SOCKADDR address, socklen_t *restrict size, int flags) {
	NEXT(accept4);
	return NOTE(next(fd, address, size, flags));
}

int pipe(int pair[2]) {
	NEXT(pipe);
	return note_pair(next(pair), pair, __builtin_return_address(0));
}

int pipe2(int pair[2], int flags) {
	NEXT(pipe2);
	return note_pair(next(pair, flags), pair, __builtin_return_address(0));
}

/* Copies ------------------------------------------------------------------------- */

int dup(int fd) {
	NEXT(dup);
	return NOTE(next(fd));
}

int dup2(int fd, int copy) {
	NEXT(dup2);
	return NOTE(next(fd, copy));
}

int dup3(int fd, int copy, int flags) {
	NEXT(dup3);
	return NOTE(next(fd, copy, flags));
}

/* The argument, an int or a pointer, fills a register either way. */
#define FCNTL(name)                                                                      \
	int name(int fd, int command, ...) {                                             \
		NEXT(name);                                                              \
		va_list list;                                                            \
		va_start(list, command);                                                 \
		void *argument = va_arg(list, void *);                                   \
		va_end(list);                                                            \
		int result = next(fd, command, argument);                                \
		if (command == F_DUPFD || command == F_DUPFD_CLOEXEC) {                  \
			NOTE(result);                                                    \
		}                                                                        \
		return result;                                                           \
	}

FCNTL(fcntl)
#ifdef __GLIBC__
int fcntl64(int fd, int command, ...);
FCNTL(fcntl64)
#endif

/* Events ------------------------------------------------------------------------- */

int eventfd(unsigned value, int flags) {
	NEXT(eventfd);
	return NOTE(next(value, flags));
}

int timerfd_create(clockid_t clock, int flags) {
	NEXT(timerfd_create);
	return NOTE(next(clock, flags));
}

int signalfd(int fd, const sigset_t *set, int flags) {
	NEXT(signalfd);
	return NOTE(next(fd, set, flags));
}

/* Of <sys/epoll.h>, which the poller alone sees. */
int epoll_create(int size);
int epoll_create1(int flags);

int epoll_create(int size) {
	NEXT(epoll_create);
	return NOTE(next(size));
}

int epoll_create1(int flags) {
	NEXT(epoll_create1);
	return NOTE(next(flags));
}

int inotify_init(void) {
	NEXT(inotify_init);
	return NOTE(next());
}

int inotify_init1(int flags) {
	NEXT(inotify_init1);
	return NOTE(next(flags));
}

/* Their ends --------------------------------------------------------------------- */

int close(int fd) {
	NEXT(close);
	opened_forget(fd);
	return next(fd);
}

int fclose(FILE *file) {
	NEXT(fclose);
	if (opened_notes()) {
		opened_forget(fileno(file));
	}
	return next(file);
}

/* Watchers ----------------------------------------------------------------------- */

/* As <ev.h>, which the loop alone sees, has them. One that has stopped by itself, unseen, may be
 * started again: so each is looked at before as well. */
#define WATCHER(type, call)                                                              \
	void type##_##call(struct ev_loop *ev, void *watcher);                           \
	void type##_##call(struct ev_loop *ev, void *watcher) {                          \
		NEXT(type##_##call);                                                     \
		const void *caller = __builtin_return_address(0);                        \
		watcher_note(ev, watcher, #type, caller, found_);                        \
		next(ev, watcher);                                                       \
		watcher_note(ev, watcher, #type, caller, found_);                        \
	}

#define WATCHERS(type) WATCHER(type, start) WATCHER(type, stop)

WATCHERS(ev_io)
WATCHERS(ev_timer)
WATCHER(ev_timer, again)
WATCHERS(ev_periodic)
WATCHER(ev_periodic, again)
WATCHERS(ev_signal)
WATCHERS(ev_child)
WATCHERS(ev_stat)
WATCHERS(ev_idle)
WATCHERS(ev_prepare)
WATCHERS(ev_check)
WATCHERS(ev_embed)
WATCHERS(ev_fork)
WATCHERS(ev_cleanup)
WATCHERS(ev_async)

/* Memory ------------------------------------------------------------------------- */

/* Before a plugin, or a library that it needs, can have a loop or an allocator of its own. */
__attribute__((constructor)) static void interpose_memory(void) {
	loop_own_memory();
}
