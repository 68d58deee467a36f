/* SPDX-License-Identifier: MIT */
/* connect - arun_connect(), arun_connect_with(). */
#include "inherit.h"
#include "race.h"
#include "tls.h"

#include <string.h>
#include <unistd.h>

/* How often a Unix socket whose queue is full is tried again; nothing tells when it is
 * not. */
static const double CONNECT_AGAIN = 0.01;

/* What is connected, and how. */
struct connecting {
	struct loop *loop;
	struct arun_task *self;
	struct endpoint endpoint;
	const struct address *local; /* NULL: any */
	struct arun_tls *tls;        /* NULL: none */
};

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
static int connect_to(const struct connecting *connecting, const struct address *to,
	struct arun_conn **out) {
	struct loop *loop = connecting->loop;
	struct arun_conn *conn = race_open(loop, to, connecting->local);
	if (!conn) {
		return errno;
	}
	int error = conn_establish(loop, conn, connecting->self);
	if (error) {
		conn_close_now(loop, conn);
		return error;
	}
	*out = conn;
	return 0;
}

/* To whichever address of a host answers. What became of each is said. */
static struct arun_conn *connect_to_any(
	const struct connecting *connecting, const struct addrinfo *list) {
	struct arun_task *self = connecting->self;
	char words[512];
	struct text tried;
	struct arun_conn *conn;
	text_fixed(&tried, words, sizeof words);
	int error = race_connect(
		connecting->loop, self, list, connecting->local, &conn, &tried);
	if (!error) {
		return conn;
	}
	if (task_pending(&connecting->loop->sched, self) == error) {
		task_fail(error, self->op, connecting->endpoint.text);
		task_fail_add(tried.length ? "; tried " : "");
		task_fail_add(words);
	} else {
		task_fail_words(error, self->op, connecting->endpoint.text,
			tried.length ? words : NULL);
	}
	return NULL;
}

static struct arun_conn *connect_endpoint(const struct connecting *connecting) {
	const struct endpoint *endpoint = &connecting->endpoint;
	struct arun_conn *conn = NULL;
	struct addrinfo *list;
	if (endpoint_resolve(connecting->self, endpoint, &list) < 0) {
		return NULL;
	}
	if (list) {
		conn = connect_to_any(connecting, list);
		int error = errno;
		freeaddrinfo(list);
		errno = error;
		return conn;
	}
	int error = connect_to(connecting, &endpoint->address, &conn);
	if (error) {
		task_fail(error, connecting->self->op, connecting->endpoint.text);
	}
	return conn;
}

/* What was passed to the process, or comes back from where arun_fdstore() put it. */
static struct arun_conn *connect_passed(const struct connecting *connecting) {
	const struct arun_task *self = connecting->self;
	struct inherited passed;
	if (inherit_take(&passed, &connecting->endpoint, INHERIT_STREAM, self->op) < 0) {
		return NULL;
	}
	struct arun_conn *conn =
		conn_open_fd(connecting->loop, self->at, passed.fd, self->op);
	if (!conn) {
		int error = errno;
		close(passed.fd);
		errno = error;
	}
	return conn;
}

/* Puts TLS on conn, which is closed where that fails. Returns it; NULL with errno. */
static struct arun_conn *connect_secure(
	const struct connecting *connecting, struct arun_conn *conn, const char *name) {
	struct arun_task *self = connecting->self;
	const char *words = NULL;
	const struct endpoint *endpoint = &connecting->endpoint;
	if (!name && endpoint->kind == ENDPOINT_TCP) {
		name = endpoint->host;
	}
	int error = conn->socket ? tls_attach(conn, connecting->tls, name) : ENOTSOCK;
	if (error == EINVAL) {
		words = "no name that the server could prove to have (server_name)";
	} else if (!error) {
		error = tls_handshake(conn, self);
	}
	if (!error) {
		return conn;
	}
	if (conn->transport) {
		words = conn->transport->why(conn, error);
	}
	task_fail_words(error, self->op, connecting->endpoint.text, words);
	conn_close_now(connecting->loop, conn);
	errno = error;
	return NULL;
}

static struct arun_conn *connect_start(const struct connecting *connecting,
	const struct arun_site *site, const char *name) {
	const struct endpoint *endpoint = &connecting->endpoint;
	struct loop *loop = connecting->loop;
	struct arun_conn *conn;
	if (endpoint->kind == ENDPOINT_FD) {
		conn = conn_open_fd(loop, site, endpoint->fd, connecting->self->op);
	} else if (endpoint->kind == ENDPOINT_SYSTEMD) {
		conn = connect_passed(connecting);
	} else {
		conn = connect_endpoint(connecting);
		if (conn) {
			conn_publish(loop, conn, site);
		}
	}
	return conn && connecting->tls ? connect_secure(connecting, conn, name) : conn;
}

/* Where it is to come from. Returns 0; -1 with errno, and recorded. */
static int connect_from(
	const struct connecting *connecting, const char *local, struct endpoint *parsed) {
	const char *op = connecting->self->op;
	if (endpoint_parse(parsed, local, op) < 0) {
		return -1;
	}
	if (!parsed->address.length || parsed->tls) {
		return task_fail_words(
			EINVAL, op, local, "not an address to connect from");
	}
	return 0;
}

/* The context; NULL in *out where there is to be no TLS. Returns 0; -1 likewise. */
static int connect_context(const struct connecting *connecting, struct arun_tls *given,
	struct arun_tls **out) {
	const char *op = connecting->self->op, *text = connecting->endpoint.text;
	if (given && tls_serves(given)) {
		return task_fail_words(EINVAL, op, text, "its TLS context is a server's");
	}
	*out = given || !connecting->endpoint.tls
		       ? tls_ref(given)
		       : tls_system(connecting->loop, op, text);
	return connecting->endpoint.tls && !*out ? -1 : 0;
}

arun_conn *(arun_connect)(const char *endpoint) {
	return arun_connect_at(NULL, endpoint, NULL);
}

arun_conn *(
	arun_connect_with)(const char *endpoint, const arun_connect_options *options) {
	return arun_connect_at(NULL, endpoint, options);
}

arun_conn *arun_connect_at(const struct arun_site *site, const char *endpoint,
	const arun_connect_options *options) {
	static const arun_connect_options none;
	struct connecting connecting = {
		.self = task_enter(site, "arun_connect"), .loop = loop_here()};
	struct arun_task *self = connecting.self;
	struct endpoint local;
	int before = errno;
	options = options ? options : &none;
	tls_check(site, self->op, options->tls);
	int error = task_interrupted(&connecting.loop->sched, self);
	if (error) {
		task_fail(error, self->op, endpoint);
		return NULL;
	}
	if (endpoint_parse(&connecting.endpoint, endpoint, self->op) < 0 ||
		(options->local &&
			connect_from(&connecting, options->local, &local) < 0) ||
		connect_context(&connecting, options->tls, &connecting.tls) < 0) {
		return NULL;
	}
	connecting.local = options->local ? &local.address : NULL;
	struct arun_conn *conn = connect_start(&connecting, site, options->server_name);
	tls_unref(connecting.tls);
	errno = conn ? before : errno;
	return conn;
}
