/* SPDX-License-Identifier: MIT */
#include "server.h"

#include "accept.h"
#include "grace.h"
#include "tls.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How reports show it -------------------------------------------------------------- */

static const struct arun_server *server_of(const struct object *object) {
	return container_of(object, const struct arun_server, object);
}

static bool server_kind_leaked(const struct object *object) {
	return !server_of(object)->closing;
}

static const char *server_kind_name(const struct object *object) {
	return server_name(server_of(object));
}

static const char *server_kind_state(const struct object *object) {
	const struct arun_server *server = server_of(object);
	return server->closing ? "closing" : server->paused ? "paused" : "listening";
}

static void server_kind_line(const struct object *object, struct text *out) {
	const struct arun_server *server = server_of(object);
	if (*server_name(server)) {
		text_add(out, "\"");
		text_escape(out, server_name(server));
		text_add(out, "\" ");
	}
	text_add(out, "%s", server->address);
	if (!server->listening.connection) {
		text_add(out, " (fd %d)", server->listening.fd);
	}
}

static void server_kind_detail(const struct object *object, struct text *out) {
	const struct arun_server *server = server_of(object);
	text_add(out, "\"local\": ");
	text_json(out, server->address);
	text_add(out, ", \"accepted\": %lu, \"open\": %u, \"failed\": %lu",
		server->accepted, server->open, server->failed);
}

static int server_kind_fd(const struct object *object) {
	return server_of(object)->listening.fd;
}

static void server_unref(struct arun_server *server) {
	if (--server->refs == 0) {
		tls_unref(server->tls);
		free(server->name);
		free(server->address);
		sched_free(&server->object, server);
	}
}

static void server_kind_forget(struct object *object) {
	server_unref(container_of(object, struct arun_server, object));
}

static const struct arun_task *server_ender(const struct object *object) {
	return container_of(object, const struct arun_server, object)->closing;
}

static const struct kind server_kind = {
	.index = KIND_SERVER,
	.word = "server",
	.title = "server",
	.fate = "not closed",
	.waits = "waits",
	.help = "arun_server_close()",
	.ender = server_ender,
	.outcome = "closed",
	.leaked = server_kind_leaked,
	.name = server_kind_name,
	.state = server_kind_state,
	.line = server_kind_line,
	.detail = server_kind_detail,
	.fd = server_kind_fd,
	.forget = server_kind_forget,
};

/* Making --------------------------------------------------------------------------- */

static const char *options_unfit(
	const struct loop *loop, const arun_listen_options *options) {
	if (options->backlog < 0 || options->max_connections < 0) {
		return "backlog and max_connections are not negative";
	}
	if (!(options->idle_timeout >= 0)) {
		return "idle_timeout is not negative";
	}
	return stack_round(&loop->sched.stacks, options->stack_size) ? NULL
								     : STACK_TOO_LARGE;
}

static struct arun_server *server_create(
	const struct listening *listening, const arun_listen_options *options) {
	char address[ADDRESS_TEXT];
	struct text out;
	text_fixed(&out, address, sizeof address);
	address_text(&out, &listening->address);
	struct arun_server *server = calloc(1, sizeof *server);
	if (!server) {
		return NULL;
	}
	*server = (struct arun_server){
		.listening = *listening, .refs = 1, .pending_fd = -1};
	if (listening->connection) {
		accept_single(server);
	}
	list_init(&server->conns);
	list_init(&server->object.link);
	server->max_connections = options->max_connections;
	server->idle_timeout = options->idle_timeout;
	server->stack_size = options->stack_size;
	server->tls = tls_ref(options->tls);
	server->address = strdup(address);
	server->name = options->name ? strdup(options->name) : NULL;
	if (!server->address || (options->name && !server->name)) {
		server_unref(server);
		return NULL;
	}
	return server;
}

/* Begins watching. Returns 0; -1 with errno, and the descriptor is the caller's again. */
static int server_watch(struct loop *loop, struct arun_server *server) {
	if (!server->listening.connection &&
		watch_open(&loop->poller, &server->watch, server->listening.fd) < 0) {
		return -1;
	}
	if (server->handler && accept_start(loop, server) < 0) {
		int error = errno;
		watch_close(&loop->poller, &server->watch);
		errno = error;
		return -1;
	}
	return 0;
}

/* Gives back what no server was made of; an inherited descriptor stays the caller's. */
static void server_undo(const struct endpoint *endpoint, struct listening *listening) {
	int error = errno;
	if (endpoint->kind != ENDPOINT_FD) {
		socket_file_remove(&listening->file);
		close(listening->fd);
	}
	errno = error;
}

static int server_parse(struct loop *loop, struct endpoint *out, const char *endpoint,
	const arun_listen_options *options) {
	const char *unfit = options_unfit(loop, options);
	if (unfit) {
		return task_fail_words(EINVAL, "listen", endpoint, unfit);
	}
	if (endpoint_parse(out, endpoint, "arun_listen") < 0) {
		return -1;
	}
	if (options->tls ? !tls_serves(options->tls) : out->tls) {
		return task_fail_words(EINVAL, "listen", endpoint,
			"TLS needs a certificate: an arun_tls_server() in the options");
	}
	return 0;
}

