/* SPDX-License-Identifier: MIT */
/* server - the public calls on servers, and what the end of a run does of them. */
#ifndef SERVER_H
#define SERVER_H

#include "loop.h"

/* The run was asked to stop: tasks in arun_accept() get ESHUTDOWN. */
void server_stopping(struct loop *loop);

/* Every server stops accepting; they stay listed. */
void server_stop_all(struct loop *loop);

/* Ends every server; handlers that still run do so without it. */
void server_close_all(struct loop *loop);

#endif
