/* SPDX-License-Identifier: MIT */
#include "workers.h"

#include "ending.h"
#include "figures.h"
#include "group.h"
#include "say.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Seconds: until one that does not die is killed again, and until the service manager, or a
 * worker, is told again what there was no room for. */
static const double KILL_AGAIN = 5, TELL_AGAIN = 0.05;

/* Later than anything. */
static const double NEVER = 1e18;

/* Messages in a turn, more than a queue holds: any user of the machine may send some, and must
 * not keep the parent from its workers. */
enum { HEARD_MOST = 1024 };

/* Messages -------------------------------------------------------------------------- */

/* What the service manager is told in the workers' name: more time, stored descriptors,
 * and why the first start failed. */
static bool is_for_manager(const struct group *group, const char *text) {
	return manager_says(text, "EXTEND_TIMEOUT_USEC=") ||
	       manager_says(text, "FDSTORE=1") || manager_says(text, "FDSTOREREMOVE=1") ||
	       (!group->ready && (manager_says(text, "EXIT_STATUS=") ||
					 manager_says(text, "ERRNO=")));
}

static void hear(struct group *group) {
	struct manager_message message;
	for (int i = 0; i < HEARD_MOST && manager_hear(&group->manager, &message); i++) {
		struct worker *worker = group_find(group, message.process);
		if (worker && is_for_manager(group, message.text)) {
			manager_tell(&group->manager, message.text, message.fd);
		}
		if (message.fd >= 0) {
			close(message.fd);
		}
		if (!worker) {
			continue;
		}
		worker->beat = group->now;
		bool ready = manager_says(message.text, "READY=1");
		worker->ready = worker->ready || ready;
		if (ready && worker->state == WORKER_STARTING) {
			group_on_ready(group, worker);
		}
	}
}

/* What a worker has said and asked for counts before its death: it may have done both since the
 * last look. */
static void bury(struct group *group, pid_t pid, int status) {
	hear(group);
	struct worker *found = group_find(group, pid);
	if (found) {
		struct worker worker = *found;
		while (found->line.fd >= 0) {
			keeper_serve(&group->keeper, &found->line);
		}
		*found = group->workers[--group->count];
		group_on_end(group, &worker, status);
	}
}

/* Reaps all that has ended: as PID 1 also what nobody here has made. */
static void reap(struct group *group) {
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		bury(group, pid, status);
	}
}

/* Signals --------------------------------------------------------------------------- */

static void forward(struct group *group, int signum) {
	for (size_t i = 0; i < group->count; i++) {
		kill(group->workers[i].pid, signum);
	}
}

/* Whether SIGHUP means that the terminal was closed, so that all are to end. */
static bool is_hang_up(const struct group *group) {
	return group->terminal && !isatty(STDIN_FILENO);
}

static void on_signal(struct group *group, int signum) {
	if (signum == SIGHUP && !is_hang_up(group)) {
		group_roll(group);
	} else if (signum == SIGUSR1) {
		forward(group, signum);
	} else if (signum != SIGCHLD) {
		if (!group->stop) {
			group->stop = signum == SIGHUP ? SIGTERM : signum;
		}
		group_stop(group, signum == SIGHUP ? SIGTERM : signum);
		if (signum == SIGINT) {
			group_note_end(group, SIGINT);
		}
	}
}

static void read_signals(struct group *group) {
	struct signalfd_siginfo info;
	while (read(group->signals, &info, sizeof info) > 0) {
		on_signal(group, (int)info.ssi_signo);
	}
}

/* Whether a signal was found ignored, by nohup(1) or a shell's "&". Blocked, it would still be read. */
static bool stays_ignored(int signum) {
	struct sigaction action;
	return (signum == SIGINT || signum == SIGQUIT || signum == SIGHUP) &&
	       sigaction(signum, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

static void open_signals(struct group *group) {
	static const int taken[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGQUIT, SIGCHLD};
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
		if (!stays_ignored(taken[i])) {
			sigaddset(&set, taken[i]);
		}
	}
	signal(SIGCHLD, SIG_DFL);
	sigprocmask(SIG_BLOCK, &set, &group->mask);
	for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
		sigdelset(&group->mask, taken[i]);
	}
	group->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (group->signals < 0) {
		group_fail(group, "no descriptor for signals");
	}
}

/* Time ------------------------------------------------------------------------------ */

/* One that has taken another user cannot be killed by a parent without CAP_KILL: it is not
 * waited for at a stop, and ends by itself when the parent is gone. */
