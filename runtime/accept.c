/* SPDX-License-Identifier: MIT */
#include "accept.h"

#include "log.h"
#include "standard.h"
#include "tls.h"

#include <string.h>
#include <unistd.h>

enum { ACCEPT_BATCH = 64 };

/* Connections ---------------------------------------------------------------------- */

static void accept_on_timer(struct loop_timer *timer);

/* Accepting may go on: in the loop, or in arun_accept(). */
static void accept_feed(struct arun_server *server) {
	if (server->stopped || !server->starved) {
		return;
	}
	server->starved = false;
	if (server->handler) {
		loop_timer_start(loop_here(), &server->timer, 0, accept_on_timer);
	} else if (server->accepting) {
		task_wake(sched_current, server->accepting);
	}
}

static void accept_on_closed(struct arun_conn *conn) {
	struct arun_server *server = conn->server;
	if (!server) {
		return;
	}
	server->open--;
	/* Who accepts by hand may have more to do. */
	if (accept_is_over(server) && (server->handler || server->accepting)) {
		arun_stop(0);
	}
	if (!conn->task) {
		list_remove(&conn->link);
		conn->server = NULL;
	}
	accept_feed(server);
}

/* A handler's task is over. So is its connection, but where another task is closing it: then that is
 * the server's until it is closed. */
static void accept_on_ended(struct arun_task *task) {
	struct sched *sched = sched_current;
	struct arun_conn *conn = task->owner;
	struct arun_server *server = conn->server;
	conn->task = NULL;
	if (conn->watch.fd < 0) {
		list_remove(&conn->link);
		conn->server = NULL;
	}
	if (server) {
		server->handlers--;
		if (server->closing && server->handlers <= server->own) {
			task_wake(sched, server->closing);
		}
	}
	conn_unref(conn);
	task_free(sched, task);
}

static void accept_begin_line(struct text *out, const struct arun_server *server) {
	registry_site(out, server->object.site);
	text_add(out, ": server \"");
	text_escape(out, *server_name(server) ? server_name(server) : server->address);
	text_add(out, "\": ");
}

static void accept_tell_left_out(
	struct arun_server *server, struct ratelimit *limit, enum log_level level) {
	unsigned long missed = ratelimit_missed(limit);
	char line[256];
	struct text out;
	if (missed) {
		text_fixed(&out, line, sizeof line);
		accept_begin_line(&out, server);
		text_add(&out, "%lu line%s left out: at most %d in %d s", missed,
			missed == 1 ? "" : "s", RATELIMIT_LINES, RATELIMIT_SECONDS);
		log_line(level, "%s", line);
	}
}

void accept_tell_missed(struct arun_server *server) {
	accept_tell_left_out(server, &server->failures, LOG_LEVEL_INFO);
	accept_tell_left_out(server, &server->pauses, LOG_LEVEL_WARNING);
}

/* Whether a line may be said that a client has caused. */
static bool accept_may_tell(struct arun_server *server, struct ratelimit *limit) {
	bool may = ratelimit_pass(limit, sched_current->registry.now);
	if (may) {
		accept_tell_missed(server);
	}
	return may;
}

static void accept_tell_failed(struct arun_conn *conn, int error) {
	const struct arun_task *self = sched_current->current;
	struct conn_words words;
	char line[512];
	struct text out;
	if (self->cancelled) {
		return;
	}
	if (conn->server) {
		conn->server->failed++;
	}
	if (conn->server && !accept_may_tell(conn->server, &conn->server->failures)) {
		return;
	}
	text_fixed(&out, line, sizeof line);
	registry_site(&out, conn->object.site);
	text_add(&out, ": handler \"%s\" of %s failed: ", conn->handler_name,
		conn_words(conn, &words));
	task_add_reason(&out, self, error);
	log_line(LOG_LEVEL_INFO, "%s", line);
}

