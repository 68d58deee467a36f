/* SPDX-License-Identifier: MIT */
#include "handler.h"

#include "monotonic.h"
#include "second_signal.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id /* as timer_create(2) has it; glibc has no name for it */
#define sigev_notify_thread_id _sigev_un._tid
#endif

enum { HANDLER_STACK = 128 * 1024 };

/* Seconds: for a loop to react, and for last words. */
static const double HANDLER_MOMENT = 0.15, HANDLER_WORDS = 1;

/*
 * The run that owns the signals of this process. It does not wait for a handler on another
 * thread, which may find it gone: so that works with the numbers alone.
 */
static struct {
	struct handler *handler; /* NULL: there is none */
	pid_t process, thread;
} owner;

_Noreturn void handler_die(int signal) {
	struct sigaction action = {.sa_handler = SIG_DFL};
	sigaction(signal, &action, NULL);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, signal);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	raise(signal);
	_exit(128 + signal);
}

void handler_arm(struct handler *handler, double seconds) {
	if (!handler->timed) {
		return;
	}
	struct itimerspec time = {
		.it_value = monotonic_timespec(time_max(seconds, 0.001)), /* 0: never */
		.it_interval = {(time_t)HANDLER_WORDS, 0},
	};
	timer_settime(handler->timer, 0, &time, NULL);
}

/* A worker's parent forwards what it is sent. */
static bool handler_is_forwarded(const struct handler *handler, const siginfo_t *info) {
	return handler->loop->broker.worker && info->si_code == SI_USER &&
	       info->si_pid == getppid();
}

static void handler_stop(struct handler *handler, siginfo_t *info, void *context) {
	(void)context;
	double now = loop_clock();
	double *first = handler_is_forwarded(handler, info) ? &handler->forwarded_at
							    : &handler->sent_at;
	bool second = *first > 0 && second_signal(now - *first);
	*first = *first > 0 ? *first : now;
	if (!handler->stop) {
		handler->stop_at = now;
		handler->stop = info->si_signo;
		if (!handler->loop->sched.stopping) {
			handler_arm(handler, handler->grace + SECOND_SIGNAL_FROM);
		}
	} else if (second && !handler->forced) {
		handler->forced = info->si_signo;
		handler_arm(handler, HANDLER_MOMENT);
	}
	loop_wakeup(handler->loop);
}

static void handler_hangup(struct handler *handler, siginfo_t *info, void *context) {
	(void)info;
	(void)context;
	handler->hangups++;
	loop_wakeup(handler->loop);
}

/* The clock is over, and the loop has not ended the run. */
static _Noreturn void handler_over(struct handler *handler) {
	if (!handler->ending) {
		handler->ending = 1;
		handler_arm(handler, HANDLER_WORDS);
		handler->last_words(handler->loop, handler->forced);
	}
	if (handler->forced) {
		handler_die(handler->forced);
	}
	_exit(HANDLER_OVERDUE);
}

/* SIGRTMAX: the timer's, or handler_ask()'s; from anybody else it means nothing. */
static void handler_clock(struct handler *handler, siginfo_t *info, void *context) {
	if (info->si_code == SI_TIMER) {
		handler_over(handler);
	} else if (info->si_code == SI_QUEUE && info->si_value.sival_ptr == handler) {
		handler->asked(handler->loop, context);
	}
}

/* For SIGPIPE and SIGXFSZ, in any thread or child. Not SIG_IGN, which exec(3) would pass on. */
static void handler_nothing(int signal, siginfo_t *info, void *context) {
	(void)signal;
	(void)info;
	(void)context;
}

static void handler_dump(struct handler *handler, siginfo_t *info, void *context) {
	(void)info;
	(void)context;
	handler->dump(handler->loop);
}

/* Sends a signal to a thread of this process: as it came where the kernel allows that,
 * which is on the main thread. */
static void handler_pass(pid_t thread, const siginfo_t *info) {
	pid_t process = getpid();
	int signal = info->si_signo;
	if (syscall(SYS_rt_tgsigqueueinfo, process, thread, signal, info) < 0) {
		syscall(SYS_tgkill, process, thread, signal);
	}
}

/* Has the process die of the signal where the handler returns to, as if it had just come: the core
 * is of that moment. */
