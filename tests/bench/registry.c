/* SPDX-License-Identifier: MIT */
/*
 * registry - objects entered in the registry and taken out, against functions that are empty, and
 * connections made and closed.
 *
 *	valgrind --tool=callgrind --callgrind-out-file=/dev/null registry listed|empty|connect COUNT
 *
 * The instructions of two counts, less those of "empty", are what the registry costs an object;
 * "connect" prints how many objects COUNT connections are.
 */
#include "sched.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPEN = 64 }; /* at a time, as in a program */

static const struct arun_site site = {__FILE__, "main", 1};
static const struct kind kind = {.index = KIND_TASK};
static struct registry registry;
static struct object objects[OPEN];

static __attribute__((noinline)) void listed_add(struct object *object) {
	registry_add(&registry, object, &kind, &site);
}

static __attribute__((noinline)) void listed_remove(struct object *object) {
	registry_remove(object);
}

/* The compiler may not drop calls of these. */
static __attribute__((noinline)) void empty(struct object *object) {
	__asm__ volatile("" : : "r"(object) : "memory");
}

static void cycle(long count, void (*add)(struct object *object),
	void (*take)(struct object *object)) {
	for (long i = 0; i < count; i++) {
		struct object *object = &objects[i % OPEN];
		if (i >= OPEN) {
			take(object);
		}
		add(object);
	}
}

static int serve(arun_conn *conn, void *arg) {
	char byte;
	(void)arg;
	return arun_read(conn, &byte, 1) < 0 ? -1 : 0;
}

/* Both ends of each: what is made for it is a connection, accepted, and its handler's task. */
static int connect_all(int argc, char **argv) {
	long count = strtol(argv[argc - 1], NULL, 10);
	arun_server *server = arun_listen("tcp:127.0.0.1:0", serve, NULL);
	uint64_t first = sched_current->registry.last_id;
	for (long i = 0; server && i < count; i++) {
		arun_conn *conn = arun_connect(arun_server_address(server));
		if (!conn || arun_close(conn) < 0) {
			return -1;
		}
	}
	printf("%lu\n", (unsigned long)(sched_current->registry.last_id - first));
	return server ? arun_server_close(server) : -1;
}

int main(int argc, char **argv) {
	if (argc != 3) {
		fputs("usage: registry listed|empty|connect COUNT\n", stderr);
		return 2;
	}
	if (strcmp(argv[1], "connect") == 0) {
		return arun_run(connect_all, argc, argv, NULL);
	}
	long count = strtol(argv[2], NULL, 10);
	registry_init(&registry);
	if (strcmp(argv[1], "listed") == 0) {
		cycle(count, listed_add, listed_remove);
	} else {
		cycle(count, empty, empty);
	}
	return 0;
}
