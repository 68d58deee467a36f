/* SPDX-License-Identifier: MIT */
#include "tables.h"

#include "relocation.h"
#include "version.h"

#ifndef DT_RELRSZ /* glibc < 2.36 */
#define DT_RELRSZ 35
#define DT_RELR 36
#define DT_RELRENT 37
#endif

#define SECTIONS_MOST 256 /* looked at; linkers write a few dozen */

static const char incomplete[] = "its dynamic section is not complete";

/* What a tag's value is. */
enum meaning { MEANS_NUMBER, MEANS_TABLE, MEANS_CODE, MEANS_NAME, MEANS_CONSTANT };

static const struct {
	int64_t number;
	enum meaning meaning;
	int64_t size;   /* MEANS_TABLE: the tag with the table's size; 0: it has none */
	uint64_t unit;  /* of a table: its entries' size; the value of a constant */
	uint32_t flags; /* of the segment that holds a table */
} known[] = {
	{DT_NEEDED, MEANS_NAME, 0, 0, 0},
	{DT_SONAME, MEANS_NAME, 0, 0, 0},
	{DT_RPATH, MEANS_NAME, 0, 0, 0},
	{DT_RUNPATH, MEANS_NAME, 0, 0, 0},
	{DT_AUXILIARY, MEANS_NAME, 0, 0, 0},
	{DT_FILTER, MEANS_NAME, 0, 0, 0},
	{DT_INIT, MEANS_CODE, 0, 0, 0},
	{DT_FINI, MEANS_CODE, 0, 0, 0},
	{DT_STRTAB, MEANS_TABLE, DT_STRSZ, 1, PF_R},
	{DT_SYMTAB, MEANS_TABLE, 0, sizeof(Elf64_Sym), PF_R},
	{DT_HASH, MEANS_TABLE, 0, 8, PF_R},
	{DT_GNU_HASH, MEANS_TABLE, 0, 16, PF_R},
	{DT_PLTGOT, MEANS_TABLE, 0, 24, PF_R | PF_W},
	{DT_RELA, MEANS_TABLE, DT_RELASZ, sizeof(Elf64_Rela), PF_R},
	{DT_JMPREL, MEANS_TABLE, DT_PLTRELSZ, sizeof(Elf64_Rela), PF_R},
	{DT_RELR, MEANS_TABLE, DT_RELRSZ, sizeof(uint64_t), PF_R},
	{DT_INIT_ARRAY, MEANS_TABLE, DT_INIT_ARRAYSZ, sizeof(uint64_t), PF_R},
	{DT_FINI_ARRAY, MEANS_TABLE, DT_FINI_ARRAYSZ, sizeof(uint64_t), PF_R},
	{DT_VERSYM, MEANS_TABLE, 0, sizeof(Elf64_Half), PF_R},
	{DT_VERNEED, MEANS_TABLE, 0, sizeof(Elf64_Verneed), PF_R},
	{DT_VERDEF, MEANS_TABLE, 0, sizeof(Elf64_Verdef), PF_R},
	{DT_SYMENT, MEANS_CONSTANT, 0, sizeof(Elf64_Sym), 0},
	{DT_RELAENT, MEANS_CONSTANT, 0, sizeof(Elf64_Rela), 0},
	{DT_RELRENT, MEANS_CONSTANT, 0, sizeof(uint64_t), 0},
	{DT_PLTREL, MEANS_CONSTANT, 0, DT_RELA, 0},
	{DT_STRSZ, MEANS_NUMBER, 0, 0, 0},
	{DT_RELASZ, MEANS_NUMBER, 0, 0, 0},
	{DT_PLTRELSZ, MEANS_NUMBER, 0, 0, 0},
	{DT_RELRSZ, MEANS_NUMBER, 0, 0, 0},
	{DT_INIT_ARRAYSZ, MEANS_NUMBER, 0, 0, 0},
	{DT_FINI_ARRAYSZ, MEANS_NUMBER, 0, 0, 0},
	{DT_RELACOUNT, MEANS_NUMBER, 0, 0, 0},
	{DT_VERNEEDNUM, MEANS_NUMBER, 0, 0, 0},
	{DT_VERDEFNUM, MEANS_NUMBER, 0, 0, 0},
	{DT_SYMBOLIC, MEANS_NUMBER, 0, 0, 0},
	{DT_TEXTREL, MEANS_NUMBER, 0, 0, 0},
	{DT_BIND_NOW, MEANS_NUMBER, 0, 0, 0},
	{DT_FLAGS, MEANS_NUMBER, 0, 0, 0},
	{DT_FLAGS_1, MEANS_NUMBER, 0, 0, 0},
	{DT_DEBUG, MEANS_NUMBER, 0, 0, 0},
	{DT_TLSDESC_PLT, MEANS_NUMBER, 0, 0, 0},
	{DT_TLSDESC_GOT, MEANS_NUMBER, 0, 0, 0},
};

/*
 * Whether a section starts where the table is said to be, and ends with it. True where
 * section headers do not tell: they may be stripped.
 */
static bool is_section(const struct elf_file *file, uint64_t address, uint64_t size) {
	for (size_t i = 0; i < file->section_count && i < SECTIONS_MOST; i++) {
		const Elf64_Shdr *section = &file->sections[i];
		if (section->sh_flags & SHF_ALLOC && section->sh_addr == address &&
			(!size || section->sh_size == size)) {
			return true;
		}
	}
	return !file->section_count || file->section_count < file->header.e_shnum ||
	       file->section_count > SECTIONS_MOST;
}

