/* SPDX-License-Identifier: MIT */
/* stream - the public calls on connections that move bytes. */
#include "stream.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { BUFFER_KEPT = 64 * 1024, PIECES = 16 };

/* Begins a call: takes the right to read, or to write. Returns 0, or why not. */
static int stream_admit(struct stream_call *call, enum poller_events event) {
	struct arun_conn *conn = call->conn;
	bool *busy = event == POLLER_READ ? &conn->reading : &conn->writing;
	int error = task_interrupted(call->sched, call->self);
	if (!error && event == POLLER_READ) {
		sched_spend(call->sched, call->self);
		error = task_pending(call->sched, call->self);
	}
	if (!error) {
		error = conn->closing ? EBADF : *busy ? EBUSY : 0;
	}
	if (event == POLLER_WRITE && !conn->writing) {
		conn->written = 0; /* also of a write that does not begin */
	}
	if (!error) {
		*busy = true;
		call->busy = busy;
		if (unlikely(conn->transport && conn->transport->admit)) {
			error = conn->transport->admit(conn, call->self);
			stream_keep_errno(call);
		}
	}
	return error;
}

int stream_begin(struct stream_call *call, const struct arun_site *site, const char *op,
	struct arun_conn *conn, enum poller_events event) {
	*call = (struct stream_call){.self = task_enter(site, op),
		.sched = sched_current,
		.conn = conn,
		.before = *sched_current->error};
	if (unlikely(!conn)) {
		call->error = EBADF;
		return -1;
	}
	conn_check(site, op, conn);
	conn->refs++;
	call->self->awaits = &conn->object;
	call->error = stream_admit(call, event);
	return call->error ? -1 : 0;
}

/* Whether nothing was read as the connection is idle and its server closes: that is its end. */
static bool stream_unserved(const struct stream_call *call) {
	return call->error == ESHUTDOWN && call->busy == &call->conn->reading;
}

/* The end of the stream: no failure. A caller that takes it for one, and sets errno itself, is not to
 * be given the words of an earlier failure. */
static ssize_t stream_over(const struct stream_call *call) {
	call->self->why_error = -1;
	return 0;
}

/* Not inlined: its room for words would be a part of every call's frame. */
__attribute__((noinline)) static void stream_fail(const struct stream_call *call) {
	struct conn_words words;
	const char *on = call->conn ? conn_words(call->conn, &words) : "NULL";
	if (call->error != ETIME) {
		const char *reason =
			call->conn && call->conn->transport
				? call->conn->transport->why(call->conn, call->error)
				: NULL;
		task_fail_words(call->error, call->self->op, on, reason);
		return;
	}
	char idle[64];
	struct text out;
	text_fixed(&out, idle, sizeof idle);
	text_add(&out, "idle for ");
	text_seconds(&out, call->conn->idle_timeout);
	task_fail_words(ETIMEDOUT, call->self->op, on, idle);
}

ssize_t stream_end(struct stream_call *call, ssize_t result) {
	int error = call->error == ETIME ? ETIMEDOUT : call->error;
	if (unlikely(result < 0)) {
		result = stream_unserved(call) ? stream_over(call) : -1;
		stream_keep_errno(call);
	}
	if (unlikely(result < 0)) {
		stream_fail(call);
	}
	if (call->busy) {
		*call->busy = false;
	}
	call->self->awaits = NULL;
	if (call->conn) {
		conn_unref(call->conn);
	}
	if (unlikely(result < 0)) {
		errno = error;
	}
	return result;
}

int stream_end_refused(struct stream_call *call, const char *words) {
	call->error = EINVAL;
	stream_end(call, -1);
	task_fail_add(": ");
	task_fail_add(words);
	return -1;
}

ssize_t stream_error(struct stream_call *call, int error) {
	call->error = error;
	return -1;
}

/* Reading -------------------------------------------------------------------------- */

/* Whether a read need not wait: also for the end, or an error, of which no further event tells. */
static bool transport_has(const struct arun_conn *conn) {
	return conn->error || conn->saw_end || conn->transport->holds(conn);
}

static bool stream_may_receive(const struct arun_conn *conn) {
	return conn->watch.readable || conn->watch.always ||
	       unlikely(conn->transport && transport_has(conn));
}

/* A library's calls leave any errno, where they succeed too: OpenSSL's read sets 0. */
static ssize_t transport_receive(const struct stream_call *call, void *buf, size_t size) {
	ssize_t n = call->conn->transport->receive(call->conn, buf, size);
	if (n >= 0) {
		stream_keep_errno(call);
	}
	return n;
}

