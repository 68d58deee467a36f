/* SPDX-License-Identifier: MIT */
/* file - opens a regular file, and says what else it is where it is not one. */
#ifndef LOADER_FILE_H
#define LOADER_FILE_H

#include "loader.h"

#include <stdint.h>

/*
 * Opens path for reading if it is a regular file; never blocks. Returns the descriptor,
 * the file's length in *size; -1 with *error.
 */
int file_open(const char *path, uint64_t *size, struct loader_error *error);

/* Says what a file is whose first bytes are no ELF header. Returns -1 with *error. */
int file_not_elf(
	const char *path, const char *start, size_t size, struct loader_error *error);

#endif
