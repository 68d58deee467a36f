/* SPDX-License-Identifier: MIT */
#include "signals.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SIGNALS_MAX = 65 }; /* numbers below it */

struct arun_signals {
	struct object object;
	struct list link; /* hub.all */
	unsigned refs;    /* the handle, and a call under way */
	bool closing;
	bool swept; /* by the end of the run */
	struct arun_task *waiter;
	bool wanted[SIGNALS_MAX];
	/* Come, and not yet handed out: of a standard signal 1 at most. */
	unsigned pending[SIGNALS_MAX];
};

/* One signal of the process. */
struct signals_action {
	unsigned users; /* objects that want it */
	bool blocked;   /* it was, in this thread */
	struct sigaction before;
	unsigned came; /* counted by the handler */
};

/*
 * What the handler works with, for the one run that has signals. It is not in the run's memory, as a
 * handler may be at work on another thread when the run ends.
 */
static struct {
	struct loop *loop; /* NULL: there are no objects */
	pid_t process, thread;
	struct list all;
	struct signals_action actions[SIGNALS_MAX];
} hub;

/* How reports show it -------------------------------------------------------------- */

static const struct arun_signals *signals_of(const struct object *object) {
	return container_of(object, const struct arun_signals, object);
}

/* sigabbrev_np(3) is younger than the C libraries that arun supports. */
static void add_signal(struct text *out, int number) {
	static const struct {
		int number;
		const char *name;
	} names[] = {{SIGALRM, "ALRM"}, {SIGCHLD, "CHLD"}, {SIGCONT, "CONT"},
		{SIGIO, "IO"}, {SIGPROF, "PROF"}, {SIGPWR, "PWR"}, {SIGSYS, "SYS"},
		{SIGTRAP, "TRAP"}, {SIGTSTP, "TSTP"}, {SIGTTIN, "TTIN"},
		{SIGTTOU, "TTOU"}, {SIGURG, "URG"}, {SIGUSR2, "USR2"},
		{SIGVTALRM, "VTALRM"}, {SIGWINCH, "WINCH"}, {SIGXCPU, "XCPU"},
		{SIGXFSZ, "XFSZ"}};
	for (size_t i = 0; i < count_of(names); i++) {
		if (names[i].number == number) {
			text_add(out, "SIG%s", names[i].name);
			return;
		}
	}
	text_add(out, "signal %d", number);
}

static void signals_kind_line(const struct object *object, struct text *out) {
	const char *comma = "";
	for (int i = 1; i < SIGNALS_MAX; i++) {
		if (signals_of(object)->wanted[i]) {
			text_add(out, "%s", comma);
			add_signal(out, i);
			comma = ", ";
		}
	}
}

static void signals_kind_detail(const struct object *object, struct text *out) {
	const struct arun_signals *signals = signals_of(object);
	unsigned pending = 0;
	const char *comma = "";
	text_add(out, "\"signals\": [");
	for (int i = 1; i < SIGNALS_MAX; i++) {
		if (signals->wanted[i]) {
			text_add(out, "%s%d", comma, i);
			comma = ", ";
		}
		pending += signals->pending[i];
	}
	text_add(out, "], \"pending\": %u", pending);
}

static const char *signals_kind_name(const struct object *object) {
	(void)object;
	return "";
}

static const char *signals_kind_state(const struct object *object) {
	return signals_of(object)->waiter ? "waited for" : "open";
}

static bool signals_kind_waiting(const struct object *object, struct waiting *out) {
	const struct arun_task *waiter = signals_of(object)->waiter;
	return waiter && waiter->object.kind->waiting(&waiter->object, out);
}

static void signals_unref(struct arun_signals *signals) {
	if (--signals->refs == 0) {
		sched_free(&signals->object, signals);
	}
}

static void signals_kind_forget(struct object *object) {
	signals_unref(container_of(object, struct arun_signals, object));
}

static const struct kind signals_kind = {
	.index = KIND_SIGNALS,
	.word = "signals",
	.title = "signals",
	.plural = "signals",
	.fate = "not closed",
	.waits = "waits",
	.help = "arun_signals_close()",
	.outcome = "closed",
	.name = signals_kind_name,
	.state = signals_kind_state,
	.line = signals_kind_line,
	.detail = signals_kind_detail,
	.waiting = signals_kind_waiting,
	.forget = signals_kind_forget,
};

/* The handler ---------------------------------------------------------------------- */

/* A forked child is no run: the signal does there what it did before. */
static void signals_in_child(const struct signals_action *action, siginfo_t *info) {
	sigaction(info->si_signo, &action->before, NULL);
	syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), info->si_signo,
		info);
}

