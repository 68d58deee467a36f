/* SPDX-License-Identifier: MIT */
/* inspect - what a program may ask about its own open objects. */
#include "snapshot_text.h"
#include "stop.h"

/* The open object that handle stands for; NULL: there is none. */
static struct object *object_of(const struct registry *registry, const void *handle) {
	for (int i = 0; i < KIND_COUNT; i++) {
		registry_each (object, registry, i) {
			if ((char *)object - object->kind->offset == handle &&
				!object_is_over(object)) {
				return object;
			}
		}
	}
	return NULL;
}

void arun_daemon(void *handle) {
	if (!sched_current || !handle) {
		return;
	}
	struct object *object = object_of(&sched_current->registry, handle);
	if (!object) {
		task_misuse(NULL, "arun_daemon() of what is no open object");
	}
	object->background = true;
}

void arun_dump(FILE *out) {
	struct run *run = run_here();
	if (!run) {
		return;
	}
	struct text text;
	text_init(&text);
	dump_text(&run->dump, &text);
	fwrite(text.data, 1, text.length, out ? out : stderr);
	text_finish(&text);
}

unsigned long arun_mark(void) {
	return sched_current ? sched_current->registry.last_id : 0;
}

int arun_leaks_since(unsigned long mark, FILE *out) {
	struct sched *sched = sched_here();
	if (!sched) {
		return -1;
	}
	const struct snapshot_scope scope = {.what = SNAPSHOT_LEAKS, .since = mark};
	struct snapshot snapshot;
	struct text text;
	snapshot_take_scope(&snapshot, &scope, &sched->registry, NULL);
	int count = snapshot.total > INT32_MAX ? INT32_MAX : (int)snapshot.total;
	if (out && count) {
		text_init(&text);
		snapshot_text(&snapshot, "leaks since the mark", &text);
		fwrite(text.data, 1, text.length, out);
		text_finish(&text);
	}
	snapshot_finish(&snapshot);
	return count;
}
