/* SPDX-License-Identifier: MIT */
/*
 * changes - notices that a file was replaced, or written anew.
 *
 * inotify(7) on its folder, as compilers and packages put a new file in the place of the
 * old; where the path is a link, also on the folder that it leads to. A change counts
 * when its writer has closed the file and nothing has happened to it for a moment. What
 * is not seen so (network file systems, a link in the middle of the path) a look every
 * second finds, and the next confirms.
 */
#ifndef CHANGES_H
#define CHANGES_H

#include <stdbool.h>
#include <sys/stat.h>

struct changes {
	int fd; /* to be polled; -1: none */
	const char *path;
	struct stat known, seen;
	double due; /* when to look at it next */
	bool told;  /* something has happened to it */
};

/* path stays the caller's. Never fails: without inotify(7) it looks by itself. */
void changes_open(struct changes *changes, const char *path, double now);
void changes_close(struct changes *changes);

/* To be called when fd is readable. */
void changes_read(struct changes *changes, double now);

/* To be called when due is over. Returns whether the file is another one than before. */
bool changes_seen(struct changes *changes, double now);

#endif
