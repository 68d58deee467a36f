/* SPDX-License-Identifier: MIT */
#include "preopen.h"

#include "listen.h"

#include <string.h>
#include <unistd.h>

static const char op[] = "arun_listen", udp[] = "udp:";

static int bind_datagram(struct listening *out, const struct endpoint *endpoint) {
	const struct address *address = &endpoint->address;
	*out = (struct listening){.fd = socket(address->any.sa_family,
					  SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
	if (out->fd < 0) {
		return task_fail(errno, op, endpoint->text);
	}
	if (bind(out->fd, &address->any, address->length) < 0) {
		int error = errno;
		close(out->fd);
		return task_fail(error, op, endpoint->text);
	}
	return 0;
}

/* The workers of a group share it. */
static int open_datagram(struct listening *out, const struct endpoint *endpoint) {
	const struct address *address = &endpoint->address;
	struct broker *broker = &loop_here()->broker;
	char name[ADDRESS_TEXT];
	struct text key;
	int fd, result;
	text_fixed(&key, name, sizeof name);
	text_add(&key, "udp:");
	address_text(&key, address);
	switch (broker_ask(broker, name, address->in.sin_port == 0, &fd)) {
	case BROKER_HERE:
		*out = (struct listening){.fd = fd};
		return 0;
	case BROKER_OPEN:
		result = bind_datagram(out, endpoint);
		broker_keep(broker, result < 0 ? -1 : out->fd, NULL);
		return result;
	default:
		return bind_datagram(out, endpoint);
	}
}

static int open_stream(struct listening *out, const struct endpoint *endpoint) {
	static const arun_listen_options none;
	return listen_open(out, NULL, endpoint, &none);
}

static int open_one(
	struct listening *out, const struct endpoint *endpoint, bool datagram) {
	return datagram ? open_datagram(out, endpoint) : open_stream(out, endpoint);
}

/* The first address of a host that can be had. */
static int open_host(struct listening *out, struct endpoint *endpoint, bool datagram) {
	const struct addrinfo hints = {.ai_socktype = datagram ? SOCK_DGRAM : SOCK_STREAM,
		.ai_flags = AI_PASSIVE};
	struct addrinfo *list;
	int error = getaddrinfo(endpoint->host, endpoint->service, &hints, &list);
	if (error) {
		return task_fail_words(ENOENT, op, endpoint->text,
			error == EAI_SERVICE ? "no such service" : gai_strerror(error));
	}
	int result = -1;
	for (const struct addrinfo *at = list; at && result < 0; at = at->ai_next) {
		address_set(&endpoint->address, at->ai_addr, at->ai_addrlen);
		result = open_one(out, endpoint, datagram);
	}
	error = errno;
	freeaddrinfo(list);
	errno = error;
	return result;
}

/* text: an address without a name. */
static int preopen_at(struct listening *out, const char *text) {
	struct endpoint endpoint;
	bool datagram = strncmp(text, udp, strlen(udp)) == 0;
	int result = datagram
			     ? endpoint_parse_udp(&endpoint, text, text + strlen(udp), op)
			     : endpoint_parse(&endpoint, text, op);
	if (result < 0) {
		return -1;
	}
	bool host = endpoint.kind == ENDPOINT_TCP && !endpoint.address.length;
	if (endpoint.kind == ENDPOINT_SYSTEMD) {
		return task_fail_words(EINVAL, op, text, "not an address to open");
	}
	return host ? open_host(out, &endpoint, datagram)
		    : open_one(out, &endpoint, datagram);
}

/* The length of what stands before the '=' of "NAME=ADDRESS"; 0: no name. */
static size_t name_length(const char *text) {
	size_t length = strcspn(text, "=:/@[");
	return text[length] == '=' ? length : 0;
}

int preopen(struct inherit *inherit, const char *const *list) {
	for (; list && *list; list++) {
		char name[ENDPOINT_HOST] = "";
		size_t length = name_length(*list);
		struct listening opened;
		if (length >= sizeof name) {
			return task_fail_words(EINVAL, op, *list, "the name is too long");
		}
		memcpy(name, *list, length);
		if (preopen_at(&opened, *list + length + (length > 0)) < 0) {
			return -1;
		}
		struct inherited *item = inherit_add(inherit, name, opened.fd);
		if (!item) {
			socket_file_remove(&opened.file);
			close(opened.fd);
			return task_fail(ENOMEM, op, *list);
		}
		item->file = opened.file;
	}
	return 0;
}

void preopen_finish(struct inherit *inherit) {
	for (unsigned i = 0; i < inherit->count; i++) {
		socket_file_remove(&inherit->items[i].file);
	}
}
