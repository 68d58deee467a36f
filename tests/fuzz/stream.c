/* SPDX-License-Identifier: MIT */
/*
 * The input is a script: what each end of a socket does, with calls of other tasks under way, that
 * are cut short by timeouts and cancels. No byte is lost, doubled or out of order, and each call
 * ends as arun.h says.
 *
 * In both directions byte i of the stream is byte_at(i), so that all there is to know is how many
 * have been sent, and how many have come.
 */
#include "bytes.h"
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SCALE = 64, CALL_MOST = 256 * SCALE, FILE_SIZE = 16 * 1024, STEPS_MOST = 400 };
enum { SMALL = 1024, SEND_BUFFER = 8192 };

/* Calls: read, read_exactly, read_until; the others are write (w), writev (v), sendfile (f). */
static const char reads[] = "rxu";

struct call {
	char op;
	size_t size;
	bool timed, other; /* other: made by a task of its own */
	bool cancelled, ended;
	double timeout;
	arun_task *task;
};

static struct {
	struct fuzz_script script;
	arun_conn *conn;
	int peer, file;
	size_t sent, taken;    /* by the peer; by reads */
	size_t promised, seen; /* by writes, those under way too; by the peer */
	bool peer_ended, peer_closed, shut;
	struct call reading, writing; /* of other tasks */
} world;

static bool is_read(char op) {
	return strchr(reads, op);
}

static struct call *slot_of(char op) {
	return is_read(op) ? &world.reading : &world.writing;
}

/* Reads */

static size_t left(void) {
	return world.sent - world.taken;
}

static bool at_end(void) {
	return world.peer_ended && !left();
}

/* How many bytes there are up to the next end of a line, in the next size bytes; 0: none. */
static size_t line_length(size_t size) {
	for (size_t i = 0; i < size && i < left(); i++) {
		if (byte_at(world.taken + i) == '\n') {
			return i + 1;
		}
	}
	return 0;
}

/* Whether the read can end without anything that is still to come. */
static bool read_can_end(const struct call *call) {
	size_t wanted = call->op == 'r' ? 1 : call->size;
	return world.peer_ended || left() >= wanted ||
	       (call->op == 'u' && line_length(call->size));
}

static void check_taken(const struct call *call, const char *bytes, size_t count) {
	bool enough = call->op == 'r'   ? count <= call->size
		      : call->op == 'x' ? count == call->size
					: count == line_length(call->size);
	fuzz_check(enough && count <= left(), "%c took %zu of %zu, %zu are there",
		call->op, count, call->size, left());
	bytes_check(bytes, world.taken, count);
	world.taken += count;
}

/* Whether a failed read may fail so; all that fail have taken nothing, which the next one shows. */
static bool read_may_fail(const struct call *call, int error) {
	switch (error) {
	case ENODATA:
		return call->op != 'r' && world.peer_ended && left() > 0 &&
		       left() < call->size &&
		       !line_length(call->op == 'u' ? SIZE_MAX : 0);
	case ENOBUFS:
		return call->op == 'u' && left() >= call->size &&
		       !line_length(call->size);
	default:
		return error == ECONNRESET && world.peer_closed;
	}
}

static ssize_t do_read(const struct call *call, char *bytes) {
	ssize_t n = call->op == 'r' ? arun_read(world.conn, bytes, call->size)
		    : call->op == 'x'
			    ? arun_read_exactly(world.conn, bytes, call->size)
			    : arun_read_until(world.conn, '\n', bytes, call->size);
	if (n > 0) {
		check_taken(call, bytes, (size_t)n);
	} else if (n == 0) {
		fuzz_check(!call->size || at_end(), "%c: an end, and %zu left", call->op,
			left());
	}
	return n;
}

/* Writes */

static bool write_may_fail(const struct call *call, size_t from, int error) {
	switch (error) {
	case ENODATA:
		return call->op == 'f' && from + call->size > FILE_SIZE;
	case EPIPE:
		return world.shut || world.peer_closed;
	default:
		return error == ECONNRESET && world.peer_closed;
	}
}

/* What is not the peer's when it fails is taken back. */
static ssize_t do_write(const struct call *call, char *bytes, bool busy) {
	size_t from = world.promised;
	bytes_fill(bytes, from, call->size);
	world.promised += busy ? 0 : call->size;
	int result = call->op == 'w'   ? arun_write(world.conn, bytes, call->size)
		     : call->op == 'v' ? bytes_writev(world.conn, bytes, call->size)
				       : arun_sendfile(world.conn, world.file,
						 (off_t)from, call->size);
	int error = errno;
	if (busy) {
		return result;
	}
	size_t written = arun_written(world.conn);
	fuzz_check(result == 0 ? written == call->size : written <= call->size,
		"%c wrote %zu of %zu", call->op, written, call->size);
	world.promised = from + written;
	fuzz_check(
		world.seen <= world.promised, "%zu of %zu", world.seen, world.promised);
	fuzz_check(result == 0 || error == ETIMEDOUT || error == ECANCELED ||
			   write_may_fail(call, from, error),
		"%c: %s", call->op, strerror(error));
	errno = error;
	return result;
}

/* Calls */

/* Makes the call; busy: another task is in one of the same direction. */
static void make_call(const struct call *call, bool busy) {
	char *bytes = malloc(call->size + 1);
	fuzz_check(bytes, "no memory");
	ssize_t n =
		is_read(call->op) ? do_read(call, bytes) : do_write(call, bytes, busy);
	int error = errno;
	bool cut = (call->timed && error == ETIMEDOUT) ||
		   (call->other && error == ECANCELED);
	if (n < 0 && !cut) {
		fuzz_check(busy ? error == EBUSY
				: !is_read(call->op) || read_may_fail(call, error),
			"%c of %zu: %s, %zu left", call->op, call->size, strerror(error),
			left());
	}
	fuzz_check(n < 0 || !busy || !call->size, "two at once");
	free(bytes);
}

