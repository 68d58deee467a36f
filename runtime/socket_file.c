/* SPDX-License-Identifier: MIT */
#include "socket_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* To be freed; NULL: no memory. */
static char *path_from_root(const char *path) {
	char *folder = *path == '/' ? NULL : getcwd(NULL, 0);
	if (!folder) {
		return strdup(path);
	}
	char *whole = NULL;
	if (asprintf(&whole, "%s/%s", folder, path) < 0) {
		whole = NULL;
	}
	free(folder);
	return whole;
}

int socket_file_note(struct socket_file *file, const struct address *address) {
	struct stat stat;
	*file = (struct socket_file){.path = NULL};
	if (!address_has_file(address) || lstat(address_path(address), &stat) < 0) {
		return 0;
	}
	file->path = path_from_root(address_path(address));
	file->device = stat.st_dev;
	file->inode = stat.st_ino;
	if (!file->path) {
		unlink(address_path(address));
		errno = ENOMEM;
		return -1;
	}
	return 0;
}

void socket_file_remove(struct socket_file *file) {
	struct stat stat;
	int before = errno;
	if (file->path && lstat(file->path, &stat) == 0 && stat.st_ino == file->inode &&
		stat.st_dev == file->device) {
		unlink(file->path);
	}
	socket_file_forget(file);
	errno = before;
}

void socket_file_forget(struct socket_file *file) {
	free(file->path);
	file->path = NULL;
}
