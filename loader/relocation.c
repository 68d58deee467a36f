/* SPDX-License-Identifier: MIT */
#include "relocation.h"

#include <stdlib.h>

#if defined(__x86_64__)
#define TYPE_RELATIVE R_X86_64_RELATIVE
#define TYPE_IRELATIVE R_X86_64_IRELATIVE
#define TYPE_TLSDESC R_X86_64_TLSDESC
static const uint32_t types[] = {R_X86_64_NONE, R_X86_64_64, R_X86_64_GLOB_DAT,
	R_X86_64_JUMP_SLOT, R_X86_64_RELATIVE, R_X86_64_DTPMOD64, R_X86_64_DTPOFF64,
	R_X86_64_TPOFF64, R_X86_64_TLSDESC, R_X86_64_IRELATIVE};
#elif defined(__aarch64__)
#define TYPE_RELATIVE R_AARCH64_RELATIVE
#define TYPE_IRELATIVE R_AARCH64_IRELATIVE
#define TYPE_TLSDESC R_AARCH64_TLSDESC
static const uint32_t types[] = {R_AARCH64_NONE, R_AARCH64_ABS64, R_AARCH64_GLOB_DAT,
	R_AARCH64_JUMP_SLOT, R_AARCH64_RELATIVE, R_AARCH64_TLS_DTPMOD,
	R_AARCH64_TLS_DTPREL, R_AARCH64_TLS_TPREL, R_AARCH64_TLSDESC,
	R_AARCH64_IRELATIVE};
#endif

static const char astray[] = "a relocation points astray";

static bool known(uint32_t type) {
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		if (types[i] == type) {
			return true;
		}
	}
	return false;
}

/* An array of functions, which the dynamic linker calls. */
struct functions {
	uint64_t start, size;
};

/* What relocations are held against: looked up once, as files may have many of both. */
struct relocated {
	size_t symbol_count;
	struct functions first, last;
};

static struct functions functions_of(
	const struct dynamic *dynamic, int64_t array, int64_t size) {
	return (struct functions){
		dynamic_get(dynamic, array), dynamic_get(dynamic, size)};
}

/* Whether address is a slot of it. */
static bool holds(const struct functions *functions, uint64_t address) {
	return address >= functions->start &&
	       address - functions->start < functions->size;
}

static bool is_sound(const struct elf_file *file, const struct relocated *relocated,
	const Elf64_Rela *entry) {
	uint32_t type = ELF64_R_TYPE(entry->r_info);
	uint64_t size = type == TYPE_TLSDESC ? 16 : 8;
	uint64_t target = (uint64_t)entry->r_addend;
	if (!known(type) || ELF64_R_SYM(entry->r_info) > relocated->symbol_count) {
		return false;
	}
	if (!type) {
		return true;
	}
	if (!elf_holds(file, entry->r_offset, size, PF_W)) {
		return false;
	}
	if (type == TYPE_IRELATIVE ||
		(type == TYPE_RELATIVE &&
			(holds(&relocated->first, entry->r_offset) ||
				holds(&relocated->last, entry->r_offset)))) {
		return elf_holds(file, target, 1, PF_X);
	}
	return type != TYPE_RELATIVE ||
	       (entry->r_offset % 8 == 0 && elf_holds(file, target, 0, 0));
}

static void check_table(struct elf_file *file, const struct dynamic *dynamic,
	int64_t table, int64_t size, uint64_t relative) {
	const struct relocated relocated = {dynamic->symbol_count,
		functions_of(dynamic, DT_INIT_ARRAY, DT_INIT_ARRAYSZ),
		functions_of(dynamic, DT_FINI_ARRAY, DT_FINI_ARRAYSZ)};
	size_t count = dynamic_get(dynamic, size) / sizeof(Elf64_Rela);
	if (!count && !relative) {
		return;
	}
	Elf64_Rela *entries =
		elf_copy(file, dynamic_get(dynamic, table), count * sizeof *entries);
	if (!entries || relative > count) {
		elf_odd(file, astray);
		free(entries);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		/* The first ones are sorted, and not even looked at for their type. */
		if (!is_sound(file, &relocated, &entries[i]) ||
			(i < relative &&
				ELF64_R_TYPE(entries[i].r_info) != TYPE_RELATIVE) ||
			(i && i < relative &&
				entries[i].r_offset < entries[i - 1].r_offset + 8)) {
			elf_odd(file, astray);
			break;
		}
	}
	free(entries);
}

void relocation_check(struct elf_file *file, const struct dynamic *dynamic) {
	check_table(
		file, dynamic, DT_RELA, DT_RELASZ, dynamic_get(dynamic, DT_RELACOUNT));
	check_table(file, dynamic, DT_JMPREL, DT_PLTRELSZ, 0);
}
