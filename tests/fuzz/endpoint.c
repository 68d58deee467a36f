/* SPDX-License-Identifier: MIT */
/*
 * Any string is an endpoint or none, with the errno of that; what is printed of one reads as the
 * same one. Any bytes of an address have a text that can be printed.
 */
#include "fuzz.h"

#include "../../runtime/endpoint.h"
#include "clean.h"

#include <errno.h>

enum { TEXT_SIZE = 1024 };

static int parse(struct endpoint *out, const char *text) {
	errno = 0;
	return endpoint_parse(out, text, "arun_connect");
}

/* The endpoint as it would be typed. */
static void print(char *out, const struct endpoint *endpoint) {
	struct text text;
	text_fixed(&text, out, TEXT_SIZE);
	if (endpoint->kind == ENDPOINT_FD) {
		text_add(&text, "fd:%d", endpoint->fd);
		return;
	}
	if (endpoint->kind == ENDPOINT_SYSTEMD) {
		text_add(&text, "systemd:%s", endpoint->host);
		return;
	}
	if (endpoint->kind == ENDPOINT_TCP) {
		text_add(&text, endpoint->tls ? "tls:" : "tcp:");
	}
	if (endpoint->address.length) {
		address_text(&text, &endpoint->address);
	} else {
		text_add(&text, "%s:%s", endpoint->host, endpoint->service);
	}
}

static void check_good(const struct endpoint *endpoint, bool clean) {
	struct endpoint again;
	char text[TEXT_SIZE];
	print(text, endpoint);
	fuzz_check(!clean || clean_text(text), "%s", text);
	if (!clean) {
		return; /* a path is printed with its control characters escaped */
	}
	fuzz_check(parse(&again, text) == 0, "%s: %s", text, strerror(errno));
	fuzz_check(again.kind == endpoint->kind && again.fd == endpoint->fd &&
			   again.tls == endpoint->tls,
		"%s", text);
	fuzz_check(again.address.length == endpoint->address.length &&
			   !memcmp(&again.address.un, &endpoint->address.un,
				   endpoint->address.length),
		"%s", text);
	bool names = !endpoint->address.length;
	fuzz_check(!names || (!strcmp(again.host, endpoint->host) &&
				     !strcmp(again.service, endpoint->service)),
		"%s", text);
}

static void check_address(const uint8_t *data, size_t size) {
	struct address address;
	struct text out;
	char text[TEXT_SIZE];
	struct sockaddr_storage space = {.ss_family = AF_UNSPEC};
	memcpy(&space, data, size < sizeof space ? size : sizeof space);
	address_set(&address, (const struct sockaddr *)&space, (socklen_t)size);
	text_fixed(&out, text, sizeof text);
	address_text(&out, &address);
	fuzz_check(out.length + 1 < sizeof text && clean_text(text), "%s", text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct endpoint endpoint;
	char *text = fuzz_string(data, size);
	if (parse(&endpoint, text) == 0) {
		check_good(&endpoint, clean_text(text));
	} else {
		fuzz_check(errno == EINVAL || errno == ENAMETOOLONG, "%s: %s", text,
			strerror(errno));
	}
	free(text);
	check_address(data, size);
	return 0;
}
