/* SPDX-License-Identifier: MIT */
#include "servers.h"

#include <unistd.h>

enum { SERVERS = 3, NAME_SIZE = 64, IDS = 1 << 16 };

struct service {
	arun_server *server; /* NULL: none */
	bool handled, tcp, limited, timed, tls, closing;
	unsigned accepting; /* tasks */
	bool crowded;       /* two have accepted at once */
	unsigned overdue;   /* rounds that a client has waited for a handler */
	char address[NAME_SIZE];
};

struct accepting {
	struct call call;
	struct service *service;
};

static struct service services[SERVERS];
static bool had_tls; /* one of this script did */

#ifdef FUZZ_CERTIFICATE
static const char *const CERTIFICATE = FUZZ_CERTIFICATE;
#else
static const char *const CERTIFICATE = NULL;
#endif

/* Of clients and of servers; no two at a time have the same. */
static unsigned new_id(void) {
	static unsigned last;
	last = last % (IDS - 1) + 1;
	return last;
}

/* Connections -------------------------------------------------------------------------- */

/* The address that a client comes from. */
static void client_name(char *name, const struct link *link) {
	if (link->tcp) {
		snprintf(
			name, NAME_SIZE, "127.1.%u.%u:0", link->id / 256, link->id % 256);
	} else {
		snprintf(name, NAME_SIZE, "unix:@arun-fuzz-%d-%u", (int)getpid(),
			link->id);
	}
}

static unsigned client_id(const char *name) {
	unsigned high, low;
	if (sscanf(name, "127.1.%u.%u:", &high, &low) == 2) {
		return high * 256 + low;
	}
	const char *dash = strrchr(name, '-');
	fuzz_check(dash, "a peer \"%s\"", name);
	return (unsigned)strtoul(dash + 1, NULL, 10);
}

/* The end that has been accepted; NULL: its client has given up, or had no time to. */
static struct end *accepted_end(const struct service *service, const arun_conn *conn) {
	unsigned id = client_id(arun_peer(conn));
	for (unsigned i = 0; i < LINKS; i++) {
		struct end *end = &links[i].ends[1];
		if (links[i].id == id && end->state == COMING) {
			fuzz_check(links[i].server == service, "of another server");
			return end;
		}
	}
	return NULL;
}

/* Those that will not be accepted any more are gone. */
static void drop_links(const struct service *service) {
	for (unsigned i = 0; i < LINKS; i++) {
		struct end *end = &links[i].ends[1];
		if (links[i].server == service && end->state == COMING) {
			end_finish(end);
		}
	}
}

/* Clients that are not accepted may be reset; who is idle is not waited for. */
static void loosen_links(const struct service *service) {
	for (unsigned i = 0; i < LINKS; i++) {
		if (links[i].server == service) {
			struct end *end = &links[i].ends[1];
			links[i].loose = links[i].loose || end->state == COMING;
			end->leaves = true;
		}
	}
}

/* Calls -------------------------------------------------------------------------------- */

static struct service *service_of(unsigned number) {
	struct service *service = &services[number % SERVERS];
	return service->server && !service->closing ? service : NULL;
}

static int handle(arun_conn *conn, void *arg) {
	struct service *service = arg;
	struct end *end = accepted_end(service, conn);
	struct actor *actor = free_actor();
	if (!end) {
		return 0;
	}
	end_begin(end, conn);
	end->timed = service->timed;
	end->calls++;
	if (actor) {
		cast_actor(actor, &stage.actors[ACTORS]);
		actor->owned = true;
		actor->handler = arun_self();
		actor->server = service;
		stage.play.act(actor);
	}
	end->calls--;
	/* Where a close would wait for a client that stays, with others waiting for that. */
	if ((stage.ends || service->limited) && end->state == OPEN) {
		link_abort(end);
	} else {
		end_finish(end);
	}
	return 0;
}

void server_listen(unsigned number) {
	struct service *service = &services[number % SERVERS];
	unsigned how = number / SERVERS;
	bool tls = CERTIFICATE && how & 32;
	arun_listen_options options = {.max_connections = how & 4 ? 1 : 0,
		.idle_timeout = how & 8 && !tls ? 1e-4 : 0};
	char endpoint[NAME_SIZE] = "tcp:127.0.0.1:0";
	if (service->server || service->accepting) {
		return;
	}
	options.tls = tls ? arun_tls_server(CERTIFICATE, NULL) : NULL;
	*service = (struct service){.tcp = how & 1,
		.handled = how & 2,
		.limited = options.max_connections,
		.timed = options.idle_timeout > 0,
		.tls = options.tls};
	if (!service->tcp) {
		snprintf(endpoint, sizeof endpoint, "unix:@arun-fuzz-%d-s%u",
			(int)getpid(), new_id());
	}
	service->server = arun_listen_with(
		endpoint, service->handled ? handle : NULL, service, &options);
	fuzz_check(service->server, "%s", arun_why());
	arun_tls_free(options.tls);
	snprintf(service->address, NAME_SIZE, "%s", arun_server_address(service->server));
}

