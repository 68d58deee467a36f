/* SPDX-License-Identifier: MIT */
#include "udp.h"

#include <linux/sock_diag.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Seconds: how often a full queue of a Unix socket is tried again. */
static const double UDP_AGAIN = 0.001, UDP_AGAIN_LAST = 0.02;

/* After so many receptions without a wait, the next ones are read ahead. */
enum { UDP_ROW = 2 };

/* How reports show it -------------------------------------------------------------- */

static const struct arun_udp *udp_of(const struct object *object) {
	return container_of(object, const struct arun_udp, object);
}

static const char *udp_kind_name(const struct object *object) {
	return udp_of(object)->local;
}

static const char *udp_kind_state(const struct object *object) {
	const struct arun_udp *udp = udp_of(object);
	return udp->watch.reader   ? "arun_udp_recv"
	       : udp->watch.writer ? "arun_udp_send"
				   : "open";
}

static void udp_kind_line(const struct object *object, struct text *out) {
	const struct arun_udp *udp = udp_of(object);
	size_t before = out->length;
	address_text(out, &udp->address);
	text_add(out, out->length > before ? " (fd %d)" : "(fd %d)", udp->watch.fd);
}

/* How many datagrams the kernel has dropped, as nobody received them in time. */
static unsigned udp_dropped(int fd) {
	uint32_t info[SK_MEMINFO_VARS] = {0};
	socklen_t length = sizeof info;
	int result = getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &length);
	return result < 0 ? 0 : info[SK_MEMINFO_DROPS];
}

static void udp_kind_detail(const struct object *object, struct text *out) {
	const struct arun_udp *udp = udp_of(object);
	address_member(out, "local", &udp->address);
	if (udp->peer.length) {
		address_member(out, "remote", &udp->peer);
	}
	text_add(out, "\"received\": %lu, \"sent\": %lu, \"dropped\": %u", udp->received,
		udp->sent, udp_dropped(udp->watch.fd));
}

static int udp_kind_fd(const struct object *object) {
	return udp_of(object)->watch.fd;
}

static bool udp_kind_waiting(const struct object *object, struct waiting *out) {
	const struct watch *watch = &udp_of(object)->watch;
	const struct arun_task *task = watch->reader ? watch->reader : watch->writer;
	return task && task->object.kind->waiting(&task->object, out);
}

void udp_unref(struct arun_udp *udp) {
	if (--udp->refs == 0) {
		udp_ahead_destroy(udp->ahead);
		free(udp->local);
		sched_free(&udp->object, udp);
	}
}

static void udp_kind_forget(struct object *object) {
	udp_unref(container_of(object, struct arun_udp, object));
}

const struct kind udp_kind = {
	.index = KIND_DATAGRAM,
	.word = "datagram",
	.title = "datagram socket",
	.fate = "not closed",
	.waits = "waits",
	.help = "arun_udp_close()",
	.outcome = "closed",
	.name = udp_kind_name,
	.state = udp_kind_state,
	.line = udp_kind_line,
	.detail = udp_kind_detail,
	.fd = udp_kind_fd,
	.waiting = udp_kind_waiting,
	.forget = udp_kind_forget,
};

/* Life ----------------------------------------------------------------------------- */

static void check_handle(
	const struct arun_site *site, const char *op, const struct arun_udp *udp) {
	if (unlikely(udp && !udp->object.id)) {
		task_gone(site, &udp->object, op, "of a socket that is closed");
	}
}

/* Closes the socket; who waits on it finds that out. */
static void udp_end(struct loop *loop, struct arun_udp *udp) {
	int fd = udp->watch.fd;
	udp->closing = true;
	registry_remove(&udp->object);
	watch_close(&loop->poller, &udp->watch);
	socket_file_remove(&udp->file);
	close(fd);
}

void arun_udp_close(arun_udp *udp) {
	struct loop *loop = loop_here();
	if (!udp) {
		return;
	}
	if (!loop) {
		watch_close_forked(&udp->watch);
		return;
	}
	check_handle(NULL, "arun_udp_close", udp);
	if (!udp->swept) {
		sched_closes(&udp->object, NULL);
		udp_end(loop, udp);
		udp_unref(udp);
	}
}

