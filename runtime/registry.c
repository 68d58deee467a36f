/* SPDX-License-Identifier: MIT */
#include "registry.h"

void registry_init(struct registry *registry) {
	*registry = (struct registry){0};
	for (int i = 0; i < KIND_COUNT; i++) {
		list_init(&registry->objects[i]);
	}
}

void registry_site(struct text *out, const struct arun_site *site) {
	if (site) {
		text_escape(out, site->file);
		text_add(out, ":%d", site->line);
	} else {
		text_add(out, "?");
	}
}