static void kill_late(struct group *group, struct worker *worker) {
	if (kill(worker->pid, SIGKILL) == 0) {
		say("worker %d has not ended in time: it is killed", (int)worker->pid);
		worker->limit = group->now + KILL_AGAIN;
	} else {
		say("worker %d has not ended in time, and cannot be killed: %s",
			(int)worker->pid, strerror(errno));
		worker->limit = NEVER;
		group_note_end(group, STATUS_OVERDUE << 8);
	}
}

/* Kills a worker that hangs, or does not end in time. One that hangs gets SIGABRT first, which has it
 * say in which task. */
static void look_after(struct group *group, struct worker *worker, double *next) {
	double hangs = worker->state == WORKER_SERVING && group->manager.watchdog
			       ? worker->beat + group->manager.watchdog
			       : NEVER;
	if (worker->limit && group->now >= worker->limit) {
		kill_late(group, worker);
	}
	if (!worker->limit && group->now >= hangs) {
		say("worker %d has given no sign of life for %g s", (int)worker->pid,
			group->manager.watchdog);
		kill(worker->pid, SIGABRT);
		worker->limit = group->now + group->options->grace;
	}
	*next = earlier(*next, worker->limit ? worker->limit : hangs);
	*next = earlier(*next, worker->line.late ? group->now + TELL_AGAIN : NEVER);
}

static void feed_watchdog(struct group *group, double *next) {
	if (group->manager.watchdog && group->now >= group->beat) {
		manager_tell(&group->manager, "WATCHDOG=1", -1);
		group->beat = group->now + group->manager.watchdog / 2;
	}
	*next = earlier(*next, group->beat ? group->beat : NEVER);
}

/* Starts workers again whose pause is over. */
static void restart_due(struct group *group, double *next) {
	for (unsigned i = 0; !group->over && i < group->options->count; i++) {
		double due = group->slots[i].due;
		if (due && group->now >= due) {
			group_restart(group, i);
		} else if (due) {
			*next = earlier(*next, due);
		}
	}
}

/* Does what is due. Stores in *next when to look again. */
static void pass_time(struct group *group, double *next) {
	*next = NEVER;
	feed_watchdog(group, next);
	if (manager_pay(&group->manager)) {
		*next = earlier(*next, group->now + TELL_AGAIN);
	}
	for (size_t i = 0; i < group->count; i++) {
		look_after(group, &group->workers[i], next);
	}
	if (group->options->watch) {
		if (group->now >= group->changes.due &&
			changes_seen(&group->changes, group->now)) {
			group_roll(group);
		}
		*next = earlier(*next, group->changes.due);
	}
	if (group->wanted && group->ready) {
		group_roll(group);
	}
	restart_due(group, next);
}

/* The loop -------------------------------------------------------------------------- */

/* While the parent itself did not run (all were stopped, or moved to another host), nobody can have
 * given it a sign of life: that time does not count. */
static void forgive_pause(struct group *group, double late) {
	for (size_t i = 0; i < group->count; i++) {
		struct worker *worker = &group->workers[i];
		worker->beat = earlier(worker->beat + late, group->now);
	}
}

/* There is no telling what is ready. Where more is polled than the limit for descriptors, which was
 * lowered meanwhile (EINVAL), the next wait fails at once as well. */
static void on_no_poll(struct group *group) {
	const struct timespec moment = {.tv_nsec = 50000000};
	if (errno != EINTR) {
		nanosleep(&moment, NULL);
	}
	for (size_t i = 0; i < POLLED_FIRST + group->count; i++) {
		group->polled[i].revents = 0;
	}
}

static void wait_for_something(struct group *group, double next) {
	struct pollfd *polled = group->polled;
	/* Not for too long: a pause of the parent shows in a wait that has taken longer. */
	double limit = group->manager.watchdog ? group->manager.watchdog / 4 : 3600;
	double begun = arun_now(), left = earlier(next - begun, limit);
	left = left > 0 ? left : 0;
	polled[0] = (struct pollfd){.fd = group->signals, .events = POLLIN};
	polled[1] = (struct pollfd){.fd = group->manager.fd, .events = POLLIN};
	polled[2] = (struct pollfd){.fd = group->changes.fd, .events = POLLIN};
	for (size_t i = 0; i < group->count; i++) {
		polled[POLLED_FIRST + i] = (struct pollfd){
			.fd = group->workers[i].line.fd, .events = POLLIN};
	}
	if (poll(polled, POLLED_FIRST + group->count,
		    left > 0 ? (int)(left * 1000) + 1 : 0) < 0) {
		on_no_poll(group);
	}
	group->now = arun_now();
	if (group->now > begun + left) {
		forgive_pause(group, group->now - begun - left);
	}
}

