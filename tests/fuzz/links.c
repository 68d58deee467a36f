/* SPDX-License-Identifier: MIT */
#include "links.h"

#include "bytes.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FILE_SIZE = 1 << 20, SEND_BUFFER = 4096, APART = 1021 };

/* What no call sets errno to. */
enum { UNTOUCHED = ENOTUNIQ };

struct transfer {
	struct call call;
	struct actor *actor;
	struct end *end;
	char op;
	size_t size;
	size_t looked; /* how many bytes had come out, at the last look */
	bool busy;     /* another task is in one of the same direction */
	bool certain;  /* nothing but bytes, or a close, ends it */
};

struct link links[LINKS];

static bool is_read(char op) {
	return strchr("rmu", op);
}

/* Ends ------------------------------------------------------------------------------- */

struct link *link_new(void) {
	for (size_t i = 0; i < LINKS; i++) {
		struct link *link = &links[i];
		if (link->ends[0].state != ABSENT) {
			continue;
		}
		*link = (struct link){.id = 0};
		for (size_t side = 0; side < 2; side++) {
			size_t base = (2 * i + side) * APART;
			link->flows[side] = (struct flow){
				.done = base, .promised = base, .seen = base};
			link->ends[side] = (struct end){.link = link,
				.state = COMING,
				.out = &link->flows[side],
				.in = &link->flows[!side]};
		}
		return link;
	}
	return NULL;
}

void end_begin(struct end *end, arun_conn *conn) {
	fuzz_check(conn, "%s", arun_why());
	end->conn = conn;
	end->state = OPEN;
}

static struct end *peer_of(const struct end *end) {
	return &end->link->ends[end == end->link->ends];
}

/* The link is free when both ends are gone, and nobody looks at it any more. */
static void end_leave(struct end *end) {
	struct end *peer = peer_of(end);
	if (end->state == GONE && peer->state == GONE && !end->calls && !peer->calls) {
		end->state = peer->state = ABSENT;
	}
}

void end_finish(struct end *end) {
	end->conn = NULL;
	end->state = GONE;
	end_leave(end);
}

struct end *end_usable(unsigned number) {
	struct end *end = &links[number / 2 % LINKS].ends[number % 2];
	return end->conn ? end : NULL;
}

void link_open(unsigned number) {
	struct link *link = link_new();
	int fds[2], buffer = SEND_BUFFER;
	if (!link) {
		return;
	}
	link->socket = number % 2;
	int made = link->socket ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds)
				: pipe2(fds, O_CLOEXEC);
	fuzz_check(made == 0, "%s", strerror(errno));
	for (int i = 0; i < 2; i++) {
		if (link->socket) {
			setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
		}
		end_begin(&link->ends[i], arun_open_fd(fds[i]));
	}
	if (!link->socket) {
		fcntl(fds[0], F_SETPIPE_SZ, SEND_BUFFER);
		link->ends[0].out = link->ends[1].in = NULL;
	}
}

/* What the model expects --------------------------------------------------------------- */

static size_t minus(size_t more, size_t less) {
	return more > less ? more - less : 0;
}

/* How many bytes there are up to the next end of a line, in the next size bytes; 0: none. */
static size_t line_length(const struct flow *flow, size_t size) {
	for (size_t i = 0; i < size; i++) {
		if (byte_at(flow->seen + i) == '\n') {
			return i + 1;
		}
	}
	return 0;
}

/* Whether nothing follows what was sent. */
static bool is_over(const struct end *end) {
	return end->in->shut || peer_of(end)->state > OPEN;
}

/* Nothing has come out of flow since the last look. */
static bool rests(struct transfer *transfer, const struct flow *flow) {
	size_t before = transfer->looked;
	transfer->looked = flow->seen;
	return before == flow->seen;
}

bool link_has_more(const struct end *end) {
	return end->in && !end->in->readers && end->in->done > end->in->seen;
}

/* Whether nothing was sent since it was said to be idle, and its server closes. */
static bool is_left(const struct end *end) {
	return end->leaves && end->idle && end->marked == end->in->promised;
}

