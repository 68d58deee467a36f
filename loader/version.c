/* SPDX-License-Identifier: MIT */
#include "version.h"

#include <stdlib.h>

static const char astray[] = "its symbol versions are not in order";

/*
 * The versions wanted of one library. room: how many more the file can have, where no two libraries
 * share one. Returns the largest index, at least most.
 */
static uint32_t check_wanted(struct elf_file *file, const struct dynamic *dynamic,
	uint64_t address, size_t count, uint64_t *room, uint32_t most) {
	Elf64_Vernaux wanted;
	for (size_t i = 0; i < count; i++) {
		if (!(*room)-- || !elf_read(file, address, &wanted, sizeof wanted) ||
			wanted.vna_name >= dynamic->strings_size ||
			(wanted.vna_next == 0) != (i + 1 == count)) {
			elf_odd(file, astray);
			return most;
		}
		uint32_t index = wanted.vna_other & 0x7fff;
		most = index > most ? index : most;
		address += wanted.vna_next;
	}
	return most;
}

static uint32_t check_needed(
	struct elf_file *file, const struct dynamic *dynamic, uint32_t most) {
	uint64_t address = dynamic_get(dynamic, DT_VERNEED);
	uint64_t count = dynamic_get(dynamic, DT_VERNEEDNUM);
	uint64_t room = file->size / sizeof(Elf64_Vernaux);
	Elf64_Verneed needed;
	for (uint64_t i = 0; i < count && !file->oddity; i++) {
		if (!elf_read(file, address, &needed, sizeof needed) ||
			needed.vn_version != 1 ||
			needed.vn_file >= dynamic->strings_size ||
			(needed.vn_next == 0) != (i + 1 == count)) {
			elf_odd(file, astray);
			return most;
		}
		most = check_wanted(file, dynamic, address + needed.vn_aux, needed.vn_cnt,
			&room, most);
		address += needed.vn_next;
	}
	return most;
}

static uint32_t check_defined(
	struct elf_file *file, const struct dynamic *dynamic, uint32_t most) {
	uint64_t address = dynamic_get(dynamic, DT_VERDEF);
	uint64_t count = dynamic_get(dynamic, DT_VERDEFNUM);
	Elf64_Verdef defined;
	Elf64_Verdaux name;
	for (uint64_t i = 0; i < count; i++) {
		if (!elf_read(file, address, &defined, sizeof defined) ||
			defined.vd_version != 1 ||
			!elf_read(file, address + defined.vd_aux, &name, sizeof name) ||
			name.vda_name >= dynamic->strings_size ||
			(defined.vd_next == 0) != (i + 1 == count)) {
			elf_odd(file, astray);
			return most;
		}
		uint32_t index = defined.vd_ndx & 0x7fff;
		most = index > most ? index : most;
		address += defined.vd_next;
	}
	return most;
}

void version_check(struct elf_file *file, const struct dynamic *dynamic) {
	uint64_t address;
	uint32_t most = check_needed(file, dynamic, VER_NDX_GLOBAL);
	most = check_defined(file, dynamic, most);
	if (!dynamic_find(dynamic, DT_VERSYM, &address)) {
		return;
	}
	Elf64_Half *indices =
		elf_copy(file, address, dynamic->symbol_count * sizeof(Elf64_Half));
	if (!indices) {
		elf_odd(file, astray);
		return;
	}
	for (size_t i = 0; i < dynamic->symbol_count; i++) {
		if ((indices[i] & 0x7fffu) > most) {
			elf_odd(file, astray);
		}
	}
	free(indices);
}
