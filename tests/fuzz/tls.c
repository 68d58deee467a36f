/* SPDX-License-Identifier: MIT */
/*
 * Two ends of TLS talk through somebody who carries their bytes, and changes, adds, drops and
 * repeats some, as the input says. What an end reads is what the other one wrote, from its first byte
 * on; its clean end is the other's; and each call fails as arun.h says. Where nothing was changed
 * all of it comes.
 *
 * Byte i of what either writes is byte_at(i).
 */
#include "run.h"

#include "../../runtime/tls_bio.h"

#include <dlfcn.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SCALE = 64, PIPE_MOST = 1 << 20, STEPS_MOST = 300, HEAD = 5, PATIENCE = 20 };

/* An end, and what it has sent that was not carried to the other yet. */
struct end {
	const char *name;
	struct end *other;
	arun_tls *tls;
	arun_conn *conn;
	arun_task *reader, *writer;
	arun_event wake; /* the writer has something to do */
	size_t wished, promised, written, taken;
	bool shut_wished, shut, started, failed, over; /* over: read to the end */
	int carrier;                                   /* the socket's other side */
	uint8_t *pipe;
	size_t piped;
	bool drained; /* nothing more will come of it */
};

static struct {
	struct fuzz_script script;
	struct end ends[2]; /* the client, the server */
	bool changed, stopped;
} world;

static char byte_at(size_t i) {
	return (char)((uint32_t)i * 2654435761u >> 24);
}

/* The ends ------------------------------------------------------------------------- */

/* What a stream with TLS may fail with, where somebody meddles. */
static void check_failure(struct end *end, const char *what, int error) {
	static const int known[] = {
		EPROTO, ECONNRESET, ECONNABORTED, EKEYREJECTED, EPIPE, ECANCELED};
	bool found = false;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		found = found || error == known[i];
	}
	fuzz_check(found && (error != ECANCELED || world.stopped) && *arun_why(),
		"%s: %s: %s", end->name, what, strerror(error));
	fuzz_check(world.changed || world.stopped, "%s: %s: %s", end->name, what,
		arun_why());
	end->failed = true;
}

static void check_taken(struct end *end, const char *bytes, size_t count) {
	fuzz_check(end->taken + count <= end->other->promised, "%s: %zu of %zu",
		end->name, end->taken + count, end->other->promised);
	for (size_t i = 0; i < count; i++) {
		fuzz_check(bytes[i] == byte_at(end->taken + i), "%s: byte %zu", end->name,
			end->taken + i);
	}
	end->taken += count;
}

static int reads(void *arg) {
	struct end *end = arg;
	char bytes[4096];
	ssize_t n;
	if (arun_starttls(end->conn, end->tls, "localhost") < 0) {
		check_failure(end, "starttls", errno);
		return 0;
	}
	end->started = true;
	arun_event_set(&end->wake);
	while ((n = arun_read(end->conn, bytes, sizeof bytes)) > 0) {
		check_taken(end, bytes, (size_t)n);
	}
	if (n < 0) {
		check_failure(end, "read", errno);
		return 0;
	}
	fuzz_check(end->other->shut && end->taken == end->other->promised,
		"%s: an end after %zu of %zu", end->name, end->taken,
		end->other->promised);
	end->over = true;
	return 0;
}

/* Writes what is wished for. Returns whether it could. */
static bool write_wished(struct end *end) {
	size_t size = end->wished - end->promised;
	char *bytes = malloc(size);
	fuzz_check(bytes, "no memory");
	for (size_t i = 0; i < size; i++) {
		bytes[i] = byte_at(end->promised + i);
	}
	end->promised = end->wished;
	int result = arun_write(end->conn, bytes, size), error = errno;
	free(bytes);
	size_t written = arun_written(end->conn);
	fuzz_check(result < 0 ? written <= size : written == size, "%s: %zu of %zu",
		end->name, written, size);
	if (result < 0) {
		check_failure(end, "write", error);
	}
	return result == 0;
}