static bool read_is_due(struct call *call) {
	struct transfer *transfer = (struct transfer *)call;
	const struct end *end = transfer->end;
	const struct flow *in = end->in;
	size_t left = minus(in->done, in->seen);
	size_t wanted = transfer->op == 'r' ? 1 : transfer->size;
	bool ends = is_over(end) || end->timed || is_left(end);
	if (end->link->tls && !ends) {
		return end->state != OPEN || end->cut;
	}
	if (end->state != OPEN || end->cut || ends || left >= wanted) {
		return true;
	}
	if (transfer->op == 'u' && line_length(in, left)) {
		return true;
	}
	return transfer->op == 'r' && in->writing && rests(transfer, in);
}

/* Who wants more than there is has emptied it. */
static bool write_is_due(struct call *call) {
	struct transfer *transfer = (struct transfer *)call;
	const struct end *end = transfer->end;
	return end->state != OPEN || end->timed || end->out->shut ||
	       peer_of(end)->state > OPEN ||
	       (end->out->reading && !end->link->tls && rests(transfer, end->out));
}

/* It waits for the other end's. */
static bool close_is_due(struct call *call) {
	const struct end *end = ((struct transfer *)call)->end;
	return !end->link->socket || is_over(end);
}

/* Reads -------------------------------------------------------------------------------- */

static void check_taken(
	const struct transfer *transfer, const char *bytes, size_t count) {
	struct flow *in = transfer->end->in;
	size_t size = transfer->size, left = in->promised - in->seen;
	bool enough = transfer->op == 'r'   ? count <= size
		      : transfer->op == 'm' ? count == size
					    : count == line_length(in, size);
	fuzz_check(enough && count <= left, "%c took %zu of %zu, %zu are there",
		transfer->op, count, size, left);
	bytes_check(bytes, in->seen, count);
	in->seen += count;
}

/* Of TLS: a handshake was cut short, or the other end was there no more. */
static bool is_broken(const struct end *end, int error) {
	return end->link->tls && (error == ECONNRESET || error == ECONNABORTED ||
					 error == EPROTO || error == EPIPE);
}

/* Whether bytes that were sent need not come. */
static bool loses(const struct end *end) {
	return end->link->loose || (end->link->tcp && end->link->aborted);
}

/* A clean end comes behind all that was sent. */
static void check_end(const struct transfer *transfer) {
	const struct end *end = transfer->end;
	bool left = end->idle && end->leaves && end->marked == end->in->seen;
	fuzz_check(!transfer->size || (is_over(end) && !end->cut) || loses(end) || left,
		"an end (%d)", end->cut);
	fuzz_check(!transfer->size || end->in->seen >= end->in->done || loses(end),
		"an end, and %zu left", end->in->done - end->in->seen);
}

/* Only one whose peer was closed with bytes to read, or by force, is cut. */
static bool may_be_cut(const struct end *end) {
	const struct flow *out = end->out;
	bool unread = out && (out->promised > out->seen);
	return end->cut || loses(end) || (peer_of(end)->state > OPEN && unread);
}

static bool read_may_fail(const struct transfer *transfer, int error) {
	const struct end *end = transfer->end;
	const struct flow *in = end->in;
	size_t sure = minus(in->done, in->seen), most = in->promised - in->seen;
	switch (error) {
	case EBADF:
		return end->state != OPEN;
	case EBUSY:
		return in->crowded;
	case ENODATA:
		return transfer->op != 'r' && most && (is_over(end) || loses(end)) &&
		       (loses(end) ||
			       (sure < transfer->size &&
				       !line_length(in, transfer->op == 'u' ? sure : 0)));
	case ENOBUFS:
		return transfer->op == 'u' && most >= transfer->size &&
		       !line_length(in, transfer->size);
	case ETIMEDOUT:
		return end->timed;
	default:
		return error == ECONNRESET && may_be_cut(end);
	}
}

static ssize_t call_read(const struct transfer *transfer, char *bytes) {
	arun_conn *conn = transfer->end->conn;
	size_t size = transfer->size;
	return transfer->op == 'r'   ? arun_read(conn, bytes, size)
	       : transfer->op == 'm' ? arun_read_exactly(conn, bytes, size)
				     : arun_read_until(conn, '\n', bytes, size);
}

