/* SPDX-License-Identifier: MIT */
#include "inherit.h"

#include "log.h"
#include "sockopt.h"
#include "variable.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { INHERIT_FIRST = 3, INHERIT_MOST = 65536 };

/* What there is --------------------------------------------------------------------- */

struct inherited *inherit_add(struct inherit *inherit, const char *name, int fd) {
	size_t size = (inherit->count + 1) * sizeof *inherit->items;
	struct inherited *items = realloc(inherit->items, size);
	if (!items) {
		return NULL;
	}
	inherit->items = items;
	struct inherited *item = &items[inherit->count];
	*item = (struct inherited){.name = strdup(name), .fd = fd};
	if (!item->name) {
		return NULL;
	}
	int type = sockopt_get(fd, SO_TYPE);
	item->type = type > 0 ? type : 0;
	item->listens = sockopt_get(fd, SO_ACCEPTCONN) > 0;
	address_local(&item->address, fd);
	inherit->count++;
	return item;
}

/* Cuts the first of *names off, which are separated by colons. */
static void next_name(const char **names, char *name, size_t size) {
	size_t length = strcspn(*names, ":");
	struct text out;
	text_fixed(&out, name, size);
	text_add(&out, "%s", *names);
	if (length < size) {
		name[length] = '\0';
	}
	*names += length + ((*names)[length] == ':');
}

/* Passes over descriptors that are not open: anybody may have set the variable. */
static int inherit_passed(struct inherit *inherit, int count, const char *names) {
	char name[ENDPOINT_HOST];
	for (int fd = INHERIT_FIRST; fd < INHERIT_FIRST + count; fd++) {
		next_name(&names, name, sizeof name);
		if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 &&
			!inherit_add(inherit, name, fd)) {
			return -1;
		}
	}
	return 0;
}

int inherit_init(struct inherit *inherit, struct loop *loop, bool taken) {
	int result = 0;
	*inherit = (struct inherit){.loop = loop};
	loop->inherit = inherit;
	if (!taken) {
		return 0;
	}
	unsigned long long count = variable_number("LISTEN_FDS");
	const char *names = getenv("LISTEN_FDNAMES");
	if (variable_number("LISTEN_PID") == (unsigned long long)getpid() &&
		count <= INHERIT_MOST) {
		result = inherit_passed(inherit, (int)count, names ? names : "");
	}
	variable_drop("LISTEN_FDS");
	variable_drop("LISTEN_PID");
	variable_drop("LISTEN_FDNAMES");
	variable_drop("LISTEN_PIDFDID");
	return result;
}

void inherit_finish(struct inherit *inherit) {
	for (unsigned i = 0; i < inherit->count; i++) {
		if (inherit->items[i].fd >= 0) {
			close(inherit->items[i].fd);
		}
		free(inherit->items[i].name);
	}
	free(inherit->items);
	if (inherit->loop) {
		inherit->loop->inherit = NULL;
	}
	*inherit = (struct inherit){.items = NULL};
}

/* Handing out ----------------------------------------------------------------------- */

static struct inherit *inherit_here(void) {
	return sched_current ? loop_here()->inherit : NULL;
}

static bool use_fits(const struct inherited *item, enum inherit_use use) {
	switch (use) {
	case INHERIT_SERVER:
		return item->type == SOCK_STREAM;
	case INHERIT_DATAGRAM:
		return item->type == SOCK_DGRAM;
	default:
		return !item->listens && item->type != SOCK_DGRAM;
	}
}

static void inherit_give(
	struct inherit *inherit, struct inherited *item, struct inherited *out) {
	*out = *item;
	out->name = NULL;
	item->fd = -1;
	item->file.path = NULL;
	if (inherit->taken) {
		inherit->taken(inherit->loop, out->fd);
	}
}

