/* SPDX-License-Identifier: MIT */
#include "conn.h"

#include "sockopt.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* How reports show it -------------------------------------------------------------- */

static const struct arun_conn *conn_of(const struct object *object) {
	return container_of(object, const struct arun_conn, object);
}

/* The other end's address; our own where that has none, like a client of a Unix socket. */
static void conn_text(struct text *out, const struct arun_conn *conn) {
	struct address local;
	size_t before = out->length;
	address_text(out, &conn->peer);
	if (out->length == before && conn->socket) {
		address_local(&local, conn->watch.fd);
		address_text(out, &local);
	}
}

const char *conn_words(const struct arun_conn *conn, struct conn_words *words) {
	struct text out;
	text_fixed(&out, words->text, sizeof words->text);
	conn_text(&out, conn);
	if (!out.length) {
		text_add(&out, conn->closing ? "a closed connection" : "fd %d",
			conn->watch.fd);
	}
	return words->text;
}

/* One that is being closed is no leak. */
static bool conn_kind_leaked(const struct object *object) {
	return !conn_of(object)->closing;
}

static const char *conn_kind_name(const struct object *object) {
	const char *name = conn_of(object)->handler_name;
	return name ? name : "";
}

static const char *conn_kind_state(const struct object *object) {
	const struct arun_task *task = conn_of(object)->task;
	return task ? task->object.kind->state(&task->object) : "open";
}

static void conn_kind_line(const struct object *object, struct text *out) {
	const struct arun_conn *conn = conn_of(object);
	size_t before = out->length;
	conn_text(out, conn);
	text_add(out, out->length > before ? " (fd %d)" : "(fd %d)", conn->watch.fd);
}

static void conn_kind_detail(const struct object *object, struct text *out) {
	const struct arun_conn *conn = conn_of(object);
	struct address local = {.length = 0};
	int unsent = 0;
	if (conn->socket) {
		address_local(&local, conn->watch.fd);
		ioctl(conn->watch.fd, SIOCOUTQ, &unsent);
	}
	address_member(out, "local", &local);
	address_member(out, "remote", &conn->peer);
	text_add(out, "\"in\": %lu, \"out\": %lu, \"unsent\": %d",
		(unsigned long)conn->in, (unsigned long)conn->out, unsent);
}

static int conn_kind_fd(const struct object *object) {
	return conn_of(object)->watch.fd;
}

static bool conn_kind_waiting(const struct object *object, struct waiting *out) {
	const struct arun_task *task = conn_of(object)->task;
	return task && task->object.kind->waiting(&task->object, out);
}

static const struct arun_task *conn_kind_task(const struct object *object) {
	return conn_of(object)->task;
}

static void conn_kind_forget(struct object *object) {
	conn_unref(container_of(object, struct arun_conn, object));
}

const struct kind conn_kind = {
	.index = KIND_CONNECTION,
	.offset = offsetof(struct arun_conn, object),
	.word = "connection",
	.title = "connection",
	.fate = "not closed",
	.waits = "waits",
	.help = "arun_close()",
	.outcome = "closed",
	.leaked = conn_kind_leaked,
	.name = conn_kind_name,
	.state = conn_kind_state,
	.line = conn_kind_line,
	.detail = conn_kind_detail,
	.fd = conn_kind_fd,
	.waiting = conn_kind_waiting,
	.task = conn_kind_task,
	.forget = conn_kind_forget,
};

/* Life ----------------------------------------------------------------------------- */

struct arun_conn *conn_create(struct loop *loop, int fd) {
	struct arun_conn *conn = calloc(1, sizeof *conn);
	if (!conn) {
		errno = ENOMEM;
		return NULL;
	}
	if (watch_open(&loop->poller, &conn->watch, fd) < 0) {
		free(conn);
		return NULL;
	}
	list_init(&conn->object.link);
	list_init(&conn->link);
	conn->refs = 1;
	return conn;
}

void conn_unref(struct arun_conn *conn) {
	/* Volatile, as object_gone() is: a stale handle is told by it. */
	if (--*(volatile unsigned *)&conn->refs) {
		return;
	}
	if (conn->transport) {
		conn->transport->destroy(conn);
	}
	free(conn->texts[0]);
	free(conn->texts[1]);
	free(conn->buffer.data);
	sched_free(&conn->object, conn);
}

static void conn_unblock(int fd) {
	int flags = fcntl(fd, F_GETFL);
	if (flags >= 0) {
		fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
	}
}