static int writes(void *arg) {
	struct end *end = arg;
	for (;;) {
		if (end->started && end->promised < end->wished) {
			if (!write_wished(end)) {
				return 0;
			}
		} else if (end->started && end->shut_wished) {
			end->shut = true;
			return arun_shutdown(end->conn) < 0 && !end->failed ? -1 : 0;
		} else if (arun_event_wait(&end->wake) < 0) {
			return 0;
		} else {
			arun_event_clear(&end->wake);
		}
	}
}

/* Asks for new keys, and has the other end answer (RFC 8446, 4.6.3). */
static void update_keys(const struct end *end) {
	static int (*update)(SSL *, int);
	if (!update) {
		void *found = dlsym(
			dlopen("libssl.so.3", RTLD_LAZY | RTLD_NOLOAD), "SSL_key_update");
		memcpy(&update, &found, sizeof update);
	}
	SSL *ssl = end->started && !end->shut ? tls_session_of(end->conn)->ssl : NULL;
	if (update && ssl && update(ssl, 1)) {
		tls_openssl_of(tls_session_of(end->conn))->SSL_do_handshake(ssl);
	}
}

/* The carrier ---------------------------------------------------------------------- */

/* Takes what an end has sent. */
static void collect(struct end *end) {
	ssize_t n = 1;
	while (!end->drained && n > 0 && end->piped < PIPE_MOST) {
		n = recv(end->carrier, end->pipe + end->piped, PIPE_MOST - end->piped,
			MSG_DONTWAIT);
		end->piped += n > 0 ? (size_t)n : 0;
		end->drained = n == 0;
	}
}

/* Hands up to size bytes on. */
static void carry(struct end *end, size_t size) {
	collect(end);
	size = size < end->piped ? size : end->piped;
	ssize_t n =
		send(end->other->carrier, end->pipe, size, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n > 0) {
		end->piped -= (size_t)n;
		memmove(end->pipe, end->pipe + n, end->piped);
	}
	if (end->drained && !end->piped) {
		shutdown(end->other->carrier, SHUT_WR);
	}
}

/* Has the loop look at the sockets, too. */
static void let_run(void) {
	for (int i = 0; i < 2; i++) {
		fuzz_check(arun_sleep(1e-6) == 0, "%s", arun_why());
	}
}

static void flip(struct end *end, size_t place) {
	collect(end);
	if (end->piped) {
		end->pipe[place % end->piped] ^= (uint8_t)(1 + fuzz_byte(&world.script));
		world.changed = true;
	}
}

/* Puts bytes of the input where the next ones are; of_record: behind the head of a record. */
static void insert(struct end *end, size_t count, bool of_record) {
	size_t head = of_record ? HEAD : 0;
	collect(end);
	if (!count || end->piped + count + head > PIPE_MOST) {
		return;
	}
	memmove(end->pipe + count + head, end->pipe, end->piped);
	end->piped += count + head;
	if (of_record) {
		const uint8_t record[HEAD] = {
			(uint8_t)(20 + count % 5), 3, 3, 0, (uint8_t)count};
		memcpy(end->pipe, record, HEAD);
	}
	for (size_t i = 0; i < count; i++) {
		end->pipe[head + i] = (uint8_t)fuzz_byte(&world.script);
	}
	world.changed = true;
}

static void drop(struct end *end, size_t count) {
	collect(end);
	count = count < end->piped ? count : end->piped;
	end->piped -= count;
	memmove(end->pipe, end->pipe + count, end->piped);
	world.changed = world.changed || count;
}

static void repeat(struct end *end, size_t count) {
	collect(end);
	count = count < end->piped ? count : end->piped;
	if (count && end->piped + count <= PIPE_MOST) {
		memmove(end->pipe + count, end->pipe, end->piped);
		end->piped += count;
		world.changed = true;
	}
}

/* Cuts what an end sends off, for the other. */
static void cut(struct end *end) {
	shutdown(end->other->carrier, SHUT_WR);
	world.changed = true;
}

/* The script ----------------------------------------------------------------------- */