/* "none of that name was passed; there are: http, admin". */
static int inherit_fail(
	const struct inherit *inherit, int error, const char *text, const char *op) {
	char words[256];
	struct text out;
	text_fixed(&out, words, sizeof words);
	text_add(&out, "%s",
		error == ENOENT  ? "no such socket was passed"
		: error == EBUSY ? "it is in use already"
				 : "what was passed under this name is of another type");
	for (unsigned i = 0; error == ENOENT && inherit && i < inherit->count; i++) {
		text_add(&out, "%s%s", i ? ", " : "; there are: ",
			*inherit->items[i].name ? inherit->items[i].name : "one unnamed");
	}
	return task_fail_words(error, op, text, words);
}

int inherit_take(struct inherited *out, const struct endpoint *endpoint,
	enum inherit_use use, const char *op) {
	struct inherit *inherit = inherit_here();
	const char *name = endpoint->host;
	int error = ENOENT;
	for (unsigned i = 0; inherit && *name && i < inherit->count; i++) {
		struct inherited *item = &inherit->items[i];
		if (strcmp(item->name, name) != 0) {
			continue;
		}
		if (item->fd >= 0 && use_fits(item, use)) {
			inherit_give(inherit, item, out);
			return 0;
		}
		error = item->fd < 0 ? EBUSY : EINVAL;
	}
	return inherit_fail(inherit, error, endpoint->text, op);
}

/* Addresses ------------------------------------------------------------------------- */

static in_port_t port_of(const struct address *address) {
	return address->any.sa_family == AF_INET    ? address->in.sin_port
	       : address->any.sa_family == AF_INET6 ? address->in6.sin6_port
						    : 0;
}

static bool is_any(const struct address *address) {
	return address->any.sa_family == AF_INET
		       ? address->in.sin_addr.s_addr == htonl(INADDR_ANY)
		       : address->any.sa_family == AF_INET6 &&
				 IN6_IS_ADDR_UNSPECIFIED(&address->in6.sin6_addr);
}

static bool same_address(const struct address *a, const struct address *b) {
	char texts[2][ADDRESS_TEXT];
	struct text out;
	text_fixed(&out, texts[0], sizeof texts[0]);
	address_text(&out, a);
	text_fixed(&out, texts[1], sizeof texts[1]);
	address_text(&out, b);
	return *texts[0] && strcmp(texts[0], texts[1]) == 0;
}

/* A socket at [::] is at 0.0.0.0 too, unless it was told not to be: another could not be
 * bound there. */
static bool serves_both(const struct inherited *item) {
	int only = 1;
	socklen_t length = sizeof only;
	return item->address.any.sa_family == AF_INET6 &&
	       getsockopt(item->fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &length) == 0 &&
	       !only;
}

static bool stands_for(const struct inherited *item, const struct address *address) {
	if (same_address(&item->address, address)) {
		return true;
	}
	if (!port_of(address) || port_of(address) != port_of(&item->address) ||
		!is_any(address)) {
		return false;
	}
	/* A connection to this port of any address of this machine. */
	bool connection = item->type == SOCK_STREAM && !item->listens;
	return connection || (is_any(&item->address) && serves_both(item));
}

bool inherit_take_at(
	struct inherited *out, const struct address *address, enum inherit_use use) {
	struct inherit *inherit = inherit_here();
	for (unsigned i = 0; inherit && i < inherit->count; i++) {
		struct inherited *item = &inherit->items[i];
		if (item->fd >= 0 && use_fits(item, use) && stands_for(item, address)) {
			inherit_give(inherit, item, out);
			return true;
		}
	}
	return false;
}

void inherit_tell(const struct inherit *inherit) {
	for (unsigned i = 0; i < inherit->count; i++) {
		const struct inherited *item = &inherit->items[i];
		char where[ADDRESS_TEXT];
		struct text out;
		text_fixed(&out, where, sizeof where);
		address_text(&out, &item->address);
		bool waits = item->listens || item->type == SOCK_DGRAM;
		if (item->fd < 0 || !waits || !*where) {
			continue;
		}
		log_line(LOG_LEVEL_WARNING,
			"nothing listens at the socket %s%s%sat %s that was passed: its "
			"clients wait",
			*item->name ? "\"" : "", item->name, *item->name ? "\" " : "",
			where);
	}
}
