/* SPDX-License-Identifier: MIT */
#include "watcher.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { WATCHERS_BUCKETS = 256 };

struct watcher_notes {
	struct watcher *buckets[WATCHERS_BUCKETS];
};

static const struct watcher *watcher_of(const struct object *object) {
	return container_of(object, const struct watcher, object);
}

static const char *watcher_kind_name(const struct object *object) {
	return watcher_of(object)->name;
}

/* When libev stops one by itself, that may not be seen: its own flag is asked, too. */
static bool watcher_kind_leaked(const struct object *object) {
	const struct watcher *watcher = watcher_of(object);
	return !watcher->watcher || loop_watcher_active(watcher->watcher);
}

static const char *watcher_kind_state(const struct object *object) {
	return watcher_kind_leaked(object) ? "active" : "stopped";
}

/* Nothing for watchers that were not noted, which cannot be told apart. */
static void watcher_kind_line(const struct object *object, struct text *out) {
	const struct watcher *watcher = watcher_of(object);
	if (watcher->fd >= 0) {
		text_add(out, "%s (fd %d)", watcher->name, watcher->fd);
	} else if (watcher->watcher) {
		text_add(out, "%s (#%lu)", watcher->name, (unsigned long)object->id);
	}
}

/* The descriptor of an ev_io is not the watcher's own: fd is left out, which would say so. */
static const struct kind watcher_kind = {
	.index = KIND_WATCHER,
	.word = "watcher",
	.title = "foreign watcher (libev)",
	.plural = "foreign watchers (libev)",
	.fate = "still active",
	.waits = "waits",
	.help = "ev_io_stop(), ev_timer_stop() and so on",
	.outcome = "stopped",
	.ageless = true,
	.leaked = watcher_kind_leaked,
	.name = watcher_kind_name,
	.state = watcher_kind_state,
	.line = watcher_kind_line,
};

/* Life --------------------------------------------------------------------------- */

void watcher_notes_begin(struct loop *loop) {
	loop->foreign = calloc(1, sizeof *loop->foreign);
}

static void watcher_end(struct watcher **place) {
	struct watcher *watcher = *place;
	*place = watcher->next;
	registry_remove(&watcher->object);
	free(watcher);
}

void watcher_notes_finish(struct loop *loop) {
	struct watcher_notes *notes = loop->foreign;
	loop->foreign = NULL;
	for (size_t i = 0; notes && i < WATCHERS_BUCKETS; i++) {
		while (notes->buckets[i]) {
			watcher_end(&notes->buckets[i]);
		}
	}
	free(notes);
}

/* Notes -------------------------------------------------------------------------- */

static struct watcher **place_of(struct watcher_notes *notes, const void *watcher) {
	uint64_t hash = (uint64_t)(uintptr_t)watcher * UINT64_C(0x9e3779b97f4a7c15);
	struct watcher **place = &notes->buckets[(hash >> 32) % WATCHERS_BUCKETS];
	while (*place && (*place)->watcher != watcher) {
		place = &(*place)->next;
	}
	return place;
}

/* Whether the caller is libev itself; what its ev_once() starts is the plugin's all the same. */
static bool is_inside(const void *caller, const void *libev) {
	Dl_info from, to;
	return dladdr(caller, &from) && dladdr(libev, &to) &&
	       from.dli_fbase == to.dli_fbase &&
	       !(from.dli_sname && strcmp(from.dli_sname, "ev_once") == 0);
}

/* Whether it does not keep the loop alive: libev does not count those that tell of its end. */
static bool counts_for_nothing(const char *name) {
	return strcmp(name, "ev_cleanup") == 0;
}

static void watcher_add(struct loop *loop, struct watcher **place, const void *started,
	const char *name) {
	struct watcher *watcher = calloc(1, sizeof *watcher);
	if (watcher) {
		watcher->name = name;
		watcher->watcher = started;
		watcher->fd = strcmp(name, "ev_io") == 0 ? loop_watcher_fd(started) : -1;
		watcher->object.background = counts_for_nothing(name);
		sched_publish(&loop->sched, &watcher->object, &watcher_kind, NULL);
		watcher->next = *place;
		*place = watcher;
	}
}

static void watcher_note_slow(struct loop *loop, const void *watcher, const char *name,
	const void *caller, const void *libev) {
	struct watcher **place = place_of(loop->foreign, watcher);
	bool active = loop_watcher_active(watcher);
	if (*place && !active) {
		watcher_end(place);
	} else if (!*place && active && !backtrace_is_own(caller) &&
		   !is_inside(caller, libev)) {
		watcher_add(loop, place, watcher, name);
	}
}

void watcher_note(const struct ev_loop *ev, const void *watcher, const char *name,
	const void *caller, const void *libev) {
	struct loop *loop = loop_here();
	if (unlikely(loop && loop->foreign) && loop->ev == ev) {
		int error = errno;
		watcher_note_slow(loop, watcher, name, caller, libev);
		errno = error;
	}
}

/* The report --------------------------------------------------------------------- */

/* Those that are active; background: ev_unref() was called for all that libev has, so nothing
 * waits for any. */
static unsigned notes_count(struct watcher_notes *notes, bool background) {
	unsigned count = 0;
	for (size_t i = 0; notes && i < WATCHERS_BUCKETS; i++) {
		for (struct watcher *at = notes->buckets[i]; at; at = at->next) {
			at->object.background |= background;
			count += watcher_kind_leaked(&at->object) &&
				 !at->object.background;
		}
	}
	return count;
}

void watcher_list(struct watchers *watchers, struct loop *loop) {
	unsigned all = loop_foreign(loop);
	unsigned noted = notes_count(loop->foreign, all == 0);
	unsigned count = all > noted ? all - noted : 0;
	watchers->found = count ? calloc(count, sizeof *watchers->found) : NULL;
	watchers->count = watchers->found ? count : 0;
	for (unsigned i = 0; i < watchers->count; i++) {
		struct watcher *watcher = &watchers->found[i];
		watcher->name = "libev";
		watcher->fd = -1;
		registry_add(
			&loop->sched.registry, &watcher->object, &watcher_kind, NULL);
	}
}

void watcher_unlist(struct watchers *watchers, struct loop *loop) {
	for (unsigned i = 0; i < watchers->count; i++) {
		registry_remove(&watchers->found[i].object);
	}
	free(watchers->found);
	*watchers = (struct watchers){.count = 0};
	watcher_notes_finish(loop);
}
