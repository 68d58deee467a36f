/* SPDX-License-Identifier: MIT */
/*
 * remote - another process' memory, read with process_vm_readv(2): no code of it runs, so
 * it answers also when it hangs, and does not notice.
 *
 * Nothing that is read is trusted: addresses may be wild, strings without an end.
 */
#ifndef REMOTE_H
#define REMOTE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

enum { REMOTE_ERROR = 512, REMOTE_STRING = 1024 };

struct remote {
	pid_t pid;
	FILE *maps;
	char exe[PATH_MAX];       /* what it runs; "": not known */
	char error[REMOTE_ERROR]; /* the last failure of open and find: a line without the
				     pid */
};

/* Returns 0; -1 with remote->error: there is no such process, or it may not be read. */
int remote_open(struct remote *remote, pid_t pid);
void remote_close(struct remote *remote);

/* The state of its main thread as in ps(1): 'R', 'S', 'T'...; 0: it has ended. */
char remote_state(const struct remote *remote);

/* Whether all of it could be read. */
bool remote_read(
	const struct remote *remote, uint64_t address, void *buffer, size_t size);

/* Copies the first, and then the second, as shortly after as can be; they may be the same.
 * Whether all of both could be read. */
struct remote_piece {
	uint64_t address;
	void *buffer;
	size_t size;
};
bool remote_read_both(const struct remote *remote, const struct remote_piece *first,
	const struct remote_piece *second);

/* Copies a string, cut where it does not fit or ends unreadable. False: none of it could
 * be read. */
bool remote_string(
	const struct remote *remote, uint64_t address, char *buffer, size_t size);

/*
 * Where the symbols of these names are, in the first of the mapped ELF files whose .dynsym
 * has them all. Reads memory alone: the files may be stripped, deleted, or in another
 * mount namespace. Returns 0; -1 with remote->error.
 */
int remote_symbols(struct remote *remote, const char *const *names, uint64_t *addresses,
	size_t count);

#endif
