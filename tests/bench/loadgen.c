/* SPDX-License-Identifier: MIT */
/*
 * loadgen - a load for echo servers on loopback: each connection sends a message, waits until all of it
 * is back, and sends the next; or (SERVER_PID is followed by "close") closes, another takes its place.
 *
 *	loadgen PORT CONNECTIONS SECONDS SERVER_PID [close]
 *
 * Prints: requests a second, nanoseconds of the server's processor time a request, the
 * 50th and the 99th percentile of the time to the answer in microseconds, the connections
 * that broke, and the requests with those of the warm-up.
 */
#include "dial.h"
#include "transport.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

enum { SIZE = 64, BATCH = 512, STEPS = 32, SLOTS = 64 * STEPS };

struct conn {
	int fd, sent, got;
	uint64_t start;
	transport transport;
};

/* What was seen since the warm-up. */
static struct {
	uint64_t requests, broken;
	uint64_t slots[SLOTS];
} seen;

static const uint64_t WARM_UP = 200000000, SECOND = 1000000000;
static char message[SIZE], answer[SIZE];
static const char *port;
static int set;
static unsigned dialled;
static size_t open_conns;
static bool closes; /* after each answer */
static bool over;   /* nothing more is asked */

static uint64_t now_ns(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

/* A histogram with 32 steps to each power of two. */
static unsigned slot_of(uint64_t value) {
	if (value < 2 * STEPS) {
		return (unsigned)value;
	}
	unsigned shift = 58 - (unsigned)__builtin_clzll(value);
	return shift * STEPS + (unsigned)(value >> shift);
}

static double slot_us(unsigned slot) {
	uint64_t value = slot;
	if (slot >= 2 * STEPS) {
		value = (uint64_t)(slot % STEPS + STEPS) << (slot / STEPS - 1);
	}
	return (double)value / 1000;
}

static double percentile(double part) {
	uint64_t rank = (uint64_t)((double)seen.requests * part), sum = 0;
	for (unsigned i = 0; i < SLOTS; i++) {
		sum += seen.slots[i];
		if (sum > rank) {
			return slot_us(i);
		}
	}
	return 0;
}

static uint64_t thread_cpu_ns(const char *pid, const char *thread) {
	char path[96], text[64] = "";
	snprintf(path, sizeof path, "/proc/%.20s/task/%.20s/schedstat", pid, thread);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof text - 1) < 0) {
		perror(path);
	}
	close(fd);
	return strtoull(text, NULL, 10);
}

/* Processor time of a process, in nanoseconds. */
static uint64_t cpu_ns(const char *pid) {
	char path[64];
	uint64_t sum = 0;
	struct dirent *entry;
	snprintf(path, sizeof path, "/proc/%.20s/task", pid);
	DIR *threads = opendir(path);
	while (threads && (entry = readdir(threads))) {
		sum += entry->d_name[0] == '.' ? 0 : thread_cpu_ns(pid, entry->d_name);
	}
	if (threads) {
		closedir(threads);
	}
	return sum;
}

static void begin(struct conn *conn) {
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = conn};
	*conn = (struct conn){.fd = dial(port, dialled++, SOCK_NONBLOCK)};
	if (conn->fd < 0 || epoll_ctl(set, EPOLL_CTL_ADD, conn->fd, &event) < 0) {
		perror("connect");
		exit(1);
	}
	conn->transport = transport_open(conn->fd);
	conn->start = closes ? now_ns() : 0;
	open_conns++;
}

static void hang_up(struct conn *conn) {
	transport_close(conn->transport);
	close(conn->fd);
	conn->fd = -1;
	open_conns--;
}

static void lost(struct conn *conn) {
	seen.broken++;
	hang_up(conn);
}

static void send_message(struct conn *conn) {
	while (conn->sent < SIZE) {
		ssize_t n = transport_send(
			conn->transport, conn->fd, message, (size_t)(SIZE - conn->sent));
		if (n < 0 && errno != EAGAIN) {
			lost(conn);
		}
		if (n < 0) {
			return;
		}
		conn->sent += (int)n;
	}
}

/* An answer is there: counts it, and asks again. */
static void answered(struct conn *conn) {
	uint64_t now = now_ns();
	seen.slots[slot_of(now - conn->start)]++;
	seen.requests++;
	conn->sent = conn->got = 0;
	conn->start = now;
	if (over || closes) {
		hang_up(conn);
	}
	if (!over && closes) {
		begin(conn);
	} else if (!over) {
		send_message(conn);
	}
}

static void on_event(struct conn *conn, uint32_t events) {
	/* TLS may have to read before it can write. */
	if (conn->fd >= 0 && conn->sent < SIZE) {
		conn->start = conn->start ? conn->start : now_ns();
		send_message(conn);
	}
	/* A message of which all has come back takes no further look: the next event will. */
	while (conn->fd >= 0 && (events & EPOLLIN) && conn->got < SIZE) {
		ssize_t n = transport_recv(
			conn->transport, conn->fd, answer, (size_t)(SIZE - conn->got));
		if (n == 0 || (n < 0 && errno != EAGAIN)) {
			lost(conn);
		}
		if (n <= 0) {
			return;
		}
		conn->got += (int)n;
		if (conn->got == SIZE) {
			answered(conn);
			return;
		}
	}
}

static void turn(void) {
	static struct epoll_event events[BATCH];
	int count = epoll_wait(set, events, BATCH, 100);
	for (int i = 0; i < count; i++) {
		on_event(events[i].data.ptr, events[i].events);
	}
}

static void turn_until(uint64_t end) {
	while (now_ns() < end) {
		turn();
	}
}

static void begin_all(struct conn *conns, size_t count) {
	set = epoll_create1(EPOLL_CLOEXEC);
	for (size_t i = 0; i < count; i++) {
		begin(&conns[i]);
		if (i % 64 == 63) {
			turn();
		}
	}
}

/* A connection closed with an answer under way would be reset. */
static void end_all(void) {
	over = true;
	for (uint64_t end = now_ns() + SECOND; open_conns && now_ns() < end;) {
		turn();
	}
}

int main(int argc, char **argv) {
	if (argc < 5) {
		fprintf(stderr,
			"usage: loadgen PORT CONNECTIONS SECONDS SERVER_PID [close]\n");
		return 2;
	}
	size_t count = (size_t)atol(argv[2]);
	struct conn *conns = calloc(count, sizeof *conns);
	port = argv[1];
	closes = argc > 5;
	memset(message, 'x', sizeof message);
	begin_all(conns, count);
	turn_until(now_ns() + WARM_UP);
	uint64_t warm = seen.requests;
	memset(&seen, 0, sizeof seen);
	uint64_t start = now_ns(), cpu = cpu_ns(argv[4]);
	turn_until(start + (uint64_t)(atof(argv[3]) * (double)SECOND));
	cpu = cpu_ns(argv[4]) - cpu;
	double requests = seen.requests ? (double)seen.requests : 1;
	printf("%.0f %.0f %.1f %.1f %lu %lu\n",
		requests * 1e9 / (double)(now_ns() - start), (double)cpu / requests,
		percentile(0.5), percentile(0.99), (unsigned long)seen.broken,
		(unsigned long)(warm + seen.requests));
	fflush(stdout);
	end_all();
	free(conns);
	return 0;
}