static void connect_link(
	struct actor *actor, const struct service *service, struct link *link) {
	char local[NAME_SIZE];
	client_name(local, link);
	struct end *end = &link->ends[0];
	bool must = begin_wait(actor, ALONE);
	arun_connect_options options = {.local = local, .server_name = "localhost"};
	options.tls = link->tls ? arun_tls_client(CERTIFICATE) : NULL;
	arun_conn *conn = arun_connect_with(service->address, &options);
	int error = errno;
	arun_tls_free(options.tls);
	if (conn) {
		end_wait(actor, must, false, "connect");
		end_begin(end, conn);
	} else if (!must && (link->loose || stage.ends || link->ends[1].state > OPEN) &&
		   (error == ECONNREFUSED || error == ECONNRESET ||
			   (link->tls && error == EPROTO))) {
		end_wait(actor, false, false, "connect");
	} else {
		errno = error;
		end_wait(actor, must, true, "connect");
	}
	if (!conn) {
		link->loose = true;
		if (link->ends[1].state == COMING) {
			link->ends[1].state = GONE;
		}
		end_finish(end);
	}
}

void server_connect(struct actor *actor, unsigned number) {
	struct service *service = service_of(number);
	struct link *link = service ? link_new() : NULL;
	if (link) {
		link->socket = true;
		link->tcp = link->slow = service->tcp;
		link->server = service;
		link->id = new_id();
		link->tls = service->tls;
		link->loose = stage.ends || link->tls;
		had_tls = had_tls || link->tls;
		connect_link(actor, service, link);
	}
}

/* Whether it should accept: a client has connected, and the limit is not reached. */
static bool has_client(const struct service *service) {
	bool waits = false, full = false;
	for (unsigned i = 0; i < LINKS; i++) {
		const struct end *ends = links[i].ends;
		if (links[i].server == service) {
			waits = waits ||
				(ends[0].state == OPEN && ends[1].state == COMING);
			full = full || ends[1].state == OPEN || ends[1].state == CLOSING;
		}
	}
	return waits && !(service->limited && full);
}

static bool accept_is_due(struct call *call) {
	const struct service *service = ((struct accepting *)call)->service;
	return service->closing || has_client(service);
}

unsigned check_servers(void) {
	unsigned due = 0;
	for (unsigned i = 0; i < SERVERS; i++) {
		struct service *service = &services[i];
		bool waits = service->server && service->handled && !service->closing &&
			     has_client(service);
		service->overdue = waits ? service->overdue + 1 : 0;
		fuzz_check(service->overdue < ROUNDS_MOST, "%s does not accept",
			service->address);
		due += waits;
	}
	return due;
}

static void take(struct service *service, arun_conn *conn) {
	struct end *end = accepted_end(service, conn);
	if (end) {
		end_begin(end, conn);
		end->timed = service->timed;
	} else {
		arun_abort(conn);
	}
}

void server_accept(struct actor *actor, unsigned number) {
	struct service *service = service_of(number);
	if (!service || service->handled) {
		return;
	}
	struct accepting accepting = {
		{accept_is_due, service->tcp || service->limited}, service};
	bool must = await_call(actor, ALONE, &accepting.call);
	service->accepting++;
	service->crowded = service->crowded || service->accepting > 1;
	arun_conn *conn = arun_accept(service->server);
	int error = errno;
	bool known = !conn && !must &&
		     ((error == EBUSY && service->crowded) ||
			     (error == ESHUTDOWN && (service->closing || stage.ends)));
	end_wait(actor, must, !conn && !known, "accept");
	service->accepting--;
	service->crowded = service->crowded && service->accepting;
	if (conn) {
		take(service, conn);
	}
}

void server_close(struct actor *actor, unsigned number) {
	const struct service *own = actor->server;
	struct service *service = service_of(own ? (unsigned)(own - services) : number);
	if (!service || actor->crew || (actor->owned && !own)) {
		return;
	}
	service->closing = true;
	loosen_links(service);
	begin_wait(actor, BOUND);
	fuzz_check(arun_server_close(service->server) == 0, "%s", arun_why());
	actor->wait = NONE;
	stage.changes++;
	drop_links(service);
	service->server = NULL;
}

bool servers_hold_more(void) {
	return had_tls;
}

unsigned count_open_servers(void) {
	unsigned count = 0;
	for (unsigned i = 0; i < SERVERS; i++) {
		count += service_of(i) != NULL;
	}
	return count;
}

static unsigned count_handlers(void) {
	unsigned count = 0;
	for (unsigned i = 0; i < ACTORS; i++) {
		count += stage.actors[i].life == LIVE && stage.actors[i].server;
	}
	return count;
}

void end_servers(struct actor *actor) {
	for (unsigned i = 0; i < 2 * SERVERS; i++) {
		if (i >= SERVERS || !services[i].handled) {
			server_close(actor, i);
		}
	}
	/* Those that a handler of theirs closes, which then goes on. */
	while (count_handlers()) {
		pause_for(actor, 1e-4);
	}
}

void clear_servers(void) {
	memset(services, 0, sizeof services);
	had_tls = false;
}