/* The handshake comes first: until it is over, nobody has asked for anything. */
static int accept_run_handler(struct arun_conn *conn) {
	if (conn->transport) {
		struct conn_words words;
		struct arun_task *self = task_enter(conn->object.site, "handshake");
		arun_idle(conn);
		int error = conn->transport->admit(conn, self);
		conn->idle_at = 0; /* from here on that is the handler's to say */
		if (error == ESHUTDOWN) {
			return 0;
		}
		if (error) {
			return task_fail_words(error, self->op, conn_words(conn, &words),
				conn->transport->why(conn, error));
		}
	}
	return conn->handler(conn, conn->handler_arg);
}

static int accept_handle(void *arg) {
	struct arun_conn *conn = arg;
	int result = accept_run_handler(conn);
	int error = errno;
	if (result < 0) {
		accept_tell_failed(conn, error);
	}
	if (!conn->closing) {
		arun_close_at(conn->object.site, conn);
	}
	errno = error;
	return result;
}

struct arun_conn *accept_adopt(struct arun_server *server) {
	struct arun_conn *conn = server->pending;
	server->pending = NULL;
	conn->server = server;
	conn->closed = accept_on_closed;
	list_insert(&server->conns, &conn->link);
	server->accepted++;
	server->open++;
	return conn;
}

/* Gives the pending connection to a task of the handler's. Returns 0, or ENOMEM. */
static int accept_hand_over(struct arun_server *server) {
	struct arun_conn *conn = server->pending;
	struct arun_task *task = task_make(sched_current, server->handler_name,
		server->stack_size, accept_handle, conn);
	if (!task) {
		return errno;
	}
	task_own(task, &conn->object, accept_on_ended, conn);
	task_start(sched_current, task, server->object.site);
	conn->task = task;
	conn->refs++;
	conn->handler = server->handler;
	conn->handler_arg = server->arg;
	conn->handler_name = server->handler_name;
	conn->object.owner = &server->object;
	server->handlers++;
	conn_publish(loop_here(), accept_adopt(server), server->object.site);
	return 0;
}

/* Accepting ------------------------------------------------------------------------ */

/* Whether error is that of one connection, which is gone: the next one may do. */
static bool accept_error_passes(int error) {
	static const int passing[] = {ECONNABORTED, EINTR, EPROTO, ENETDOWN, ENOPROTOOPT,
		EHOSTDOWN, ENONET, EHOSTUNREACH, EOPNOTSUPP, ENETUNREACH, EPERM, EEXIST};
	for (size_t i = 0; i < count_of(passing); i++) {
		if (error == passing[i]) {
			return true;
		}
	}
	return false;
}

static int accept_fd(struct arun_server *server) {
	struct address *peer = &server->pending_peer;
	if (server->listening.connection) {
		return EAGAIN;
	}
	address_receive(peer);
	server->pending_fd = standard_avoid(accept4(server->watch.fd, &peer->any,
		&peer->length, SOCK_NONBLOCK | SOCK_CLOEXEC));
	if (server->pending_fd < 0) {
		return errno;
	}
	address_received(peer);
	return 0;
}

static int accept_make(struct arun_server *server) {
	int fd = server->pending_fd;
	struct arun_conn *conn = conn_create(loop_here(), fd);
	if (!conn) {
		int error = errno;
		if (error == EEXIST) {
			/* Somebody closed a connection's descriptor behind its back. */
			close(fd);
			server->pending_fd = -1;
		}
		return error;
	}
	server->pending_fd = -1;
	conn->socket = true;
	conn->tcp = server->listening.address.any.sa_family != AF_UNIX;
	conn->peer = server->pending_peer;
	conn->idle_timeout = server->idle_timeout;
	conn->bounded = server->idle_timeout > 0;
	int error = server->tls ? tls_attach(conn, server->tls, NULL) : 0;
	if (error) {
		conn_close_now(loop_here(), conn);
		return error;
	}
	server->pending = conn;
	return 0;
}

/* Once. Returns 0 with server->pending, or why not. */
static int accept_try(struct arun_server *server) {
	int error = server->pending_fd < 0 ? accept_fd(server) : 0;
	return error ? error : accept_make(server);
}

