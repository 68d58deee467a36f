/* SPDX-License-Identifier: MIT */
/*
 * The input is a script: datagrams that come from several senders, and what receives them, with
 * calls of another task under way that are cut short. Each comes once, whole, from who has sent it,
 * in order; one that there is no room for fails with its size, and its beginning is there. What was
 * read ahead counts as come.
 */
#include "run.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SENDERS = 3, QUEUE = 64, SCALE = 256, SIZE_MOST = 255 * SCALE, STEPS_MOST = 300 };
enum { WAITING_MOST = 70000 };

struct datagram {
	unsigned number; /* of all that were sent */
	size_t size;
	int sender;
};

static struct {
	struct fuzz_script script;
	arun_udp *udp;
	struct sockaddr_in at; /* its address */
	int senders[SENDERS];
	in_port_t ports[SENDERS];
	bool connected; /* to the first sender, whose datagrams alone come */
	struct datagram queue[QUEUE];
	unsigned sent, taken;
	size_t waiting; /* bytes that were sent, and not taken: of more some would be dropped */
	arun_task *other; /* receives, too */
	bool other_ended;
	size_t room; /* of its buffer */
	bool closed;
} world;

static unsigned char byte_at(unsigned number, size_t i) {
	return (unsigned char)((number * 7919u + (uint32_t)i * 2654435761u) >> 16);
}

/* Sending -------------------------------------------------------------------------- */

static void send_one(int sender, size_t size) {
	static unsigned char bytes[SIZE_MOST];
	for (size_t i = 0; i < size; i++) {
		bytes[i] = byte_at(world.sent, i);
	}
	if (world.sent - world.taken == QUEUE || world.waiting + size > WAITING_MOST ||
		world.closed) {
		return;
	}
	ssize_t n = sendto(world.senders[sender], bytes, size, MSG_DONTWAIT,
		(struct sockaddr *)&world.at, sizeof world.at);
	fuzz_check(n == (ssize_t)size || errno == EAGAIN || errno == ENOBUFS, "%s",
		strerror(errno));
	if (n >= 0 && (!world.connected || sender == 0)) {
		world.queue[world.sent % QUEUE] =
			(struct datagram){world.sent, size, sender};
		world.sent++;
		world.waiting += size;
	}
}

/* Receiving ------------------------------------------------------------------------ */

static void check_datagram(
	const unsigned char *bytes, size_t room, ssize_t n, const arun_address *from) {
	fuzz_check(world.taken < world.sent, "one more than were sent");
	struct datagram sent = world.queue[world.taken++ % QUEUE];
	size_t come = sent.size < room ? sent.size : room;
	world.waiting -= sent.size;
	fuzz_check(n < 0 ? sent.size > room : (size_t)n == sent.size,
		"%zd of %zu, room for %zu", n, sent.size, room);
	for (size_t i = 0; i < come; i++) {
		fuzz_check(bytes[i] == byte_at(sent.number, i), "byte %zu of %zu", i,
			sent.size);
	}
	if (from) {
		struct sockaddr_in in;
		fuzz_check(from->length == sizeof in, "%u", (unsigned)from->length);
		memcpy(&in, &from->storage, sizeof in);
		fuzz_check(in.sin_port == world.ports[sent.sender], "of another");
	}
}

/* Returns whether one has come, if only its beginning. */
static bool receive(size_t room, bool who) {
	unsigned char *bytes = malloc(room + !room);
	arun_address from;
	fuzz_check(bytes, "no memory");
	ssize_t n = arun_udp_recv(world.udp, bytes, room, who ? &from : NULL);
	int error = errno;
	bool come = n >= 0 || error == EMSGSIZE;
	if (come) {
		check_datagram(bytes, room, n, who ? &from : NULL);
	} else {
		fuzz_check(error == ECANCELED || error == ETIMEDOUT || error == EBUSY ||
				   error == EBADF || error == ECONNREFUSED,
			"%s", arun_why());
	}
	free(bytes);
	errno = error;
	return come;
}

static int receives(void *arg) {
	(void)arg;
	while (!world.closed && (receive(world.room, true) || errno == ECONNREFUSED ||
					(errno == EBUSY && arun_sleep(0) == 0))) {
	}
	fuzz_check(errno == ECANCELED || world.closed, "%s", arun_why());
	world.other_ended = true;
	return 0;
}

static void join_other(void) {
	if (world.other) {
		arun_cancel(world.other);
		fuzz_check(arun_join(world.other, NULL) == 0, "%s", arun_why());
		world.other = NULL;
	}
}

