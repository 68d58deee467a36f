/* SPDX-License-Identifier: MIT */
/* udp_open - arun_udp_open(): what its endpoint means, and the socket. */
#include "inherit.h"
#include "sockopt.h"
#include "standard.h"
#include "udp.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Endpoints ------------------------------------------------------------------------ */

/* What a call to open one works with. */
struct opening {
	const char *op;
	struct endpoint endpoint;
	bool connects; /* to it; else it is bound there */
};

static int opening_bad(const struct opening *opening, const char *words) {
	return task_fail_words(EINVAL, opening->op, opening->endpoint.text, words);
}

/* Returns what follows "connect:" in rest, else rest. */
static const char *opening_connects(struct opening *opening, const char *rest) {
	static const char CONNECT[] = "connect:";
	opening->connects = strncmp(rest, CONNECT, strlen(CONNECT)) == 0;
	return rest + (opening->connects ? strlen(CONNECT) : 0);
}

/* rest: "HOST:PORT", "connect:HOST:PORT". */
static int opening_udp(struct opening *opening, const char *rest) {
	rest = opening_connects(opening, rest);
	return endpoint_parse_udp(
		&opening->endpoint, opening->endpoint.text, rest, opening->op);
}

/* rest: "/path", "@abstract", "connect:/path". */
static int opening_unix(struct opening *opening, const char *rest) {
	const char *text = opening->endpoint.text;
	char path[ENDPOINT_HOST];
	struct text out;
	text_fixed(&out, path, sizeof path);
	text_add(&out, "unix:%s", opening_connects(opening, rest));
	int result = endpoint_parse(&opening->endpoint, path, opening->op);
	opening->endpoint.text = text; /* which is still there when path is gone */
	return result;
}

static int opening_parse(struct opening *opening) {
	const char *text = opening->endpoint.text;
	if (!strncmp(text, "udp:", 4)) {
		return opening_udp(opening, text + 4);
	}
	if (!strncmp(text, "unix:", 5)) {
		return opening_unix(opening, text + 5);
	}
	if (!strncmp(text, "fd:", 3) || !strncmp(text, "systemd:", 8)) {
		return endpoint_parse(&opening->endpoint, text, opening->op);
	}
	return opening_bad(opening, "not like udp:HOST:PORT, unix:/PATH or fd:N");
}

/* Sockets -------------------------------------------------------------------------- */

/* Returns 0; -1 with errno. */
static int udp_bind(struct arun_udp *udp, int fd, const struct address *address) {
	int result = bind(fd, &address->any, address->length);
	if (result < 0 && errno == EADDRINUSE && address_has_file(address)) {
		bool removed = address_remove_dead(address, SOCK_DGRAM);
		errno = EADDRINUSE;
		result = removed ? bind(fd, &address->any, address->length) : -1;
	}
	return result < 0 ? -1 : socket_file_note(&udp->file, address);
}

/* Has the kernel name a Unix socket first: without a name it could not be answered. */
static int udp_connect(int fd, const struct address *address) {
	sa_family_t family = AF_UNIX;
	if (address->any.sa_family == AF_UNIX &&
		bind(fd, (struct sockaddr *)(void *)&family, sizeof family) < 0) {
		return -1;
	}
	return connect(fd, &address->any, address->length);
}

/* One that was passed to the process. Returns the descriptor. */
static int udp_adopt(struct arun_udp *udp, const struct inherited *from) {
	udp->file = from->file;
	fcntl(from->fd, F_SETFL, fcntl(from->fd, F_GETFL) | O_NONBLOCK);
	return from->fd;
}

/* Returns the descriptor, or minus why there is none. */
static int udp_socket(
	struct arun_udp *udp, const struct address *address, bool connects) {
	int type = SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
	int fd = standard_avoid(socket(address->any.sa_family, type, 0));
	if (fd < 0) {
		return -errno;
	}
	int result = connects ? udp_connect(fd, address) : udp_bind(udp, fd, address);
	if (result < 0) {
		int error = errno;
		close(fd);
		return -error;
	}
	udp->own = address->any.sa_family != AF_UNIX;
	return fd;
}

/* The same; first what was passed, or what the workers of a group share. */
static int udp_socket_shared(
	struct arun_udp *udp, const struct address *address, bool connects) {
	struct broker *broker = &loop_here()->broker;
	char name[ADDRESS_TEXT];
	struct inherited passed;
	struct text text;
	int fd;
	bool inet = address->any.sa_family != AF_UNIX;
	if (!connects && inherit_take_at(&passed, address, INHERIT_DATAGRAM)) {
		return udp_adopt(udp, &passed);
	}
	if (connects || !broker->fd || !inet) {
		return udp_socket(udp, address, connects);
	}
	text_fixed(&text, name, sizeof name);
	text_add(&text, "udp:");
	address_text(&text, address);
	switch (broker_ask(broker, name, address->in.sin_port == 0, &fd)) {
	case BROKER_HERE:
		return fd;
	case BROKER_OPEN:
		fd = udp_socket(udp, address, false);
		udp->own = false; /* another worker will have it, too */
		broker_keep(broker, fd, NULL);
		return fd;
	default:
		return udp_socket(udp, address, false);
	}
}