/* Inlined by force: where there are many connections, each line of the stack that a wait returns
 * through comes from memory again. */
__attribute__((always_inline)) static inline ssize_t receive(
	struct stream_call *call, void *buf, size_t size) {
	struct arun_conn *conn = call->conn;
	for (;;) {
		if (stream_may_receive(conn)) {
			ssize_t n = unlikely(conn->transport)
					    ? transport_receive(call, buf, size)
					    : conn_take_in(conn, buf, size);
			if (likely(n > 0)) {
				return n;
			}
			if (n == 0) {
				return stream_over(call);
			}
			if (errno != EAGAIN) {
				return stream_error(call, errno);
			}
			stream_keep_errno(call);
		}
		call->error = conn_wait(conn, call->self, POLLER_READ);
		if (unlikely(call->error)) {
			return -1;
		}
	}
}

ssize_t stream_receive(struct stream_call *call, void *buf, size_t size) {
	return receive(call, buf, size);
}

size_t stream_take(struct arun_conn *conn, void *buf, size_t size) {
	size_t count = size < conn->buffer.length ? size : conn->buffer.length;
	if (!count) {
		return 0;
	}
	memcpy(buf, stream_buffered(conn), count);
	conn->buffer.start += count;
	conn->buffer.length -= count;
	if (!conn->buffer.length) {
		conn->buffer.start = 0;
		if (conn->buffer.room > BUFFER_KEPT) {
			free(conn->buffer.data);
			conn->buffer.data = NULL;
			conn->buffer.room = 0;
		}
	}
	return count;
}

ssize_t(arun_read)(arun_conn *conn, void *buf, size_t size) {
	return arun_read_at(NULL, conn, buf, size);
}

ssize_t arun_read_at(
	const struct arun_site *site, arun_conn *conn, void *buf, size_t size) {
	struct stream_call call;
	ssize_t result = stream_begin(&call, site, "arun_read", conn, POLLER_READ);
	if (likely(result == 0 && size)) {
		result = (ssize_t)stream_take(conn, buf, size);
		result = result ? result : receive(&call, buf, size);
	}
	return stream_end(&call, result);
}

/* Writing -------------------------------------------------------------------------- */

/* What is still to be sent: the pieces, less skip bytes of the first. */
struct outgoing {
	const struct iovec *pieces;
	int count;
	size_t skip;
};

static void outgoing_advance(struct outgoing *outgoing, size_t count) {
	outgoing->skip += count;
	while (outgoing->count && outgoing->skip >= outgoing->pieces->iov_len) {
		outgoing->skip -= outgoing->pieces->iov_len;
		outgoing->pieces++;
		outgoing->count--;
	}
}

void stream_quiet_begin(struct stream_quiet *quiet) {
	sigset_t broken;
	sigemptyset(&broken);
	sigaddset(&broken, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &broken, &quiet->before);
}

void stream_quiet_end(struct stream_quiet *quiet, bool broken) {
	int error = errno;
	sigset_t set;
	if (broken && !sigismember(&quiet->before, SIGPIPE)) {
		sigemptyset(&set);
		sigaddset(&set, SIGPIPE);
		sigtimedwait(&set, NULL, &(struct timespec){0});
	}
	pthread_sigmask(SIG_SETMASK, &quiet->before, NULL);
	errno = error;
}

static ssize_t write_quietly(int fd, const struct iovec *pieces, int count) {
	struct stream_quiet quiet;
	stream_quiet_begin(&quiet);
	ssize_t n = writev(fd, pieces, count);
	stream_quiet_end(&quiet, n < 0 && errno == EPIPE);
	return n;
}

static struct iovec outgoing_first(const struct outgoing *outgoing) {
	return (struct iovec){
		.iov_base = (char *)outgoing->pieces->iov_base + outgoing->skip,
		.iov_len = outgoing->pieces->iov_len - outgoing->skip};
}

/* What one send(2) does not do: several pieces in one call, which is what costs; a transport's own
 * way; what is no socket. Not inlined: the room for pieces would be a part of every call's frame. */
__attribute__((noinline)) static ssize_t send_window(
	struct arun_conn *conn, const struct outgoing *outgoing) {
	struct iovec window[PIECES];
	int count = outgoing->count < PIECES ? outgoing->count : PIECES;
	memcpy(window, outgoing->pieces, (size_t)count * sizeof *window);
	window[0] = outgoing_first(outgoing);
	if (conn->transport && conn->transport->send) {
		return conn->transport->send(conn, window, count);
	}
	struct msghdr message = {.msg_iov = window, .msg_iovlen = (size_t)count};
	ssize_t n;
	do {
		n = conn->socket ? sendmsg(conn->watch.fd, &message, MSG_NOSIGNAL)
				 : write_quietly(conn->watch.fd, window, count);
	} while (n < 0 && errno == EINTR);
	return n;
}

