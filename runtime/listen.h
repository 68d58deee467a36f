/* SPDX-License-Identifier: MIT */
/* listen - listening sockets: made, told apart, and their files removed. */
#ifndef LISTEN_H
#define LISTEN_H

#include "socket_file.h"

struct listening {
	int fd;
	bool connection; /* none to accept at: it is the one connection itself */
	struct address address;
	struct socket_file file;
};

/*
 * Listens at endpoint, does not block. Suspends where there is a host to look up; self may
 * be NULL where there is none. Returns 0; -1 with errno, and recorded for arun_why().
 */
int listen_open(struct listening *out, struct arun_task *self,
	const struct endpoint *endpoint, const arun_listen_options *options);

#endif