static void signals_entered(int number, siginfo_t *info, void *context) {
	int saved = errno;
	(void)context;
	if (getpid() != hub.process) {
		signals_in_child(&hub.actions[number], info);
	} else if ((pid_t)syscall(SYS_gettid) != hub.thread) {
		info->si_code = SI_QUEUE;
		syscall(SYS_rt_tgsigqueueinfo, getpid(), hub.thread, number, info);
	} else if (hub.loop) {
		__atomic_fetch_add(&hub.actions[number].came, 1, __ATOMIC_RELAXED);
		loop_wakeup(hub.loop);
	}
	errno = saved;
}

/* The kernel keeps one of each standard signal, and every realtime one. */
static void signals_give(struct arun_signals *signals, int number, unsigned count) {
	unsigned *pending = &signals->pending[number];
	if (signals->wanted[number]) {
		*pending = number < SIGRTMIN ? 1 : *pending + count;
		if (signals->waiter) {
			task_wake(sched_current, signals->waiter);
		}
	}
}

void signals_collect(struct loop *loop) {
	for (int i = 1; hub.loop == loop && i < SIGNALS_MAX; i++) {
		unsigned *came = &hub.actions[i].came;
		unsigned count = *(volatile unsigned *)came
					 ? __atomic_exchange_n(came, 0, __ATOMIC_RELAXED)
					 : 0;
		list_each (link, &hub.all) {
			if (!count) {
				break;
			}
			signals_give(
				container_of(link, struct arun_signals, link), i, count);
		}
	}
}

/* Actions -------------------------------------------------------------------------- */

/* Returns 0, or why not: what sigaction(2) says. */
static int signals_take(struct signals_action *action, int number) {
	struct sigaction entered = {.sa_sigaction = signals_entered,
		.sa_flags = SA_RESTART | SA_ONSTACK | SA_SIGINFO};
	sigset_t one, before;
	if (action->users) {
		action->users++;
		return 0;
	}
	sigfillset(&entered.sa_mask);
	action->came = 0;
	/* What was there is stored first: in a forked child the handler looks for it. */
	if (sigaction(number, NULL, &action->before) < 0 ||
		sigaction(number, &entered, NULL) < 0) {
		return errno;
	}
	sigemptyset(&one);
	sigaddset(&one, number);
	pthread_sigmask(SIG_UNBLOCK, &one, &before);
	action->blocked = sigismember(&before, number) == 1;
	action->users = 1;
	return 0;
}

static void signals_give_back(struct signals_action *action, int number) {
	sigset_t one;
	if (--action->users) {
		return;
	}
	if (action->blocked) {
		sigemptyset(&one);
		sigaddset(&one, number);
		pthread_sigmask(SIG_BLOCK, &one, NULL);
	}
	sigaction(number, &action->before, NULL);
}

/* Objects -------------------------------------------------------------------------- */

/* Those that arun(1) acts on, and SIGRTMAX, its clock. */
static bool signals_reserved(int number) {
	static const int reserved[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGQUIT, SIGSEGV,
		SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGPIPE};
	for (size_t i = 0; i < count_of(reserved); i++) {
		if (reserved[i] == number) {
			return true;
		}
	}
	return number == SIGRTMAX;
}

/* Takes the hub for this run, at its first object. Returns 0; EBUSY: another run has it. */
static int signals_begin_hub(struct loop *loop) {
	if (hub.loop && hub.process == getpid()) {
		return hub.loop == loop ? 0 : EBUSY;
	}
	memset(hub.actions, 0, sizeof hub.actions);
	list_init(&hub.all);
	hub.process = getpid();
	hub.thread = (pid_t)syscall(SYS_gettid);
	publish(&hub.loop, loop);
	return 0;
}

/* Gives its signals back, and with the last object the hub. */
static void signals_drop(struct arun_signals *signals) {
	for (int i = 1; i < SIGNALS_MAX; i++) {
		if (signals->wanted[i]) {
			signals_give_back(&hub.actions[i], i);
			signals->wanted[i] = false;
		}
	}
	list_remove(&signals->link);
	if (list_empty(&hub.all)) {
		publish(&hub.loop, NULL);
	}
}

/* Takes them one by one. Returns 0, or why not, with *bad = which. */
static int signals_want(
	struct arun_signals *signals, const int *signums, int count, int *bad) {
	for (int i = 0; i < count; i++) {
		int number = *bad = signums[i];
		if (number < 1 || number >= SIGNALS_MAX || signals_reserved(number)) {
			return EINVAL;
		}
		int error = signals->wanted[number]
				    ? 0
				    : signals_take(&hub.actions[number], number);
		if (error) {
			return error;
		}
		signals->wanted[number] = true;
	}
	return 0;
}