/* The next one, where there is one; otherwise it may come to nothing. */
static void receive_here(size_t room, bool who) {
	bool busy = world.other && !world.other_ended;
	bool there = world.taken < world.sent;
	ARUN_TIMEOUT(there && !busy ? 10 : 0);
	if (world.closed) {
		return;
	}
	bool come = receive(room, who);
	fuzz_check(come || busy || !there || errno == ECONNREFUSED, "%s: %u of %u",
		strerror(errno), world.taken, world.sent);
	fuzz_check(come || errno != EBUSY || busy, "nobody else receives");
}

/* An answer to nobody's question; of one that is gone, ECONNREFUSED is told later. */
static void answer(size_t size) {
	arun_address to = {.length = sizeof world.at};
	struct sockaddr_in in = world.at;
	static const char bytes[SIZE_MOST];
	in.sin_port = world.ports[size % SENDERS];
	memcpy(&to.storage, &in, sizeof in);
	if (!world.closed) {
		ssize_t n = arun_udp_send(
			world.udp, bytes, size, world.connected ? NULL : &to);
		fuzz_check(n == (ssize_t)size || errno == ECONNREFUSED, "%s", arun_why());
	}
}

static void close_it(void) {
	if (!world.closed) {
		world.closed = true;
		arun_udp_close(world.udp);
	}
}

/* The script ----------------------------------------------------------------------- */

static void step(void) {
	static const char ops[] = "abcABrRfFtjnkaq";
	char op = fuzz_letter(&world.script, ops);
	size_t number = strchr("tjkq", op) ? 0 : fuzz_number(&world.script);
	switch (op) {
	case 'a':
	case 'b':
	case 'c':
		send_one(op - 'a', number);
		return;
	case 'A':
	case 'B':
		send_one(op - 'A', number * SCALE);
		return;
	case 'r':
	case 'R':
		receive_here(op == 'r' ? number : number * SCALE, false);
		return;
	case 'f':
	case 'F':
		receive_here(op == 'f' ? number : number * SCALE, true);
		return;
	case 't':
		join_other();
		world.other_ended = false;
		world.room = world.room ? world.room / 2 : SIZE_MOST;
		world.other = world.closed ? NULL : arun_spawn(receives, NULL);
		return;
	case 'n':
		answer(number);
		return;
	case 'k':
		join_other();
		return;
	case 'q':
		close_it();
		return;
	default:
		fuzz_check(arun_sleep(1e-6) == 0, "%s", arun_why());
	}
}

/* Life ----------------------------------------------------------------------------- */

static void open_senders(void) {
	for (int i = 0; i < SENDERS; i++) {
		struct sockaddr_in in = {
			.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		socklen_t length = sizeof in;
		int fd = world.senders[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		fuzz_check(fd >= 0 && bind(fd, (struct sockaddr *)&in, length) == 0 &&
				   getsockname(fd, (struct sockaddr *)&in, &length) == 0,
			"%s", strerror(errno));
		world.ports[i] = in.sin_port;
		world.at = in;
	}
}

/* An odd first byte: connected. */
static void open_udp(void) {
	char endpoint[64] = "udp:127.0.0.1:0";
	world.connected = fuzz_byte(&world.script) & 1;
	if (world.connected) {
		snprintf(endpoint, sizeof endpoint, "udp:connect:127.0.0.1:%d",
			ntohs(world.ports[0]));
	}
	world.udp = arun_udp_open(endpoint);
	fuzz_check(world.udp, "%s", arun_why());
	const char *port = strrchr(arun_udp_local(world.udp), ':') + 1;
	world.at.sin_port = htons((in_port_t)strtoul(port, NULL, 10));
	world.room = SIZE_MOST;
}

static int body(int argc, char **argv) {
	unsigned long mark = arun_mark();
	(void)argc, (void)argv;
	open_senders();
	open_udp();
	for (int i = 0; i < STEPS_MOST && world.script.next < world.script.end; i++) {
		step();
	}
	join_other();
	while (world.taken < world.sent && !world.closed) {
		receive_here(SIZE_MOST, true);
	}
	receive_here(1, true); /* and no more */
	close_it();
	for (int i = 0; i < SENDERS; i++) {
		close(world.senders[i]);
	}
	fuzz_check(arun_leaks_since(mark, stderr) == 0, "leaks");
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	memset(&world, 0, sizeof world);
	world.script = (struct fuzz_script){data, data + size};
	fuzz_run(body);
	return 0;
}
