/* SPDX-License-Identifier: MIT */
/*
 * idle - a connection between two requests: it ends when its server closes.
 *
 * Design notes. That it is idle is remembered as the count of bytes read so far: the next one
 * ends it, without a line in the calls that read. It is looked at where a read, or a handshake,
 * is about to wait, of a connection whose server closes, and nowhere else.
 */
#include "conn.h"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>

/* Seconds that a new connection has to say something: its first request may be on its way. */
static const double IDLE_PATIENCE = 1;

/* Nothing was read since it was said to be idle. */
static bool conn_is_marked(const struct arun_conn *conn) {
	return conn->idle_at == conn->in + 1;
}

static bool conn_is_idle(const struct arun_conn *conn) {
	return conn_is_marked(conn) && !(conn->transport && conn->transport->holds(conn));
}

/* Has its reader look again, and whoever is in a handshake, which writes as well. */
static void conn_end_idle(struct sched *sched, struct arun_conn *conn) {
	if (conn_is_marked(conn)) {
		conn_wake(sched, conn);
	}
}

void conn_leave(struct sched *sched, struct arun_conn *conn) {
	conn->leaves = true;
	conn->bounded = true;
	conn_end_idle(sched, conn);
}

/* Asks the kernel for what the loop has not seen yet: bytes, room, the end, an error. */
static bool conn_looks_ready(struct arun_conn *conn, enum poller_events event) {
	bool reads = event == POLLER_READ;
	struct pollfd entry = {.fd = conn->watch.fd, .events = reads ? POLLIN : POLLOUT};
	if (poll(&entry, 1, 0) <= 0) {
		return false;
	}
	*(reads ? &conn->watch.readable : &conn->watch.writable) = true;
	return true;
}

/* Ends it. Where the other end has received all that was sent, a close need not wait for more. */
static int conn_rest(struct arun_conn *conn) {
	int unsent = 0;
	bool all = ioctl(conn->watch.fd, SIOCOUTQ, &unsent) == 0 && !unsent;
	conn->rests_at = all ? conn->out + 1 : 0;
	return ESHUTDOWN;
}

int conn_wait_leaving(struct arun_conn *conn, struct arun_task *self,
	enum poller_events event, double deadline, double patience) {
	if (isinf(patience)) {
		return conn_wait_until(conn, self, event, deadline);
	}
	if (event == POLLER_READ && conn_looks_ready(conn, event)) {
		return 0;
	}
	if (patience <= sched_current->registry.now) {
		return conn_rest(conn);
	}
	int error = conn_wait_until(conn, self, event, time_min(deadline, patience));
	return error == ETIME && patience < deadline ? 0 : error;
}

/* Until when an idle connection may still say something. */
static double conn_patience(const struct arun_conn *conn, double now) {
	double begun = time_max(conn->object.born, conn->greeted);
	return conn->in ? now : begun + IDLE_PATIENCE;
}

int conn_wait_bounded(
	struct arun_conn *conn, struct arun_task *self, enum poller_events event) {
	double now = sched_current->registry.now;
	double deadline = conn->idle_timeout > 0 ? now + conn->idle_timeout : INFINITY;
	bool ends = event == POLLER_READ && conn->leaves && conn_is_idle(conn);
	int error = conn_wait_leaving(
		conn, self, event, deadline, ends ? conn_patience(conn, now) : INFINITY);
	/* After a pause of this process, what came in time is found only now that time is up. */
	return error == ETIME && conn_looks_ready(conn, event) ? 0 : error;
}

double conn_greeting_patience(const struct arun_conn *conn, bool heard, double *left) {
	/* A handshake for a call that writes: there is something to be said. */
	if (!conn->leaves || conn->writing || !conn_is_marked(conn)) {
		return INFINITY;
	}
	*left = time_min(*left, sched_current->registry.now);
	return (heard ? *left : conn->object.born) + IDLE_PATIENCE;
}

void arun_idle(arun_conn *conn) {
	if (!conn) {
		return;
	}
	conn_check(NULL, "arun_idle", conn);
	/* What is buffered, or a read that waits has, is of the next request. */
	conn->idle_at = conn->buffer.length || conn->amid ? 0 : conn->in + 1;
	if (unlikely(conn->leaves && sched_current)) {
		conn_end_idle(sched_current, conn);
	}
}
