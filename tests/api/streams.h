/* SPDX-License-Identifier: MIT */
/* streams - connected pairs, for the tests of streams and servers. */
#ifndef STREAMS_H
#define STREAMS_H

#include "api.h"

#include <stdlib.h>

struct pair {
	arun_conn *a, *b;
};

static inline struct pair pair_of(int a, int b) {
	struct pair pair = {arun_open_fd(a), arun_open_fd(b)};
	ck_assert_ptr_nonnull(pair.a);
	ck_assert_ptr_nonnull(pair.b);
	return pair;
}

/* Two ends of a Unix socket. */
static inline struct pair unix_pair(void) {
	int fds[2];
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	return pair_of(fds[0], fds[1]);
}

/* The reading and the writing end of a pipe. */
static inline struct pair pipe_pair(void) {
	int fds[2];
	ck_assert_int_eq(pipe(fds), 0);
	return pair_of(fds[0], fds[1]);
}

/* A TCP connection: a connected, b was accepted. */
static inline struct pair tcp_pair(void) {
	struct pair pair;
	arun_server *server = arun_listen("127.0.0.1:0", NULL, NULL);
	ck_assert_ptr_nonnull(server);
	pair.a = arun_connect(arun_server_address(server));
	ck_assert_ptr_nonnull(pair.a);
	pair.b = arun_accept(server);
	ck_assert_ptr_nonnull(pair.b);
	ck_assert_int_eq(arun_server_close(server), 0);
	return pair;
}

/* So that neither end waits for the other's. */
static inline void close_pair(struct pair pair) {
	arun_shutdown(pair.b);
	arun_close(pair.a);
	arun_close(pair.b);
}

static inline void say(arun_conn *conn, const char *words) {
	ck_assert_int_eq((arun_write)(conn, words, strlen(words)), 0);
}

/* The next bytes are words. */
static inline void hear(arun_conn *conn, const char *words) {
	char text[256] = "";
	size_t size = strlen(words);
	ck_assert_int_eq((arun_read_exactly)(conn, text, size), (ssize_t)size);
	ck_assert_str_eq(text, words);
}

static inline void hear_end(arun_conn *conn) {
	char byte;
	ck_assert_int_eq((arun_read)(conn, &byte, 1), 0);
}

/* A task's body: reads up to 100 bytes; what arun_read() returned, -1 with its errno. */
static inline int read_some(void *conn) {
	char bytes[100];
	return (int)(arun_read)(conn, bytes, sizeof bytes);
}

/* The same: closes a server. */
static inline int close_server(void *server) {
	return arun_server_close(server);
}

/* A task that waits in fn(arg). */
static inline arun_task *waiting(int (*fn)(void *), void *arg) {
	arun_task *task = (arun_spawn)(fn, arg);
	ck_assert_ptr_nonnull(task);
	let_others_run(2);
	return task;
}

/* By echo(), in all. */
static size_t echoed;

/* A handler. */
static inline int echo(arun_conn *conn, void *arg) {
	char bytes[4096];
	ssize_t n;
	(void)arg;
	while ((n = arun_read(conn, bytes, sizeof bytes)) > 0) {
		if (arun_write(conn, bytes, (size_t)n) < 0) {
			return -1;
		}
		echoed += (size_t)n;
	}
	return (int)n;
}

static inline arun_server *listening(arun_handler *handler, void *arg) {
	arun_server *server = arun_listen("127.0.0.1:0", handler, arg);
	ck_assert_msg(server != NULL, "%s", arun_why());
	return server;
}

static inline arun_conn *client_of(const arun_server *server) {
	arun_conn *conn = arun_connect(arun_server_address(server));
	ck_assert_msg(conn != NULL, "%s", arun_why());
	return conn;
}

static inline void echo_once(arun_conn *conn) {
	say(conn, "hello");
	hear(conn, "hello");
}

#endif
