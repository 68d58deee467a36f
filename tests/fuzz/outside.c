/* SPDX-License-Identifier: MIT */
#include "outside.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILDREN = 3, STARTED_MOST = 4, SETS = 3, PLAINS = 2 };

struct child {
	struct call call; /* of who waits */
	arun_process *process;
	struct link *link; /* of cat, from its input to its output; NULL: it is true */
	bool closing, waited, told;
	unsigned calls;
	int status;
	unsigned killed; /* by any of these signals, a bit each */
};

enum { USR2, REALTIME, NUMBERS };

struct set {
	struct call call;
	arun_signals *signals;
	bool wants[NUMBERS];
	unsigned came[NUMBERS]; /* that it has not told of */
	unsigned waiting;
	bool crowded, closing;
};

/* What becomes of it, in the number. */
enum { WRITES = 2, READS = 4, CLOSES = 8 };

struct plain {
	struct call call;
	int fd, peer; /* 0: none yet; peer -1: closed */
	bool readable;
};

static struct {
	struct child children[CHILDREN];
	unsigned started;
	struct set sets[SETS];
	struct plain plains[PLAINS];
} outside;

/* Children ----------------------------------------------------------------------------- */

static struct child *child_of(unsigned number) {
	struct child *child = &outside.children[number % CHILDREN];
	return child->process ? child : NULL;
}

/* Its input has ended, or nobody is left to read what it writes. */
static bool child_is_due(struct call *call) {
	const struct child *child = (struct child *)call;
	return child->closing || child->killed || !child->link || child->waited ||
	       child->link->ends[0].state == GONE;
}

static void make_cat(struct child *child) {
	char name[] = "cat", *argv[] = {name, NULL};
	const arun_exec_options options = {.in = ARUN_STREAM, .out = ARUN_STREAM};
	struct link *link = child->link;
	child->process = arun_exec(argv, &options);
	fuzz_check(child->process, "%s", arun_why());
	link->slow = true;
	link->ends[0].calls++; /* what becomes of it is looked at until the end */
	end_begin(&link->ends[0], arun_process_stdin(child->process));
	end_begin(&link->ends[1], arun_process_stdout(child->process));
	link->ends[0].in = link->ends[1].out = NULL;
	link->ends[0].part = link->ends[1].part = true;
}

void child_start(unsigned number) {
	struct child *child = &outside.children[number % CHILDREN];
	char name[] = "true", *argv[] = {name, NULL};
	if (child->process || child->calls || outside.started == STARTED_MOST) {
		return;
	}
	outside.started++;
	*child = (struct child){.call = {child_is_due, true}};
	child->link = number & 4 ? link_new() : NULL;
	if (child->link) {
		make_cat(child);
	} else {
		child->process = arun_exec(argv, NULL);
		fuzz_check(child->process, "%s", arun_why());
	}
}

/* Who writes to nobody is ended by SIGPIPE, or fails. */
static void check_status(struct child *child, int status) {
	int signum = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	bool unread = child->link && child->link->ends[1].state == GONE;
	bool killed = child->killed >> signum & 1;
	fuzz_check(status == 0 || killed || (unread && (!signum || signum == SIGPIPE)),
		"status %x, killed by %x", (unsigned)status, child->killed);
	fuzz_check(!child->told || status == child->status, "status %x, then %x",
		(unsigned)child->status, (unsigned)status);
	child->told = true;
	child->status = status;
}

void child_wait(struct actor *actor, unsigned number) {
	struct child *child = child_of(number);
	int status = -1;
	if (!child || child->closing) {
		return;
	}
	child->calls++;
	bool must = await_call(actor, ALONE, &child->call);
	int result = arun_process_wait(child->process, &status), error = errno;
	bool known = !must && result < 0 && error == EBADF && child->closing;
	errno = error;
	end_wait(actor, must, result < 0 && !known, "wait");
	child->calls--;
	if (result == 0) {
		child->waited = true;
		check_status(child, status);
	}
}

/* What it has read, and not written, is lost. */
void child_kill(unsigned number) {
	struct child *child = child_of(number);
	int signum = number & 4 ? SIGKILL : number & 8 ? SIGTERM : 0;
	if (!child) {
		return;
	}
	int result = arun_process_kill(child->process, signum);
	fuzz_check(
		result == 0 ? !child->told : errno == ESRCH, "kill: %s", strerror(errno));
	if (result == 0 && signum) {
		child->killed |= 1u << signum;
		if (child->link) {
			child->link->loose = true;
		}
	}
}

void child_close(struct actor *actor, unsigned number) {
	struct child *child = child_of(number);
	if (!child || child->closing) {
		return;
	}
	child->closing = true;
	for (int i = 0; child->link && i < 2; i++) {
		if (child->link->ends[i].part && child->link->ends[i].state == OPEN) {
			child->link->loose = true;
			end_finish(&child->link->ends[i]);
		}
	}
	begin_wait(actor, BOUND);
	arun_process_close(child->process);
	actor->wait = NONE;
	stage.changes++;
	child->process = NULL;
	if (child->link) {
		child->link->ends[0].calls--;
		end_finish(&child->link->ends[0]);
	}
}

/* Signals ------------------------------------------------------------------------------ */

static int number_of(int which) {
	return which == USR2 ? SIGUSR2 : SIGRTMIN;
}

static struct set *set_of(unsigned number) {
	struct set *set = &outside.sets[number % SETS];
	return set->signals ? set : NULL;
}

static bool set_is_due(struct call *call) {
	const struct set *set = (struct set *)call;
	return set->closing || set->came[USR2] || set->came[REALTIME];
}

