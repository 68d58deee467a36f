/* SPDX-License-Identifier: MIT */
/*
 * dynamic - the tables that the dynamic linker works from: dynamic section, strings,
 * symbols.
 *
 * What contradicts a linker's habits is an oddity of the file, not yet an error: unusual
 * tools write unusual files that work. What can be neither read nor bounded is an error.
 */
#ifndef LOADER_DYNAMIC_H
#define LOADER_DYNAMIC_H

#include "elf_file.h"

struct dynamic {
	Elf64_Dyn *tags;
	size_t tag_count; /* before DT_NULL */
	char *strings;    /* ends in a NUL of ours */
	uint64_t strings_size;
	Elf64_Sym *symbols;
	size_t symbol_count;
};

/*
 * Reads the tables of file.
 * Returns 0, and *dynamic is to be finished with dynamic_finish(); -1 with *error.
 */
int dynamic_read(
	struct elf_file *file, struct dynamic *dynamic, struct loader_error *error);
void dynamic_finish(struct dynamic *dynamic);

/* The value of the first tag of that number; false: there is none. */
bool dynamic_find(const struct dynamic *dynamic, int64_t number, uint64_t *value);

/* The same, 0 where there is none. */
uint64_t dynamic_get(const struct dynamic *dynamic, int64_t number);

/* The string at offset of the string table; "" where that is outside. */
const char *dynamic_string(const struct dynamic *dynamic, uint64_t offset);

/*
 * The name of the next exported object whose name starts with prefix, from symbol *index
 * on, which is set behind it. NULL: there is none.
 */
const char *dynamic_next_export(
	const struct dynamic *dynamic, const char *prefix, size_t *index);

#endif