static void signals_fail(int error, int bad) {
	char words[96];
	struct text out;
	text_fixed(&out, words, sizeof words);
	if (bad && signals_reserved(bad)) {
		text_add(&out, "signal %d is arun's own", bad);
	} else if (bad < 0 || bad >= SIGNALS_MAX) {
		text_add(&out, "signal %d: signals are 1 to %d", bad, SIGNALS_MAX - 1);
	} else if (bad && error == EINVAL) {
		text_add(&out, "signal %d: it cannot be handled", bad);
	} else if (bad) {
		text_add(&out, "signal %d: ", bad);
		text_error(&out, error);
	} else if (error == EINVAL) {
		text_add(&out, "no signal is given");
	} else if (error == EBUSY) {
		text_add(&out, "another run of this process has signals");
	} else {
		text_error(&out, error);
	}
	task_fail_words(error, "signals_open", NULL, words);
}

/* Returns 0, or why not. */
static int signals_begin(struct loop *loop, struct arun_signals *signals,
	const int *signums, int count, int *bad) {
	int error = signums && count > 0 ? signals_begin_hub(loop) : EINVAL;
	if (error) {
		return error;
	}
	signals_collect(loop); /* what has come by now is not for this one */
	list_append(&hub.all, &signals->link);
	error = signals_want(signals, signums, count, bad);
	if (error) {
		signals_drop(signals);
	}
	return error;
}

arun_signals *(arun_signals_open)(const int *signums, int count) {
	return arun_signals_open_at(NULL, signums, count);
}

arun_signals *arun_signals_open_at(
	const struct arun_site *site, const int *signums, int count) {
	struct sched *sched = sched_here();
	if (!sched) {
		return NULL;
	}
	struct arun_signals *signals = calloc(1, sizeof *signals);
	int bad = 0;
	int error = signals ? signals_begin(loop_here(), signals, signums, count, &bad)
			    : ENOMEM;
	if (error) {
		free(signals);
		signals_fail(error, bad);
		return NULL;
	}
	signals->refs = 1;
	sched_publish(sched, &signals->object, &signals_kind, site);
	return signals;
}

/* The lowest that is pending; 0: none. */
static int signals_pending(struct arun_signals *signals) {
	for (int i = 1; i < SIGNALS_MAX; i++) {
		if (signals->pending[i]) {
			signals->pending[i]--;
			return i;
		}
	}
	return 0;
}

/* Returns the signal, or minus why there is none. */
static int signals_wait(
	struct loop *loop, struct arun_signals *signals, struct arun_task *self) {
	int error = task_interrupted(&loop->sched, self);
	while (!error) {
		error = signals->closing ? EBADF : signals->waiter ? EBUSY : 0;
		/* With what has come since the loop has looked. */
		signals_collect(loop);
		int number = error ? 0 : signals_pending(signals);
		if (number) {
			return number;
		}
		if (!error) {
			signals->waiter = self;
			loop->pending++;
			error = task_suspend(&loop->sched, self, INFINITY, true);
			loop->pending--;
			signals->waiter = NULL;
		}
	}
	return -error;
}

static void check_handle(const struct arun_site *site, const char *op,
	const struct arun_signals *signals) {
	if (unlikely(!signals->object.id)) {
		task_gone(site, &signals->object, op, "of signals that are closed");
	}
}

int(arun_signals_next)(arun_signals *signals) {
	return arun_signals_next_at(NULL, signals);
}

int arun_signals_next_at(const struct arun_site *site, arun_signals *signals) {
	struct arun_task *self = task_enter(site, "arun_signals_next");
	if (!signals) {
		return task_fail(EBADF, self->op, "NULL");
	}
	check_handle(site, self->op, signals);
	signals->refs++;
	self->awaits = &signals->object;
	int number = signals_wait(loop_here(), signals, self);
	self->awaits = NULL;
	signals_unref(signals);
	return number < 0 ? task_fail(-number, self->op, NULL) : number;
}

/* Takes it out of everything, and wakes who waits. */
static void signals_end(struct arun_signals *signals) {
	signals->closing = true;
	registry_remove(&signals->object);
	signals_drop(signals);
	if (signals->waiter) {
		task_wake(sched_current, signals->waiter);
	}
}

void arun_signals_close(arun_signals *signals) {
	if (!signals || !sched_current) {
		return;
	}
	check_handle(NULL, "arun_signals_close", signals);
	if (signals->swept) {
		return; /* the end of the run has done it */
	}
	sched_closes(&signals->object, NULL);
	signals_end(signals);
	signals_unref(signals);
}

void signals_close_all(struct loop *loop) {
	struct list *all = &loop->sched.registry.objects[KIND_SIGNALS];
	while (!list_empty(all)) {
		struct arun_signals *signals =
			list_first(all, struct arun_signals, object.link);
		signals->swept = true;
		signals_end(signals);
		registry_sweep(&loop->sched.registry, &signals->object);
	}
}