void signals_begin(unsigned number) {
	struct set *set = &outside.sets[number % SETS];
	int numbers[NUMBERS], count = 0;
	if (set->signals || set->waiting) {
		return;
	}
	*set = (struct set){.call = {set_is_due, false}};
	for (int i = 0; i < NUMBERS; i++) {
		set->wants[i] = number / SETS % 3 != (unsigned)i;
		numbers[count] = number_of(i);
		count += set->wants[i];
	}
	set->signals = arun_signals_open(numbers, count);
	fuzz_check(set->signals, "%s", arun_why());
}

/* One that nobody asks for would be the end of the process. */
void signals_raise(unsigned number) {
	int which = number % NUMBERS;
	bool wanted = false;
	for (unsigned i = 0; i < SETS; i++) {
		struct set *set = set_of(i);
		if (set && set->wants[which]) {
			wanted = true;
			set->came[which] = which == USR2 ? 1 : set->came[which] + 1;
		}
	}
	if (wanted) {
		raise(number_of(which));
	}
}

static void check_signal(struct set *set, int number) {
	int which = number == SIGUSR2 ? USR2 : REALTIME;
	fuzz_check(number == number_of(which) && set->wants[which], "signal %d", number);
	fuzz_check(set->came[which], "signal %d, which has not come", number);
	fuzz_check(which == USR2 || !set->came[USR2], "not the lowest");
	set->came[which]--;
}

void signals_await(struct actor *actor, unsigned number) {
	struct set *set = set_of(number);
	if (!set) {
		return;
	}
	bool must = await_call(actor, ALONE, &set->call);
	set->waiting++;
	set->crowded = set->crowded || set->waiting > 1;
	int result = arun_signals_next(set->signals), error = errno;
	bool known =
		result < 0 && !must &&
		((error == EBUSY && set->crowded) || (error == EBADF && set->closing));
	errno = error;
	end_wait(actor, must, result < 0 && !known, "signal");
	set->waiting--;
	set->crowded = set->crowded && set->waiting;
	if (result >= 0) {
		check_signal(set, result);
	}
}

void signals_end(unsigned number) {
	struct set *set = set_of(number);
	if (set) {
		arun_signals_close(set->signals);
		set->signals = NULL;
		set->closing = true;
	}
}

/* Descriptors -------------------------------------------------------------------------- */

static bool plain_is_due(struct call *call) {
	return ((struct plain *)call)->readable;
}

static struct plain *plain_of(unsigned number) {
	struct plain *plain = &outside.plains[number % PLAINS];
	int fds[2];
	if (!plain->fd) {
		fuzz_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0,
			"%s", strerror(errno));
		*plain = (struct plain){{plain_is_due, false}, fds[0], fds[1], false};
	}
	return plain;
}

void plain_await(struct actor *actor, unsigned number) {
	struct plain *plain = plain_of(number);
	int events = number / PLAINS % 3 ? ARUN_READABLE : ARUN_READABLE | ARUN_WRITABLE;
	bool must = await_call(actor, ALONE, &plain->call);
	int result = arun_wait_fd(plain->fd, events);
	end_wait(actor, must, result < 0, "fd");
	fuzz_check(result < 0 || (result && !(result & ~events)), "%d", result);
	fuzz_check(result < 0 || !(result & ARUN_READABLE) == !plain->readable,
		"%d, readable %d", result, plain->readable);
}

void plain_stir(unsigned number) {
	struct plain *plain = plain_of(number);
	char byte = 'x';
	if (plain->peer >= 0 && number & WRITES) {
		fuzz_check(send(plain->peer, &byte, 1, MSG_NOSIGNAL) == 1, "%s",
			strerror(errno));
		plain->readable = true;
	} else if (plain->peer >= 0 && number & READS) {
		while (recv(plain->fd, &byte, 1, MSG_DONTWAIT) > 0) {
		}
		plain->readable = false;
	} else if (plain->peer >= 0 && number & CLOSES) {
		close(plain->peer);
		plain->peer = -1;
		plain->readable = true;
	}
}

void wake_awaiters(void) {
	for (unsigned i = 0; i < PLAINS; i++) {
		plain_stir(i + WRITES);
	}
}

static void plain_end(struct plain *plain) {
	if (plain->fd) {
		close(plain->fd);
		if (plain->peer >= 0) {
			close(plain->peer);
		}
	}
}

/* All of them -------------------------------------------------------------------------- */

unsigned count_open_outside(void) {
	unsigned count = 0;
	for (unsigned i = 0; i < CHILDREN; i++) {
		const struct child *child = child_of(i);
		count += child && !child->waited && !child->closing;
	}
	for (unsigned i = 0; i < SETS; i++) {
		count += set_of(i) != NULL;
	}
	return count;
}

static void drain_set(struct actor *actor, unsigned number) {
	const struct set *set = set_of(number);
	while (set && (set->came[USR2] || set->came[REALTIME])) {
		signals_await(actor, number);
	}
	signals_end(number);
}

void end_outside(struct actor *actor) {
	for (unsigned i = 0; i < SETS; i++) {
		drain_set(actor, i);
	}
	for (unsigned i = 0; i < CHILDREN; i++) {
		child_close(actor, i);
	}
	wake_awaiters();
}

void clear_outside(void) {
	for (unsigned i = 0; i < PLAINS; i++) {
		plain_end(&outside.plains[i]);
	}
	fuzz_check(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD, "a child is left");
	memset(&outside, 0, sizeof outside);
}