static bool value_is_sound(const struct elf_file *file, const struct dynamic *dynamic,
	size_t kind, uint64_t value) {
	uint64_t unit = known[kind].unit;
	uint64_t size = unit;
	switch (known[kind].meaning) {
	case MEANS_NAME:
		return value < dynamic->strings_size;
	case MEANS_CODE:
		return elf_holds(file, value, 1, PF_X) && is_section(file, value, 0);
	case MEANS_CONSTANT:
		return value == unit;
	case MEANS_TABLE:
		if (known[kind].size) {
			size = dynamic_get(dynamic, known[kind].size);
		}
		return size % unit == 0 &&
		       elf_holds(file, value, size, known[kind].flags) &&
		       is_section(file, value, known[kind].size ? size : 0);
	case MEANS_NUMBER:
		break;
	}
	return true;
}

static bool tag_is_sound(const struct elf_file *file, const struct dynamic *dynamic,
	const Elf64_Dyn *tag) {
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (known[i].number == tag->d_tag) {
			return value_is_sound(file, dynamic, i, tag->d_un.d_val);
		}
	}
	/* DT_AARCH64_BTI_PLT and the like: flags and hints of one machine. */
	return tag->d_tag >= DT_LOPROC && tag->d_tag <= DT_LOPROC + 0xff;
}

/* Whether the tag may stand only once, and does not. */
static bool is_repeated(const struct dynamic *dynamic, size_t index) {
	int64_t number = dynamic->tags[index].d_tag;
	if (number == DT_NEEDED || number == DT_AUXILIARY || number == DT_FILTER) {
		return false;
	}
	for (size_t i = 0; i < index; i++) {
		if (dynamic->tags[i].d_tag == number) {
			return true;
		}
	}
	return false;
}

/* Tags that make sense together alone. */
static const int64_t pairs[][2] = {
	{DT_STRTAB, DT_STRSZ},
	{DT_SYMTAB, DT_SYMENT},
	{DT_RELA, DT_RELASZ},
	{DT_RELA, DT_RELAENT},
	{DT_JMPREL, DT_PLTRELSZ},
	{DT_JMPREL, DT_PLTREL},
	{DT_RELR, DT_RELRSZ},
	{DT_RELR, DT_RELRENT},
	{DT_INIT_ARRAY, DT_INIT_ARRAYSZ},
	{DT_FINI_ARRAY, DT_FINI_ARRAYSZ},
	{DT_VERNEED, DT_VERNEEDNUM},
	{DT_VERDEF, DT_VERDEFNUM},
};

static void check_pairs(struct elf_file *file, const struct dynamic *dynamic) {
	uint64_t value;
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		if (dynamic_find(dynamic, pairs[i][0], &value) !=
			dynamic_find(dynamic, pairs[i][1], &value)) {
			elf_odd(file, incomplete);
		}
	}
	if (!dynamic_find(dynamic, DT_STRTAB, &value) ||
		!dynamic_find(dynamic, DT_SYMTAB, &value)) {
		elf_odd(file, incomplete);
	}
	if (!dynamic_find(dynamic, DT_HASH, &value) &&
		!dynamic_find(dynamic, DT_GNU_HASH, &value)) {
		elf_odd(file, "it has no hash table");
	}
}

static void check_tags(struct elf_file *file, const struct dynamic *dynamic) {
	/* The first oddity counts. Without one few tags are left that may not be repeated, and to
	 * look for each of these among all is no work. */
	for (size_t i = 0; i < dynamic->tag_count && !file->oddity; i++) {
		if (!tag_is_sound(file, dynamic, &dynamic->tags[i])) {
			elf_odd(file, "its dynamic section points astray");
		}
		if (is_repeated(dynamic, i)) {
			elf_odd(file, "its dynamic section says something twice");
		}
	}
	check_pairs(file, dynamic);
}

static bool symbol_is_sound(const struct elf_file *file, const struct dynamic *dynamic,
	const Elf64_Sym *symbol) {
	unsigned char type = ELF64_ST_TYPE(symbol->st_info);
	if (symbol->st_name >= dynamic->strings_size ||
		(type > STT_TLS && type != STT_GNU_IFUNC)) {
		return false;
	}
	if (symbol->st_shndx == SHN_UNDEF && ELF64_ST_VISIBILITY(symbol->st_other)) {
		return false;
	}
	if (symbol->st_shndx == SHN_UNDEF || symbol->st_shndx == SHN_ABS ||
		type == STT_TLS) {
		return true;
	}
	if (type == STT_FUNC || type == STT_GNU_IFUNC) {
		return elf_holds(file, symbol->st_value, 1, PF_X);
	}
	/* _end and its like stand just behind a segment. */
	return elf_holds(file, symbol->st_value, 0, 0);
}

static void check_symbols(struct elf_file *file, const struct dynamic *dynamic) {
	for (size_t i = 0; i < dynamic->symbol_count && !file->oddity; i++) {
		if (!symbol_is_sound(file, dynamic, &dynamic->symbols[i])) {
			elf_odd(file, "a symbol points astray");
		}
	}
}

void tables_check(struct elf_file *file, const struct dynamic *dynamic) {
	check_tags(file, dynamic);
	check_symbols(file, dynamic);
	version_check(file, dynamic);
	relocation_check(file, dynamic);
}
