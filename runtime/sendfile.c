/* SPDX-License-Identifier: MIT */
/*
 * sendfile - arun_sendfile().
 *
 * Design notes. sendfile(2) takes any file that it can map, to any stream. What it
 * refuses is read and written, a piece at a time.
 */
#include "stream.h"

#include <stdlib.h>
#include <sys/sendfile.h>
#include <unistd.h>

/* Bytes: of one system call, so that a fast reader of a large file leaves others a turn. */
enum { FILE_CHUNK = 1 << 20, FILE_PIECE = 64 * 1024 };

struct sending {
	int fd;
	off_t offset;
	size_t left;
};

/* Whether it is the connection that failed, and not the file. */
static bool is_of_stream(int error) {
	return error == EPIPE || error == ECONNRESET || error == ENOTCONN;
}

static ssize_t send_chunk(const struct arun_conn *conn, struct sending *sending) {
	size_t count = sending->left < FILE_CHUNK ? sending->left : FILE_CHUNK;
	struct stream_quiet quiet;
	ssize_t n;
	stream_quiet_begin(&quiet);
	do {
		n = sendfile(conn->watch.fd, sending->fd, &sending->offset, count);
	} while (n < 0 && errno == EINTR);
	stream_quiet_end(&quiet, n < 0 && errno == EPIPE);
	return n;
}

/* Lets others run. Returns 0; -1 with the call's error. */
static int send_yield(struct stream_call *call) {
	sched_yield_task(call->sched, call->self);
	int error = call->conn->closing ? EBADF : task_pending(call->sched, call->self);
	return error ? (int)stream_error(call, error) : 0;
}

static int send_sent(struct stream_call *call, struct sending *sending, size_t count) {
	call->conn->written += count;
	call->conn->out += count;
	sending->left -= count;
	return sending->left ? send_yield(call) : 0;
}

/*
 * Sends by sendfile(2). Returns 1: all; 0: it does not take this file or this stream; -1
 * with the call's error.
 */
static int send_directly(struct stream_call *call, struct sending *sending) {
	struct arun_conn *conn = call->conn;
	while (sending->left) {
		ssize_t n = send_chunk(conn, sending);
		if (n > 0) {
			if (send_sent(call, sending, (size_t)n) < 0) {
				return -1;
			}
		} else if (n == 0) {
			return (int)stream_error(call, ENODATA);
		} else if (errno == EAGAIN) {
			conn->watch.writable = false;
			call->error = conn_wait(conn, call->self, POLLER_WRITE);
			if (call->error) {
				return -1;
			}
		} else if (errno == EINVAL || errno == ENOSYS || errno == EOVERFLOW) {
			return 0;
		} else {
			int error = errno;
			if (is_of_stream(error)) {
				conn_note_error(conn, error);
			}
			return (int)stream_error(call, error);
		}
	}
	return 1;
}

/* Reads the next piece, and writes it. Returns 0; -1 with the call's error. */
static int send_piece(struct stream_call *call, struct sending *sending, char *piece) {
	size_t count = sending->left < FILE_PIECE ? sending->left : FILE_PIECE;
	ssize_t n;
	do {
		n = pread(sending->fd, piece, count, sending->offset);
	} while (n < 0 && errno == EINTR);
	if (n <= 0) {
		return (int)stream_error(call, n < 0 ? errno : ENODATA);
	}
	struct iovec whole = {.iov_base = piece, .iov_len = (size_t)n};
	if (stream_send(call, &whole, 1) < 0) {
		return -1;
	}
	sending->offset += n;
	sending->left -= (size_t)n;
	return sending->left ? send_yield(call) : 0;
}

static int send_by_pieces(struct stream_call *call, struct sending *sending) {
	char *piece = malloc(FILE_PIECE);
	int result = piece ? 0 : (int)stream_error(call, ENOMEM);
	while (result == 0 && sending->left) {
		result = send_piece(call, sending, piece);
	}
	free(piece);
	return result;
}

static int send_file(struct stream_call *call, struct sending *sending) {
	const struct transport *transport = call->conn->transport;
	int result = transport && transport->send ? 0 : send_directly(call, sending);
	return result ? result : send_by_pieces(call, sending);
}

int(arun_sendfile)(arun_conn *conn, int fd, off_t offset, size_t size) {
	return arun_sendfile_at(NULL, conn, fd, offset, size);
}

int arun_sendfile_at(const struct arun_site *site, arun_conn *conn, int fd, off_t offset,
	size_t size) {
	struct stream_call call;
	struct sending sending = {fd, offset, size};
	int result = stream_begin(&call, site, "arun_sendfile", conn, POLLER_WRITE);
	if (result == 0 && offset < 0) {
		return stream_end_refused(&call, "offset is negative");
	}
	if (result == 0) {
		result = send_file(&call, &sending);
		stream_keep_errno(&call);
	}
	return (int)stream_end(&call, result < 0 ? -1 : 0);
}
