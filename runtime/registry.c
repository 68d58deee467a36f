/* SPDX-License-Identifier: MIT */
#include "registry.h"

#include <string.h>

const char *object_function(const struct object *object) {
	return object->site ? object->site->function : "?";
}

void object_line(const struct object *object, struct text *out) {
	text_add(out, "\"");
	text_escape(out, object->kind->name(object));
	text_add(out, "\" (#%lu)", (unsigned long)object->id);
}

void object_add(struct text *out, const struct object *object) {
	text_add(out, "%s ", object->kind->title);
	object->kind->line(object, out);
}

void registry_init(struct registry *registry) {
	*registry = (struct registry){0};
	for (int i = 0; i < KIND_COUNT; i++) {
		list_init(&registry->objects[i]);
	}
	list_init(&registry->swept);
}

void registry_sweep_kind(struct registry *registry, enum kind_index index) {
	list_each (at, &registry->objects[index]) {
		struct object *object = container_of(at, struct object, link);
		if (object->kind->forget) {
			registry_sweep(registry, object);
		}
	}
}

void registry_forget(struct registry *registry) {
	while (!list_empty(&registry->swept)) {
		struct object *object = list_first(&registry->swept, struct object, link);
		registry_remove(object);
		object->kind->forget(object);
	}
}

void registry_title(struct text *out, const struct kind *kind, uint64_t count) {
	if (count == 1 || !kind->plural) {
		text_add(out, count == 1 ? "%s" : "%ss", kind->title);
	} else {
		text_add(out, "%s", kind->plural);
	}
}

bool registry_same_site(const struct arun_site *a, const struct arun_site *b) {
	return a == b || (a && b && a->line == b->line && strcmp(a->file, b->file) == 0 &&
				 strcmp(a->function, b->function) == 0);
}

void registry_site(struct text *out, const struct arun_site *site) {
	if (site) {
		text_escape(out, site->file);
		text_add(out, ":%d", site->line);
	} else {
		text_add(out, "?");
	}
}
