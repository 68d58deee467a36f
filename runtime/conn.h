/* SPDX-License-Identifier: MIT */
/*
 * conn - a connection: the object, from its making to its end.
 *
 * Design notes. A call that works on a connection holds a reference while it does, so
 * that another task may close it meanwhile: the descriptor goes at once, the waits end
 * with EBADF, the memory goes when the last call has left. What a read could not hand out
 * stays in the buffer, and is served first by the next one.
 */
#ifndef CONN_H
#define CONN_H

#include "endpoint.h"
#include "loop.h"

struct arun_conn;

/*
 * What carries a stream's bytes where that is not the bare descriptor. Its calls, but for
 * admit(), do not suspend.
 */
struct transport {
	/* Before bytes are moved; may suspend. Returns 0, or why not. May be NULL. */
	int (*admit)(struct arun_conn *conn, struct arun_task *self);
	/* As recv(2), and sendmsg(2), do. send NULL: that of the descriptor. */
	ssize_t (*receive)(struct arun_conn *conn, void *buf, size_t size);
	ssize_t (*send)(struct arun_conn *conn, const struct iovec *pieces, int count);
	/* Whether more has come than receive() has handed out, such as the begin of a record. */
	bool (*holds)(const struct arun_conn *conn);
	/* Sends what send() took and kept. Returns 0: all; -1 with EAGAIN, or what broke it. */
	int (*flush)(struct arun_conn *conn);
	/* Ends the sending side; what can not be sent at once is left to flush(). */
	int (*shutdown)(struct arun_conn *conn);
	/* What error was, in words; NULL: no more than its errno says. */
	const char *(*why)(const struct arun_conn *conn, int error);
	void (*destroy)(struct arun_conn *conn);
};

struct arun_conn {
	/* What each read and write touches, side by side. */
	struct watch watch;
	unsigned refs; /* calls under way, the handle, its handler's task; 0: gone */
	bool socket, tcp;
	bool reading, writing;
	bool closing;
	bool saw_end; /* all was read, to the end of the stream */
	bool bounded; /* waits are: by idle_timeout, or as it leaves */
	int error;    /* the first that recv(2) or send(2) said; 0 */
	const struct transport *transport; /* NULL: the descriptor */
	size_t written;                    /* by the last write */
	uint64_t in, out;
	/* What was read and not yet handed out. */
	struct {
		size_t start, length, room;
		char *data;
	} buffer;

	struct object object;
	bool unblock; /* O_NONBLOCK is to be taken off at the end */
	bool swept;   /* by the end of the run */
	bool shut;    /* the sending side has ended */
	bool leaves;  /* its server closes: where it is idle, it ends */
	bool amid;    /* a read that waits has a part of a frame, which is in no buffer */
	int cut;      /* the error that ended it before its end of stream; 0 */
	double idle_timeout;
	double greeted; /* when a handshake was over; 0: there was none */
	void *session;  /* the transport's */
	/* in + 1 when it was last idle; out + 1 when it ended so, with nothing on its way.
	 * 0: never. */
	uint64_t idle_at, rests_at;
	struct address peer;
	char *texts[2]; /* arun_peer() and arun_local(), once asked for */

	struct arun_task *closer; /* that waits in conn_close_all() for its end */

	/* Of a server's connection. */
	struct arun_server *server; /* NULL: of no server any more */
	struct list link;           /* arun_server::conns */
	struct arun_task *task;     /* its handler's; NULL: none */
	const char *handler_name;
	int (*handler)(struct arun_conn *conn, void *arg);
	void *handler_arg;
	/* The descriptor is closed. From a task or the loop; must not suspend. May be
	 * NULL. */
	void (*closed)(struct arun_conn *conn);
};

extern const struct kind conn_kind;

/*
 * Makes a connection of fd, which does not block, and takes it. Not listed yet: see
 * conn_publish(). NULL with ENOMEM, EEXIST: fd stays the caller's.
 */
struct arun_conn *conn_create(struct loop *loop, int fd);

/* Lists it. */
static inline void conn_publish(
	struct loop *loop, struct arun_conn *conn, const struct arun_site *site) {
	sched_publish(&loop->sched, &conn->object, &conn_kind, site);
}