/* A small letter is of the client, or of what it sends, a capital one of the server. */
static void step(void) {
	static const char ops[] = "caxirdtwuqjeCAXIRDTWUQE";
	char op = fuzz_letter(&world.script, ops);
	struct end *end = &world.ends[op < 'a'];
	op = op < 'a' ? (char)(op - 'A' + 'a') : op;
	size_t number = strchr("auqje", op) ? 0 : fuzz_number(&world.script);
	switch (op) {
	case 'c':
	case 'a':
		carry(end, op == 'a' ? PIPE_MOST : number);
		let_run();
		return;
	case 'x':
		flip(end, number);
		return;
	case 'i':
	case 't':
		insert(end, number, op == 't');
		return;
	case 'r':
		repeat(end, number * SCALE);
		return;
	case 'd':
		drop(end, number);
		return;
	case 'w':
		end->wished += number * SCALE;
		end->wished -= end->shut_wished ? number * SCALE : 0;
		arun_event_set(&end->wake);
		return;
	case 'u':
		update_keys(end);
		return;
	case 'q':
		end->shut_wished = true;
		arun_event_set(&end->wake);
		return;
	case 'e':
		cut(end);
		return;
	default:
		let_run();
	}
}

/* Life ----------------------------------------------------------------------------- */

static void open_ends(void) {
	for (int i = 0; i < 2; i++) {
		struct end *end = &world.ends[i];
		int fds[2];
		fuzz_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0,
			"no socket");
		end->name = i ? "server" : "client";
		end->other = &world.ends[!i];
		end->carrier = fds[1];
		end->conn = arun_open_fd(fds[0]);
		end->tls = i ? arun_tls_server(FUZZ_CERTIFICATE, NULL)
			     : arun_tls_client(FUZZ_CERTIFICATE);
		end->pipe = malloc(PIPE_MOST);
		fuzz_check(end->conn && end->tls && end->pipe, "%s", arun_why());
		end->reader = arun_spawn(reads, end);
		end->writer = arun_spawn(writes, end);
		fuzz_check(end->reader && end->writer, "%s", arun_why());
	}
}

static bool has_come(const struct end *end) {
	return end->failed || (end->over && end->shut);
}

/* Where nobody has meddled, both come to their ends: by themselves. */
static void finish(void) {
	double limit = arun_now() + PATIENCE;
	for (int i = 0; i < 2; i++) {
		world.ends[i].shut_wished = true;
		arun_event_set(&world.ends[i].wake);
	}
	while (!world.changed &&
		!(has_come(&world.ends[0]) && has_come(&world.ends[1]))) {
		carry(&world.ends[0], PIPE_MOST);
		carry(&world.ends[1], PIPE_MOST);
		let_run();
		fuzz_check(arun_now() < limit, "%d%d%d %d%d%d", world.ends[0].started,
			world.ends[0].shut, world.ends[0].over, world.ends[1].started,
			world.ends[1].shut, world.ends[1].over);
	}
	world.stopped = true;
}

static void close_end(struct end *end) {
	close(end->carrier);
	arun_cancel(end->writer);
	fuzz_check(arun_join(end->writer, NULL) == 0, "%s", arun_why());
	arun_cancel(end->reader);
	fuzz_check(arun_join(end->reader, NULL) == 0, "%s", arun_why());
	end->shut = true;
	arun_close(end->conn);
	arun_tls_free(end->tls);
	free(end->pipe);
}

static int body(int argc, char **argv) {
	unsigned long mark = arun_mark();
	(void)argc, (void)argv;
	open_ends();
	for (int i = 0; i < STEPS_MOST && world.script.next < world.script.end; i++) {
		step();
	}
	finish();
	close_end(&world.ends[0]);
	close_end(&world.ends[1]);
	fuzz_check(arun_leaks_since(mark, stderr) == 0, "leaks");
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	memset(&world, 0, sizeof world);
	world.script = (struct fuzz_script){data, data + size};
	fuzz_run(body);
	return 0;
}
