/* SPDX-License-Identifier: MIT */
#include "endpoint.h"

#include "resolve.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PORT_MAX = 65535, GROUPS = 8 };

/* Into what is read, and by whom. */
struct reading {
	struct endpoint *out; /* failures name its text */
	const char *op;
	bool udp;
};

static const char NOT_UDP[] = "not like udp:HOST:PORT";

static int endpoint_bad(const struct reading *reading, const char *words) {
	return task_fail_words(EINVAL, reading->op, reading->out->text, words);
}

/* The number that text is, all of it, up to limit; -1: it is none. */
static long whole_number(const char *text, long limit) {
	long value = 0;
	for (const char *at = text; *at; at++) {
		if (*at < '0' || *at > '9' || value > limit) {
			return -1;
		}
		value = value * 10 + (*at - '0');
	}
	return *text && value <= limit ? value : -1;
}

/* TCP ------------------------------------------------------------------------------ */

static bool host_is_v4(struct address *out, const char *host, uint16_t port) {
	if (inet_pton(AF_INET, host, &out->in.sin_addr) != 1) {
		return false;
	}
	out->in.sin_family = AF_INET;
	out->in.sin_port = htons(port);
	out->length = sizeof out->in;
	return true;
}

/* host: "::1", "fe80::1%eth0"; is cut at the %. */
static bool host_is_v6(struct address *out, char *host, uint16_t port) {
	char *zone = strchr(host, '%');
	if (zone) {
		*zone++ = '\0';
		long number = whole_number(zone, INT32_MAX);
		out->in6.sin6_scope_id =
			number >= 0 ? (uint32_t)number : if_nametoindex(zone);
	}
	if (inet_pton(AF_INET6, host, &out->in6.sin6_addr) != 1) {
		return false;
	}
	out->in6.sin6_family = AF_INET6;
	out->in6.sin6_port = htons(port);
	out->length = sizeof out->in6;
	return !zone || out->in6.sin6_scope_id;
}

static int read_service(const struct reading *reading, const char *service) {
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
	size_t length = strlen(service);
	if (length == 0) {
		return endpoint_bad(reading, "no port");
	}
	if (length >= ENDPOINT_SERVICE || strspn(service, letters) != length) {
		return endpoint_bad(reading, "the port is neither a number nor a name");
	}
	if (*service >= '0' && *service <= '9' && whole_number(service, PORT_MAX) < 0) {
		return endpoint_bad(reading, "the port is not a number from 0 to 65535");
	}
	memcpy(reading->out->service, service, length + 1);
	return 0;
}

static int read_host(const struct reading *reading, const char *host, size_t length) {
	/* getaddrinfo(3) takes an asterisk for this machine alone, whoever writes it means all. */
	if (length == 0 || (length == 1 && *host == '*')) {
		return endpoint_bad(
			reading, "no host (0.0.0.0 and [::] are all of this machine)");
	}
	if (length >= ENDPOINT_HOST) {
		return endpoint_bad(reading, "the host name is too long");
	}
	memcpy(reading->out->host, host, length);
	reading->out->host[length] = '\0';
	return 0;
}

/* rest: "[::1]:80" */
static int read_bracketed(const struct reading *reading, const char *rest) {
	struct endpoint *out = reading->out;
	const char *end = strchr(rest, ']');
	if (!end || end[1] != ':') {
		return endpoint_bad(reading, "not like [ADDRESS]:PORT");
	}
	if (read_service(reading, end + 2) < 0 ||
		read_host(reading, rest + 1, (size_t)(end - rest - 1)) < 0) {
		return -1;
	}
	long port = whole_number(out->service, PORT_MAX);
	if (port < 0) {
		return endpoint_bad(reading, "after an address the port is a number");
	}
	if (!host_is_v6(&out->address, out->host, (uint16_t)port)) {
		return endpoint_bad(reading, "no IPv6 address between the brackets");
	}
	return 0;
}

/* rest: "X:HOST:PORT". Of an address without its brackets X are hexadecimal digits. */
static int too_many_colons(const struct reading *reading, const char *rest) {
	bool address = rest[strspn(rest, "0123456789abcdefABCDEF")] == ':';
	if (address) {
		return endpoint_bad(
			reading, "an IPv6 address stands in brackets: [::1]:80");
	}
	return endpoint_bad(reading,
		reading->udp ? NOT_UDP : "neither tcp:, tls:, unix:, fd: nor HOST:PORT");
}