static void handler_default(const siginfo_t *info) {
	struct sigaction action = {.sa_handler = SIG_DFL};
	sigaction(info->si_signo, &action, NULL);
	if (getpid() == 1) {
		/* As process 1 it would be spared. */
		handler_die(info->si_signo);
	}
	handler_pass((pid_t)syscall(SYS_gettid), info);
}

static void handler_quit(struct handler *handler, siginfo_t *info, void *context) {
	handler_dump(handler, info, context);
	handler->leave(handler->loop);
	handler_default(info);
}

static const int handler_crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

static bool handler_is_crash(int signal) {
	for (size_t i = 0; i < count_of(handler_crashes); i++) {
		if (handler_crashes[i] == signal) {
			return true;
		}
	}
	return false;
}

/* Blocked, a fault ends the process without a word; so does abort(3), since glibc 2.41. */
static void handler_all_but_crashes(sigset_t *set) {
	sigfillset(set);
	for (size_t i = 0; i < count_of(handler_crashes); i++) {
		sigdelset(set, handler_crashes[i]);
	}
}

/* A fault of the report itself ends at once. */
static void handler_reset_crashes(void) {
	struct sigaction action = {.sa_handler = SIG_DFL};
	for (size_t i = 0; i < count_of(handler_crashes); i++) {
		sigaction(handler_crashes[i], &action, NULL);
	}
}

static void handler_crash(struct handler *handler, siginfo_t *info, void *context) {
	bool foreign = (pid_t)syscall(SYS_gettid) != handler->thread;
	handler_reset_crashes();
	if (handler->timed && !handler->ending) {
		/* Locks may be held, lists be torn. */
		handler->ending = 1;
		handler->forced = info->si_signo;
		handler_arm(handler, 2 * HANDLER_WORDS);
	}
	handler->crash(handler->loop, info, context, foreign);
	handler->leave(handler->loop);
	handler_default(info);
}

struct handler_signal {
	int number; /* 0: SIGRTMAX, which is no constant */
	/* It stays ignored where it was: nohup(1), and a shell's background jobs. */
	bool ignorable;
	/* NULL: nothing is to happen. */
	void (*fn)(struct handler *handler, siginfo_t *info, void *context);
};

static const struct handler_signal handler_signals[] = {
	{SIGINT, true, handler_stop},
	{SIGTERM, false, handler_stop},
	{SIGHUP, true, handler_hangup},
	{SIGPIPE, false, NULL},
	{SIGXFSZ, false, NULL},
	{SIGUSR1, false, handler_dump},
	{SIGQUIT, true, handler_quit},
	{SIGSEGV, false, handler_crash},
	{SIGBUS, false, handler_crash},
	{SIGFPE, false, handler_crash},
	{SIGILL, false, handler_crash},
	{SIGABRT, false, handler_crash},
	{0, false, handler_clock},
};

_Static_assert(count_of(handler_signals) == HANDLER_SIGNALS, "room for all of them");

static int handler_number(int index) {
	return handler_signals[index].number ? handler_signals[index].number : SIGRTMAX;
}

/* Whether it was sent to the process, and this thread has nothing to do with it. */
static bool handler_is_lost(const siginfo_t *info) {
	bool sent = info->si_code == SI_USER || info->si_code == SI_QUEUE;
	return (pid_t)syscall(SYS_gettid) != owner.thread &&
	       (sent || !handler_is_crash(info->si_signo));
}

static void handler_entered(int signal, siginfo_t *info, void *context);

/* The run has ended since the signal came: gives it to whoever had it before. */
static void handler_give_back(const siginfo_t *info) {
	struct sigaction now;
	sigaction(info->si_signo, NULL, &now);
	if (now.sa_flags & SA_SIGINFO && now.sa_sigaction == handler_entered) {
		handler_default(info); /* somebody has put it back */
	} else {
		handler_pass((pid_t)syscall(SYS_gettid), info);
	}
}

static void handler_entered(int signal, siginfo_t *info, void *context) {
	int saved = errno;
	struct handler *handler = __atomic_load_n(&owner.handler, __ATOMIC_ACQUIRE);
	if (getpid() != owner.process) {
		/* A forked child: it dies of it, as it would without arun. */
		handler_default(info);
	} else if (!handler) {
		handler_give_back(info);
	} else if (handler_is_lost(info)) {
		handler_pass(owner.thread, info);
	} else {
		int index = 0;
		while (handler_number(index) != signal) {
			index++;
		}
		handler_signals[index].fn(handler, info, context);
	}
	errno = saved;
}

