/* SPDX-License-Identifier: MIT */
/* connect - arun_connect(). */
#include "inherit.h"
#include "race.h"

#include <string.h>
#include <unistd.h>

/* How often a Unix socket whose queue is full is tried again; nothing tells when it is
 * not. */
static const double CONNECT_AGAIN = 0.01;

/* Returns 0, or why not. */
static int conn_establish(
	struct loop *loop, struct arun_conn *conn, struct arun_task *self) {
	const struct address *to = &conn->peer;
	while (connect(conn->watch.fd, &to->any, to->length) < 0) {
		if (errno == EINPROGRESS || errno == EINTR) {
			int error = conn_wait(conn, self, POLLER_WRITE);
			return error ? error : race_error(conn->watch.fd);
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
	struct arun_conn *conn = race_open(loop, to);
	if (!conn) {
		return errno;
	}
	int error = conn_establish(loop, conn, self);
	if (error) {
		conn_close_now(loop, conn);
		return error;
	}
	*out = conn;
	return 0;
}

/* To whichever address of a host answers. What became of each is said. */
static struct arun_conn *connect_to_any(struct loop *loop, struct arun_task *self,
	const char *endpoint, const struct addrinfo *list) {
	char words[512];
	struct text tried;
	struct arun_conn *conn;
	text_fixed(&tried, words, sizeof words);
	int error = race_connect(loop, self, list, &conn, &tried);
	if (!error) {
		return conn;
	}
	if (task_pending(&loop->sched, self) == error) {
		task_fail(error, self->op, endpoint);
		task_fail_add(tried.length ? "; tried " : "");
		task_fail_add(words);
	} else {
		task_fail_words(error, self->op, endpoint, tried.length ? words : NULL);
	}
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

/* What was passed to the process, or comes back from where arun_fdstore() put it. */
static struct arun_conn *connect_passed(struct loop *loop, struct arun_task *self,
	const char *endpoint, const char *name) {
	struct inherited passed;
	if (inherit_take(&passed, name, INHERIT_STREAM, endpoint, self->op) < 0) {
		return NULL;
	}
	struct arun_conn *conn = conn_open_fd(loop, self->at, passed.fd, self->op);
	if (!conn) {
		int error = errno;
		close(passed.fd);
		errno = error;
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
	if (parsed.kind == ENDPOINT_SYSTEMD) {
		return connect_passed(loop, self, endpoint, parsed.host);
	}
	struct arun_conn *conn = connect_endpoint(loop, self, endpoint, &parsed);
	if (conn) {
		conn_publish(loop, conn, site);
	}
	return conn;
}