static void make_call_in_time(const struct call *call, bool busy) {
	ARUN_TIMEOUT(call->timeout);
	make_call(call, busy);
}

static int other_task(void *arg) {
	struct call *call = arg;
	if (call->timed) {
		make_call_in_time(call, false);
	} else {
		make_call(call, false);
	}
	call->ended = true;
	return 0;
}

static void join_other(struct call *call) {
	if (call->task) {
		fuzz_check(arun_join(call->task, NULL) == 0, "%s", arun_why());
		*call = (struct call){.op = 0};
	}
}

static void cancel_others(void) {
	world.reading.cancelled = world.writing.cancelled = true;
	arun_cancel(world.reading.task);
	arun_cancel(world.writing.task);
}

/* A call that ends before its time lets the others run first: it may be in the way, or not. */
static bool is_leaving(const struct call *slot) {
	return slot->task && (slot->timed || slot->cancelled);
}

/* The writes that fit into the socket, and the reads of what is there, need no timeout. */
static void start_call(struct call *call) {
	struct call *slot = slot_of(call->op);
	if (slot->ended) {
		join_other(slot);
	}
	if (is_leaving(slot)) {
		return;
	}
	bool busy = slot->task, empty = world.promised == world.seen;
	bool ends = is_read(call->op) ? read_can_end(call) && call->size
				      : empty && call->size <= SMALL;
	if (call->other && !busy) {
		*slot = *call;
		slot->task = arun_spawn(other_task, slot);
		fuzz_check(slot->task && arun_sleep(0) == 0, "%s", arun_why());
		return;
	}
	call->other = false;
	if (call->timed || (!ends && !busy)) {
		call->timed = true;
		make_call_in_time(call, busy);
	} else {
		make_call(call, busy);
	}
}

/* The peer */

static void peer_send(size_t size) {
	char bytes[CALL_MOST];
	bytes_fill(bytes, world.sent, size);
	if (!world.peer_closed && !world.peer_ended) {
		ssize_t n = send(world.peer, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
		world.sent += n > 0 ? (size_t)n : 0;
	}
}

static void peer_receive(size_t size) {
	char bytes[CALL_MOST];
	ssize_t n = world.peer_closed ? -1 : recv(world.peer, bytes, size, MSG_DONTWAIT);
	fuzz_check(n <= (ssize_t)(world.promised - world.seen), "%zd came", n);
	size_t came = n > 0 ? (size_t)n : 0;
	bytes_check(bytes, world.seen, came);
	world.seen += came;
	fuzz_check(n != 0 || !size || world.shut, "an end");
}

static void peer_end(bool close_it) {
	if (close_it && !world.peer_closed) {
		close(world.peer);
		world.peer_closed = true;
	} else if (!world.peer_closed) {
		shutdown(world.peer, SHUT_WR);
	}
	world.peer_ended = true;
}

/* The script */

static void step(struct call *call) {
	static const char ops[] = "rxuwvfpPdDtbcjeqk";
	char op = fuzz_letter(&world.script, ops);
	size_t number = strchr("tbcjeqk", op) ? 0 : fuzz_number(&world.script);
	switch (op) {
	case 'p':
	case 'P':
		peer_send(op == 'p' ? number : number * SCALE);
		return;
	case 'd':
	case 'D':
		peer_receive(op == 'd' ? number : number * SCALE);
		return;
	case 't':
		call->timed = true;
		call->timeout = call->timeout > 0 ? 0 : 2e-4;
		return;
	case 'b':
		call->other = true;
		return;
	case 'c':
		cancel_others();
		return;
	case 'j':
		fuzz_check(arun_sleep(0) == 0, "%s", arun_why());
		return;
	case 'e':
	case 'k':
		peer_end(op == 'k');
		return;
	case 'q':
		world.shut |= arun_shutdown(world.conn) == 0;
		return;
	default:
		call->op = op;
		call->size = is_read(op) ? number : number * SCALE;
		start_call(call);
		*call = (struct call){.timeout = call->timeout};
	}
}

/* What was written has come, or is on the way; what was sent can be read. */
static void finish(void) {
	cancel_others();
	join_other(&world.reading);
	join_other(&world.writing);
	while (!world.peer_closed && world.seen < world.promised) {
		size_t before = world.seen;
		peer_receive(CALL_MOST);
		fuzz_check(world.seen > before, "%zu of %zu", before, world.promised);
	}
	if (!world.peer_closed && left()) {
		make_call(&(struct call){.op = 'x', .size = left()}, false);
		fuzz_check(!left(), "%zu left", left());
	}
}

static int body(int argc, char **argv) {
	int fds[2], buffer = SEND_BUFFER;
	struct call call = {.op = 0};
	unsigned long mark = arun_mark();
	(void)argc, (void)argv;
	fuzz_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0,
		"no socket");
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
	world.peer = fds[1];
	world.conn = arun_open_fd(fds[0]);
	fuzz_check(world.conn, "%s", arun_why());
	for (int i = 0; i < STEPS_MOST && world.script.next < world.script.end; i++) {
		step(&call);
	}
	finish();
	peer_end(true);
	arun_close(world.conn);
	fuzz_check(arun_leaks_since(mark, stderr) == 0, "leaks");
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	int file = world.file ? world.file : bytes_file(FILE_SIZE);
	memset(&world, 0, sizeof world);
	world.script = (struct fuzz_script){data, data + size};
	world.file = file;
	fuzz_run(body);
	return 0;
}
