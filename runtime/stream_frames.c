/* SPDX-License-Identifier: MIT */
/*
 * stream_frames - reads of so many bytes, and up to a delimiter: all of it or nothing.
 *
 * Design notes. What has come of a frame that is not whole is kept in the connection's buffer, so
 * that a call that is cut short has taken nothing.
 */
#include "stream.h"

#include <stdlib.h>
#include <string.h>

enum { BUFFER_FIRST = 4096 };

/* Makes room for size bytes in all. Returns 0; -1 with the call's error. */
static int buffer_reserve(struct stream_call *call, size_t size) {
	struct arun_conn *conn = call->conn;
	if (conn->buffer.start) {
		memmove(conn->buffer.data, stream_buffered(conn), conn->buffer.length);
		conn->buffer.start = 0;
	}
	if (size > conn->buffer.room) {
		char *data = realloc(conn->buffer.data, size);
		if (!data) {
			return (int)stream_error(call, ENOMEM);
		}
		conn->buffer.data = data;
		conn->buffer.room = size;
	}
	return 0;
}

static void buffer_append(struct arun_conn *conn, const char *bytes, size_t count) {
	memcpy(stream_buffered(conn) + conn->buffer.length, bytes, count);
	conn->buffer.length += count;
}

/* Fills buf, which begins with what is buffered. Where it cannot, what has come is buffered, too. */
static ssize_t stream_fill(struct stream_call *call, char *buf, size_t size) {
	struct arun_conn *conn = call->conn;
	size_t kept = conn->buffer.length, got = kept;
	ssize_t n = 1;
	while (got < size && (n = stream_receive(call, buf + got, size - got)) > 0) {
		got += (size_t)n;
		conn->amid = true;
	}
	conn->amid = false;
	if (got == size) {
		stream_take(conn, buf, kept);
		return (ssize_t)size;
	}
	buffer_append(conn, buf + kept, got - kept);
	return n < 0 ? -1 : got ? stream_error(call, ENODATA) : 0;
}

static ssize_t stream_read_exactly(struct stream_call *call, char *buf, size_t size) {
	struct arun_conn *conn = call->conn;
	if (conn->buffer.length >= size) {
		return (ssize_t)stream_take(conn, buf, size);
	}
	/* Now, so that no byte is lost where the stream is cut short and there is no memory. */
	if (buffer_reserve(call, size) < 0) {
		return -1;
	}
	memcpy(buf, conn->buffer.data, conn->buffer.length);
	return stream_fill(call, buf, size);
}

ssize_t(arun_read_exactly)(arun_conn *conn, void *buf, size_t size) {
	return arun_read_exactly_at(NULL, conn, buf, size);
}

ssize_t arun_read_exactly_at(
	const struct arun_site *site, arun_conn *conn, void *buf, size_t size) {
	struct stream_call call;
	ssize_t result =
		stream_begin(&call, site, "arun_read_exactly", conn, POLLER_READ);
	if (result == 0 && size) {
		result = stream_read_exactly(&call, buf, size);
	}
	return stream_end(&call, result);
}

/* Receives more into the buffer, which grows to at most size bytes. */
static ssize_t buffer_receive(struct stream_call *call, size_t size) {
	struct arun_conn *conn = call->conn;
	size_t room = conn->buffer.room;
	if (conn->buffer.start + conn->buffer.length == room) {
		if (!conn->buffer.start) {
			room = room ? room * 2 : BUFFER_FIRST;
			room = room < size ? room : size;
		}
		if (buffer_reserve(call, room) < 0) {
			return -1;
		}
	}
	char *end = stream_buffered(conn) + conn->buffer.length;
	size_t left = (size_t)(conn->buffer.data + conn->buffer.room - end);
	ssize_t n = stream_receive(call, end, left);
	conn->buffer.length += n > 0 ? (size_t)n : 0;
	return n;
}

static ssize_t stream_read_until(
	struct stream_call *call, char delimiter, char *buf, size_t size) {
	struct arun_conn *conn = call->conn;
	for (size_t seen = 0;;) {
		size_t have = conn->buffer.length < size ? conn->buffer.length : size;
		const char *bytes = stream_buffered(conn);
		const char *end =
			have > seen ? memchr(bytes + seen, delimiter, have - seen) : NULL;
		if (end) {
			return (ssize_t)stream_take(conn, buf, (size_t)(end + 1 - bytes));
		}
		if (have == size) {
			return stream_error(call, ENOBUFS);
		}
		seen = have;
		ssize_t n = buffer_receive(call, size);
		if (n <= 0) {
			return n < 0 || !have ? n : stream_error(call, ENODATA);
		}
	}
}

ssize_t(arun_read_until)(arun_conn *conn, char delimiter, char *buf, size_t size) {
	return arun_read_until_at(NULL, conn, delimiter, buf, size);
}

ssize_t arun_read_until_at(const struct arun_site *site, arun_conn *conn, char delimiter,
	char *buf, size_t size) {
	struct stream_call call;
	ssize_t result = stream_begin(&call, site, "arun_read_until", conn, POLLER_READ);
	if (result == 0) {
		result = stream_read_until(&call, delimiter, buf, size);
	}
	return stream_end(&call, result);
}