/* Aborts where the handle is one of a connection that is gone. NULL is none. */
static inline void conn_check(
	const struct arun_site *site, const char *op, const struct arun_conn *conn) {
	if (unlikely(conn && !conn->refs)) {
		task_gone(site, &conn->object, op, "of a connection that is gone");
	}
}

/* Gives a reference back. */
void conn_unref(struct arun_conn *conn);

/*
 * Closes the descriptor at once, whoever waits finds out; gives the handle's reference
 * back. Where it is closed already, does nothing.
 */
void conn_close_now(struct loop *loop, struct arun_conn *conn);

/* Remembers an error of recv(2) or send(2): the kernel tells of it only once. */
void conn_note_error(struct arun_conn *conn, int error);

/*
 * To be called with n bytes read of size that were asked for. A short read has drained a TCP
 * socket, unless it is watch::shy: the next one waits for an event without a try.
 */
static inline void conn_note_in(struct arun_conn *conn, size_t n, size_t size) {
	if (n < size && conn->tcp && !conn->watch.shy) {
		conn->watch.readable = false;
	}
}

/*
 * One recv(2) or read(2), repeated after EINTR; notes what it tells of the connection. Returns as
 * they do, but 0 only at the end of the stream: after a reset it is that error again.
 */
ssize_t conn_take_in(struct arun_conn *conn, void *buf, size_t size);

/*
 * Waits, interruptibly and at most for idle_timeout. Returns 0: try again; or why not:
 * ECANCELED, ETIMEDOUT, ETIME: idle for too long, EBADF, and what epoll_ctl(2) says; of a
 * read ESHUTDOWN: nothing is there, it is idle, and its server closes.
 */
int conn_wait(struct arun_conn *conn, struct arun_task *self, enum poller_events event);

/* The same where conn->bounded. */
int conn_wait_bounded(
	struct arun_conn *conn, struct arun_task *self, enum poller_events event);

/* The same until deadline, whatever idle_timeout is, and whether it is idle. */
int conn_wait_until(struct arun_conn *conn, struct arun_task *self,
	enum poller_events event, double deadline);

/*
 * The same until deadline, or until patience: so long a connection that is idle, and whose server
 * closes, may still say something; then it is ESHUTDOWN. INFINITY: it is not such a connection.
 */
int conn_wait_leaving(struct arun_conn *conn, struct arun_task *self,
	enum poller_events event, double deadline, double patience);

/*
 * Until when a handshake may wait; INFINITY, unless the connection is idle and its server closes.
 * heard: the other end has begun with it, and is given a moment from when that was first seen, which
 * is kept in *left (INFINITY before).
 */
double conn_greeting_patience(const struct arun_conn *conn, bool heard, double *left);

/* Its server closes: from now on it ends when it is idle (arun_idle()). */
void conn_leave(struct sched *sched, struct arun_conn *conn);

/* Has those that wait on it look again, and find it closing. */
void conn_wake(struct sched *sched, struct arun_conn *conn);

/* What names it in arun_why(): its peer or its own address; valid until the next call. */
struct conn_words {
	char text[128];
};
const char *conn_words(const struct arun_conn *conn, struct conn_words *words);

/*
 * Reads away what is there, 1 MiB at most: whoever sends on must not hold the thread. Returns
 * whether nothing more will come.
 */
bool conn_drain(struct arun_conn *conn);

/* A stop has begun: who is closing a connection waits for its share of that at most. */
void conn_stopping(struct loop *loop);

/*
 * Closes every connection in good order, all of them at once, until deadline; then
 * without. From a task, which is not interruptible here. Returns how many there were.
 */
int conn_close_all(struct loop *loop, double deadline);

/* Puts back the flags of descriptors that others share. For handlers, at a crash and at
 * exit. */
void conn_restore_flags(const struct registry *registry);

/* Makes a connection of any descriptor, as arun_open_fd(), whose words go to op. */
struct arun_conn *conn_open_fd(
	struct loop *loop, const struct arun_site *site, int fd, const char *op);

#endif
