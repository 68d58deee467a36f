/* SPDX-License-Identifier: MIT */
/* st - the same with state-threads: yield, spawn, batch; "echo" is a server that prints its port. */
#include "../measure.h"
#include "peer.h"

#include <st.h>

enum { BATCH = 1000, STACK = 64 * 1024 };

static volatile long sink;
static int over;

static void *child(void *arg) {
	sink = sink + (long)(arg != NULL);
	return NULL;
}

/* It has no yield: a condition wakes the other one. */
static st_cond_t ping, pong;

static void *yields(void *arg) {
	(void)arg;
	while (!over) {
		st_cond_wait(ping);
		st_cond_signal(pong);
	}
	return NULL;
}

static void yield_pair(long count) {
	over = 0;
	ping = st_cond_new();
	pong = st_cond_new();
	st_thread_t other = st_thread_create(yields, NULL, 1, STACK);
	st_usleep(0);
	while (count-- > 0) {
		over = count <= 0;
		st_cond_signal(ping);
		st_cond_wait(pong);
	}
	st_thread_join(other, NULL);
	st_cond_destroy(ping);
	st_cond_destroy(pong);
}

static void spawn_join(long count) {
	while (count--) {
		st_thread_join(st_thread_create(child, NULL, 1, STACK), NULL);
	}
}

static void spawn_batch(long count) {
	static st_thread_t threads[BATCH];
	for (; count > 0; count -= BATCH) {
		for (int i = 0; i < BATCH; i++) {
			threads[i] = st_thread_create(child, NULL, 1, STACK);
		}
		for (int i = 0; i < BATCH; i++) {
			st_thread_join(threads[i], NULL);
		}
	}
}

static void *serve(void *arg) {
	char buffer[4096];
	st_netfd_t conn = arg;
	ssize_t n;
	while ((n = st_read(conn, buffer, sizeof buffer, ST_UTIME_NO_TIMEOUT)) > 0 &&
		st_write(conn, buffer, (size_t)n, ST_UTIME_NO_TIMEOUT) == n) {
	}
	st_netfd_close(conn);
	return NULL;
}

static int echo(void) {
	st_netfd_t conn, listener = st_netfd_open_socket(peer_listen());
	while ((conn = st_accept(listener, NULL, NULL, ST_UTIME_NO_TIMEOUT))) {
		st_thread_create(serve, conn, 0, STACK);
	}
	return 1;
}

static const struct bench benches[] = {
	{"yield", yield_pair},
	{"spawn", spawn_join},
	{"batch", spawn_batch},
};

int main(int argc, char **argv) {
	/* epoll, which Debian's is built without: select, the default, would end at 1,024. */
	if (st_set_eventsys(ST_EVENTSYS_ALT) < 0) {
		st_set_eventsys(ST_EVENTSYS_POLL);
	}
	if (st_init() < 0) {
		perror("st_init");
		return 1;
	}
	if (argc > 1 && strcmp(argv[1], "echo") == 0) {
		return echo();
	}
	return measure(benches, sizeof benches / sizeof *benches, argc, argv);
}
