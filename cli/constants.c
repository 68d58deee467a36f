/* SPDX-License-Identifier: MIT */
#include "constants.h"

#include <search.h>

struct constant {
	uint64_t address;
	void *value;
};

static int compare(const void *one, const void *other) {
	const struct constant *a = one, *b = other;
	return a->address < b->address ? -1 : a->address > b->address;
}

/* Whether the constant is known, and what it is. */
static bool find(void *const *root, uint64_t address, void **value) {
	struct constant key = {.address = address};
	struct constant **found = tfind(&key, root, compare);
	*value = found ? (*found)->value : NULL;
	return found;
}

static void add(struct constants *constants, void **root, uint64_t address, void *value) {
	struct constant *constant = arena_take(constants->arena, sizeof *constant);
	*constant = (struct constant){address, value};
	tsearch(constant, root, compare);
}

uint64_t constants_field(
	const struct constants *constants, uint64_t address, enum field field) {
	uint64_t number = 0;
	uint32_t word = 0;
	unsigned char byte = 0;
	uint64_t at = address + constants->fields->at[field].offset;
	switch (constants->fields->at[field].size) {
	case sizeof number:
		remote_read(constants->remote, at, &number, sizeof number);
		return number;
	case sizeof word:
		remote_read(constants->remote, at, &word, sizeof word);
		return word;
	default:
		remote_read(constants->remote, at, &byte, sizeof byte);
		return byte;
	}
}

const char *constants_string(struct constants *constants, uint64_t address) {
	char buffer[REMOTE_STRING];
	void *value = NULL;
	if (!address || find(&constants->strings, address, &value)) {
		return value;
	}
	if (remote_string(constants->remote, address, buffer, sizeof buffer)) {
		value = arena_string(constants->arena, buffer);
	}
	add(constants, &constants->strings, address, value);
	return value;
}

static const char *string_field(
	struct constants *constants, uint64_t address, enum field field) {
	return constants_string(constants, constants_field(constants, address, field));
}

const struct dump_site *constants_site(struct constants *constants, uint64_t address) {
	void *value = NULL;
	if (!address || find(&constants->sites, address, &value)) {
		return value;
	}
	const char *file = string_field(constants, address, FIELD_SITE_FILE);
	if (file) {
		struct dump_site *site = arena_take(constants->arena, sizeof *site);
		site->file = file;
		site->function = string_field(constants, address, FIELD_SITE_FUNCTION);
		site->line = (int)constants_field(constants, address, FIELD_SITE_LINE);
		value = site;
	}
	add(constants, &constants->sites, address, value);
	return value;
}

struct dump_kind *constants_kind(struct constants *constants, uint64_t address) {
	void *value = NULL;
	if (!address || find(&constants->kinds, address, &value)) {
		return value;
	}
	const char *word = string_field(constants, address, FIELD_KIND_WORD);
	if (word) {
		struct dump_kind *kind = arena_take(constants->arena, sizeof *kind);
		const char *title = string_field(constants, address, FIELD_KIND_TITLE);
		const char *help = string_field(constants, address, FIELD_KIND_HELP);
		kind->word = word;
		kind->title = title ? title : word;
		kind->plural = string_field(constants, address, FIELD_KIND_PLURAL);
		kind->help = help ? help : "";
		value = kind;
	}
	add(constants, &constants->kinds, address, value);
	return value;
}

static void keep(void *constant) {
	(void)constant; /* the arena's */
}

void constants_finish(struct constants *constants) {
	tdestroy(constants->strings, keep);
	tdestroy(constants->sites, keep);
	tdestroy(constants->kinds, keep);
}
