/* SPDX-License-Identifier: MIT */
/* connect - arun_connect(). */
#include "conn.h"

#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

/* How often a Unix socket whose queue is full is tried again; nothing tells when it is
 * not. */
static const double CONNECT_AGAIN = 0.01;

static int socket_error(int fd) {
	int error = 0;
	socklen_t length = sizeof error;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0 ? errno : error;
}

/* Returns 0, or why not. */
static int conn_establish(
	struct loop *loop, struct arun_conn *conn, struct arun_task *self) {
	const struct address *to = &conn->peer;
	while (connect(conn->watch.fd, &to->any, to->length) < 0) {
		if (errno == EINPROGRESS || errno == EINTR) {
			int error = conn_wait(conn, self, POLLER_WRITE);
			return error ? error : socket_error(conn->watch.fd);
		}
		if (errno != EAGAIN || to->any.sa_family != AF_UNIX) {
			return errno;
		}
		double again = loop->sched.registry.now + CONNECT_AGAIN;
		int error = task_suspend(&loop->sched, self, again, true);
		if (error != ETIME) {
			return error;
		}
	}
	return 0;
}

/* Connects to one address. Returns 0 with *out, or why not. */
static int connect_to(struct loop *loop, struct arun_task *self, const struct address *to,
	struct arun_conn **out) {
	int fd = socket(to->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return errno;
	}
	struct arun_conn *conn = conn_create(loop, fd);
	if (!conn) {
		int error = errno;
		close(fd);
		return error;
	}
	conn->socket = true;
	conn->tcp = to->any.sa_family != AF_UNIX;
	conn->peer = *to;
	if (conn->tcp) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	}
	int error = conn_establish(loop, conn, self);
	if (error) {
		conn_close_now(loop, conn);
		return error;
	}
	*out = conn;
	return 0;
}

/* What is said of the last address of a host. */
static int connect_fail(const struct arun_task *self, const char *endpoint, int error,
	const struct address *to) {
	char words[256];
	struct text out;
	text_fixed(&out, words, sizeof words);
	address_text(&out, to);
	text_add(&out, ": %s", strerror(error));
	return task_fail_words(error, self->op, endpoint, words);
}

/* One address after the other. */
static struct arun_conn *connect_to_any(struct loop *loop, struct arun_task *self,
	const char *endpoint, const struct addrinfo *list) {
	struct arun_conn *conn = NULL;
	struct address to;
	int error = ENOENT;
	for (const struct addrinfo *at = list; at; at = at->ai_next) {
		address_set(&to, at->ai_addr, at->ai_addrlen);
		error = connect_to(loop, self, &to, &conn);
		if (!error) {
			return conn;
		}
		if (task_pending(&loop->sched, self)) {
			task_fail(error, self->op, endpoint);
			return NULL;
		}
	}
	connect_fail(self, endpoint, error, &to);
	return NULL;
}

static struct arun_conn *connect_endpoint(struct loop *loop, struct arun_task *self,
	const char *text, const struct endpoint *endpoint) {
	struct arun_conn *conn = NULL;
	struct addrinfo *list;
	if (endpoint_resolve(self, endpoint, &list) < 0) {
		return NULL;
	}
	if (list) {
		conn = connect_to_any(loop, self, text, list);
		int error = errno;
		freeaddrinfo(list);
		errno = error;
		return conn;
	}
	int error = connect_to(loop, self, &endpoint->address, &conn);
	if (error) {
		task_fail(error, self->op, text);
	}
	return conn;
}

arun_conn *(arun_connect)(const char *endpoint) {
	return arun_connect_at(NULL, endpoint);
}

arun_conn *arun_connect_at(const struct arun_site *site, const char *endpoint) {
	struct arun_task *self = task_enter(site, "arun_connect");
	struct loop *loop = loop_here();
	struct endpoint parsed;
	int error = task_interrupted(&loop->sched, self);
	if (error) {
		task_fail(error, self->op, endpoint);
		return NULL;
	}
	if (endpoint_parse(&parsed, endpoint, self->op) < 0) {
		return NULL;
	}
	if (parsed.kind == ENDPOINT_FD) {
		return conn_open_fd(loop, site, parsed.fd, self->op);
	}
	struct arun_conn *conn = connect_endpoint(loop, self, endpoint, &parsed);
	if (conn) {
		conn_publish(loop, conn, site);
	}
	return conn;
}