static ssize_t do_read(const struct transfer *transfer, char *bytes) {
	struct flow *in = transfer->end->in;
	in->readers++;
	in->reading += transfer->certain && transfer->size;
	in->crowded = in->crowded || in->readers > 1;
	ssize_t n = call_read(transfer, bytes);
	int error = errno;
	in->readers--;
	in->reading -= transfer->certain && transfer->size;
	if (n > 0) {
		check_taken(transfer, bytes, (size_t)n);
	} else if (n == 0) {
		check_end(transfer);
	}
	errno = error;
	return n;
}

/* Writes ------------------------------------------------------------------------------- */

static int the_file(void) {
	static int fd = -1;
	fd = fd < 0 ? bytes_file(FILE_SIZE) : fd;
	return fd;
}

static int call_write(const struct transfer *transfer, char *bytes) {
	arun_conn *conn = transfer->end->conn;
	size_t from = transfer->end->out->promised;
	bytes_fill(bytes, from, transfer->size);
	transfer->end->out->promised += transfer->busy ? 0 : transfer->size;
	return transfer->op == 'w' ? arun_write(conn, bytes, transfer->size)
	       : transfer->op == 'v'
		       ? bytes_writev(conn, bytes, transfer->size)
		       : arun_sendfile(conn, the_file(), (off_t)from, transfer->size);
}

/* Of a connection that is gone meanwhile nobody can tell. */
static void check_sent(const struct transfer *transfer, size_t from, int result) {
	const struct end *end = transfer->end;
	struct flow *out = end->out;
	if (end->conn) {
		size_t sent = arun_written(end->conn);
		fuzz_check(result == 0 ? sent == transfer->size : sent <= transfer->size,
			"%c sent %zu of %zu", transfer->op, sent, transfer->size);
		out->done = out->promised = from + sent;
	}
	fuzz_check(out->seen <= out->promised, "%zu of %zu", out->seen, out->promised);
}

static int do_write(const struct transfer *transfer, char *bytes) {
	struct flow *out = transfer->end->out;
	size_t from = out->promised;
	bool shut = out->shut, counts = transfer->certain && transfer->size;
	out->writers++;
	out->writing += counts;
	int result = call_write(transfer, bytes);
	int error = errno;
	out->writers--;
	out->writing -= counts;
	if (!transfer->busy) {
		check_sent(transfer, from, result);
	}
	fuzz_check(result < 0 || !transfer->size || (!shut && !transfer->busy),
		"%c with %d under way", transfer->op, transfer->busy);
	errno = error;
	return result;
}

static bool write_may_fail(const struct transfer *transfer, int error) {
	const struct end *end = transfer->end;
	bool over = peer_of(end)->state > OPEN || end->link->loose;
	switch (error) {
	case EBADF:
		return end->state != OPEN;
	case EBUSY:
		return transfer->busy;
	case EPIPE:
		return over || end->out->shut;
	case ENODATA:
		return transfer->op == 'f' &&
		       end->out->promised + transfer->size > FILE_SIZE;
	case ETIMEDOUT:
		return end->timed;
	default:
		return error == ECONNRESET && (over || end->cut);
	}
}

/* Calls -------------------------------------------------------------------------------- */

static void make_call(struct transfer *transfer, char *bytes) {
	struct actor *actor = transfer->actor;
	struct end *end = transfer->end;
	bool reads = is_read(transfer->op);
	bool must = await_call(actor, ALONE, &transfer->call), open = end->state == OPEN;
	transfer->certain =
		!must && !actor->timed && !end->timed && !actor->crew && !stage.ends;
	errno = UNTOUCHED;
	ssize_t n = reads ? do_read(transfer, bytes) : do_write(transfer, bytes);
	int error = errno;
	bool known = n < 0 && !must &&
		     (is_broken(end, error) || (reads ? read_may_fail(transfer, error)
						      : write_may_fail(transfer, error)));
	fuzz_check(n < 0 || open, "%c of what is closed", transfer->op);
	fuzz_check(n < 0 || error == UNTOUCHED, "%c sets errno: %s", transfer->op,
		strerror(error));
	end->cut = end->cut || (n < 0 && error == ECONNRESET);
	char what[] = {transfer->op, '\0'};
	errno = error;
	end_wait(actor, must, n < 0 && !known, what);
}