/* Opens the socket. Suspends where a host name is to be looked up. */
static int server_open(struct loop *loop, const struct arun_site *site,
	struct listening *out, const struct endpoint *endpoint,
	const arun_listen_options *options) {
	struct arun_task *self = NULL;
	if (endpoint->kind == ENDPOINT_TCP && !endpoint->address.length) {
		self = task_enter(site, "arun_listen");
		int error = task_interrupted(&loop->sched, self);
		if (error) {
			return task_fail(error, "listen", endpoint->text);
		}
	}
	return listen_open(out, self, endpoint, options);
}

arun_server *(arun_listen)(const char *endpoint, arun_handler *handler, void *arg) {
	return arun_listen_at(NULL, "?", endpoint, handler, arg, NULL);
}

arun_server *(arun_listen_with)(const char *endpoint, arun_handler *handler, void *arg,
	const arun_listen_options *options) {
	return arun_listen_at(NULL, "?", endpoint, handler, arg, options);
}

arun_server *arun_listen_at(const struct arun_site *site, const char *name,
	const char *endpoint, arun_handler *handler, void *arg,
	const arun_listen_options *options) {
	static const arun_listen_options none;
	struct loop *loop = sched_here() ? loop_here() : NULL;
	struct endpoint parsed;
	struct listening listening;
	options = options ? options : &none;
	tls_check(site, "arun_listen", options->tls);
	if (!loop || server_parse(loop, &parsed, endpoint, options) < 0 ||
		server_open(loop, site, &listening, &parsed, options) < 0) {
		return NULL;
	}
	struct arun_server *server = server_create(&listening, options);
	if (server) {
		server->handler = handler;
		server->arg = arg;
		server->handler_name = name;
	}
	if (!server || server_watch(loop, server) < 0) {
		server_undo(&parsed, &listening);
		/* Of a descriptor that was passed: it is another object's already. */
		task_fail(errno == EEXIST ? EBUSY : errno, "listen", endpoint);
		if (server) {
			int error = errno;
			server_unref(server);
			errno = error;
		}
		return NULL;
	}
	sched_publish(&loop->sched, &server->object, &server_kind, site);
	return server;
}

static void check_handle(
	const struct arun_site *site, const char *op, const struct arun_server *server) {
	if (unlikely(server && !server->object.id)) {
		task_gone(site, &server->object, op, "of a server that is gone");
	}
}

const char *arun_server_address(const arun_server *server) {
	check_handle(NULL, "arun_server_address", server);
	return server ? server->address : "";
}

/* Accepting by hand ---------------------------------------------------------------- */

static struct arun_conn *server_take(
	struct loop *loop, struct arun_server *server, struct arun_task *self) {
	struct arun_conn *conn = accept_adopt(server);
	conn_publish(loop, conn, self->at);
	return conn;
}

/* Waits until accepting may work. Returns 0, or why it never will. */
static int server_await(struct loop *loop, struct arun_server *server,
	struct arun_task *self, int error) {
	struct sched *sched = &loop->sched;
	int result;
	if (error == EAGAIN && !server->listening.connection) {
		result = watch_wait(
			&loop->poller, &server->watch, POLLER_READ, self, INFINITY, true);
	} else {
		double again = sched->registry.now + ACCEPT_PAUSE;
		bool never = !error || server->listening.connection;
		result = task_suspend(sched, self, never ? INFINITY : again, true);
	}
	if (server->stopped || sched->stopping) {
		return ESHUTDOWN;
	}
	return result == ETIME || !result ? task_pending(sched, self) : result;
}

/* Returns 0 with server->pending, or why not. */
static int server_next(
	struct loop *loop, struct arun_server *server, struct arun_task *self) {
	if (accept_is_over(server)) {
		arun_stop(0);
	}
	int error = server->stopped || loop->sched.stopping ? ESHUTDOWN : 0;
	while (!error) {
		bool full = accept_full(server);
		int reason = full ? 0 : accept_one(server);
		if (!full && !reason) {
			return 0;
		}
		if (reason == ECONNABORTED) {
			continue;
		}
		server->starved = reason != EAGAIN;
		if (server->starved && !full) {
			accept_pause(server, reason);
		}
		error = server_await(loop, server, self, reason);
	}
	return error;
}

static int server_admit(
	struct sched *sched, struct arun_server *server, struct arun_task *self) {
	int error = task_interrupted(sched, self);
	if (!error) {
		sched_spend(sched, self);
		error = task_pending(sched, self);
	}
	return error ? error : server->accepting ? EBUSY : 0;
}

arun_conn *(arun_accept)(arun_server *server) {
	return arun_accept_at(NULL, server);
}