void udp_close_all(struct loop *loop) {
	struct list *all = &loop->sched.registry.objects[KIND_DATAGRAM];
	while (!list_empty(all)) {
		struct arun_udp *udp = list_first(all, struct arun_udp, object.link);
		udp->swept = true;
		udp_end(loop, udp);
		registry_sweep(&loop->sched.registry, &udp->object);
	}
}

const char *arun_udp_local(const arun_udp *udp) {
	check_handle(NULL, "arun_udp_local", udp);
	return udp ? udp->local : "";
}

/* Datagrams ------------------------------------------------------------------------ */

/* A call under way. */
struct udp_call {
	struct loop *loop;
	struct arun_task *self;
	struct arun_udp *udp;
	bool *busy; /* udp's, while the call has the right to receive, or to send */
	const arun_address *to; /* where it sends to; NULL: the connected peer */
	double again;
	int before; /* the task's errno, which a success leaves as it was */
};

/* Returns 0, or why not. */
static int udp_call_begin(struct udp_call *call, const struct arun_site *site,
	const char *op, struct arun_udp *udp, enum poller_events event) {
	*call = (struct udp_call){
		.self = task_enter(site, op), .loop = loop_here(), .before = errno};
	if (!udp) {
		return EBADF;
	}
	check_handle(site, op, udp);
	struct sched *sched = &call->loop->sched;
	bool *busy = event == POLLER_READ ? &udp->reading : &udp->writing;
	call->udp = udp;
	call->again = UDP_AGAIN;
	call->self->awaits = &udp->object;
	udp->refs++;
	int error = task_interrupted(sched, call->self);
	if (!error && event == POLLER_READ) {
		sched_spend(sched, call->self);
		error = task_pending(sched, call->self);
	}
	error = error ? error : udp->closing ? EBADF : *busy ? EBUSY : 0;
	if (!error) {
		*busy = true;
		call->busy = busy;
	}
	return error;
}

/* Whom the call is about: the other end where there is one, else this. */
static void udp_call_name(struct text *out, const struct udp_call *call) {
	struct address other = call->udp->peer;
	if (call->to) {
		other.length = call->to->length;
		memcpy(&other.room, &call->to->storage, other.length);
	}
	address_text(out, &other);
	if (!out->length) {
		text_add(out, "%s", call->udp->local);
	}
}

/* words: NULL: those of error. Returns result, or -1 with errno where error is not 0. */
static ssize_t udp_call_end(
	struct udp_call *call, int error, ssize_t result, const char *words) {
	if (error) {
		char on[160] = "NULL";
		if (call->udp) {
			struct text out;
			text_fixed(&out, on, sizeof on);
			udp_call_name(&out, call);
		}
		task_fail_words(error, call->self->op, on, words);
	}
	if (call->busy) {
		*call->busy = false;
	}
	call->self->awaits = NULL;
	if (call->udp) {
		udp_unref(call->udp);
	}
	errno = error ? error : call->before;
	return error ? -1 : result;
}

/* Waits until it may be tried again. Returns 0, or why not. */
static int udp_wait(struct udp_call *call, enum poller_events event) {
	struct arun_udp *udp = call->udp;
	struct sched *sched = &call->loop->sched;
	double deadline = INFINITY;
	bool full = event == POLLER_WRITE && udp->address.any.sa_family == AF_UNIX;
	if (full) {
		deadline = loop_clock() + call->again;
		call->again = time_min(call->again * 2, UDP_AGAIN_LAST);
	}
	int error = watch_wait(
		&call->loop->poller, &udp->watch, event, call->self, deadline, true);
	if (udp->closing) {
		return EBADF;
	}
	if (full && error == ETIME) {
		udp->watch.writable = true;
		error = 0;
	}
	return error ? error : task_pending(sched, call->self);
}

/* From what was read ahead, or the socket: as recvmsg(2). */
static ssize_t udp_receive_now(struct arun_udp *udp, struct msghdr *message) {
	ssize_t size = udp_ahead_take(udp->ahead, message);
	if (size >= 0) {
		return size;
	}
	size = udp->own && udp->row >= UDP_ROW
		       ? udp_ahead_read(&udp->ahead, udp->watch.fd, message)
		       : recvmsg(udp->watch.fd, message, MSG_TRUNC);
	udp->row = size >= 0 ? udp->row + 1 : 0;
	return size;
}