static int read_tcp(const struct reading *reading, const char *rest) {
	struct endpoint *out = reading->out;
	out->kind = ENDPOINT_TCP;
	if (strchr(rest, '/')) {
		return endpoint_bad(reading,
			reading->udp
				? NOT_UDP
				: "no URL, no path: HOST:PORT, tls:HOST:PORT, unix:/PATH");
	}
	if (*rest == '[') {
		return read_bracketed(reading, rest);
	}
	const char *colon = strrchr(rest, ':');
	if (!colon) {
		return endpoint_bad(reading,
			rest == out->text
				? "no endpoint: HOST:PORT, tcp: or tls:HOST:PORT, unix:/PATH or fd:N"
				: "no port");
	}
	if (memchr(rest, ':', (size_t)(colon - rest))) {
		return too_many_colons(reading, rest);
	}
	if (read_service(reading, colon + 1) < 0 ||
		read_host(reading, rest, (size_t)(colon - rest)) < 0) {
		return -1;
	}
	long port = whole_number(out->service, PORT_MAX);
	if (port >= 0) {
		host_is_v4(&out->address, out->host, (uint16_t)port);
	}
	return 0;
}

/* The others ----------------------------------------------------------------------- */

static int read_unix(const struct reading *reading, const char *rest) {
	struct sockaddr_un *un = &reading->out->address.un;
	size_t length = strlen(rest);
	reading->out->kind = ENDPOINT_UNIX;
	if (length == 0 || (length == 1 && *rest == '@')) {
		return endpoint_bad(reading, "no path");
	}
	if (length >= sizeof un->sun_path) {
		return task_fail_words(ENAMETOOLONG, reading->op, reading->out->text,
			"the path of a Unix socket has at most 107 bytes");
	}
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, rest, length + 1);
	size_t used = offsetof(struct sockaddr_un, sun_path) + length;
	if (*rest == '@') {
		un->sun_path[0] = '\0';
	} else {
		used++;
	}
	reading->out->address.length = (socklen_t)used;
	return 0;
}

static int read_fd(const struct reading *reading, const char *rest) {
	long fd = whole_number(rest, INT32_MAX);
	reading->out->kind = ENDPOINT_FD;
	reading->out->fd = (int)fd;
	return fd < 0 ? endpoint_bad(reading, "not the number of a descriptor") : 0;
}

static int read_tls(const struct reading *reading, const char *rest) {
	reading->out->tls = true;
	return read_tcp(reading, rest);
}

static int read_udp(const struct reading *reading, const char *rest) {
	(void)rest;
	return endpoint_bad(reading, "UDP is no stream");
}

static int read_systemd(const struct reading *reading, const char *rest) {
	size_t length = strlen(rest);
	reading->out->kind = ENDPOINT_SYSTEMD;
	if (length == 0 || length >= ENDPOINT_HOST) {
		return endpoint_bad(reading, "no name of a socket");
	}
	memcpy(reading->out->host, rest, length + 1);
	return 0;
}

struct scheme {
	const char *word;
	int (*read)(const struct reading *reading, const char *rest);
};

/* What text begins with; NULL: none. */
static const struct scheme *scheme_of(const char *text) {
	static const struct scheme schemes[] = {
		{"tcp:", read_tcp},
		{"unix:", read_unix},
		{"fd:", read_fd},
		{"tls:", read_tls},
		{"udp:", read_udp},
		{"systemd:", read_systemd},
	};
	for (size_t i = 0; i < count_of(schemes); i++) {
		if (strncmp(text, schemes[i].word, strlen(schemes[i].word)) == 0) {
			return &schemes[i];
		}
	}
	return NULL;
}

int endpoint_parse(struct endpoint *out, const char *text, const char *op) {
	struct reading reading = {.out = out, .op = op};
	*out = (struct endpoint){.text = text ? text : "NULL", .fd = -1};
	if (!text) {
		return endpoint_bad(&reading, "no endpoint");
	}
	const struct scheme *scheme = scheme_of(text);
	return scheme ? scheme->read(&reading, text + strlen(scheme->word))
		      : read_tcp(&reading, text);
}

int endpoint_parse_udp(
	struct endpoint *out, const char *text, const char *rest, const char *op) {
	struct reading reading = {.out = out, .op = op, .udp = true};
	*out = (struct endpoint){.text = text, .fd = -1};
	return scheme_of(rest) ? endpoint_bad(&reading, NOT_UDP)
			       : read_tcp(&reading, rest);
}

int endpoint_resolve(
	struct arun_task *self, const struct endpoint *endpoint, struct addrinfo **list) {
	*list = NULL;
	if (endpoint->address.length) {
		return 0;
	}
	return resolve_host(self, endpoint->host, endpoint->service, list);
}

/* Addresses ------------------------------------------------------------------------ */

void address_set(struct address *out, const struct sockaddr *from, socklen_t length) {
	*out = (struct address){.length = 0};
	if (length >= sizeof from->sa_family && length <= sizeof out->un) {
		memcpy(&out->any, from, length);
		out->length = length;
	}
}

