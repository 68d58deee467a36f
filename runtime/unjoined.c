/* SPDX-License-Identifier: MIT */
#include "unjoined.h"

#include "log.h"

#include <string.h>

struct place {
	const struct arun_task *first;
	unsigned long count;
	bool alike; /* all have the name of the first */
};

static struct place *place_of(
	struct place *places, unsigned *used, const struct arun_task *task) {
	for (unsigned i = 0; i < *used; i++) {
		if (registry_same_site(places[i].first->object.site, task->object.site)) {
			return &places[i];
		}
	}
	if (*used == UNJOINED_PLACES) {
		return NULL;
	}
	places[*used] = (struct place){.first = task, .alike = true};
	return &places[(*used)++];
}

static void place_tell(const struct place *place, struct text *out) {
	bool one = place->count == 1;
	registry_site(out, place->first->object.site);
	text_add(out, ": note: ");
	if (!one) {
		text_add(out, "%lu ", place->count);
	}
	text_add(out, one ? "task" : "tasks");
	if (place->alike) {
		text_add(out, " \"");
		text_escape(out, place->first->name);
		text_add(out, "\"");
	}
	text_add(out, " ended well, and %s never joined\n", one ? "was" : "were");
}

static bool is_counted(const struct arun_task *task, struct suppress *suppress) {
	bool unjoined = task->state == TASK_ENDED && !task->owned && !task->joiners;
	return unjoined &&
	       !suppress_matches(suppress, task_kind.word, task->name, task->object.site);
}

void unjoined_tell(const struct sched *sched, struct suppress *suppress) {
	struct place places[UNJOINED_PLACES];
	unsigned used = 0;
	unsigned long others = 0;
	registry_each_back (object, &sched->registry, KIND_TASK) {
		const struct arun_task *task =
			container_of(object, const struct arun_task, object);
		struct place *place = NULL;
		if (is_counted(task, suppress)) {
			place = place_of(places, &used, task);
			others += !place;
		}
		if (place) {
			place->count++;
			place->alike = place->alike &&
				       strcmp(place->first->name, task->name) == 0;
		}
	}
	struct text out;
	text_init(&out);
	for (unsigned i = 0; i < used; i++) {
		place_tell(&places[i], &out);
	}
	if (others) {
		text_add(&out, "arun: note: and %lu more\n", others);
	}
	log_lines(&out);
	text_finish(&out);
}
