/* SPDX-License-Identifier: MIT */
#include "early.h"

#include "../runtime/monotonic.h"
#include "../runtime/second_signal.h"
#include "ending.h"
#include "say.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Seconds: the least that is left of the grace time. */
static const double LEAST = 0.001;

static const int taken[] = {SIGTERM, SIGHUP};
enum { TAKEN = sizeof taken / sizeof taken[0] };

/* Known to the handler, which has no argument. */
static struct {
	pid_t process; /* what a constructor forks is not this one */
	struct timespec grace, sent;
	volatile sig_atomic_t kept, hung_up;
	siginfo_t info; /* of what is kept: a worker's parent forwards */
	bool timed;
	bool terminal; /* is stdin: SIGHUP may be a stop */
	timer_t timer; /* the grace time is over */
	struct sigaction before[TAKEN];
} early;

static double seconds_since(const struct timespec *time) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - time->tv_sec) +
	       (double)(now.tv_nsec - time->tv_nsec) * 1e-9;
}

static void start_clock(void) {
	const struct itimerspec time = {
		.it_value = early.grace, .it_interval = {.tv_sec = 1}};
	if (early.timed) {
		timer_settime(early.timer, 0, &time, NULL);
	}
}

static void keep(const siginfo_t *info) {
	clock_gettime(CLOCK_MONOTONIC, &early.sent);
	early.info = *info;
	early.kept = 1;
	start_clock();
}

/* What it means the run knows, which has the entry. */
static void keep_hang_up(void) {
	if (early.terminal && !early.kept && !early.hung_up) {
		start_clock();
	}
	early.hung_up = 1;
}

/* On any thread. */
static void on_signal(int signum, siginfo_t *info, void *context) {
	(void)context;
	if (getpid() != early.process) {
		ending_die_now(signum);
	} else if (info->si_code == SI_TIMER && info->si_value.sival_ptr == &early) {
		ending_overdue();
	} else if (signum == SIGHUP) {
		keep_hang_up();
	} else if (!early.kept) {
		keep(info);
	} else if (second_signal(seconds_since(&early.sent))) {
		ending_die_now(signum);
	}
}

static void mask(int how) {
	sigset_t set;
	sigemptyset(&set);
	for (int i = 0; i < TAKEN; i++) {
		sigaddset(&set, taken[i]);
	}
	sigprocmask(how, &set, NULL);
}

/* A SIGHUP that is ignored stays so, for nohup(1). */
static void take(void) {
	struct sigaction action = {.sa_sigaction = on_signal,
		.sa_flags = SA_SIGINFO | SA_RESTART | SA_NODEFER};
	sigemptyset(&action.sa_mask);
	for (int i = 0; i < TAKEN; i++) {
		sigaction(taken[i], NULL, &early.before[i]);
		if (taken[i] == SIGTERM || early.before[i].sa_handler != SIG_IGN) {
			sigaction(taken[i], &action, NULL);
		}
	}
}

void early_begin(const char *plugin, double grace) {
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL,
		.sigev_signo = SIGTERM,
		.sigev_value.sival_ptr = &early};
	early.process = getpid();
	early.terminal = isatty(STDIN_FILENO);
	early.grace = monotonic_timespec(grace);
	early.timed = timer_create(CLOCK_MONOTONIC, &event, &early.timer) == 0;
	say_keep("%s: a constructor hangs: not loaded within the grace time", plugin);
	take();
}

/* Those that the plugin has not taken. */
static void give_back(void) {
	for (int i = 0; i < TAKEN; i++) {
		struct sigaction now;
		sigaction(taken[i], NULL, &now);
		if (now.sa_flags & SA_SIGINFO && now.sa_sigaction == on_signal) {
			sigaction(taken[i], &early.before[i], NULL);
		}
	}
}

double early_end(double grace) {
	mask(SIG_BLOCK);
	if (early.timed) {
		timer_delete(early.timer);
	}
	give_back();
	/* They wait for whoever unblocks them, which the run does as soon as it has handlers. */
	if (early.hung_up) {
		raise(SIGHUP);
	}
	if (!early.kept) {
		return grace;
	}
	if (syscall(SYS_rt_tgsigqueueinfo, getpid(), getpid(), SIGTERM, &early.info) <
		0) {
		raise(SIGTERM);
	}
	double left = grace - seconds_since(&early.sent);
	return left > LEAST ? left : LEAST;
}

void early_drop(void) {
	mask(SIG_UNBLOCK);
}