/* A new thread inherits the signal mask. */
int handler_thread(pthread_t *id, void *(*fn)(void *), void *arg) {
	sigset_t all, before;
	handler_all_but_crashes(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(id, NULL, fn, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

bool handler_owned(void) {
	return __atomic_load_n(&owner.handler, __ATOMIC_ACQUIRE) &&
	       getpid() == owner.process;
}

void handler_ask(struct handler *handler) {
	siginfo_t info = {.si_code = SI_QUEUE};
	info.si_signo = SIGRTMAX;
	info.si_pid = getpid();
	info.si_value.sival_ptr = handler;
	handler_pass(handler->thread, &info);
}

/* Somebody else's handler of crashes, a sanitizer's, is better placed than arun's. */
static bool handler_wanted(int index, const struct sigaction *before) {
	bool handled = before->sa_flags & SA_SIGINFO;
	if (handler_is_crash(handler_number(index))) {
		return !handled && before->sa_handler == SIG_DFL;
	}
	return !handler_signals[index].ignorable || handled ||
	       before->sa_handler != SIG_IGN;
}

static void handler_take(struct handler *handler, int index) {
	int signal = handler_number(index);
	struct sigaction action = {.sa_flags = SA_RESTART | SA_ONSTACK | SA_SIGINFO};
	action.sa_sigaction =
		handler_signals[index].fn ? handler_entered : handler_nothing;
	if (signal == SIGRTMAX) {
		/* It must be able to interrupt its own last words. */
		action.sa_flags |= SA_NODEFER;
	}
	handler_all_but_crashes(&action.sa_mask);
	sigdelset(&action.sa_mask, SIGRTMAX);
	/* A signal that may be found ignored is asked about first: taken for a moment, it would come. */
	struct sigaction *before = &handler->before[index];
	bool asks = handler_signals[index].ignorable;
	sigaction(signal, asks ? NULL : &action, before);
	handler->taken[index] = handler_wanted(index, before);
	if (handler->taken[index] == asks) {
		sigaction(signal, asks ? &action : before, NULL);
	}
}

/* Handlers write reports: more than the rest of a task's stack may hold. */
static int handler_take_stack(struct handler *handler) {
	void *memory = mmap(NULL, HANDLER_STACK, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (memory == MAP_FAILED) {
		return -1;
	}
	stack_t stack = {.ss_sp = memory, .ss_size = HANDLER_STACK};
	handler->stack = memory;
	return sigaltstack(&stack, &handler->stack_before);
}

static void handler_give_stack(struct handler *handler) {
	if (handler->stack) {
		sigaltstack(&handler->stack_before, NULL);
		munmap(handler->stack, HANDLER_STACK);
		handler->stack = NULL;
	}
}

int handler_install(struct handler *handler, bool signals) {
	handler->thread = (pid_t)syscall(SYS_gettid);
	if (!signals) {
		return 0;
	}
	if (handler_take_stack(handler) < 0) {
		handler->lacks = "stack for handlers of signals";
		return -1;
	}
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID,
		.sigev_signo = SIGRTMAX,
		.sigev_notify_thread_id = handler->thread};
	if (timer_create(CLOCK_MONOTONIC, &event, &handler->timer) < 0) {
		handler->lacks = "timer for the grace time";
		return -1;
	}
	handler->timed = true;
	owner.process = getpid();
	owner.thread = handler->thread;
	publish(&owner.handler, handler);
	sigset_t mine;
	sigemptyset(&mine);
	for (int i = 0; i < HANDLER_SIGNALS; i++) {
		handler_take(handler, i);
		sigaddset(&mine, handler_number(i));
	}
	handler->installed = true;
	pthread_sigmask(SIG_UNBLOCK, &mine, NULL);
	return 0;
}

void handler_restore(struct handler *handler) {
	if (handler->timed) {
		timer_delete(handler->timer);
		handler->timed = false;
	}
	if (handler->installed) {
		for (int i = 0; i < HANDLER_SIGNALS; i++) {
			if (handler->taken[i]) {
				sigaction(handler_number(i), &handler->before[i], NULL);
			}
		}
		handler->installed = false;
		publish(&owner.handler, NULL);
	}
	handler_give_stack(handler);
}