void conn_close_now(struct loop *loop, struct arun_conn *conn) {
	int fd = conn->watch.fd;
	if (fd < 0) {
		return;
	}
	conn->closing = true;
	registry_remove(&conn->object);
	watch_close(&loop->poller, &conn->watch);
	if (conn->unblock) {
		conn_unblock(fd);
	}
	close(fd);
	if (conn->closed) {
		conn->closed(conn);
	}
	conn_unref(conn);
}

void conn_restore_flags(const struct registry *registry) {
	registry_each (object, registry, KIND_CONNECTION) {
		const struct arun_conn *conn = conn_of(object);
		if (conn->unblock) {
			conn_unblock(conn->watch.fd);
		}
	}
}

/* Bytes and waits ------------------------------------------------------------------ */

/* Whether error means that the connection is gone. EPIPE does not: the end may have been in order. */
static bool is_cut(int error) {
	switch (error) {
	case ECONNRESET:
	case ECONNABORTED:
	case ENETRESET:
	case ETIMEDOUT:
	case EHOSTUNREACH:
	case EHOSTDOWN:
	case ENETUNREACH:
	case ENETDOWN:
	case EPROTO:
		return true;
	default:
		return false;
	}
}

void conn_note_error(struct arun_conn *conn, int error) {
	if (error == EPIPE && conn->shut) {
		return; /* the caller's mistake: the connection is as it was */
	}
	conn->error = conn->error ? conn->error : error;
	conn->cut = !conn->cut && is_cut(error) ? error : conn->cut;
}

/* recv(2) has said 0. Returns that, or what cut the connection before. */
static ssize_t conn_end(struct arun_conn *conn) {
	if (conn->cut) {
		errno = conn->cut;
		return -1;
	}
	conn->saw_end = true;
	return 0;
}

ssize_t conn_take_in(struct arun_conn *conn, void *buf, size_t size) {
	ssize_t n;
	do {
		n = conn->socket ? recv(conn->watch.fd, buf, size, 0)
				 : read(conn->watch.fd, buf, size);
	} while (unlikely(n < 0 && errno == EINTR));
	if (n > 0) {
		conn->in += (uint64_t)n;
		conn_note_in(conn, (size_t)n, size);
	} else if (n == 0) {
		return conn_end(conn);
	} else if (errno == EAGAIN) {
		conn->watch.readable = false;
	} else {
		conn_note_error(conn, errno);
	}
	return n;
}

int conn_wait_until(struct arun_conn *conn, struct arun_task *self,
	enum poller_events event, double deadline) {
	struct loop *loop = loop_here();
	if (conn->watch.always) {
		return EAGAIN;
	}
	int error = watch_wait(&loop->poller, &conn->watch, event, self, deadline, true);
	if (conn->closing) {
		return EBADF;
	}
	return error ? error : task_pending(&loop->sched, self);
}

int conn_wait(struct arun_conn *conn, struct arun_task *self, enum poller_events event) {
	return likely(!conn->bounded) ? conn_wait_until(conn, self, event, INFINITY)
				      : conn_wait_bounded(conn, self, event);
}

void conn_wake(struct sched *sched, struct arun_conn *conn) {
	if (conn->watch.reader) {
		task_wake(sched, conn->watch.reader);
	}
	if (conn->watch.writer) {
		task_wake(sched, conn->watch.writer);
	}
}

/* Of any descriptor ---------------------------------------------------------------- */

/* Why fd can be no connection; NULL: it can. */
static const char *fd_unfit(int fd, const struct stat *stat) {
	if (S_ISDIR(stat->st_mode)) {
		return "a directory is no stream";
	}
	if (!S_ISSOCK(stat->st_mode)) {
		return NULL;
	}
	if (sockopt_get(fd, SO_TYPE) != SOCK_STREAM) {
		return "not a stream socket";
	}
	return sockopt_get(fd, SO_ACCEPTCONN) == 1 ? "a listening socket is no stream"
						   : NULL;
}

/* Whether it can be opened anew. The master of a pseudoterminal cannot: that makes another one. */
static bool fd_reopens(int fd, const struct stat *stat) {
	unsigned number;
	if (isatty(fd)) {
		return ioctl(fd, TIOCGPTN, &number) < 0;
	}
	return fd <= STDERR_FILENO && S_ISFIFO(stat->st_mode);
}

/*
 * Another descriptor of the same file: opened anew, so that O_NONBLOCK is its own; of 0 to 2, which
 * stay open, a duplicate. -1: fd itself is to be used.
 */
