/* SPDX-License-Identifier: MIT */
/* machine - which machine an ELF header is for. */
#ifndef LOADER_MACHINE_H
#define LOADER_MACHINE_H

#include "loader.h"

/*
 * Judges class, byte order, machine and system of the first 20 bytes of an ELF file.
 * Returns 0 where they are this machine's; -1 with *error.
 */
int machine_check(
	const char *path, const unsigned char *header, struct loader_error *error);

#endif
