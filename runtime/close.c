/* SPDX-License-Identifier: MIT */
/*
 * close - how a connection ends: in good order, at once, or all of them together.
 *
 * Design notes. A close(2) with unread input, or with input still to come, makes TCP send
 * RST, which may destroy at the other end what we sent before. So the sending side is
 * ended first, and what still comes is read away to the end of the stream, for a while.
 */
#include "conn.h"
#include "grace.h"

#include <sys/ioctl.h>

enum { DRAIN_PIECE = 4096, DRAIN_PIECES = 256 };

/* Seconds that the other end is given to end its side. */
static const double CLOSE_PATIENCE = 1;

/* Ends the sending side, unless that has been done. Returns 0; -1 with errno. */
static int conn_shutdown(struct arun_conn *conn) {
	if (conn->shut) {
		return 0;
	}
	if (conn->transport ? conn->transport->shutdown(conn) < 0
			    : shutdown(conn->watch.fd, SHUT_WR) < 0) {
		return -1;
	}
	conn->shut = true;
	return 0;
}

/*
 * Whether a plain close(2) loses nothing: the other end has ended its side and all was read; or
 * all that was written has arrived, and nothing is left to read.
 */
static bool conn_at_rest(const struct arun_conn *conn) {
	int unread = 0;
	if (!conn->socket || conn->saw_end || conn->error) {
		return true;
	}
	/* A transport's other end may have something to say of its own accord. */
	bool silent = !conn->transport && !conn->out;
	return (silent || conn->rests_at == conn->out + 1) &&
	       ioctl(conn->watch.fd, FIONREAD, &unread) == 0 && !unread;
}

/* All at once ---------------------------------------------------------------------- */

/* A task that still runs may use the handle until it, too, has ended. */
static void conn_sweep(struct loop *loop, struct arun_conn *conn) {
	conn->refs++;
	conn->swept = true;
	conn_close_now(loop, conn);
	registry_sweep(&loop->sched.registry, &conn->object);
}

bool conn_drain(struct arun_conn *conn) {
	char piece[DRAIN_PIECE];
	for (int i = 0; i < DRAIN_PIECES; i++) {
		ssize_t n = conn_take_in(conn, piece, sizeof piece);
		if (n <= 0) {
			return n == 0 || errno != EAGAIN;
		}
	}
	return false;
}

static void conn_on_rest(struct watch *watch) {
	struct arun_conn *conn = container_of(watch, struct arun_conn, watch);
	if (conn_drain(conn)) {
		struct arun_task *closer = conn->closer;
		conn_sweep(loop_here(), conn);
		task_wake(sched_current, closer);
	}
}

/* Begins its end; what the other end still sends is read away in the loop. */
static void conn_close_start(
	struct loop *loop, struct arun_conn *conn, struct arun_task *self) {
	conn->closing = true;
	if (conn->transport) {
		conn_shutdown(conn); /* also where the other end has ended its side */
	}
	if (conn_at_rest(conn) || conn_shutdown(conn) < 0 || conn_drain(conn)) {
		conn_sweep(loop, conn);
		return;
	}
	conn_wake(&loop->sched, conn);
	conn->closer = self;
	if (watch_serve(&loop->poller, &conn->watch, conn_on_rest) < 0) {
		conn_sweep(loop, conn);
	}
}

/* Goes on where more had come than is read at once: nothing tells of that again. Returns whether
 * there was such a connection. */
static bool conn_drain_rests(struct list *all) {
	bool any = false;
	list_each (at, all) {
		struct arun_conn *conn = container_of(at, struct arun_conn, object.link);
		if (conn->watch.readable && conn->closer) {
			any = true;
			conn_on_rest(&conn->watch);
		}
	}
	return any;
}

int conn_close_all(struct loop *loop, double deadline) {
	struct list *all = &loop->sched.registry.objects[KIND_CONNECTION];
	struct arun_task *self = loop->sched.current;
	int count = 0;
	list_each (at, all) {
		count++;
		conn_close_start(
			loop, container_of(at, struct arun_conn, object.link), self);
	}
	while (!list_empty(all) && loop_clock() < deadline) {
		if (conn_drain_rests(all)) {
			sched_yield_task(&loop->sched, self);
		} else {
			task_suspend(&loop->sched, self, deadline, false);
		}
	}
	while (!list_empty(all)) {
		conn_sweep(loop, list_first(all, struct arun_conn, object.link));
	}
	return count;
}

/* One ------------------------------------------------------------------------------ */

/*
 * Until when to wait for the other end. During a stop that is a quarter of what is left until the
 * entry is cut short, or, when it has been, of the clock: others have to end after this one.
 */
static double close_deadline(const struct sched *sched) {
	double now = loop_clock(), last = grace_time(sched, GRACE_LAST);
	double left = (now < last ? last : sched->clock_end) - now;
	return now + time_min(CLOSE_PATIENCE, left / 4);
}

