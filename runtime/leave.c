/* SPDX-License-Identifier: MIT */
#include "leave.h"

#include "conn.h"
#include "job.h"
#include "log.h"
#include "monotonic.h"
#include "pool.h"
#include "post.h"
#include "process.h"
#include "stop.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* LEFT_UNKNOWN: a status. */
enum { LEFT_STACK = 256 * 1024, LEFT_UNKNOWN = -1 };

/* Seconds that idle threads may take to end, */
static const double LEFT_THREADS = 1;
/* that the loop may take to turn, for a thread that exits, */
static const double LEFT_TURN = 1;
/* and that the last words may take. */
static const double LEFT_TELL = 1;

static void leave_with_leaks(void) {
	fflush(NULL);
	_exit(RUN_STATUS_LEAKS);
}

/* Who calls exit() cannot do more about its own end. */
static void leave_alone(struct object *object) {
	if (object) {
		object->background = true;
	}
}

/* Where nobody reads the report it ends as at a stop, whose clock may be running. */
static bool leave_start_clock(struct run *run) {
	bool starts = isinf(run->loop.sched.stop_at);
	if (starts) {
		handler_arm(&run->handler, run->handler.grace);
	}
	run->handler.ending = 1; /* a signal finds it told */
	return starts;
}

/* Returns whether what is open makes the status RUN_STATUS_LEAKS. */
static bool leave_report(struct run *run, int status) {
	bool started = leave_start_clock(run);
	stop_snapshot(run, true);
	bool strict = run->snapshot.total && run->report.leaks == ARUN_LEAKS_ERROR;
	bool changed = strict && status != LEFT_UNKNOWN && (status & 0xff) == 0;
	int told = changed                  ? RUN_STATUS_LEAKS
		   : status == LEFT_UNKNOWN ? 0
					    : status & 0xff;
	run->report.end = stop_report_end(run, "return", run->signal, told);
	report_leaks(&run->report, &run->snapshot);
	report_to_parent(&run->report, &run->snapshot, &run->loop.broker);
	conn_restore_flags(&run->loop.sched.registry);
	if (started) {
		handler_arm(&run->handler, INFINITY); /* what follows is the plugin's */
	}
	return changed;
}

/*
 * In a thread that has no run, it is the run's that reports, between two tasks, and goes no further:
 * what exit() ends is not to change meanwhile.
 */
enum departure_state { DEPARTURE_ASKED, DEPARTURE_SEEN, DEPARTURE_TOLD, DEPARTURE_LOST };

struct departure {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct pool_job *job; /* whose thread it is; NULL: another one */
	int status;
	double grace; /* for the report, once it is seen */
	enum departure_state state;
	bool leaks; /* out: they make the status */
};

static struct departure *departure_create(int status) {
	struct departure *departure = calloc(1, sizeof *departure);
	if (departure) {
		departure->job = pool_job_here();
		departure->status = status;
		pthread_mutex_init(&departure->lock, NULL);
		monotonic_condition(&departure->changed);
	}
	return departure;
}

static bool departure_turn(
	struct departure *departure, enum departure_state from, enum departure_state to) {
	pthread_mutex_lock(&departure->lock);
	bool turns = departure->state == from;
	departure->state = turns ? to : departure->state;
	pthread_cond_signal(&departure->changed);
	pthread_mutex_unlock(&departure->lock);
	return turns;
}

static struct pool_job *departure_job(
	const struct departure *departure, const struct run *run) {
	registry_each (object, &run->loop.sched.registry, KIND_JOB) {
		if (departure->job && object == &departure->job->object) {
			return departure->job;
		}
	}
	return NULL;
}

/* Posted. A host's other threads have nothing to do with a run that leaves it the signals. */
static void departure_see(void *argument) {
	struct departure *departure = argument;
	struct run *run = run_here();
	departure->grace = run->handler.grace;
	if (!departure_turn(departure, DEPARTURE_ASKED, DEPARTURE_SEEN)) {
		return;
	}
	struct pool_job *job = departure_job(departure, run);
	bool asked = job || run->handler.installed;
	if (job) {
		leave_alone(&job->object);
		leave_alone(job->waiter ? &job->waiter->object : NULL);
	}
	if (asked) {
		departure->leaks = leave_report(run, departure->status);
	}
	departure_turn(departure, DEPARTURE_SEEN, DEPARTURE_TOLD);
	while (asked) {
		pause();
	}
}

/* Waits, with the lock, for the end of a state, at most that many seconds. */
static void departure_await(
	struct departure *departure, enum departure_state state, double seconds) {
	struct timespec until = monotonic_timespec(loop_clock() + seconds);
	int late = 0;
	while (departure->state == state && !late) {
		late = pthread_cond_timedwait(
			&departure->changed, &departure->lock, &until);
	}
}

/* Returns whether it was told of. */
static bool departure_wait(struct departure *departure) {
	pthread_mutex_lock(&departure->lock);
	departure_await(departure, DEPARTURE_ASKED, LEFT_TURN);
	if (departure->state == DEPARTURE_ASKED) {
		departure->state = DEPARTURE_LOST;
	}
	departure_await(departure, DEPARTURE_SEEN, departure->grace + LEFT_TELL);
	if (departure->state == DEPARTURE_SEEN) {
		/* Of a host that has the signals, so that there is no clock: nobody reads. */
		_exit(HANDLER_OVERDUE);
	}
	bool told = departure->state == DEPARTURE_TOLD;
	pthread_mutex_unlock(&departure->lock);
	return told;
}

