/* SPDX-License-Identifier: MIT */
#include "race.h"

#include "sockopt.h"
#include "standard.h"

#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RACE_MOST = 32 }; /* addresses that are tried */

struct attempt {
	struct address to;
	struct arun_conn *conn; /* NULL: it has failed, or has not begun */
	int error;
};

struct race {
	struct loop *loop;
	struct arun_task *self;
	const struct address *local; /* to connect from; NULL: any */
	unsigned count, begun, running;
	struct arun_conn *winner;
	double next; /* when the next attempt begins at the latest */
	struct attempt attempts[RACE_MOST];
};

int race_error(int fd) {
	int error = sockopt_get(fd, SO_ERROR);
	/* Of a TCP connection that has been made, whose other end has ended it, and then reset it. */
	error = error == EPIPE ? ECONNRESET : error;
	return error < 0 ? errno : error;
}

/* The port is picked when it connects: one may serve several peers. */
static int race_bind(int fd, const struct address *local) {
	if (local->any.sa_family != AF_UNIX) {
		setsockopt(
			fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){1}, sizeof(int));
	}
	return bind(fd, &local->any, local->length);
}

struct arun_conn *race_open(
	struct loop *loop, const struct address *to, const struct address *local) {
	int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
	int fd = standard_avoid(socket(to->any.sa_family, type, 0));
	bool bad = fd < 0 || (local && race_bind(fd, local) < 0);
	struct arun_conn *conn = bad ? NULL : conn_create(loop, fd);
	if (!conn) {
		int error = errno;
		if (fd >= 0) {
			close(fd);
		}
		errno = error;
		return NULL;
	}
	conn->socket = true;
	conn->tcp = to->any.sa_family != AF_UNIX;
	conn->peer = *to;
	if (conn->tcp) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	}
	return conn;
}

/* The next of the list from at on that is, or is not, of a family. */
static const struct addrinfo *race_next(
	const struct addrinfo *at, int family, bool same) {
	while (at && (at->ai_family == family) != same) {
		at = at->ai_next;
	}
	return at;
}

/* Takes the addresses over, the families in turns, beginning with the first one's. */
static void race_order(struct race *race, const struct addrinfo *list) {
	int family = list->ai_family;
	const struct addrinfo *sides[] = {list, race_next(list, family, false)};
	for (unsigned side = 0; (sides[0] || sides[1]) && race->count < RACE_MOST;
		side = !side) {
		const struct addrinfo *at = sides[side];
		if (at) {
			address_set(&race->attempts[race->count++].to, at->ai_addr,
				at->ai_addrlen);
			sides[side] = race_next(at->ai_next, family, side == 0);
		}
	}
}

static void attempt_end(struct race *race, struct attempt *attempt, int error) {
	watch_end(&race->loop->poller, &attempt->conn->watch, POLLER_WRITE);
	race->running--;
	attempt->error = error;
	if (error) {
		conn_close_now(race->loop, attempt->conn);
	} else {
		race->winner = attempt->conn;
	}
	attempt->conn = NULL;
}

/* Returns whether it is under way, or has won. */
static bool attempt_begin(struct race *race, struct attempt *attempt) {
	attempt->conn = race_open(race->loop, &attempt->to, race->local);
	if (!attempt->conn) {
		attempt->error = errno;
		return false;
	}
	struct watch *watch = &attempt->conn->watch;
	race->running++;
	int result = connect(watch->fd, &attempt->to.any, attempt->to.length);
	int error = result < 0 && errno != EINPROGRESS && errno != EINTR ? errno : 0;
	if (watch_begin(&race->loop->poller, watch, POLLER_WRITE, race->self) < 0) {
		error = error ? error : errno;
	}
	if (result == 0 || error) {
		attempt_end(race, attempt, error);
	}
	return !error;
}

/* Begins those whose time has come. */
static void race_begin(struct race *race) {
	while (!race->winner && race->begun < race->count &&
		(!race->running || loop_clock() >= race->next)) {
		if (attempt_begin(race, &race->attempts[race->begun++])) {
			race->next = loop_clock() + RACE_DELAY;
		}
	}
}

/* Looks which attempts have ended. */
static void race_look(struct race *race) {
	for (unsigned i = 0; i < race->begun && !race->winner; i++) {
		struct attempt *attempt = &race->attempts[i];
		if (!attempt->conn) {
			continue;
		}
		int fd = attempt->conn->watch.fd;
		struct pollfd entry = {.fd = fd, .events = POLLOUT};
		if (poll(&entry, 1, 0) > 0) {
			attempt_end(race, attempt, race_error(fd));
		}
	}
}

/* Returns 0: somebody has won, or all have lost; or what cut it short. */
static int race_run(struct race *race) {
	struct sched *sched = &race->loop->sched;
	for (;;) {
		race_begin(race);
		if (race->winner || !race->running) {
			return 0;
		}
		double until = race->begun < race->count ? race->next : INFINITY;
		int error = task_suspend(sched, race->self, until, true);
		if (error && error != ETIME) {
			return error;
		}
		unsigned running = race->running;
		race_look(race);
		if (race->running < running) {
			race->next = 0; /* one has failed: the next need not wait */
		}
	}
}

static void race_tell(const struct race *race, struct text *tried) {
	for (unsigned i = 0; i < race->begun; i++) {
		const struct attempt *attempt = &race->attempts[i];
		text_add(tried, "%s", i ? "; " : "");
		address_text(tried, &attempt->to);
		text_add(tried, attempt->error ? ": " : ": no answer yet");
		if (attempt->error) {
			text_error(tried, attempt->error);
		}
	}
}

/* The error of the last one; those that were not tried have none. */
static int race_last_error(const struct race *race) {
	return race->begun ? race->attempts[race->begun - 1].error : ENOENT;
}

int race_connect(struct loop *loop, struct arun_task *self, const struct addrinfo *list,
	const struct address *local, struct arun_conn **out, struct text *tried) {
	struct race *race = calloc(1, sizeof *race);
	if (!race) {
		return ENOMEM;
	}
	race->loop = loop;
	race->self = self;
	race->local = local;
	race_order(race, list);
	int error = race_run(race);
	error = error || race->winner ? error : race_last_error(race);
	if (error) {
		race_tell(race, tried);
	}
	for (unsigned i = 0; i < race->begun; i++) {
		if (race->attempts[i].conn) {
			attempt_end(race, &race->attempts[i], ECANCELED);
		}
	}
	*out = race->winner;
	free(race);
	return error;
}
