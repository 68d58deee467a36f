/* SPDX-License-Identifier: MIT */
/* version - the symbol versions: DT_VERSYM, DT_VERNEED, DT_VERDEF. */
#ifndef LOADER_VERSION_H
#define LOADER_VERSION_H

#include "dynamic.h"

/* Notes as an oddity of file a chain that does not end in it, or a wild version. */
void version_check(struct elf_file *file, const struct dynamic *dynamic);

#endif
