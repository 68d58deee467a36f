/* SPDX-License-Identifier: MIT */
/* relocation - the words that the dynamic linker writes into a loaded file. */
#ifndef LOADER_RELOCATION_H
#define LOADER_RELOCATION_H

#include "dynamic.h"

/* Notes as an oddity of file a relocation that would write or point outside of it. */
void relocation_check(struct elf_file *file, const struct dynamic *dynamic);

#endif