/* Returns 0 with *size, or why not. */
static int udp_receive(struct udp_call *call, struct msghdr *message, ssize_t *size) {
	struct arun_udp *udp = call->udp;
	for (;;) {
		if (udp->watch.readable || udp->watch.always ||
			!udp_ahead_empty(udp->ahead)) {
			*size = udp_receive_now(udp, message);
			if (likely(*size >= 0)) {
				udp->received++;
				return 0;
			}
			if (errno != EAGAIN && errno != EINTR) {
				return errno;
			}
			udp->watch.readable = errno == EINTR;
		}
		int error = udp->watch.readable ? 0 : udp_wait(call, POLLER_READ);
		if (error) {
			return error;
		}
	}
}

ssize_t(arun_udp_recv)(arun_udp *udp, void *buf, size_t size, arun_address *from) {
	return arun_udp_recv_at(NULL, udp, buf, size, from);
}

ssize_t arun_udp_recv_at(const struct arun_site *site, arun_udp *udp, void *buf,
	size_t size, arun_address *from) {
	struct udp_call call;
	struct iovec whole = {.iov_base = buf, .iov_len = size};
	struct msghdr message = {.msg_iov = &whole, .msg_iovlen = 1};
	char words[96];
	struct text out;
	ssize_t n = 0;
	text_fixed(&out, words, sizeof words);
	if (from) {
		message.msg_name = &from->storage;
		message.msg_namelen = sizeof from->storage;
	}
	int error = udp_call_begin(&call, site, "arun_udp_recv", udp, POLLER_READ);
	error = error ? error : udp_receive(&call, &message, &n);
	if (!error && from) {
		from->length = message.msg_namelen;
	}
	if (!error && message.msg_flags & MSG_TRUNC) {
		error = EMSGSIZE;
		text_add(&out, "a datagram of %ld bytes, and room for %lu", (long)n,
			(unsigned long)size);
	}
	return udp_call_end(&call, error, n, out.length ? words : NULL);
}

/* Returns 0, or why not. */
static int udp_transmit(struct udp_call *call, const struct msghdr *message) {
	struct arun_udp *udp = call->udp;
	for (;;) {
		if (udp->watch.writable || udp->watch.always) {
			if (likely(sendmsg(udp->watch.fd, message, MSG_NOSIGNAL) >= 0)) {
				udp->sent++;
				return 0;
			}
			if (errno == ENOTCONN && !message->msg_name) {
				return EDESTADDRREQ; /* as UDP has it */
			}
			if (errno != EAGAIN && errno != EINTR) {
				return errno;
			}
			udp->watch.writable = errno == EINTR;
		}
		int error = udp->watch.writable ? 0 : udp_wait(call, POLLER_WRITE);
		if (error) {
			return error;
		}
	}
}

static ssize_t udp_send_refused(struct udp_call *call, unsigned length) {
	char words[80];
	struct text out;
	text_fixed(&out, words, sizeof words);
	text_add(&out, "to has a length of %u, and is to have %zu to %zu", length,
		sizeof(sa_family_t), sizeof(struct sockaddr_storage));
	return udp_call_end(call, EINVAL, -1, words);
}

ssize_t(arun_udp_send)(
	arun_udp *udp, const void *buf, size_t size, const arun_address *to) {
	return arun_udp_send_at(NULL, udp, buf, size, to);
}

ssize_t arun_udp_send_at(const struct arun_site *site, arun_udp *udp, const void *buf,
	size_t size, const arun_address *to) {
	struct udp_call call;
	struct iovec whole = {.iov_base = (void *)(uintptr_t)buf, .iov_len = size};
	struct msghdr message = {.msg_iov = &whole, .msg_iovlen = 1};
	int error = udp_call_begin(&call, site, "arun_udp_send", udp, POLLER_WRITE);
	if (!error && to) {
		message.msg_name = (void *)(uintptr_t)&to->storage;
		message.msg_namelen = to->length;
		bool bad = to->length < sizeof(sa_family_t) ||
			   to->length > sizeof to->storage;
		if (bad) {
			return udp_send_refused(&call, to->length);
		}
		call.to = to;
	}
	error = error ? error : udp_transmit(&call, &message);
	if (!error) {
		sched_spend(&call.loop->sched, call.self);
	}
	return udp_call_end(&call, error, (ssize_t)size, NULL);
}
