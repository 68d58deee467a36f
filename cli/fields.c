/* SPDX-License-Identifier: MIT */
#include "fields.h"

#include "layout.h"

#include <string.h>

#define FIELDS_ROW(name, text, size) {text, size},

static const struct {
	char name[LAYOUT_NAME];
	uint32_t size;
} wanted[] = {FIELDS(FIELDS_ROW)};

static void note(struct fields *fields, bool *found, const struct layout_entry *entry) {
	for (unsigned i = 0; i < FIELD_COUNT; i++) {
		if (!found[i] && !strcmp(wanted[i].name, entry->name)) {
			fields->at[i].offset = entry->offset;
			fields->at[i].size = entry->size;
			found[i] = !wanted[i].size || wanted[i].size == entry->size;
		}
	}
}

static bool is_struct(unsigned field) {
	return wanted[field].name[strlen(wanted[field].name) - 1] == '.';
}

/* An entry's offset is its value, then. */
static bool is_constant(unsigned field) {
	return !strchr(wanted[field].name, '.');
}

/* Of a struct that is not copied as a whole: its fields are read one by one. */
static bool is_apart(unsigned field) {
	static const char *const structs[] = {
		"run.", "kind.", "site.", "scope.", "choice.", "channel."};
	for (size_t i = 0; i < sizeof structs / sizeof *structs; i++) {
		if (!strncmp(wanted[field].name, structs[i], strlen(structs[i]))) {
			return true;
		}
	}
	return false;
}

/* The fields of others stand after their struct's own entry. */
static bool all_fit(const struct fields *fields) {
	uint32_t room = FIELDS_STRUCT;
	for (unsigned i = 0; i < FIELD_COUNT; i++) {
		uint32_t offset = fields->at[i].offset, size = fields->at[i].size;
		if (is_struct(i)) {
			room = size;
		}
		if (is_struct(i) && (size == 0 || size > FIELDS_STRUCT)) {
			return false;
		}
		if (!is_apart(i) && !is_constant(i) &&
			(offset > room || size > room - offset)) {
			return false;
		}
	}
	return true;
}

int fields_read(struct fields *fields, const struct remote *remote, uint64_t address) {
	struct layout_header header;
	struct layout_entry entry;
	bool found[FIELD_COUNT] = {false};
	*fields = (struct fields){.version = "?"};
	if (!remote_read(remote, address, &header, sizeof header) ||
		memcmp(header.magic, LAYOUT_MAGIC, sizeof header.magic) != 0) {
		return -1;
	}
	memcpy(fields->version, header.version, sizeof fields->version);
	fields->version[sizeof fields->version - 1] = '\0';
	if (header.format != LAYOUT_FORMAT || header.count > LAYOUT_LIMIT) {
		return -1;
	}
	for (uint32_t i = 0; i < header.count; i++) {
		uint64_t at = address + sizeof header + i * sizeof entry;
		if (!remote_read(remote, at, &entry, sizeof entry) || !entry.name[0]) {
			break;
		}
		entry.name[sizeof entry.name - 1] = '\0';
		note(fields, found, &entry);
	}
	return memchr(found, false, sizeof found) || !all_fit(fields) ? -1 : 0;
}

uint64_t field_inside(const struct copy *copy, uint32_t start, enum field field) {
	size_t offset = (size_t)start + copy->fields->at[field].offset;
	uint32_t size = copy->fields->at[field].size;
	uint64_t wide;
	uint32_t word;
	if (size > copy->size || offset > copy->size - size) {
		return 0;
	}
	const unsigned char *bytes = copy->bytes + offset;
	switch (size) {
	case sizeof wide:
		memcpy(&wide, bytes, sizeof wide);
		return wide;
	case sizeof word:
		memcpy(&word, bytes, sizeof word);
		return word;
	default:
		return size ? *bytes : 0;
	}
}

uint64_t field_number(const struct copy *copy, enum field field) {
	return field_inside(copy, 0, field);
}

double field_seconds(uint64_t number) {
	double seconds;
	_Static_assert(sizeof seconds == sizeof number, "a double");
	memcpy(&seconds, &number, sizeof seconds);
	return seconds;
}