static int fd_own(int fd, int flags, const struct stat *stat) {
	if (S_ISREG(stat->st_mode) && fd <= STDERR_FILENO) {
		return fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	}
	if (!fd_reopens(fd, stat)) {
		return -1;
	}
	char path[32];
	struct text out;
	text_fixed(&out, path, sizeof path);
	text_add(&out, "/proc/self/fd/%d", fd);
	return open(path,
		(flags & (O_ACCMODE | O_APPEND)) | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

/* Makes conn's descriptor one that does not block. */
static void conn_set_nonblock(
	struct arun_conn *conn, int flags, const struct stat *stat) {
	if (!(flags & O_NONBLOCK) && !S_ISREG(stat->st_mode) &&
		fcntl(conn->watch.fd, F_SETFL, flags | O_NONBLOCK) == 0) {
		conn->unblock = true;
	}
}

static void conn_look_up(struct arun_conn *conn, const struct stat *stat) {
	conn->socket = S_ISSOCK(stat->st_mode);
	if (conn->socket) {
		conn->tcp = sockopt_get(conn->watch.fd, SO_PROTOCOL) == IPPROTO_TCP;
		address_peer(&conn->peer, conn->watch.fd);
	}
}

struct arun_conn *conn_open_fd(
	struct loop *loop, const struct arun_site *site, int fd, const char *op) {
	struct stat stat;
	char on[16];
	struct text out;
	text_fixed(&out, on, sizeof on);
	text_add(&out, "fd %d", fd);
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fstat(fd, &stat) < 0) {
		task_fail(EBADF, op, on);
		return NULL;
	}
	const char *unfit = fd_unfit(fd, &stat);
	if (unfit) {
		task_fail_words(EINVAL, op, on, unfit);
		return NULL;
	}
	bool taken = fd < loop->poller.room && loop->poller.watches[fd];
	int own = taken ? -1 : fd_own(fd, flags, &stat);
	struct arun_conn *conn = conn_create(loop, own < 0 ? fd : own);
	if (!conn) {
		int error = errno;
		if (own >= 0) {
			close(own);
		}
		task_fail(error, op, on);
		return NULL;
	}
	if (own < 0) {
		conn_set_nonblock(conn, flags, &stat);
	} else if (fd > STDERR_FILENO) {
		close(fd);
	}
	conn_look_up(conn, &stat);
	conn_publish(loop, conn, site);
	return conn;
}

arun_conn *(arun_open_fd)(int fd) {
	return arun_open_fd_at(NULL, fd);
}

arun_conn *arun_open_fd_at(const struct arun_site *site, int fd) {
	return sched_here() ? conn_open_fd(loop_here(), site, fd, "arun_open_fd") : NULL;
}

/* Who is there --------------------------------------------------------------------- */

enum { TEXT_PEER, TEXT_LOCAL };

static const char *conn_address(const struct arun_conn *conn, int which) {
	if (!conn || (conn->closing && !conn->texts[which])) {
		return "";
	}
	char **place = &((struct arun_conn *)(uintptr_t)conn)->texts[which];
	if (!*place) {
		struct address local = {.length = 0};
		char buffer[ADDRESS_TEXT];
		struct text out;
		text_fixed(&out, buffer, sizeof buffer);
		if (which == TEXT_LOCAL && conn->socket) {
			address_local(&local, conn->watch.fd);
		}
		address_text(&out, which == TEXT_PEER ? &conn->peer : &local);
		*place = strdup(buffer);
	}
	return *place ? *place : "";
}

const char *arun_peer(const arun_conn *conn) {
	conn_check(NULL, "arun_peer", conn);
	return conn_address(conn, TEXT_PEER);
}

const char *arun_local(const arun_conn *conn) {
	conn_check(NULL, "arun_local", conn);
	return conn_address(conn, TEXT_LOCAL);
}

int arun_fd(const arun_conn *conn) {
	conn_check(NULL, "arun_fd", conn);
	return conn ? conn->watch.fd : -1;
}

int arun_peer_credentials(const arun_conn *conn, struct ucred *out) {
	socklen_t size = sizeof *out;
	conn_check(NULL, "arun_peer_credentials", conn);
	if (!conn || conn->closing) {
		return task_fail(EBADF, "peer_credentials", NULL);
	}
	struct conn_words words;
	const char *on = conn_words(conn, &words);
	int domain = sockopt_get(conn->watch.fd, SO_DOMAIN);
	if (domain < 0) {
		return task_fail(errno, "peer_credentials", on);
	}
	if (domain != AF_UNIX) {
		return task_fail_words(
			EINVAL, "peer_credentials", on, "not a Unix socket");
	}
	if (getsockopt(conn->watch.fd, SOL_SOCKET, SO_PEERCRED, out, &size) < 0) {
		return task_fail(errno, "peer_credentials", on);
	}
	return 0;
}