int accept_one(struct arun_server *server) {
	int error = server->pending ? 0 : accept_try(server);
	for (int i = 1; i < ACCEPT_BATCH && accept_error_passes(error); i++) {
		error = accept_try(server);
	}
	/* EPERM so many times in a row is not a connection's: the call itself is forbidden. */
	if (accept_error_passes(error) && error != EPERM) {
		error = ECONNABORTED;
	}
	if (error == EAGAIN) {
		server->watch.readable = false;
		server->paused = false;
	}
	return error;
}

bool accept_full(const struct arun_server *server) {
	return server->max_connections > 0 &&
	       server->open >= (unsigned)server->max_connections;
}

void accept_pause(struct arun_server *server, int error) {
	server->starved = true;
	if (server->paused) {
		return;
	}
	server->paused = true;
	if (!accept_may_tell(server, &server->pauses)) {
		return;
	}
	char line[256];
	struct text out;
	text_fixed(&out, line, sizeof line);
	accept_begin_line(&out, server);
	text_add(&out, "accepting paused: ");
	text_error(&out, error);
	log_line(LOG_LEVEL_WARNING, "%s", line);
}

/* Accepts one, for a handler. Returns 0, or why not. */
static int accept_for_handler(struct arun_server *server) {
	int error = accept_one(server);
	return error ? error : accept_hand_over(server);
}

/* Accepts what is there. */
static void accept_run(struct arun_server *server) {
	double after = 0;
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		if (server->stopped) {
			return;
		}
		if (accept_full(server)) {
			server->starved = true;
			return;
		}
		int error = accept_for_handler(server);
		if (error == EAGAIN) {
			return;
		}
		if (error && error != ECONNABORTED) {
			accept_pause(server, error);
			after = ACCEPT_PAUSE;
			break;
		}
	}
	loop_timer_start(loop_here(), &server->timer, after, accept_on_timer);
}

static void accept_on_timer(struct loop_timer *timer) {
	struct arun_server *server = container_of(timer, struct arun_server, timer);
	server->starved = false;
	accept_run(server);
}

static void accept_on_ready(struct watch *watch) {
	struct arun_server *server = container_of(watch, struct arun_server, watch);
	if (!server->timer.active) {
		accept_run(server);
	}
}

void accept_single(struct arun_server *server) {
	server->watch.fd = -1;
	server->pending_fd = server->listening.fd;
	server->listening.fd = -1;
	address_peer(&server->pending_peer, server->pending_fd);
}

bool accept_is_over(const struct arun_server *server) {
	return server->listening.connection && server->accepted && !server->open;
}

int accept_start(struct loop *loop, struct arun_server *server) {
	if (server->listening.connection) {
		loop_timer_start(loop, &server->timer, 0, accept_on_timer);
		return 0;
	}
	return watch_serve(&loop->poller, &server->watch, accept_on_ready);
}

void accept_last(struct arun_server *server) {
	for (int i = 0; i < SOMAXCONN && server->handler && !server->stopped; i++) {
		if (accept_full(server)) {
			return;
		}
		int error = accept_for_handler(server);
		if (error && error != ECONNABORTED) {
			return;
		}
	}
}

void accept_stop(struct loop *loop, struct arun_server *server) {
	if (server->stopped) {
		return;
	}
	server->stopped = true;
	loop_timer_stop(loop, &server->timer);
	watch_close(&loop->poller, &server->watch);
	/* The file first: who finds it closed may bind it anew at once. */
	socket_file_remove(&server->listening.file);
	if (server->listening.fd >= 0) {
		close(server->listening.fd);
	}
	if (server->pending_fd >= 0) {
		close(server->pending_fd);
		server->pending_fd = -1;
	}
	if (server->pending) {
		conn_close_now(loop, server->pending);
		server->pending = NULL;
	}
	if (server->accepting) {
		task_wake(&loop->sched, server->accepting);
	}
}
