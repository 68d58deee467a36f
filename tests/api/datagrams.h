/* SPDX-License-Identifier: MIT */
/* datagrams - pairs of sockets, and what goes between them. */
#ifndef DATAGRAMS_H
#define DATAGRAMS_H

#include "streams.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/un.h>

static inline arun_udp *opened(const char *endpoint) {
	arun_udp *udp = (arun_udp_open)(endpoint);
	ck_assert_msg(udp != NULL, "%s", arun_why());
	return udp;
}

/* "udp:connect:127.0.0.1:43211"; valid until the next call. */
static inline const char *to_connect(const char *scheme, const arun_udp *udp) {
	static char text[256];
	snprintf(text, sizeof text, "%s%s", scheme, arun_udp_local(udp));
	return text;
}

struct ends {
	arun_udp *server, *client; /* client is connected to server */
};

static inline struct ends ends_of(const char *endpoint) {
	struct ends ends = {.server = opened(endpoint)};
	ends.client = opened(to_connect("udp:connect:", ends.server));
	return ends;
}

static inline void close_ends(struct ends ends) {
	arun_udp_close(ends.client);
	arun_udp_close(ends.server);
}

static inline void send_to(arun_udp *udp, const char *words, const arun_address *to) {
	ssize_t size = (ssize_t)strlen(words);
	ssize_t n = (arun_udp_send)(udp, words, strlen(words), to);
	ck_assert_msg(n == size, "%zd: %s", n, arun_why());
}

static inline void receive(arun_udp *udp, const char *words, arun_address *from) {
	char text[256] = "";
	ssize_t n = (arun_udp_recv)(udp, text, sizeof text, from);
	ck_assert_msg(n >= 0, "%s", arun_why());
	ck_assert_str_eq(text, words);
	ck_assert_int_eq(n, (ssize_t)strlen(words));
}

/* A question, and its answer to whoever has asked. */
static inline void ask_and_answer(struct ends ends) {
	arun_address from;
	send_to(ends.client, "question", NULL);
	receive(ends.server, "question", &from);
	send_to(ends.server, "answer", &from);
	receive(ends.client, "answer", NULL);
	close_ends(ends);
}

static inline int receive_some(void *udp) {
	char bytes[100];
	return (int)arun_udp_recv(udp, bytes, sizeof bytes, NULL);
}

#endif
