/* SPDX-License-Identifier: MIT */
#include "journal_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* systemd says which: "DEVICE:INODE". */
bool journal_stream_is(int fd) {
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat file;
	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(fd, &file) == 0 && file.st_dev == device && file.st_ino == inode;
}
