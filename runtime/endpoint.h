/* SPDX-License-Identifier: MIT */
/*
 * endpoint - strings such as "tcp:127.0.0.1:80" and "unix:/path", and the addresses they
 * mean.
 *
 * A string may come from anywhere and be of any length. What is not an endpoint is said
 * in arun_why(), with the string and what is wrong with it.
 */
#ifndef ENDPOINT_H
#define ENDPOINT_H

#include "task.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

/* ADDRESS_TEXT: the longest text of an address, every byte of a path escaped. */
enum { ENDPOINT_HOST = 256, ENDPOINT_SERVICE = 32, ADDRESS_TEXT = 448 };

struct address {
	socklen_t length; /* 0: none */
	union {
		/* A path may fill sun_path, without a NUL: there is always one behind it. */
		char room[sizeof(struct sockaddr_un) + 1];
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	};
};

enum endpoint_kind { ENDPOINT_TCP, ENDPOINT_UNIX, ENDPOINT_FD, ENDPOINT_SYSTEMD };

struct endpoint {
	const char *text; /* the caller's, as it was given */
	enum endpoint_kind kind;
	struct address
		address; /* of a Unix socket, and of TCP where it needs no looking up */
	bool tls;        /* "tls:": TCP with TLS on it */
	int fd;
	char host[ENDPOINT_HOST],
		service[ENDPOINT_SERVICE]; /* where address.length is 0; host: "systemd:"'s name too */
};

/*
 * Reads text, for op ("arun_connect"). Returns 0; -1 with EINVAL, ENAMETOOLONG,
 * ENOENT, and recorded for arun_why().
 */
int endpoint_parse(struct endpoint *out, const char *text, const char *op);

/* The same for rest, the "HOST:PORT" that text ends with, of a socket for datagrams. */
int endpoint_parse_udp(
	struct endpoint *out, const char *text, const char *rest, const char *op);

/*
 * The addresses of a TCP endpoint, to be tried in this order: *list, to be freed with
 * freeaddrinfo(); NULL where endpoint->address is it. Suspends where there is something
 * to look up. Returns 0; -1 with errno, and recorded for arun_why().
 */
int endpoint_resolve(
	struct arun_task *self, const struct endpoint *endpoint, struct addrinfo **list);

/* Copies an address of the system. What is of another family has no text. */
void address_set(struct address *out, const struct sockaddr *from, socklen_t length);

/*
 * Around a system call that stores an address: gives it room, and its length; then cuts the length
 * that the call tells, which may be that of a longer address, to what is there.
 */
void address_receive(struct address *out);
void address_received(struct address *address);

/* Of fd's own side, and of the other one; of length 0 where there is none. */
void address_local(struct address *out, int fd);
void address_peer(struct address *out, int fd);

/* Whether it is of a Unix socket that has a file. */
bool address_has_file(const struct address *address);

/* The path of that file. */
const char *address_path(const struct address *address);

/*
 * Removes the file of a Unix socket of that type which its owner left: nobody has it open, and
 * one whose queue is full lives. Returns whether it did.
 */
bool address_remove_dead(const struct address *address, int type);

/* Appends "127.0.0.1:80", "[::1]:80", "unix:/path"; nothing where there is none. For
 * handlers, too. */
void address_text(struct text *out, const struct address *address);

/* Adds it to a JSON object, as a member with another to follow. */
void address_member(struct text *out, const char *key, const struct address *address);

#endif
