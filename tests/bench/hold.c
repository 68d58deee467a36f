/* SPDX-License-Identifier: MIT */
/*
 * hold - connections to an echo server whose number is exact.
 *
 *	hold PORT CONNECTIONS ROUNDS
 *
 * Opens all of them; in each round sends a message on every one, then reads every answer. Prints
 * "ready", and closes them when its standard input ends. The messages of a round are there before
 * the server, where it shares the processor and does not preempt (SCHED_BATCH), looks for the first.
 */
#include "dial.h"

#include <stdio.h>

enum { SIZE = 64 };

static int fail(const char *what) {
	perror(what);
	return 1;
}

static int open_all(int *fds, unsigned count, const char *port) {
	for (unsigned i = 0; i < count; i++) {
		fds[i] = dial(port, i, 0);
		if (fds[i] < 0) {
			return -1;
		}
	}
	return 0;
}

static int round_trip(const int *fds, unsigned count) {
	static char message[SIZE], answer[SIZE];
	for (unsigned i = 0; i < count; i++) {
		if (send(fds[i], message, SIZE, MSG_NOSIGNAL) != SIZE) {
			return -1;
		}
	}
	for (unsigned i = 0; i < count; i++) {
		if (recv(fds[i], answer, SIZE, MSG_WAITALL) != SIZE) {
			return -1;
		}
	}
	return 0;
}

int main(int argc, char **argv) {
	if (argc != 4) {
		fprintf(stderr, "usage: hold PORT CONNECTIONS ROUNDS\n");
		return 2;
	}
	unsigned count = (unsigned)atoi(argv[2]);
	int *fds = calloc(count, sizeof *fds);
	if (!fds || open_all(fds, count, argv[1]) < 0) {
		return fail("connect");
	}
	for (long rounds = atol(argv[3]); rounds > 0; rounds--) {
		if (round_trip(fds, count) < 0) {
			return fail("echo");
		}
	}
	puts("ready");
	fflush(stdout);
	while (getchar() != EOF) {
	}
	for (unsigned i = 0; i < count; i++) {
		close(fds[i]);
	}
	free(fds);
	return 0;
}