/* send(2) of one piece costs less than sendmsg(2), which fetches the list first. */
static ssize_t send_some(struct arun_conn *conn, const struct outgoing *outgoing) {
	bool plain = conn->socket && !(conn->transport && conn->transport->send);
	if (unlikely(!plain || outgoing->count > 1)) {
		return send_window(conn, outgoing);
	}
	struct iovec piece = outgoing_first(outgoing);
	ssize_t n;
	do {
		n = send(conn->watch.fd, piece.iov_base, piece.iov_len, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n;
}

/* Sends what the kernel takes; -1 with the call's error where it is not that it is full.
 */
static int stream_send_some(struct stream_call *call, struct outgoing *outgoing) {
	struct arun_conn *conn = call->conn;
	ssize_t n = send_some(conn, outgoing);
	if (likely(n > 0)) {
		conn->written += (size_t)n;
		conn->out += (uint64_t)n;
		outgoing_advance(outgoing, (size_t)n);
		return 0;
	}
	if (n < 0 && errno == EAGAIN) {
		conn->watch.writable = false;
		stream_keep_errno(call);
		return 0;
	}
	int error = n < 0 ? errno : EIO;
	conn_note_error(conn, error);
	return (int)stream_error(call, error);
}

/* Sends what the transport has kept. Returns 0; -1 with the call's error. */
static int stream_flush(struct stream_call *call) {
	struct arun_conn *conn = call->conn;
	while (conn->transport->flush(conn) < 0) {
		int error = errno;
		if (error != EAGAIN) {
			conn_note_error(conn, error);
			return (int)stream_error(call, error);
		}
		stream_keep_errno(call);
		call->error = conn_wait(conn, call->self, POLLER_WRITE);
		if (call->error) {
			return -1;
		}
	}
	stream_keep_errno(call);
	return 0;
}

int stream_send(struct stream_call *call, const struct iovec *pieces, int count) {
	struct arun_conn *conn = call->conn;
	struct outgoing outgoing = {pieces, count, 0};
	outgoing_advance(&outgoing, 0);
	while (outgoing.count) {
		if (conn->watch.writable || conn->watch.always) {
			if (stream_send_some(call, &outgoing) < 0) {
				return -1;
			}
		}
		if (outgoing.count && !conn->watch.writable) {
			call->error = conn_wait(conn, call->self, POLLER_WRITE);
			if (call->error) {
				return -1;
			}
		}
	}
	return unlikely(conn->transport) ? stream_flush(call) : 0;
}

static int stream_write(struct stream_call *call, const struct iovec *pieces, int count) {
	if (stream_send(call, pieces, count) < 0) {
		return -1;
	}
	/* Only now, so that no write is cut short by its turn having come to an end. */
	sched_spend(call->sched, call->self);
	return 0;
}

int(arun_write)(arun_conn *conn, const void *buf, size_t size) {
	return arun_write_at(NULL, conn, buf, size);
}

int arun_write_at(
	const struct arun_site *site, arun_conn *conn, const void *buf, size_t size) {
	struct stream_call call;
	struct iovec piece = {.iov_base = (void *)(uintptr_t)buf, .iov_len = size};
	int result = stream_begin(&call, site, "arun_write", conn, POLLER_WRITE);
	if (likely(result == 0)) {
		result = stream_write(&call, &piece, 1);
	}
	return (int)stream_end(&call, result);
}

int(arun_writev)(arun_conn *conn, const struct iovec *iov, int count) {
	return arun_writev_at(NULL, conn, iov, count);
}

int arun_writev_at(const struct arun_site *site, arun_conn *conn, const struct iovec *iov,
	int count) {
	struct stream_call call;
	int result = stream_begin(&call, site, "arun_writev", conn, POLLER_WRITE);
	if (result == 0 && (count < 0 || count > IOV_MAX)) {
		return stream_end_refused(&call, "count is to be 0 to 1024 (IOV_MAX)");
	}
	if (result == 0) {
		result = stream_write(&call, iov, count);
	}
	return (int)stream_end(&call, result);
}

size_t arun_written(const arun_conn *conn) {
	conn_check(NULL, "arun_written", conn);
	return conn ? conn->written : 0;
}
