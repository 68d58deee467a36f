/* SPDX-License-Identifier: MIT */
#include "dynamic.h"

#include "error.h"
#include "hash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool dynamic_find(const struct dynamic *dynamic, int64_t number, uint64_t *value) {
	for (size_t i = 0; i < dynamic->tag_count; i++) {
		if (dynamic->tags[i].d_tag == number) {
			*value = dynamic->tags[i].d_un.d_val;
			return true;
		}
	}
	return false;
}

uint64_t dynamic_get(const struct dynamic *dynamic, int64_t number) {
	uint64_t value = 0;
	dynamic_find(dynamic, number, &value);
	return value;
}

const char *dynamic_string(const struct dynamic *dynamic, uint64_t offset) {
	return offset < dynamic->strings_size ? dynamic->strings + offset : "";
}

static int read_tags(
	struct elf_file *file, struct dynamic *dynamic, struct loader_error *error) {
	const Elf64_Phdr *segment = elf_segment(file, PT_DYNAMIC);
	if (!segment || segment->p_filesz < sizeof(Elf64_Dyn)) {
		return error_set(error, 126, file->path,
			": is no shared object: it has no dynamic section");
	}
	if (segment->p_filesz % sizeof(Elf64_Dyn)) {
		elf_odd(file, "its dynamic section has a strange size");
	}
	/* By address, as the dynamic linker does. */
	dynamic->tags = elf_copy(file, segment->p_vaddr, segment->p_filesz);
	if (!dynamic->tags && errno == ENOMEM) {
		return error_no_memory(error, file->path);
	}
	if (!dynamic->tags) {
		return error_set(error, 126, file->path,
			": is damaged: its dynamic section is not in it");
	}
	size_t most = segment->p_filesz / sizeof(Elf64_Dyn);
	while (dynamic->tag_count < most &&
		dynamic->tags[dynamic->tag_count].d_tag != DT_NULL) {
		dynamic->tag_count++;
	}
	if (dynamic->tag_count == most) {
		elf_odd(file, "its dynamic section has no end");
	}
	return 0;
}

static int refuse_program(const struct elf_file *file, const struct dynamic *dynamic,
	struct loader_error *error) {
	uint64_t debug;
	/* Older linkers do not mark PIEs, but only programs have DT_DEBUG. */
	bool old =
		elf_segment(file, PT_INTERP) && dynamic_find(dynamic, DT_DEBUG, &debug);
	if (old || dynamic_get(dynamic, DT_FLAGS_1) & DF_1_PIE) {
		return error_set(error, 126, file->path, ": is a program, not a plugin");
	}
	return 0;
}

static int read_strings(
	struct elf_file *file, struct dynamic *dynamic, struct loader_error *error) {
	uint64_t size = dynamic_get(dynamic, DT_STRSZ);
	dynamic->strings = elf_copy(file, dynamic_get(dynamic, DT_STRTAB), size);
	if (!dynamic->strings && errno == ENOMEM) {
		return error_no_memory(error, file->path);
	}
	if (!dynamic->strings || !size) {
		return error_set(error, 126, file->path,
			": is damaged: its string table is not in it");
	}
	if (dynamic->strings[0] || dynamic->strings[size - 1]) {
		elf_odd(file, "its string table has no end");
	}
	dynamic->strings_size = size;
	return 0;
}

/* The symbols by the section headers, which may be stripped or wrong; 0: unknown. */
static size_t count_by_sections(
	const struct elf_file *file, const struct dynamic *dynamic) {
	if (file->header.e_shentsize != sizeof(Elf64_Shdr)) {
		return 0;
	}
	uint64_t table = dynamic_get(dynamic, DT_SYMTAB);
	for (size_t i = 0; i < file->section_count; i++) {
		const Elf64_Shdr *section = &file->sections[i];
		if (section->sh_type == SHT_DYNSYM && section->sh_addr == table) {
			return section->sh_size / sizeof(Elf64_Sym);
		}
	}
	return 0;
}

/* The hash table of a file that exports nothing does not tell; the tables' order does. */
static size_t count_by_order(const struct dynamic *dynamic) {
	uint64_t symbols = dynamic_get(dynamic, DT_SYMTAB);
	uint64_t strings = dynamic_get(dynamic, DT_STRTAB);
	return strings > symbols ? (strings - symbols) / sizeof(Elf64_Sym) : 0;
}

static int read_symbols(
	struct elf_file *file, struct dynamic *dynamic, struct loader_error *error) {
	size_t counts[] = {hash_symbol_count(file, dynamic),
		count_by_sections(file, dynamic), count_by_order(dynamic)};
	uint64_t address = dynamic_get(dynamic, DT_SYMTAB);
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		if (counts[i] <= dynamic->symbol_count ||
			counts[i] > file->size / sizeof(Elf64_Sym)) {
			continue;
		}
		/* The last one is a guess: only where the others found nothing. */
		if (i == 2 && dynamic->symbols && counts[0]) {
			break;
		}
		Elf64_Sym *symbols =
			elf_copy(file, address, counts[i] * sizeof(Elf64_Sym));
		if (symbols) {
			free(dynamic->symbols);
			dynamic->symbols = symbols;
			dynamic->symbol_count = counts[i];
		} else if (errno == ENOMEM) {
			return error_no_memory(error, file->path);
		}
	}
	if (!dynamic->symbols) {
		elf_odd(file, "its symbol table is not in it");
	}
	return 0;
}

int dynamic_read(
	struct elf_file *file, struct dynamic *dynamic, struct loader_error *error) {
	*dynamic = (struct dynamic){0};
	if (read_tags(file, dynamic, error) || refuse_program(file, dynamic, error) ||
		read_strings(file, dynamic, error) ||
		read_symbols(file, dynamic, error)) {
		dynamic_finish(dynamic);
		return -1;
	}
	return 0;
}

void dynamic_finish(struct dynamic *dynamic) {
	if (!dynamic) {
		return;
	}
	free(dynamic->tags);
	free(dynamic->strings);
	free(dynamic->symbols);
	*dynamic = (struct dynamic){0};
}

static bool exported(const Elf64_Sym *symbol) {
	unsigned char binding = ELF64_ST_BIND(symbol->st_info);
	unsigned char visibility = ELF64_ST_VISIBILITY(symbol->st_other);
	return symbol->st_shndx != SHN_UNDEF &&
	       (binding == STB_GLOBAL || binding == STB_WEAK) &&
	       (visibility == STV_DEFAULT || visibility == STV_PROTECTED) &&
	       ELF64_ST_TYPE(symbol->st_info) == STT_OBJECT;
}

const char *dynamic_next_export(
	const struct dynamic *dynamic, const char *prefix, size_t *index) {
	while (*index < dynamic->symbol_count) {
		const Elf64_Sym *symbol = &dynamic->symbols[(*index)++];
		const char *name = dynamic_string(dynamic, symbol->st_name);
		if (exported(symbol) && !strncmp(name, prefix, strlen(prefix))) {
			return name;
		}
	}
	return NULL;
}
