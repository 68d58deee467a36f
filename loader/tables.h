/* SPDX-License-Identifier: MIT */
/* tables - whether the dynamic tables are as linkers write them. */
#ifndef LOADER_TABLES_H
#define LOADER_TABLES_H

#include "dynamic.h"

/*
 * Follows every address, index and size that the dynamic linker will follow, and notes as
 * an oddity of file whatever would lead it astray.
 */
void tables_check(struct elf_file *file, const struct dynamic *dynamic);

#endif