/* That of a wait that goes on; a stop may begin meanwhile: see conn_stopping(). */
static double close_deadline_still(const struct sched *sched, double deadline) {
	return isinf(sched->stop_at) ? deadline
				     : time_min(deadline, close_deadline(sched));
}

void conn_stopping(struct loop *loop) {
	registry_each (object, &loop->sched.registry, KIND_CONNECTION) {
		struct arun_conn *conn = container_of(object, struct arun_conn, object);
		if (conn->closing) {
			conn_wake(&loop->sched, conn);
		}
	}
}

/* Reads away until the other end has ended its side, or deadline. */
static void conn_linger(struct loop *loop, struct arun_conn *conn, struct arun_task *self,
	double deadline) {
	char piece[DRAIN_PIECE];
	while (conn->watch.fd >= 0 && loop_clock() < deadline) {
		deadline = close_deadline_still(&loop->sched, deadline);
		ssize_t n = conn_take_in(conn, piece, sizeof piece);
		if (n == 0 || (n < 0 && errno != EAGAIN)) {
			return;
		}
		if (n > 0) {
			sched_yield_task(&loop->sched, self);
			continue;
		}
		if (watch_wait(&loop->poller, &conn->watch, POLLER_READ, self, deadline,
			    false)) {
			return;
		}
	}
}

/* Sends what a transport has kept, until deadline. */
static void conn_flush(struct loop *loop, struct arun_conn *conn, struct arun_task *self,
	double deadline) {
	while (conn->watch.fd >= 0 && conn->transport->flush(conn) < 0 &&
		errno == EAGAIN) {
		deadline = close_deadline_still(&loop->sched, deadline);
		if (watch_wait(&loop->poller, &conn->watch, POLLER_WRITE, self, deadline,
			    false)) {
			return;
		}
	}
}

static void conn_close_gently(
	struct loop *loop, struct arun_conn *conn, struct arun_task *self) {
	conn_wake(&loop->sched, conn);
	while (conn->reading || conn->writing) {
		/* They leave with EBADF as soon as they run: all that such a call waits for is
		 * the descriptor, or, of TLS, who is in the handshake, and that one is woken. */
		sched_yield_task(&loop->sched, self);
	}
	double deadline = close_deadline(&loop->sched);
	if (conn->watch.fd >= 0 && conn->transport && conn_shutdown(conn) == 0) {
		conn_flush(loop, conn, self, deadline);
	}
	if (conn->watch.fd >= 0 && !conn_at_rest(conn) && conn_shutdown(conn) == 0) {
		conn_linger(loop, conn, self, deadline);
	}
}

int(arun_close)(arun_conn *conn) {
	return arun_close_at(NULL, conn);
}

int arun_close_at(const struct arun_site *site, arun_conn *conn) {
	struct loop *loop = loop_here();
	if (!conn) {
		return 0;
	}
	if (!loop) {
		return watch_close_forked(&conn->watch);
	}
	conn_check(site, "arun_close", conn);
	if (conn->swept) {
		return 0; /* the end of the run has done it */
	}
	if (conn->closing) {
		return task_fail_words(
			EBADF, "close", NULL, "another call closes it already");
	}
	struct conn_words words;
	conn_words(conn, &words);
	int before = errno;
	sched_closes(&conn->object, site);
	conn->closing = true;
	conn->refs++;
	if (loop->sched.current) {
		conn_close_gently(loop, conn, task_enter(site, "arun_close"));
	}
	int error = conn->error;
	conn_close_now(loop, conn);
	conn_unref(conn);
	errno = before; /* of the failure that this cleans up after */
	return error ? task_fail(error, "close", words.text) : 0;
}

void arun_abort(arun_conn *conn) {
	struct loop *loop = loop_here();
	if (!conn) {
		return;
	}
	if (!loop) {
		watch_close_forked(&conn->watch);
		return;
	}
	conn_check(NULL, "arun_abort", conn);
	struct linger now = {.l_onoff = 1, .l_linger = 0};
	if (conn->tcp && !conn->closing) {
		setsockopt(conn->watch.fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	}
	sched_closes(&conn->object, NULL);
	conn_close_now(loop, conn);
}

int arun_shutdown(arun_conn *conn) {
	struct conn_words words;
	conn_check(NULL, "arun_shutdown", conn);
	if (!conn || conn->closing) {
		return task_fail(EBADF, "shutdown", NULL);
	}
	int before = errno;
	if (conn_shutdown(conn) < 0) {
		return task_fail(errno, "shutdown", conn_words(conn, &words));
	}
	/* Who waits for room is told, whether or not there will be any. */
	conn->watch.writable = true;
	if (conn->watch.writer) {
		task_wake(sched_current, conn->watch.writer);
	}
	errno = before;
	return 0;
}
