/* SPDX-License-Identifier: MIT */
#include "quarantine.h"

#include <stdlib.h>

/* Bytes; what any object is taken for bounds how many there are to search. */
enum { QUARANTINE_MOST = 8 << 20, QUARANTINE_ENTRY = 8 << 10 };

struct kept {
	struct list link;
	const struct object *object;
	const struct arun_site *site; /* of the closing call; NULL: see calls */
	const struct calls *calls;    /* NULL: not known */
	size_t size;
	void *memory; /* NULL: it is not gone yet */
	void (*release)(void *memory);
};

struct quarantine {
	struct list kept; /* newest first */
	size_t size;
	struct origins *origins;
	void (*place)(struct text *out, const struct calls *calls);
};

struct quarantine *quarantine_create(struct origins *origins,
	void (*place)(struct text *out, const struct calls *calls)) {
	struct quarantine *quarantine = calloc(1, sizeof *quarantine);
	if (quarantine) {
		list_init(&quarantine->kept);
		quarantine->origins = origins;
		quarantine->place = place;
	}
	return quarantine;
}

static void kept_drop(struct quarantine *quarantine, struct kept *kept) {
	list_remove(&kept->link);
	quarantine->size -= kept->size;
	if (kept->memory) {
		kept->release(kept->memory);
	}
	free(kept);
}

void quarantine_destroy(struct quarantine *quarantine) {
	while (quarantine && !list_empty(&quarantine->kept)) {
		kept_drop(quarantine, list_last(&quarantine->kept, struct kept, link));
	}
	free(quarantine);
}

static struct kept *kept_find(
	const struct quarantine *quarantine, const struct object *object) {
	list_each (at, &quarantine->kept) {
		struct kept *kept = container_of(at, struct kept, link);
		if (kept->object == object) {
			return kept;
		}
	}
	return NULL;
}

/* NULL: no memory. */
static struct kept *kept_add(struct quarantine *quarantine, const struct object *object) {
	struct kept *kept = calloc(1, sizeof *kept);
	if (kept) {
		kept->object = object;
		kept->size = QUARANTINE_ENTRY;
		quarantine->size += kept->size;
		list_insert(&quarantine->kept, &kept->link);
	}
	return kept;
}

static const struct calls *calls_here(const struct quarantine *quarantine) {
	return quarantine->origins ? origins_note(quarantine->origins) : NULL;
}

void quarantine_note(struct quarantine *quarantine, const struct object *object,
	const struct arun_site *site) {
	struct kept *kept = kept_add(quarantine, object);
	if (kept) {
		kept->site = site;
		kept->calls = site ? NULL : calls_here(quarantine);
	}
}

void quarantine_keep(struct quarantine *quarantine, const struct object *object,
	void *memory, size_t size, void (*release)(void *memory)) {
	struct kept *kept = kept_find(quarantine, object);
	if (!kept) {
		kept = kept_add(quarantine, object);
	}
	if (!kept) {
		release(memory);
		return;
	}
	kept->memory = memory;
	kept->release = release;
	kept->size += size;
	quarantine->size += size;
	while (quarantine->size > QUARANTINE_MOST) {
		kept_drop(quarantine, list_last(&quarantine->kept, struct kept, link));
	}
}

void quarantine_here(const struct quarantine *quarantine, struct text *out) {
	quarantine->place(out, calls_here(quarantine));
}

void quarantine_tell(const struct quarantine *quarantine, struct text *out,
	const struct object *object) {
	const struct kept *kept = kept_find(quarantine, object);
	if (!kept) {
		return;
	}
	text_add(out, "; made at ");
	registry_site(out, object->site);
	if (kept->site) {
		text_add(out, ", gone since ");
		registry_site(out, kept->site);
	} else if (kept->calls) {
		text_add(out, ", gone since ");
		quarantine->place(out, kept->calls);
	}
}
