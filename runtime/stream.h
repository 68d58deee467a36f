/* SPDX-License-Identifier: MIT */
/*
 * stream - a call on a connection that moves bytes, from its beginning to its end.
 *
 * A call holds a reference to its connection, and the right to read or to write.
 */
#ifndef STREAM_H
#define STREAM_H

#include "conn.h"

#include <signal.h>

struct stream_call {
	struct sched *sched;
	struct arun_task *self;
	struct arun_conn *conn;
	bool *busy; /* conn's, for as long as the call lasts */
	int error;
	int before; /* the task's errno: what a try leaves there, EAGAIN, is not its */
};

/* Begins one. Returns 0; -1 with call->error: to be ended with that. */
int stream_begin(struct stream_call *call, const struct arun_site *site, const char *op,
	struct arun_conn *conn, enum poller_events event);

/*
 * Ends it. Returns what the call returns: result, or where that is negative -1, with
 * call->error as errno and in arun_why().
 */
ssize_t stream_end(struct stream_call *call, ssize_t result);

/*
 * The same with EINVAL, of one that has begun: words tell which argument is bad, and what is allowed.
 */
int stream_end_refused(struct stream_call *call, const char *words);

/* Sets the call's error. Returns -1. */
ssize_t stream_error(struct stream_call *call, int error);

/* Gives the task its errno back, as of the beginning of the call. */
static inline void stream_keep_errno(const struct stream_call *call) {
	*call->sched->error = call->before;
}

/* Waits for bytes, past the buffer. Returns how many; 0: the end; -1 with the call's error. */
ssize_t stream_receive(struct stream_call *call, void *buf, size_t size);

/* Where the bytes in the connection's buffer begin. */
static inline char *stream_buffered(const struct arun_conn *conn) {
	/* NULL + 0 is not defined. */
	return conn->buffer.start ? conn->buffer.data + conn->buffer.start
				  : conn->buffer.data;
}

/* Takes up to size bytes out of the buffer. Returns how many. */
size_t stream_take(struct arun_conn *conn, void *buf, size_t size);

/* Sends all of the pieces, and counts arun_conn::written up. Returns 0; -1 with the call's
 * error. */
int stream_send(struct stream_call *call, const struct iovec *pieces, int count);

/* Blocks SIGPIPE, which a host that owns its signals may not expect, for a call on a pipe
 * or of sendfile(2). */
struct stream_quiet {
	sigset_t before;
};
void stream_quiet_begin(struct stream_quiet *quiet);

/* Takes the signal away where the call has raised it. Keeps errno. */
void stream_quiet_end(struct stream_quiet *quiet, bool broken);

#endif