static int udp_socket_any(
	struct arun_udp *udp, const struct addrinfo *list, bool connects) {
	int fd = -ENOENT;
	for (const struct addrinfo *at = list; at && fd < 0; at = at->ai_next) {
		struct address address;
		address_set(&address, at->ai_addr, at->ai_addrlen);
		fd = udp_socket_shared(udp, &address, connects);
	}
	return fd;
}

/* One that this process was given. Returns it, or minus why not. */
static int udp_inherit(int fd) {
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0) {
		return -EBADF;
	}
	if (sockopt_get(fd, SO_TYPE) != SOCK_DGRAM) {
		return -EINVAL;
	}
	bool set = fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 &&
		   fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
	return set ? fd : -errno;
}

/* Returns 0, or why not: then it is recorded. */
static int udp_find(struct arun_udp *udp, const struct arun_site *site,
	const struct opening *opening, int *fd) {
	const struct endpoint *endpoint = &opening->endpoint;
	struct addrinfo *list = NULL;
	struct inherited passed;
	if (endpoint->kind == ENDPOINT_SYSTEMD) {
		if (inherit_take(&passed, endpoint, INHERIT_DATAGRAM, opening->op) < 0) {
			return -1;
		}
		*fd = udp_adopt(udp, &passed);
	} else if (endpoint->kind == ENDPOINT_FD) {
		*fd = udp_inherit(endpoint->fd);
	} else if (endpoint->address.length) {
		*fd = udp_socket_shared(udp, &endpoint->address, opening->connects);
	} else {
		struct arun_task *self = task_enter(site, opening->op);
		int error = task_interrupted(sched_current, self);
		if (error || endpoint_resolve(self, endpoint, &list) < 0) {
			return error ? task_fail(error, opening->op, endpoint->text) : -1;
		}
		*fd = udp_socket_any(udp, list, opening->connects);
		freeaddrinfo(list);
	}
	if (*fd == -EINVAL && endpoint->kind == ENDPOINT_FD) {
		return opening_bad(opening, "not a socket for datagrams");
	}
	return *fd < 0 ? task_fail(-*fd, opening->op, endpoint->text) : 0;
}

/* Its addresses, as they are. Returns 0; -1 with errno. */
static int udp_look_up(struct arun_udp *udp, int fd) {
	char buffer[ADDRESS_TEXT];
	struct text out;
	address_local(&udp->address, fd);
	address_peer(&udp->peer, fd);
	text_fixed(&out, buffer, sizeof buffer);
	address_text(&out, &udp->address);
	udp->local = strdup(buffer);
	return udp->local ? 0 : -1;
}

/* Returns 0; -1 with errno, and recorded. */
static int udp_begin(struct loop *loop, struct arun_udp *udp,
	const struct arun_site *site, const struct opening *opening) {
	int fd = -1;
	if (udp_find(udp, site, opening, &fd) < 0) {
		return -1;
	}
	if (udp_look_up(udp, fd) < 0 || watch_open(&loop->poller, &udp->watch, fd) < 0) {
		int error = errno;
		socket_file_remove(&udp->file);
		if (opening->endpoint.kind != ENDPOINT_FD) {
			close(fd);
		}
		/* EEXIST: one that was passed is another object's already. */
		return task_fail(error == EEXIST ? EBUSY : error, opening->op,
			opening->endpoint.text);
	}
	return 0;
}

arun_udp *(arun_udp_open)(const char *endpoint) {
	return arun_udp_open_at(NULL, endpoint);
}

arun_udp *arun_udp_open_at(const struct arun_site *site, const char *endpoint) {
	struct opening opening = {
		.op = "arun_udp_open", .endpoint.text = endpoint ? endpoint : "NULL"};
	struct loop *loop = loop_here();
	if (!sched_here() || opening_parse(&opening) < 0) {
		return NULL;
	}
	struct arun_udp *udp = calloc(1, sizeof *udp);
	if (!udp) {
		task_fail(ENOMEM, opening.op, opening.endpoint.text);
		return NULL;
	}
	udp->refs = 1;
	if (udp_begin(loop, udp, site, &opening) < 0) {
		int error = errno;
		udp_unref(udp);
		errno = error;
		return NULL;
	}
	sched_publish(&loop->sched, &udp->object, &udp_kind, site);
	return udp;
}
