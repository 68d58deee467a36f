/* SPDX-License-Identifier: MIT */
#include "hog.h"

#include "monotonic.h"
#include "text_within.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Seconds between two looks; more between them is time that the process was stopped. */
static const double HOG_TICK = 0.025, HOG_GAP = 1;
static const double HOG_PATIENCE = 1;

/* Lines -------------------------------------------------------------------------- */

static void hog_say(const struct hog *hog, const char *verb, const char *more) {
	char space[1024];
	struct text out;
	text_fixed(&out, space, sizeof space);
	scene_add_plugin(&out, &hog->scene);
	text_add(&out, ": ");
	scene_add_task(&out, &hog->scene, &hog->seen, NULL);
	text_add(&out, " %s ", verb);
	text_seconds(&out, hog->seconds);
	text_add(&out, " without suspending%s", more);
	scene_add_wait(&out, &hog->seen);
	text_add(&out, "\n");
	text_write_within(&out, STDERR_FILENO, HOG_PATIENCE);
}

void hog_write_stack(const struct hog *hog, const void *context) {
	const struct arun_task *current = hog->scene.loop->sched.current;
	/* It may have suspended since. */
	if (!current || current->object.id != hog->seen.task.object.id ||
		current->runs != hog->seen.task.runs) {
		return;
	}
	char space[8192];
	struct text out;
	text_fixed(&out, space, sizeof space);
	trace_add(&out, hog->scene.trace, context);
	text_write_within(&out, STDERR_FILENO, HOG_PATIENCE);
}

/* The call that the run's thread is in; -1: none, or not known. */
static long hog_call(const struct hog *hog) {
	char line[128];
	ssize_t size = hog->calls < 0 ? -1 : pread(hog->calls, line, sizeof line - 1, 0);
	line[size < 0 ? 0 : size] = '\0';
	return *line >= '0' && *line <= '9' ? strtol(line, NULL, 10) : -1;
}

/* Whether a handler would end it with EINTR, whatever its flags (signal(7)). */
static bool hog_is_fragile(long call) {
	static const long calls[] = {
#ifdef SYS_poll
		SYS_poll,
		SYS_select,
		SYS_epoll_wait,
		SYS_pause,
#endif
		SYS_ppoll,
		SYS_pselect6,
		SYS_epoll_pwait,
		SYS_nanosleep,
		SYS_clock_nanosleep,
		SYS_rt_sigtimedwait,
		SYS_rt_sigsuspend,
	};
	for (size_t i = 0; i < count_of(calls); i++) {
		if (calls[i] == call) {
			return true;
		}
	}
	return false;
}

/* The thread --------------------------------------------------------------------- */

static void hog_tell(struct hog *hog) {
	bool fragile = hog_is_fragile(hog_call(hog));
	hog->told = true;
	hog_say(hog, "has run for", fragile ? ", in a call that sleeps" : "");
	if (hog->handler->installed && !fragile) {
		handler_ask(hog->handler);
	}
}

static bool hog_same(const struct hog *hog, const struct scene_task *now) {
	const struct arun_task *before = &hog->seen.task;
	return hog->some && before->object.id == now->task.object.id &&
	       before->runs == now->task.runs;
}

static void hog_end(struct hog *hog) {
	if (hog->told) {
		hog_say(hog, "ran for", "");
	}
	hog->told = false;
	hog->seconds = 0;
}

static void hog_look(struct hog *hog) {
	struct scene_task now;
	double time = loop_clock(), passed = time - hog->looked;
	bool some = scene_running(&hog->scene, &now);
	hog->looked = time;
	if (some && hog_same(hog, &now)) {
		hog->seconds += passed < HOG_GAP ? passed : HOG_TICK;
		if (!hog->told && hog->seconds >= hog->limit) {
			hog_tell(hog);
		}
		return;
	}
	hog_end(hog);
	hog->some = some;
	hog->seen = now;
}

/* Waits for a tick. Returns whether it is over. */
static bool hog_wait(struct hog *hog) {
	double tick = time_min(hog->limit / 4, HOG_TICK);
	struct timespec time = monotonic_timespec(loop_clock() + tick);
	pthread_mutex_lock(&hog->mutex);
	int error = 0;
	while (!hog->quit && error != ETIMEDOUT) {
		error = pthread_cond_timedwait(&hog->changed, &hog->mutex, &time);
	}
	bool quit = hog->quit;
	pthread_mutex_unlock(&hog->mutex);
	return quit;
}

static void *hog_main(void *argument) {
	struct hog *hog = argument;
	hog->looked = loop_clock();
	while (!hog_wait(hog)) {
		hog_look(hog);
	}
	hog_end(hog);
	return NULL;
}

static void hog_finish(struct hog *hog) {
	pthread_cond_destroy(&hog->changed);
	pthread_mutex_destroy(&hog->mutex);
	if (hog->calls >= 0) {
		close(hog->calls);
	}
}

int hog_start(struct hog *hog) {
	char path[64];
	struct text out;
	text_fixed(&out, path, sizeof path);
	text_add(&out, "/proc/self/task/%d/syscall", (int)hog->handler->thread);
	hog->calls = open(path, O_RDONLY | O_CLOEXEC);
	pthread_mutex_init(&hog->mutex, NULL);
	monotonic_condition(&hog->changed);
	int error = handler_thread(&hog->thread, hog_main, hog);
	hog->running = !error;
	if (error) {
		hog_finish(hog);
		errno = error;
		return -1;
	}
	return 0;
}

void hog_stop(struct hog *hog) {
	if (!hog->running) {
		return;
	}
	pthread_mutex_lock(&hog->mutex);
	hog->quit = true;
	pthread_cond_signal(&hog->changed);
	pthread_mutex_unlock(&hog->mutex);
	pthread_join(hog->thread, NULL);
	hog->running = false;
	hog_finish(hog);
}
