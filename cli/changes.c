/* SPDX-License-Identifier: MIT */
#include "changes.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

/* Seconds. */
static const double MOMENT = 0.1, AGAIN = 1;

static void changes_folder(const struct changes *changes, const char *path) {
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');
	size_t length = slash ? (size_t)(slash - path) + 1 : 0;
	if (length + 1 < sizeof folder) {
		memcpy(folder, path, length);
		strcpy(folder + length, ".");
		inotify_add_watch(changes->fd, folder,
			IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_ONLYDIR);
	}
}

/* Also those that are watched: a link may lead elsewhere by now, a folder be a new one. */
static void changes_folders(const struct changes *changes) {
	char *real = realpath(changes->path, NULL);
	changes_folder(changes, changes->path);
	if (real) {
		changes_folder(changes, real);
	}
	free(real);
}

void changes_open(struct changes *changes, const char *path, double now) {
	*changes = (struct changes){.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK),
		.path = path,
		.due = now + AGAIN};
	changes_folders(changes);
	stat(path, &changes->known);
	changes->seen = changes->known;
}

void changes_close(struct changes *changes) {
	if (changes->fd >= 0) {
		close(changes->fd);
	}
	changes->fd = -1;
}

/* What a link leads to may have any name. */
static bool is_about(const struct changes *changes, const struct inotify_event *event) {
	struct stat stat;
	const char *slash = strrchr(changes->path, '/');
	bool there = lstat(changes->path, &stat) == 0;
	bool named =
		event->len && strcmp(event->name, slash ? slash + 1 : changes->path) == 0;
	bool link = there && S_ISLNK(stat.st_mode);
	/* A new file is whole when it is closed, a link to another at once. */
	if (event->mask & IN_CREATE) {
		return named && (link || (there && stat.st_nlink > 1));
	}
	return named || (link && !changes->told);
}

void changes_read(struct changes *changes, double now) {
	_Alignas(struct inotify_event) char room[4096];
	ssize_t length;
	while ((length = read(changes->fd, room, sizeof room)) > 0) {
		for (char *at = room; at < room + length;) {
			const struct inotify_event *event = (void *)at;
			if (is_about(changes, event)) {
				changes->told = true;
				changes->due = now + MOMENT;
			}
			at += sizeof *event + event->len;
		}
	}
}

static bool is_same(const struct stat *a, const struct stat *b) {
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	       a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

bool changes_seen(struct changes *changes, double now) {
	struct stat found;
	bool told = changes->told;
	changes->told = false;
	changes->due = now + AGAIN;
	changes_folders(changes);
	if (stat(changes->path, &found) < 0 || is_same(&found, &changes->known)) {
		return false;
	}
	bool rests = is_same(&found, &changes->seen);
	changes->seen = found;
	if (told || rests) {
		changes->known = found;
	}
	return told || rests;
}