void address_receive(struct address *out) {
	*out = (struct address){.length = sizeof out->room};
}

void address_received(struct address *address) {
	if (address->length > sizeof address->room) {
		address->length = 0;
	} else if (address->length > sizeof address->un) {
		address->length = sizeof address->un; /* bind(2) takes no more */
	}
}

void address_local(struct address *out, int fd) {
	address_receive(out);
	if (getsockname(fd, &out->any, &out->length) < 0) {
		out->length = 0;
	}
	address_received(out);
}

void address_peer(struct address *out, int fd) {
	address_receive(out);
	if (getpeername(fd, &out->any, &out->length) < 0) {
		out->length = 0;
	}
	address_received(out);
}

bool address_has_file(const struct address *address) {
	return address->any.sa_family == AF_UNIX && address->un.sun_path[0] != '\0';
}

const char *address_path(const struct address *address) {
	return address->room + offsetof(struct sockaddr_un, sun_path);
}

static bool is_refused(const struct address *address, int type) {
	int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return false;
	}
	bool refused =
		connect(fd, &address->any, address->length) < 0 && errno == ECONNREFUSED;
	close(fd);
	return refused;
}

bool address_remove_dead(const struct address *address, int type) {
	const char *path = address_path(address);
	struct stat before, after;
	if (lstat(path, &before) < 0 || !S_ISSOCK(before.st_mode) ||
		!is_refused(address, type)) {
		return false;
	}
	/* Another one may have replaced it meanwhile. */
	return lstat(path, &after) == 0 && after.st_ino == before.st_ino &&
	       after.st_dev == before.st_dev && unlink(path) == 0;
}

static void text_v4(struct text *out, const uint8_t *bytes) {
	text_add(out, "%u.%u.%u.%u", bytes[0], bytes[1], bytes[2], bytes[3]);
}

/* The first of the longest runs of two or more zero groups; its length in *count. */
static int longest_zeros(const uint8_t *bytes, int *count) {
	int best = GROUPS, run = 0;
	*count = 1;
	for (int i = 0; i < GROUPS; i++) {
		run = bytes[2 * i] || bytes[2 * i + 1] ? 0 : run + 1;
		if (run > *count) {
			*count = run;
			best = i + 1 - run;
		}
	}
	return best;
}

/* As RFC 5952 has it; not by inet_ntop(3), which is not for signal handlers. */
static void text_v6(struct text *out, const struct in6_addr *address) {
	const uint8_t *bytes = address->s6_addr;
	if (IN6_IS_ADDR_V4MAPPED(address)) {
		text_add(out, "::ffff:");
		text_v4(out, bytes + 12);
		return;
	}
	int count, zeros = longest_zeros(bytes, &count);
	for (int i = 0; i < GROUPS; i++) {
		if (i == zeros) {
			text_add(out, "::");
			i += count - 1;
			continue;
		}
		text_add(out, i && i != zeros + count ? ":%x" : "%x",
			(unsigned)bytes[2 * i] << 8 | bytes[2 * i + 1]);
	}
}

static void text_un(struct text *out, const struct address *address) {
	size_t length = address->length - offsetof(struct sockaddr_un, sun_path);
	char path[sizeof address->un.sun_path + 1] = "";
	memcpy(path, address->un.sun_path, length);
	if (path[0] == '\0' && length > 1) {
		/* Zero bytes may be in an abstract name; they end this text of it. */
		path[0] = '@';
	}
	text_add(out, "unix:");
	text_escape(out, path);
}

void address_text(struct text *out, const struct address *address) {
	if (!address->length) {
		return;
	}
	if (address->any.sa_family == AF_INET) {
		text_v4(out, (const uint8_t *)&address->in.sin_addr);
		text_add(out, ":%u", ntohs(address->in.sin_port));
	} else if (address->any.sa_family == AF_INET6) {
		text_add(out, "[");
		text_v6(out, &address->in6.sin6_addr);
		if (address->in6.sin6_scope_id) {
			text_add(out, "%%%u", address->in6.sin6_scope_id);
		}
		text_add(out, "]:%u", ntohs(address->in6.sin6_port));
	} else if (address->any.sa_family == AF_UNIX &&
		   address->length > offsetof(struct sockaddr_un, sun_path)) {
		text_un(out, address);
	}
}

void address_member(struct text *out, const char *key, const struct address *address) {
	char buffer[ADDRESS_TEXT];
	struct text text;
	text_fixed(&text, buffer, sizeof buffer);
	address_text(&text, address);
	text_add(out, "\"%s\": ", key);
	text_json(out, buffer);
	text_add(out, ", ");
}