static void departure_lose(const struct pool_job *job, const char *why) {
	char line[256];
	struct text out;
	text_fixed(&out, line, sizeof line);
	text_add(&out, "exit() in ");
	if (job) {
		text_add(&out, "job \"");
		text_escape(&out, job->name);
		text_add(&out, "\"");
	} else {
		text_add(&out, "a thread");
	}
	text_add(&out, ", and %s: there is no report", why);
	struct pollfd stderr_has_room = {.fd = STDERR_FILENO, .events = POLLOUT};
	if (poll(&stderr_has_room, 1, (int)(LEFT_TELL * 1000)) != 0) {
		log_line(LOG_LEVEL_ERROR, "%s", line);
	}
}

static void leave_elsewhere(int status) {
	struct departure *departure = departure_create(status);
	if (!departure || arun_post(departure_see, departure) < 0) {
		departure_lose(pool_job_here(),
			errno == ESHUTDOWN ? "the run is over" : "memory is out");
		free(departure);
		return;
	}
	if (!departure_wait(departure)) {
		departure_lose(departure->job, "the loop does not turn");
	} else if (departure->leaks) {
		leave_with_leaks();
	}
}

static void leave(int status, void *unused) {
	/* None in a forked child, after the end of the run, and after pthread_exit(). */
	struct run *run = run_here();
	(void)unused;
	if (run) {
		struct arun_task *self = run->loop.sched.current;
		leave_alone(self ? &self->object : NULL);
		if (leave_report(run, status)) {
			leave_with_leaks();
		}
	} else if (pool_job_here() || handler_owned()) {
		leave_elsewhere(status);
	}
}

/*
 * Ends the run after pthread_exit(3), which has left all stacks, and with them what a report would
 * name. The plugin's other threads go on, as POSIX has it; the process ends with the last one,
 * which must not be one of arun's.
 */
static void leave_thread(void *unused) {
	struct run *run = run_here();
	(void)unused;
	if (run) {
		/* AddressSanitizer does not see those frames go. */
		const char *here = __builtin_frame_address(0);
		context_hooks_clean(here - LEFT_STACK, LEFT_STACK);
		log_line(LOG_LEVEL_ERROR, "pthread_exit() in a task: there is no report");
		hog_stop(&run->hog);
		post_shut(&run->loop);
		pool_finish(&run->loop, loop_clock() + LEFT_THREADS);
		conn_restore_flags(&run->loop.sched.registry);
		handler_restore(&run->handler);
		rawfd_finish(&run->rawfd);
		sched_current = NULL;
	}
}

/* Set in each thread that has had a run, so that leave_thread() is called at its end. Made once. */
static pthread_key_t leave_key;

#ifndef __GLIBC__
/* musl's has no argument. */
static void leave_mutely(void) {
	leave(LEFT_UNKNOWN, NULL);
}

static void on_exit(void (*fn)(int, void *), void *unused) {
	(void)fn;
	(void)unused;
	atexit(leave_mutely);
}
#endif

void leave_watch(void) {
	on_exit(leave, NULL);
	pthread_key_create(&leave_key, leave_thread);
}

void leave_watch_thread(void) {
	pthread_setspecific(leave_key, &leave_key);
}

void leave_broken(struct loop *loop, const char *message) {
	struct run *run = run_of(loop);
	int error = errno;
	if (error == EBADF || error == EINVAL) {
		crash_write_closed(&run->crash);
	} else {
		struct text why;
		text_fixed(&why, run->why, sizeof run->why);
		text_error(&why, error);
		log_line(LOG_LEVEL_ERROR, "%s: the loop cannot go on: %s: %s",
			run->report.plugin, message, run->why);
	}
	stop_snapshot(run, true);
	run->report.end = stop_report_end(run, "crash", SIGABRT, 128 + SIGABRT);
	report_leaks(&run->report, &run->snapshot);
	abort();
}

/* As where the grace time runs out: what is left is abandoned. */
void leave_starved(struct loop *loop) {
	struct run *run = run_of(loop);
	struct text why;
	loop->starved = NULL; /* telling may take of the loop, too */
	run->handler.ending = 1;
	handler_arm(&run->handler, LEFT_TELL);
	text_fixed(&why, run->why, sizeof run->why);
	text_add(&why, "the loop cannot go on: ");
	text_error(&why, ENOMEM);
	log_line(LOG_LEVEL_ERROR, "%s: %s", run->report.plugin, run->why);
	notify_failed(&run->notify, ENOMEM, LOOP_STARVED, run->why);
	stop_snapshot(run, true);
	run->report.end = stop_report_end(run, "error", 0, LOOP_STARVED);
	report_leaks(&run->report, &run->snapshot);
	process_kill_all(&loop->sched.registry);
	conn_restore_flags(&loop->sched.registry);
	fflush(NULL);
	_exit(LOOP_STARVED);
}
