/* SPDX-License-Identifier: MIT */
/* hash - the hash tables over the dynamic symbols, DT_HASH and DT_GNU_HASH. */
#ifndef LOADER_HASH_H
#define LOADER_HASH_H

#include "dynamic.h"

/*
 * How many dynamic symbols the hash tables speak of, and whether a look-up in them would
 * stay inside; what would not is noted as an oddity. 0: unknown.
 */
size_t hash_symbol_count(struct elf_file *file, const struct dynamic *dynamic);

#endif
