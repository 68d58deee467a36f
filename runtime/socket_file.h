/* SPDX-License-Identifier: MIT */
/*
 * socket_file - the file of a Unix socket that this process made.
 *
 * Its path is kept as an absolute one: the process may be in another folder by the end.
 */
#ifndef SOCKET_FILE_H
#define SOCKET_FILE_H

#include "endpoint.h"

#include <sys/stat.h>

struct socket_file {
	char *path; /* NULL: there is none */
	dev_t device;
	ino_t inode;
};

/*
 * Remembers the file of a socket that was just bound to address, where that has one. Returns 0; -1
 * with ENOMEM, and the file is removed.
 */
int socket_file_note(struct socket_file *file, const struct address *address);

/* Removes it, where it is still that one, and forgets it. Keeps errno. */
void socket_file_remove(struct socket_file *file);

/* Leaves it to others. */
void socket_file_forget(struct socket_file *file);

#endif