arun_conn *arun_accept_at(const struct arun_site *site, arun_server *server) {
	struct arun_task *self = task_enter(site, "arun_accept");
	struct loop *loop = loop_here();
	struct arun_conn *conn = NULL;
	int before = errno;
	if (server) {
		check_handle(site, "arun_accept", server);
	}
	if (!server || server->handler) {
		task_fail_words(EINVAL, "accept", server ? server->address : "NULL",
			server ? "the server has a handler" : "no server");
		return NULL;
	}
	server->refs++;
	self->awaits = &server->object;
	int error = server_admit(&loop->sched, server, self);
	if (!error) {
		server->accepting = self;
		error = server_next(loop, server, self);
		server->accepting = NULL;
	}
	if (error) {
		task_fail_words(error, self->op, server->address,
			error == ESHUTDOWN ? "the server or the run ends" : NULL);
	} else {
		conn = server_take(loop, server, self);
	}
	self->awaits = NULL;
	server_unref(server);
	errno = conn ? before : error;
	return conn;
}

/* The end -------------------------------------------------------------------------- */

/* Its connections are nobody's from now on. */
static void server_detach(struct arun_server *server) {
	while (!list_empty(&server->conns)) {
		struct arun_conn *conn =
			list_first(&server->conns, struct arun_conn, link);
		list_remove(&conn->link);
		conn->server = NULL;
		conn->object.owner = NULL;
	}
	server->handlers = server->open = 0;
}

/* Takes the server out of the reports, and gives the handle's reference back. */
static void server_release(struct loop *loop, struct arun_server *server) {
	if (server->released) {
		return;
	}
	server->released = true;
	accept_stop(loop, server);
	accept_tell_missed(server);
	registry_remove(&server->object);
	server_detach(server);
	if (server->closing) {
		task_wake(&loop->sched, server->closing);
	}
	server_unref(server);
}

/* Waits until the handlers are done, or deadline. */
static void server_wait(
	struct sched *sched, struct arun_server *server, double deadline) {
	while (server->handlers > server->own &&
		task_suspend(sched, server->closing, deadline, false) != ETIME) {
	}
}

static void server_cancel(struct sched *sched, struct arun_server *server) {
	list_each (at, &server->conns) {
		struct arun_conn *conn = container_of(at, struct arun_conn, link);
		if (conn->task && conn->task != server->closing) {
			task_cancel(sched, conn->task, "arun_server_close()",
				server->closing->at);
		}
	}
}

/* Connections that are idle, or will be, need not be waited for. */
static void server_leave(struct sched *sched, struct arun_server *server) {
	list_each (at, &server->conns) {
		conn_leave(sched, container_of(at, struct arun_conn, link));
	}
}

/* Whether self is one of the server's handlers. */
static bool server_runs(const struct arun_server *server, const struct arun_task *self) {
	list_each (at, &server->conns) {
		if (container_of(at, struct arun_conn, link)->task == self) {
			return true;
		}
	}
	return false;
}

/* Returns 0, or ETIMEDOUT. */
static int server_end(struct loop *loop, struct arun_server *server) {
	struct sched *sched = &loop->sched;
	double cancel = grace_of_call(sched, GRACE_CLOSE);
	double end = grace_of_call(sched, GRACE_END);
	if (sched->registry.now < cancel) {
		accept_last(server);
	}
	accept_stop(loop, server);
	server_leave(sched, server);
	server_wait(sched, server, cancel);
	if (server->handlers > server->own) {
		server_cancel(sched, server);
		server_wait(sched, server, end);
	}
	return server->handlers > server->own ? ETIMEDOUT : 0;
}

int(arun_server_close)(arun_server *server) {
	return arun_server_close_at(NULL, server);
}

int arun_server_close_at(const struct arun_site *site, arun_server *server) {
	if (!server) {
		return 0;
	}
	if (!sched_current) {
		return watch_close_forked(&server->watch);
	}
	struct arun_task *self = task_enter(site, "arun_server_close");
	struct loop *loop = loop_here();
	check_handle(site, "arun_server_close", server);
	if (server->closing) {
		return task_fail_words(EBADF, self->op, server->address,
			"another call closes it already");
	}
	int before = errno;
	sched_closes(&server->object, site);
	server->closing = self;
	server->own = server_runs(server, self);
	server->refs++;
	self->awaits = &server->object;
	int error = server_end(loop, server);
	if (error) {
		task_fail_words(
			error, self->op, server->address, "its handlers do not end");
	}
	server->closing = NULL;
	self->awaits = NULL;
	server_release(loop, server);
	server_unref(server);
	errno = error ? error : before;
	return error ? -1 : 0;
}

void server_stopping(struct loop *loop) {
	registry_each (object, &loop->sched.registry, KIND_SERVER) {
		struct arun_server *server =
			container_of(object, struct arun_server, object);
		if (server->accepting) {
			task_wake(&loop->sched, server->accepting);
		}
	}
}

void server_stop_all(struct loop *loop) {
	registry_each (object, &loop->sched.registry, KIND_SERVER) {
		accept_stop(loop, container_of(object, struct arun_server, object));
	}
}

void server_close_all(struct loop *loop) {
	struct list *all = &loop->sched.registry.objects[KIND_SERVER];
	while (!list_empty(all)) {
		struct arun_server *server =
			list_first(all, struct arun_server, object.link);
		server->refs++; /* the sweep's own */
		server_release(loop, server);
		registry_sweep(&loop->sched.registry, &server->object);
	}
}
