/* SPDX-License-Identifier: MIT */
#include "peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static void text_in(char *text, const struct sockaddr_in *in) {
	char host[INET_ADDRSTRLEN] = "";
	inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
	snprintf(text, PEER_TEXT, "%s:%u", host, ntohs(in->sin_port));
}

static void text_in6(char *text, const struct sockaddr_in6 *in6) {
	char host[INET6_ADDRSTRLEN] = "", scope[16] = "";
	inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
	if (in6->sin6_scope_id) {
		snprintf(scope, sizeof scope, "%%%u", in6->sin6_scope_id);
	}
	snprintf(text, PEER_TEXT, "[%s%s]:%u", host, scope, ntohs(in6->sin6_port));
}

/* An abstract name begins with a NUL, and is shown with an @. */
static void text_un(char *text, const struct sockaddr_un *un, size_t length) {
	const char *path = un->sun_path;
	size_t size = length - offsetof(struct sockaddr_un, sun_path);
	bool abstract = size > 1 && !*path;
	if (*path || abstract) {
		snprintf(text, PEER_TEXT, "unix:%s%.*s", abstract ? "@" : "",
			(int)size - abstract, path + abstract);
	}
}

void peer_text(char text[PEER_TEXT], const void *address, size_t length) {
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	} copy;
	memset(&copy, 0, sizeof copy);
	length = length < sizeof copy ? length : sizeof copy;
	memcpy(&copy, address, length);
	*text = '\0';
	if (copy.any.sa_family == AF_INET) {
		text_in(text, &copy.in);
	} else if (copy.any.sa_family == AF_INET6) {
		text_in6(text, &copy.in6);
	} else if (copy.any.sa_family == AF_UNIX &&
		   length > offsetof(struct sockaddr_un, sun_path)) {
		text_un(text, &copy.un, length);
	}
}