void link_call(struct actor *actor, struct end *end, char op, size_t size) {
	bool reads = is_read(op);
	struct flow *flow = reads ? end->in : end->out;
	if (!flow || (!reads && flow->writers && !flow->writing)) {
		return;
	}
	struct transfer transfer = {.actor = actor,
		.end = end,
		.op = op,
		.size = size,
		.busy = !reads && flow->writers,
		.call = {reads ? read_is_due : write_is_due,
			end->link->slow || end->link->server}};
	char *bytes = malloc(size + 1);
	fuzz_check(bytes, "no memory");
	end->calls++;
	make_call(&transfer, bytes);
	end->calls--;
	if (reads) {
		flow->crowded = flow->crowded && flow->readers;
	}
	free(bytes);
	end_leave(end);
}

/* Ends that are made ------------------------------------------------------------------- */

void link_shutdown(struct end *end) {
	int result = arun_shutdown(end->conn), error = errno;
	bool gone = end->cut || peer_of(end)->state > OPEN || end->link->loose;
	/* A timer may find it closed by the end of the run. */
	if (end->state != OPEN || (stage.ends && result < 0 && error == EBADF)) {
		fuzz_check(result < 0 && error == EBADF, "%d", result);
	} else if (!end->link->socket) {
		fuzz_check(result < 0 && error == ENOTSOCK, "%d", result);
	} else {
		fuzz_check(result == 0 || (error == ENOTCONN && gone), "%s",
			strerror(error));
		end->out->shut = end->out->shut || result == 0;
	}
}

/* Of what a call has met, or would have. */
static void check_closed(const struct end *end, int result) {
	bool over = peer_of(end)->state > OPEN || end->link->loose ||
		    (end->out && end->out->shut);
	fuzz_check(result == 0 ? errno == UNTOUCHED
			       : ((errno == ECONNRESET || errno == EPIPE) && over) ||
					 is_broken(end, errno),
		"close: %s", strerror(errno));
}

void link_close(struct actor *actor, struct end *end) {
	struct transfer transfer = {.end = end, .call = {close_is_due, end->link->slow}};
	if (end->state != OPEN) {
		fuzz_check(arun_close(end->conn) < 0 && errno == EBADF, "%s",
			strerror(errno));
		return;
	}
	end->state = CLOSING;
	end->calls++;
	await_call(actor, BOUND, &transfer.call);
	errno = UNTOUCHED;
	check_closed(end, arun_close(end->conn));
	actor->wait = NONE;
	stage.changes++;
	end->calls--;
	end_finish(end);
}

void link_abort(struct end *end) {
	arun_conn *conn = end->conn;
	end->link->aborted = true;
	end_finish(end);
	arun_abort(conn);
}

void link_idle(struct end *end) {
	arun_idle(end->conn);
	end->idle = end->in;
	end->marked = end->in ? end->in->seen : 0;
}

unsigned count_open_ends(void) {
	unsigned count = 0;
	for (unsigned i = 0; i < 2 * LINKS; i++) {
		const struct end *end = end_usable(i);
		count += end && end->state == OPEN && !end->part;
	}
	return count;
}

unsigned count_coming_ends(void) {
	unsigned count = 0;
	for (unsigned i = 0; i < LINKS; i++) {
		count += links[i].ends[1].state == COMING;
	}
	return count;
}

void leave_links(void) {
	for (unsigned i = 0; i < 2 * LINKS; i++) {
		struct end *end = end_usable(i);
		if (end && peer_of(end)->state > OPEN) {
			link_abort(end);
		} else if (i % 2 && links[i / 2].ends[1].state == COMING) {
			links[i / 2].loose = true;
		}
	}
}

void end_links(struct actor *actor) {
	for (unsigned i = 0; i < 2 * LINKS; i++) {
		struct end *end = end_usable(i);
		if (end && i % 2) {
			link_close(actor, end);
		} else if (end) {
			link_abort(end);
		}
	}
}

void clear_links(void) {
	memset(links, 0, sizeof links);
	the_file();
}
