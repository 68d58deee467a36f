/* SPDX-License-Identifier: MIT */
/*
 * symbols - the names of a plugin's functions, static ones too.
 *
 * dladdr(3) knows exported functions only, and most of a plugin's are static. The table
 * is copied at the start: the file may be written over before it is needed.
 */
#ifndef SYMBOLS_H
#define SYMBOLS_H

#include <stddef.h>

struct symbols {
	const void *base; /* where the file is loaded */
	void *table;      /* ElfW(Sym); NULL: none */
	size_t count;
	char *names;
	size_t names_size;
};

/*
 * Reads those of the loaded file at path; NULL: the program's. Where it has none, or is
 * stripped, no function will be found.
 */
void symbols_load(struct symbols *symbols, const char *path);
void symbols_free(struct symbols *symbols);

/* The function that holds pc, and the offset in it; NULL: not known. Async-signal-safe. */
const char *symbols_find(const struct symbols *symbols, const void *pc, size_t *into);

#endif
