/* SPDX-License-Identifier: MIT */
#include "early.h"

#include "ending.h"
#include "say.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Seconds between two signals that are one; the least that is left of the grace time. */
static const double SAME = 0.1, LEAST = 0.001;

/* Known to the handler, which has no argument. */
static struct {
	pid_t process; /* what a constructor forks is not this one */
	struct timespec grace, sent;
	volatile sig_atomic_t kept;
	siginfo_t info; /* of what is kept: a worker's parent forwards */
	bool timed;
	timer_t timer; /* the grace time is over */
	struct sigaction before;
} early;

static double seconds_since(const struct timespec *time) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - time->tv_sec) +
	       (double)(now.tv_nsec - time->tv_nsec) * 1e-9;
}

static void keep(const siginfo_t *info) {
	const struct itimerspec time = {
		.it_value = early.grace, .it_interval = {.tv_sec = 1}};
	clock_gettime(CLOCK_MONOTONIC, &early.sent);
	early.info = *info;
	early.kept = 1;
	if (early.timed) {
		timer_settime(early.timer, 0, &time, NULL);
	}
}

/* The second time it is the line which nobody reads. */
static _Noreturn void give_up(void) {
	if (early.kept == 1) {
		early.kept = 2;
		say_kept();
	}
	_exit(STATUS_OVERDUE);
}

/* On any thread. */
static void on_term(int signum, siginfo_t *info, void *context) {
	(void)context;
	if (getpid() != early.process) {
		ending_die_now(signum);
	} else if (info->si_code == SI_TIMER && info->si_value.sival_ptr == &early) {
		give_up();
	} else if (!early.kept) {
		keep(info);
	} else if (seconds_since(&early.sent) >= SAME) {
		ending_die_now(signum);
	}
}

static void mask(int how) {
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(how, &set, NULL);
}

void early_begin(const char *plugin, double grace) {
	struct sigaction action = {.sa_sigaction = on_term,
		.sa_flags = SA_SIGINFO | SA_RESTART | SA_NODEFER};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL,
		.sigev_signo = SIGTERM,
		.sigev_value.sival_ptr = &early};
	double seconds = grace < 1e9 ? grace : 1e9;
	early.process = getpid();
	early.grace.tv_sec = (time_t)seconds;
	early.grace.tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9);
	early.timed = timer_create(CLOCK_MONOTONIC, &event, &early.timer) == 0;
	say_keep("%s: a constructor hangs: not loaded within the grace time", plugin);
	sigemptyset(&action.sa_mask);
	sigaction(SIGTERM, &action, &early.before);
}

/* Where the plugin has not taken it. */
static void give_back(void) {
	struct sigaction now;
	sigaction(SIGTERM, NULL, &now);
	if (now.sa_flags & SA_SIGINFO && now.sa_sigaction == on_term) {
		sigaction(SIGTERM, &early.before, NULL);
	}
}

double early_end(double grace) {
	mask(SIG_BLOCK);
	if (early.timed) {
		timer_delete(early.timer);
	}
	give_back();
	if (!early.kept) {
		return grace;
	}
	/* It waits for whoever unblocks it, which the run does as soon as it has handlers. */
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
