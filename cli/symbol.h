/* SPDX-License-Identifier: MIT */
/* symbol - the dynamic symbols of an ELF file, as it is mapped in another process. */
#ifndef SYMBOL_H
#define SYMBOL_H

#include "remote.h"

struct symbol_image {
	const struct remote *remote;
	uint64_t bias; /* what is added to the addresses in the file */
	uint64_t symbols, strings, hash;
};

/* start: where the file's first byte is mapped. Returns 0; -1: it is no ELF file of this
 * machine with symbols to look up. */
int symbol_open(struct symbol_image *image, const struct remote *remote, uint64_t start);

/* The address of a defined symbol; 0: there is none of that name. */
uint64_t symbol_find(const struct symbol_image *image, const char *name);

#endif