static void serve_lines(struct group *group) {
	for (size_t i = 0; i < group->count; i++) {
		if (group->polled[POLLED_FIRST + i].revents) {
			keeper_serve(&group->keeper, &group->workers[i].line);
		}
	}
}

/* Answers who asked while another was opening a socket: that one may have died over it. */
static void answer_lines(struct group *group) {
	for (size_t i = 0; i < group->count; i++) {
		keeper_answer(&group->keeper, &group->workers[i].line);
	}
}

/* Closes the sockets that no worker uses: the new version may have given them up. */
static void drop_unused(struct group *group) {
	uint64_t uses = 0;
	for (size_t i = 0; i < group->count; i++) {
		uses |= group->workers[i].line.uses;
	}
	keeper_drop(&group->keeper, uses);
}

static bool is_settled(const struct group *group) {
	for (unsigned i = 0; i < group->options->count; i++) {
		if (group->slots[i].due) {
			return false;
		}
	}
	return !group_has(group, WORKER_STARTING);
}

/* Whether there is nothing to be looked after any more. */
static bool is_over(const struct group *group) {
	size_t waited_for = group->count;
	for (size_t i = 0; group->over && i < group->count; i++) {
		waited_for -= group->workers[i].limit >= NEVER;
	}
	return waited_for == 0 &&
	       (group->over || (is_settled(group) && !group->options->watch));
}

/* Sees to what has happened; what a worker has said counts before its death. */
static void act(struct group *group) {
	serve_lines(group);
	if (group->changes.fd >= 0 && group->polled[2].revents) {
		changes_read(&group->changes, group->now);
	}
	hear(group);
	read_signals(group);
	reap(group);
	answer_lines(group);
	if (!group->over && is_settled(group) && !group_has(group, WORKER_LEAVING)) {
		drop_unused(group);
	}
}

/* Figures --------------------------------------------------------------------------- */

struct figures arun_workers = {.magic = {'a', 'r', 'u', 'n', '-', 'w', 'k', 's'}};

/* For `arun ps`. A slot whose worker has done its work, and that gets no other, is not wanted. */
static void show_figures(const struct group *group) {
	uint32_t wanted = 0, serving = 0;
	for (unsigned i = 0; i < group->options->count; i++) {
		group->slots[i].used = group->slots[i].due != 0;
	}
	for (size_t i = 0; i < group->count; i++) {
		const struct worker *worker = &group->workers[i];
		group->slots[worker->slot].used |= worker->state != WORKER_LEAVING;
		serving += worker->state == WORKER_SERVING;
	}
	for (unsigned i = 0; i < group->options->count; i++) {
		wanted += group->slots[i].used;
	}
	bool none = group->over || !wanted;
	arun_workers.wanted = none ? group->options->count : wanted;
	arun_workers.serving = none ? 0 : serving;
}

/* Ends the process as the workers have ended; without a core, of which theirs tell more. */
static _Noreturn void leave(struct group *group) {
	const struct rlimit none = {0, 0};
	keeper_drop(&group->keeper, 0);
	sum_print(&group->keeper.sum);
	sum_report(&group->keeper.sum, group->options->report,
		group->options->report_source, group->options->path);
	if (WIFSIGNALED(group->status)) {
		setrlimit(RLIMIT_CORE, &none);
		ending_die(WTERMSIG(group->status));
	}
	ending_exit(WEXITSTATUS(group->status));
}

_Noreturn void workers_run(const struct workers_options *options) {
	/* Static: a worker keeps it, and LeakSanitizer may not see the stack of main(). */
	static struct group *group;
	double next;
	group = malloc(sizeof *group);
	if (!group) {
		group_fail(NULL, "no list of them");
	}
	*group = (struct group){.options = options,
		.keeper = {.opener = -1, .speaker = -1},
		.manager.fd = -1,
		.changes.fd = -1,
		.roll = options->count,
		.terminal = isatty(STDIN_FILENO)};
	group->slots = calloc(options->count, sizeof *group->slots);
	if (!group->slots) {
		group_fail(group, "no list of them");
	}
	if (manager_open(&group->manager) < 0) {
		group_fail(group, "no socket to hear them");
	}
	open_signals(group);
	/* A stderr that nobody reads must not keep the parent from the workers. */
	say_patiently(false);
	group->now = arun_now();
	if (options->watch) {
		changes_open(&group->changes, options->watch, group->now);
	}
	for (unsigned i = 0; i < options->count && !group->over; i++) {
		group_start(group, i, false);
	}
	for (;;) {
		pass_time(group, &next);
		if (is_over(group)) {
			leave(group);
		}
		show_figures(group);
		wait_for_something(group, next);
		act(group);
	}
}
