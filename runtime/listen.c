/* SPDX-License-Identifier: MIT */
#include "listen.h"

#include "inherit.h"
#include "sockopt.h"
#include "standard.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

static const char op[] = "arun_listen";

/* Returns 0, or why not. */
static int bind_address(int fd, const struct address *address) {
	if (bind(fd, &address->any, address->length) == 0) {
		return 0;
	}
	int error = errno;
	if (error != EADDRINUSE || !address_has_file(address) ||
		!address_remove_dead(address, SOCK_STREAM)) {
		return error;
	}
	return bind(fd, &address->any, address->length) == 0 ? 0 : errno;
}

static int set_options(int fd, const struct address *address, bool reuse_port) {
	int on = 1;
	if (address->any.sa_family != AF_UNIX) {
		/* Accepted sockets inherit TCP_NODELAY: small writes go out at once. */
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0) {
			return -1;
		}
	}
	return reuse_port ? setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) : 0;
}

/* Makes out->fd listen. Returns 0, or why not. */
static int listen_start(struct listening *out, const struct address *address,
	const arun_listen_options *options) {
	if (set_options(out->fd, address, options->reuse_port) < 0) {
		return errno;
	}
	int error = bind_address(out->fd, address);
	if (error) {
		return error;
	}
	if (socket_file_note(&out->file, address) < 0) {
		return errno;
	}
	if (listen(out->fd, options->backlog > 0 ? options->backlog : SOMAXCONN) < 0) {
		error = errno;
		socket_file_remove(&out->file);
		return error;
	}
	address_local(&out->address, out->fd);
	return 0;
}

static void listen_adopt(struct listening *out, const struct inherited *from) {
	*out = (struct listening){.fd = from->fd,
		.connection = !from->listens,
		.address = from->address,
		.file = from->file};
	fcntl(out->fd, F_SETFL, fcntl(out->fd, F_GETFL) | O_NONBLOCK);
	if (out->address.any.sa_family != AF_UNIX) {
		setsockopt(out->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	}
}

/* Returns 0, or why not. */
static int listen_new(struct listening *out, const struct address *address,
	const arun_listen_options *options) {
	int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
	*out = (struct listening){
		.fd = standard_avoid(socket(address->any.sa_family, type, 0))};
	if (out->fd < 0) {
		return errno;
	}
	int error = listen_start(out, address, options);
	if (error) {
		close(out->fd);
	}
	return error;
}

static bool has_any_port(const struct address *address) {
	return address->any.sa_family != AF_UNIX && address->in.sin_port == 0;
}

/* Makes a socket for this process and those that ask after it. Returns 0, or why not. */
static int listen_first(struct broker *broker, struct listening *out,
	const struct address *address, const arun_listen_options *options) {
	int error = listen_new(out, address, options);
	if (broker_keep(broker, error ? -1 : out->fd, out->file.path)) {
		socket_file_forget(&out->file);
	}
	return error;
}

/* Returns 0, or why not. A plugin that wants SO_REUSEPORT has a socket in each worker. */
static int listen_at(struct listening *out, const struct address *address,
	const arun_listen_options *options) {
	struct broker *broker = &loop_here()->broker;
	arun_listen_options own = *options;
	char name[ADDRESS_TEXT];
	struct inherited passed;
	struct text text;
	int fd = -1;
	if (inherit_take_at(&passed, address, INHERIT_SERVER)) {
		listen_adopt(out, &passed);
		return 0;
	}
	if (!broker->fd || options->reuse_port) {
		return listen_new(out, address, options);
	}
	text_fixed(&text, name, sizeof name);
	address_text(&text, address);
	switch (broker_ask(broker, name, has_any_port(address), &fd)) {
	case BROKER_HERE:
		*out = (struct listening){.fd = fd};
		address_local(&out->address, fd);
		return 0;
	case BROKER_OPEN:
		return listen_first(broker, out, address, options);
	case BROKER_REFUSED:
		own.reuse_port = address->any.sa_family != AF_UNIX;
		return listen_new(out, address, &own);
	default:
		return listen_new(out, address, options);
	}
}

/* The first of a host's addresses that can be had. Returns 0, or why the last can not. */
static int listen_at_any(struct listening *out, const struct addrinfo *list,
	const arun_listen_options *options) {
	int error = ENOENT;
	for (const struct addrinfo *at = list; at && error; at = at->ai_next) {
		struct address address;
		address_set(&address, at->ai_addr, at->ai_addrlen);
		error = listen_at(out, &address, options);
	}
	return error;
}

static int listen_inherited(struct listening *out, const struct endpoint *endpoint) {
	const char *text = endpoint->text;
	int fd = endpoint->fd, flags = fcntl(fd, F_GETFL);
	if (flags < 0) {
		return task_fail(EBADF, op, text);
	}
	if (sockopt_get(fd, SO_TYPE) != SOCK_STREAM ||
		sockopt_get(fd, SO_ACCEPTCONN) <= 0) {
		return task_fail_words(EINVAL, op, text, "not a listening stream socket");
	}
	if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
		fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
		return task_fail(errno, op, text);
	}
	*out = (struct listening){.fd = fd};
	address_local(&out->address, fd);
	return 0;
}

static int listen_named(struct listening *out, const struct endpoint *endpoint) {
	struct inherited passed;
	if (inherit_take(&passed, endpoint, INHERIT_SERVER, op) < 0) {
		return -1;
	}
	listen_adopt(out, &passed);
	return 0;
}

int listen_open(struct listening *out, struct arun_task *self,
	const struct endpoint *endpoint, const arun_listen_options *options) {
	struct addrinfo *list;
	int error;
	if (endpoint->kind == ENDPOINT_FD) {
		return listen_inherited(out, endpoint);
	}
	if (endpoint->kind == ENDPOINT_SYSTEMD) {
		return listen_named(out, endpoint);
	}
	if (endpoint_resolve(self, endpoint, &list) < 0) {
		return -1;
	}
	if (list) {
		error = listen_at_any(out, list, options);
		freeaddrinfo(list);
	} else {
		error = listen_at(out, &endpoint->address, options);
	}
	return error ? task_fail(error, op, endpoint->text) : 0;
}
