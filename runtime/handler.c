/* SPDX-License-Identifier: MIT */
#include "handler.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	HANDLER_CLOCK = 4,
	/* its place in handler_signal() */ HANDLER_STACK = 128 * 1024
};

/* Seconds: between two signals that are one, for a loop to react, and for last words. */
static const double HANDLER_SAME = 0.1, HANDLER_MOMENT = 0.15, HANDLER_WORDS = 1;

/* The run that owns the signals of this process; written once a run. */
static struct handler *handler_process;

static int handler_signal(int index) {
	const int signals[HANDLER_SIGNALS] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGRTMAX};
	return signals[index];
}

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
	seconds = seconds < 0.001 ? 0.001 : seconds;
	struct itimerspec time = {
		.it_value = {(time_t)seconds,
			(long)((seconds - (double)(time_t)seconds) * 1e9)},
		.it_interval = {(time_t)HANDLER_WORDS, 0},
	};
	timer_settime(handler->timer, 0, &time, NULL);
}

static void handler_stop(struct handler *handler, int signal) {
	double now = loop_clock();
	if (!handler->stop) {
		handler->stop_at = now;
		handler->stop = signal;
		if (!handler->loop->sched.stopping) {
			handler_arm(handler, handler->grace + HANDLER_SAME);
		}
	} else if (now - handler->stop_at >= HANDLER_SAME && !handler->forced) {
		handler->forced = signal;
		handler_arm(handler, HANDLER_MOMENT);
	}
	loop_wakeup(handler->loop);
}

/* The loop did not end the run in time. */
static void handler_clock(struct handler *handler) {
	if (handler->ending) {
		if (handler->forced) {
			handler_die(handler->forced);
		}
		_exit(124);
	}
	handler->ending = 1;
	handler_arm(handler, HANDLER_WORDS);
	handler->last_words(handler->loop, handler->forced);
	if (handler->forced) {
		handler_die(handler->forced);
	}
	_exit(124);
}

static void handler_entered(int signal, siginfo_t *info, void *context) {
	(void)context;
	int saved = errno;
	struct handler *handler = handler_process;
	if (!handler || getpid() != handler->process) {
		/* A forked child: it dies of it, as it would without arun. */
		handler_die(signal);
	}
	if ((pid_t)syscall(SYS_gettid) != handler->thread) {
		syscall(SYS_tgkill, handler->process, handler->thread, signal);
	} else if (signal == SIGHUP) {
		handler->hangups++;
		loop_wakeup(handler->loop);
	} else if (signal == handler_signal(HANDLER_CLOCK)) {
		/* Whoever else sends it means nothing by it. */
		if (info->si_code == SI_TIMER) {
			handler_clock(handler);
		}
	} else {
		handler_stop(handler, signal);
	}
	errno = saved;
}

static void handler_nothing(int signal) {
	(void)signal;
}

/* INT and HUP found ignored stay so: nohup(1), and a shell's background jobs. */
static bool handler_wanted(int index) {
	struct sigaction now;
	int signal = handler_signal(index);
	sigaction(signal, NULL, &now);
	bool ignorable = signal == SIGINT || signal == SIGHUP;
	return !ignorable || now.sa_flags & SA_SIGINFO || now.sa_handler != SIG_IGN;
}

static void handler_take(struct handler *handler, int index) {
	int signal = handler_signal(index);
	struct sigaction action = {.sa_flags = SA_RESTART | SA_ONSTACK};
	if (signal == SIGPIPE) {
		action.sa_handler = handler_nothing;
	} else {
		action.sa_sigaction = handler_entered;
		action.sa_flags |= SA_SIGINFO;
	}
	if (index == HANDLER_CLOCK) {
		/* It must be able to interrupt its own last words. */
		action.sa_flags |= SA_NODEFER;
	}
	sigfillset(&action.sa_mask);
	sigdelset(&action.sa_mask, handler_signal(HANDLER_CLOCK));
	sigdelset(&action.sa_mask, SIGSEGV);
	sigdelset(&action.sa_mask, SIGBUS);
	sigdelset(&action.sa_mask, SIGABRT);
	sigaction(signal, NULL, &handler->before[index]);
	if (handler_wanted(index)) {
		sigaction(signal, &action, NULL);
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
	handler->process = getpid();
	handler->thread = (pid_t)syscall(SYS_gettid);
	if (!signals) {
		return 0;
	}
	if (handler_take_stack(handler) < 0) {
		return -1;
	}
	struct sigevent event = {
		.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMAX};
	event._sigev_un._tid = handler->thread;
	if (timer_create(CLOCK_MONOTONIC, &event, &handler->timer) < 0) {
		return -1;
	}
	handler->timed = true;
	handler_process = handler;
	sigset_t mine;
	sigemptyset(&mine);
	for (int i = 0; i < HANDLER_SIGNALS; i++) {
		handler_take(handler, i);
		sigaddset(&mine, handler_signal(i));
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
			sigaction(handler_signal(i), &handler->before[i], NULL);
		}
		handler->installed = false;
		handler_process = NULL;
	}
	handler_give_stack(handler);
}
