/* SPDX-License-Identifier: MIT */
#include "notify.h"

#include "fdpass.h"
#include "log.h"
#include "variable.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Connections are counted up to here: a look must stay cheap. */
enum { NOTIFY_COUNTED = 10000, NOTIFY_NAME = 255 };

/* Seconds: between two looks at what there is, until a state is sent again, by which a
 * start is extended, and between two extensions. */
static const double NOTIFY_LOOK = 1, NOTIFY_AGAIN = 0.05, NOTIFY_EXTENSION = 30,
		    NOTIFY_OFTEN = 0.1;

/* Datagrams ------------------------------------------------------------------------ */

/* Returns 0, or why it was not sent. fd: goes with it; -1: none. */
static int notify_send(const struct notify *notify, const char *text, int fd) {
	union fdpass_room room;
	struct iovec part = {(void *)(uintptr_t)text, strlen(text)};
	struct msghdr message = {.msg_name = (void *)(uintptr_t)&notify->address,
		.msg_namelen = notify->length,
		.msg_iov = &part,
		.msg_iovlen = 1};
	fdpass_put(&message, &room, fd);
	if (notify->fd < 0) {
		return ENOTCONN;
	}
	int result = (int)sendmsg(notify->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	return result < 0 ? errno : 0;
}

/* Who waits for READY=1 kills what does not send it. One that is not there waits for nothing. */
static void notify_complain(struct notify *notify, int error) {
	bool there = error != ENOENT && error != ENOTDIR && error != ECONNREFUSED;
	if (error && there && !notify->complained) {
		notify->complained = true;
		log_line(LOG_LEVEL_WARNING, "the service manager cannot be told: %s",
			strerror(error));
	}
}

static void notify_pay(struct loop_timer *timer) {
	struct notify *notify = container_of(timer, struct notify, again);
	int error = notify_send(notify, notify->owed, -1);
	if (fdpass_later(error)) {
		loop_timer_start(notify->loop, timer, NOTIFY_AGAIN, notify_pay);
	} else {
		notify->owed[0] = '\0';
		loop_timer_stop(notify->loop, timer);
		notify_complain(notify, error);
	}
}

/* What must not be lost. */
static void notify_state(struct notify *notify, const char *text) {
	int error = errno;
	if (notify->fd >= 0) {
		snprintf(notify->owed, sizeof notify->owed, "%s", text);
		notify_pay(&notify->again);
	}
	errno = error;
}

/* STATUS= ---------------------------------------------------------------------------- */

void notify_status(struct notify *notify, const char *status) {
	char message[NOTIFY_STATE];
	struct text out;
	if (notify->fd < 0 || strcmp(status, notify->status) == 0) {
		return;
	}
	text_fixed(&out, message, sizeof message);
	text_add(&out, "STATUS=");
	text_escape(&out, status);
	if (notify_send(notify, message, -1) == 0) {
		snprintf(notify->status, sizeof notify->status, "%s", status);
	}
}

static unsigned count_connections(const struct registry *registry) {
	unsigned count = 0;
	registry_each (object, registry, KIND_CONNECTION) {
		if (++count > NOTIFY_COUNTED) {
			break;
		}
	}
	return count;
}

static void notify_add_counts(struct text *out, const struct sched *sched) {
	unsigned connections = count_connections(&sched->registry);
	unsigned tasks = sched_sweepable(sched);
	bool many = connections > NOTIFY_COUNTED;
	text_add(out, "%s%u connection%s, %u task%s", many ? "more than " : "",
		connections - many, connections == 1 ? "" : "s", tasks,
		tasks == 1 ? "" : "s");
}

/* The plugin's own words, else what there is; while stopping others say more. */
static void notify_look(struct notify *notify) {
	char status[NOTIFY_STATUS];
	struct text out;
	text_fixed(&out, status, sizeof status);
	text_add(&out, "%s", notify->plugin);
	if (!*status && notify->ready) {
		notify_add_counts(&out, &notify->loop->sched);
	}
	if (*status && !notify->stopping) {
		notify_status(notify, status);
	}
}

static void notify_on_look(struct loop_timer *timer) {
	struct notify *notify = container_of(timer, struct notify, look);
	loop_timer_start(notify->loop, timer, NOTIFY_LOOK, notify_on_look);
	notify_look(notify);
}

/* States --------------------------------------------------------------------------- */

void notify_ready(struct notify *notify) {
	if (!notify->stopping) {
		notify->ready = true;
		notify_state(notify, "READY=1");
		notify_look(notify);
	}
}

void notify_reloading(struct notify *notify) {
	struct timespec now;
	char message[64];
	if (notify->ready && !notify->stopping) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		snprintf(message, sizeof message, "RELOADING=1\nMONOTONIC_USEC=%lld",
			(long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
		notify_state(notify, message);
	}
}

void notify_reloaded(struct notify *notify) {
	if (notify->ready) {
		notify_ready(notify);
	}
}

void notify_stopping(struct notify *notify) {
	if (!notify->stopping) {
		notify->stopping = true;
		notify_state(notify, "STOPPING=1\nSTATUS=stopping");
	}
}

void notify_failed(struct notify *notify, int error, int status, const char *why) {
	char message[NOTIFY_STATE];
	struct text out;
	text_fixed(&out, message, sizeof message);
	if (status) {
		text_add(&out, "EXIT_STATUS=%d\n", status);
	}
	if (error > 0) {
		text_add(&out, "ERRNO=%d\n", error);
	}
	text_add(&out, "STATUS=failed: ");
	text_escape(&out, why);
	notify_state(notify, message);
}

/* The watchdog --------------------------------------------------------------------- */

static void notify_on_beat(struct loop_timer *timer) {
	struct notify *notify = container_of(timer, struct notify, beat);
	loop_timer_start(notify->loop, timer, notify->watchdog, notify_on_beat);
	notify_send(notify, "WATCHDOG=1", -1);
}

/* Life ----------------------------------------------------------------------------- */

/* "/path" and "@abstract"; other families (vsock) are of other machines. */
static bool notify_set_address(struct notify *notify, const char *path) {
	size_t length = path ? strlen(path) : 0;
	if (length < 2 || length >= sizeof notify->address.sun_path ||
		(*path != '/' && *path != '@')) {
		return false;
	}
	notify->address.sun_family = AF_UNIX;
	memcpy(notify->address.sun_path, path, length + 1);
	notify->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length +
				     (*path == '/'));
	if (*path == '@') {
		notify->address.sun_path[0] = '\0';
	}
	return true;
}

void notify_init(struct notify *notify, struct loop *loop, bool taken) {
	*notify = (struct notify){.loop = loop, .fd = -1};
	notify->beat.background = notify->look.background = notify->again.background =
		true;
	loop->notify = notify;
	if (!taken) {
		return;
	}
	if (notify_set_address(notify, getenv("NOTIFY_SOCKET"))) {
		notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		notify_complain(notify, notify->fd < 0 ? errno : 0);
	}
	notify->watchdog = variable_watchdog() / 2;
	variable_drop("NOTIFY_SOCKET");
	variable_drop("WATCHDOG_USEC");
	variable_drop("WATCHDOG_PID");
	if (notify->fd >= 0) {
		notify_on_look(&notify->look);
		if (notify->watchdog > 0) {
			notify_on_beat(&notify->beat);
		}
	}
}

void notify_finish(struct notify *notify) {
	if (!notify->loop) {
		return;
	}
	loop_timer_stop(notify->loop, &notify->beat);
	loop_timer_stop(notify->loop, &notify->look);
	loop_timer_stop(notify->loop, &notify->again);
	if (notify->fd >= 0) {
		if (*notify->owed) {
			notify_send(notify, notify->owed, -1);
		}
		close(notify->fd);
	}
	notify->loop->notify = NULL;
	*notify = (struct notify){.fd = -1};
}

/* The plugin's --------------------------------------------------------------------- */

static struct notify *notify_here(void) {
	return sched_current ? loop_here()->notify : NULL;
}

static void notify_set_text(struct notify *notify, const char *format, va_list list) {
	notify->plugin[0] = '\0';
	if (format) {
		vsnprintf(notify->plugin, sizeof notify->plugin, format, list);
	}
}

void arun_status(const char *format, ...) {
	struct notify *notify = notify_here();
	int error = errno;
	if (notify && notify->fd >= 0) {
		va_list list;
		va_start(list, format);
		notify_set_text(notify, format, list);
		va_end(list);
	}
	errno = error;
}

/* Not by the timer: a start-up may be blocked by what takes so long. */
void arun_progress(const char *format, ...) {
	struct notify *notify = notify_here();
	int error = errno;
	double now = loop_clock();
	if (notify && notify->fd >= 0) {
		va_list list;
		va_start(list, format);
		notify_set_text(notify, format, list);
		va_end(list);
		if (now - notify->extended >= NOTIFY_OFTEN) {
			char message[64];
			notify->extended = now;
			snprintf(message, sizeof message, "EXTEND_TIMEOUT_USEC=%.0f",
				NOTIFY_EXTENSION * 1e6);
			notify_send(notify, message, -1);
			notify_look(notify);
		}
	}
	errno = error;
}

static bool name_fits(const char *name) {
	size_t length = name ? strlen(name) : 0;
	for (size_t i = 0; i < length; i++) {
		if (name[i] <= ' ' || name[i] >= 127 || name[i] == ':') {
			return false;
		}
	}
	return length > 0 && length <= NOTIFY_NAME;
}

int arun_fdstore(const char *name, int fd) {
	struct notify *notify = notify_here();
	char message[NOTIFY_STATE];
	int error = 0;
	if (!name_fits(name)) {
		return task_refuse("arun_fdstore", name,
			"the name is to be 1 to %d characters of printable ASCII, no "
			"blank and no colon",
			NOTIFY_NAME);
	} else if (!notify || notify->fd < 0) {
		error = ENOTCONN;
	} else {
		/* FDPOLL=0: one whose other end is gone is still to be given back. */
		snprintf(message, sizeof message,
			fd < 0 ? "FDSTOREREMOVE=1\nFDNAME=%s"
			       : "FDSTORE=1\nFDPOLL=0\nFDNAME=%s",
			name);
		error = notify_send(notify, message, fd);
	}
	return error ? task_fail(error, "arun_fdstore", name) : 0;
}
