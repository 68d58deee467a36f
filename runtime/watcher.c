/* SPDX-License-Identifier: MIT */
#include "watcher.h"

#include <stdlib.h>

static const char *watcher_kind_name(const struct object *object) {
	(void)object;
	return "libev";
}

static const char *watcher_kind_state(const struct object *object) {
	(void)object;
	return "active";
}

/* Nothing tells one from another. */
static void watcher_kind_line(const struct object *object, struct text *out) {
	(void)object;
	(void)out;
}

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
	.name = watcher_kind_name,
	.state = watcher_kind_state,
	.line = watcher_kind_line,
};

void watcher_list(struct watchers *watchers, struct loop *loop) {
	unsigned count = loop_foreign(loop);
	watchers->found = count ? calloc(count, sizeof *watchers->found) : NULL;
	watchers->count = watchers->found ? count : 0;
	for (unsigned i = 0; i < watchers->count; i++) {
		registry_add(
			&loop->sched.registry, &watchers->found[i], &watcher_kind, NULL);
	}
}

void watcher_unlist(struct watchers *watchers) {
	for (unsigned i = 0; i < watchers->count; i++) {
		registry_remove(&watchers->found[i]);
	}
	free(watchers->found);
	*watchers = (struct watchers){.count = 0};
}
