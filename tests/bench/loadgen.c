/* SPDX-License-Identifier: MIT */
/*
 * loadgen - a load for echo servers on loopback: each connection sends a message, waits until all of it
 * is back, and sends the next.
 *
 *	loadgen PORT CONNECTIONS SECONDS SERVER_PID
 *
 * Prints: requests a second, nanoseconds of the server's processor time a request, the
 * 50th and the 99th percentile of the time to the answer in microseconds, the connections
 * that broke, and the requests with those of the warm-up.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 64, BATCH = 512, STEPS = 32, SLOTS = 64 * STEPS };

struct conn {
	int fd, sent, got;
	uint64_t start;
};

/* What was seen since the warm-up. */
static struct { uint64_t slots[SLOTS], requests, broken; } seen;

static const uint64_t WARM_UP = 200000000, SECOND = 1000000000;
static char message[SIZE], answer[SIZE];
static size_t open_conns;
static bool over; /* nothing more is asked */

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

/* Processor time of a process of one thread, in nanoseconds. */
static uint64_t cpu_ns(const char *pid) {
	char path[64], text[64] = "";
	snprintf(path, sizeof path, "/proc/%s/schedstat", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof text - 1) < 0) {
		perror(path);
	}
	close(fd);
	return strtoull(text, NULL, 10);
}

static void dial(int set, struct conn *conn, const char *port) {
	struct sockaddr_in address = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(port)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = conn};
	int one = 1;
	conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (conn->fd < 0 || epoll_ctl(set, EPOLL_CTL_ADD, conn->fd, &event) < 0 ||
		(connect(conn->fd, (struct sockaddr *)&address, sizeof address) < 0 &&
			errno != EINPROGRESS)) {
		perror("connect");
		exit(1);
	}
	setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	open_conns++;
}

static void hang_up(struct conn *conn) {
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
		ssize_t n = send(
			conn->fd, message, (size_t)(SIZE - conn->sent), MSG_NOSIGNAL);
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
	if (over) {
		hang_up(conn);
	} else {
		send_message(conn);
	}
}

static void on_event(struct conn *conn, uint32_t events) {
	if (conn->fd >= 0 && conn->sent < SIZE && (events & EPOLLOUT)) {
		conn->start = conn->start ? conn->start : now_ns();
		send_message(conn);
	}
	/* A message of which all has come back takes no further look: the next event will. */
	while (conn->fd >= 0 && (events & EPOLLIN) && conn->got < SIZE) {
		ssize_t n = recv(conn->fd, answer, (size_t)(SIZE - conn->got), 0);
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

static void turn(int set) {
	static struct epoll_event events[BATCH];
	int count = epoll_wait(set, events, BATCH, 100);
	for (int i = 0; i < count; i++) {
		on_event(events[i].data.ptr, events[i].events);
	}
}

static void turn_until(int set, uint64_t end) {
	while (now_ns() < end) {
		turn(set);
	}
}

int main(int argc, char **argv) {
	if (argc != 5) {
		fprintf(stderr, "usage: loadgen PORT CONNECTIONS SECONDS SERVER_PID\n");
		return 2;
	}
	size_t count = (size_t)atol(argv[2]);
	struct conn *conns = calloc(count, sizeof *conns);
	int set = epoll_create1(EPOLL_CLOEXEC);
	memset(message, 'x', sizeof message);
	for (size_t i = 0; i < count; i++) {
		dial(set, &conns[i], argv[1]);
		if (i % 64 == 63) {
			turn(set);
		}
	}
	turn_until(set, now_ns() + WARM_UP);
	uint64_t warm = seen.requests;
	memset(&seen, 0, sizeof seen);
	uint64_t start = now_ns(), cpu = cpu_ns(argv[4]);
	turn_until(set, start + (uint64_t)(atof(argv[3]) * (double)SECOND));
	cpu = cpu_ns(argv[4]) - cpu;
	double requests = seen.requests ? (double)seen.requests : 1;
	printf("%.0f %.0f %.1f %.1f %lu %lu\n",
		requests * 1e9 / (double)(now_ns() - start), (double)cpu / requests,
		percentile(0.5), percentile(0.99), (unsigned long)seen.broken,
		(unsigned long)(warm + seen.requests));
	fflush(stdout);
	over = true; /* a connection closed with an answer under way would be reset */
	for (uint64_t end = now_ns() + SECOND; open_conns && now_ns() < end;) {
		turn(set);
	}
	free(conns);
	return 0;
}
